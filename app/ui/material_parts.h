// SPDX-License-Identifier: MIT
// What the parts of material.h share.
#ifndef LIMN_APP_UI_MATERIAL_PARTS_H
#define LIMN_APP_UI_MATERIAL_PARTS_H

#include "app/ui/material.h"
#include "app/ui/opening.h"

struct material { // what a question, a prompt or the worker's answer is about
    char *file;
    int64_t seed;
    char **to_upscale; // pictures to enlarge once the worker has described its models
    int to_upscale_count, to_upscale_room;
};
struct material *material_of(const struct ui *ui);

// Whether the picture contains a job; if not, reports the reason.
bool material_has_job(struct ui *ui, const struct opening *o);

// Draws the same picture larger (upscale.c). If the worker has not described its models yet it is
// asked, and material_described() continues.
void material_upscale(struct ui *ui, const char *file);
void material_clear_upscales(struct material *m);

#endif
