// SPDX-License-Identifier: MIT
// A picture as material, the same from the gallery, the comparison and the live view: as a
// reference, as what the next drawing starts from, whole or through a painted mask, larger, as one
// to look around, its seed, its path and words for other programs, the picture alone as a file, in
// the system's viewer.
#ifndef LIMN_APP_UI_MATERIAL_H
#define LIMN_APP_UI_MATERIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "app/ui/keys.h"

struct ui;
struct material;

#define MATERIAL_STRENGTH  0.6 // of a drawing that starts from a picture
#define MATERIAL_VARIATION 0.2 // how much of another seed's noise a variation has

// True: it was one of those requests. The file is one that limn drew; NULL: there is none yet,
// which is then said.
bool material_request(struct ui *ui, enum request request, const char *file, int64_t seed);
void material_described(struct ui *ui); // the worker has said what its models can
void material_free(struct material *m); // NULL is fine
struct material *material_new(void);

#endif
