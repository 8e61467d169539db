// SPDX-License-Identifier: MIT
// Actions on a picture, the same in the gallery, the comparison and the live view: use it as a
// reference, start the next drawing from it (whole or through a painted mask), enlarge it, vary it,
// lock its seed, copy its path or text, export it without its instruction, open it in the system's
// viewer.
#ifndef LIMN_APP_UI_MATERIAL_H
#define LIMN_APP_UI_MATERIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "app/ui/keys.h"

struct ui;
struct material;

#define MATERIAL_STRENGTH  0.6 // of a drawing that starts from a picture
#define MATERIAL_VARIATION 0.2 // how much of another seed's noise a variation has

// True if it was one of those requests. `file`: a picture drawn by limn; NULL: there is none yet,
// which is reported to the user.
bool material_request(struct ui *ui, enum request request, const char *file, int64_t seed);
void material_described(struct ui *ui); // the worker has described its models
void material_free(struct material *m); // NULL is fine
struct material *material_new(void);

#endif
