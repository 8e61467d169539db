// SPDX-License-Identifier: MIT
// References of families that draw any size: each is encoded by itself, at a size of its own.
// Private to engine/draw.
#ifndef LIMN_ENGINE_DRAW_REFERENCES_H
#define LIMN_ENGINE_DRAW_REFERENCES_H

#include "engine/draw/stage.h"
#include "engine/text/instruction.h"

// Larger ones are made smaller before they are encoded, as FLUX.2's pipeline does.
enum { REFERENCE_PIXELS = 1024 * 1024 };

struct references {
    int count;
    struct picture_size size[LIMIT_INSTRUCTION_REFERENCES]; // by rank
    struct port_set values; // "reference.K." before the names of what the family's stage gives
};

// ERR_INPUT for a picture that is too small or too long.
bool references_check(const struct instruction *n, struct err *err);
// All of them, in the order of their markers. references_finish() is due in any case.
bool references_encode(struct references *r, struct stages *s, const struct instruction *n,
                       struct err *err);
void references_finish(struct references *r); // zeroed is fine

#endif
