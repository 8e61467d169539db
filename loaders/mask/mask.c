// SPDX-License-Identifier: MIT
// The silhouette of the object, white on black.
#include <stdio.h>

#include "loaders/common/plane.h"

enum { MODE, THRESHOLD, INVERT, PARAM_COUNT };

static const struct limn_param params[PARAM_COUNT] = {
    [MODE] =
        {"mode",
         "How the object is found: by alpha, the border's colour, contrast, or whichever fits.",
         LIMN_PARAM_CHOICE, 0, 3, 0, "auto|alpha|border|saliency"},
    [THRESHOLD] = {"threshold", "How sure a pixel must be to count as object.", LIMN_PARAM_FLOAT, 0,
                   1, 0.5, NULL},
    [INVERT] = {"invert", "Black object on white.", LIMN_PARAM_BOOL, 0, 1, 0, NULL},
};

static int32_t
run(const struct limn_picture *in, const double *values, struct limn_picture *out, char *error,
    size_t error_size)
{
    struct plane p;
    if (!plane_object(&p, in, (enum ground)(int)values[MODE])) {
        snprintf(error, error_size, "no memory for %d x %d pixels", in->width, in->height);
        return 1;
    }
    bool ok = picture_create(out, in->width, in->height, error, error_size);
    for (int y = 0; ok && y < in->height; y++)
        for (int x = 0; x < in->width; x++) {
            bool object = plane_at(&p, x, y) > (float)values[THRESHOLD] - 1e-6f;
            uint8_t v = object != (values[INVERT] != 0) ? 255 : 0;
            uint8_t *q = out->pixels + (size_t)y * out->stride + 4 * (size_t)x;
            q[0] = q[1] = q[2] = v;
            q[3] = 255;
        }
    plane_free(&p);
    return ok ? 0 : 1;
}

LIMN_LOADER_EXPORT extern const struct limn_loader limn_loader_v1;
const struct limn_loader limn_loader_v1 = {
    .size = sizeof(struct limn_loader),
    .name = "mask",
    .role = "mask",
    .summary = "Silhouette of the object, white on black.",
    .params = params,
    .param_count = PARAM_COUNT,
    .run = run,
    .release = picture_release,
};
