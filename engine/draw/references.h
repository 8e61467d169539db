// SPDX-License-Identifier: MIT
// References of families that draw any size: each is encoded separately, at its own size.
// Private to engine/draw.
#ifndef LIMN_ENGINE_DRAW_REFERENCES_H
#define LIMN_ENGINE_DRAW_REFERENCES_H

#include "engine/draw/stage.h"
#include "engine/text/instruction.h"

// Larger ones are reduced before they are encoded, as in FLUX.2's pipeline.
enum { REFERENCE_PIXELS = 1024 * 1024 };

struct references {
    int count;
    struct picture_size size[LIMIT_INSTRUCTION_REFERENCES]; // by rank
    struct port_set values; // outputs of the family's stage, with "reference.K." before their names
};

// ERR_INPUT for a picture that is too small or too elongated.
bool references_check(const struct instruction *n, struct err *err);
// Encodes all of them, in the order of their markers. Call references_finish() in any case.
bool references_encode(struct references *r, struct stages *s, const struct instruction *n,
                       struct err *err);
void references_finish(struct references *r); // zeroed is fine

#endif
