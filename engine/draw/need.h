// SPDX-License-Identifier: MIT
// How much memory a drawing will take: planned from its stages, without allocating, and the weights
// they bind. Private to engine/draw.
#ifndef LIMN_ENGINE_DRAW_NEED_H
#define LIMN_ENGINE_DRAW_NEED_H

#include "engine/draw/pipeline.h"
#include "engine/draw/stage.h"

// What decides how much memory a drawing takes.
struct need_facts {
    struct picture_size size;
    int count;    // pictures
    bool starts;  // from a picture
    bool decoded; // the latents are there already
    int references;
    struct picture_size reference[LIMIT_INSTRUCTION_REFERENCES]; // as they are encoded
};

// For families that draw any size.
bool need_of(struct stages *s, const struct need_facts *f, struct pipeline_need *need,
             struct err *err);
// ERR_MEMORY if there is too little room, with the name of the model and what would fit.
bool need_check(struct stages *s, const char *name, const struct need_facts *f,
                const struct pipeline_need *need, struct err *err);

#endif
