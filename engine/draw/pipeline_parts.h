// SPDX-License-Identifier: MIT
// What the files of the pipeline share. Private to engine/draw.
#ifndef LIMN_ENGINE_DRAW_PIPELINE_PARTS_H
#define LIMN_ENGINE_DRAW_PIPELINE_PARTS_H

#include "engine/draw/pipeline.h"
#include "engine/draw/pipeline_defaults.h"
#include "engine/draw/stage.h"
#include "engine/text/tokenizer.h"

struct pipeline {
    struct model_folder *folder;
    struct tokenizer *tokenizer;
    struct pipeline_defaults defaults;
    struct stages stages;
    struct pipeline_info info;
    struct port_set no_text; // the empty text, encoded once
};

// Adds to `set` what the text encoder makes of a text, and the denoiser of that before its steps.
bool pipeline_read_text(struct pipeline *p, const char *text, struct port_set *set,
                        struct err *err);
// All references at once, in the order of the instruction, through the reference stage, held; for
// families that do not draw any size. NULL: it failed.
struct stage *pipeline_see_references(struct pipeline *p, const struct instruction *n,
                                      bool weighted, struct err *err);

#endif
