// SPDX-License-Identifier: MIT
// Shows nothing.
#include "renderer/preview.h"

static bool
frame(void *self, const struct image *image, int step, int total, struct err *err)
{
    return true;
}

const struct preview_driver preview_driver_none = {
    .name = "none",
    .description = "nothing is shown",
    .automatic = true,
    .frame = frame,
};
