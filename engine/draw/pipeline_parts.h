// SPDX-License-Identifier: MIT
// What the files of the pipeline share. Private to engine/draw.
#ifndef LIMN_ENGINE_DRAW_PIPELINE_PARTS_H
#define LIMN_ENGINE_DRAW_PIPELINE_PARTS_H

#include "engine/draw/linear_preview.h"
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
    struct linear_preview *preview; // NULL: estimates are decoded small
};

// ERR_MEMORY where a drawing has no room (engine/draw/need.h); `decoded`: its latents are there.
bool pipeline_need_check(struct pipeline *p, const struct pipeline_request *r, bool decoded,
                         struct err *err);

// The way of a text, in two steps, so that the text encoder has read all of them before the
// denoiser comes: where memory has no room for both, each comes once. Adds to `set` what the text
// encoder makes of `text` …
bool pipeline_read_text(struct pipeline *p, const char *text, struct port_set *set,
                        struct err *err);
// … and what the denoiser makes of that before its steps. A set that is empty stays so.
bool pipeline_hear_text(struct pipeline *p, struct port_set *set, struct err *err);

// The same of references. Reads the texts of all, each into one of `texts` (zeroed; there are as
// many), which the caller finishes in any case.
bool pipeline_read_references(struct pipeline *p, const struct instruction *n,
                              struct port_set *texts, struct err *err);
// All of them at once, in the order of the instruction, through the reference stage, held; for
// families that do not draw any size. NULL: it failed.
struct stage *pipeline_see_references(struct pipeline *p, const struct instruction *n,
                                      const struct port_set *texts, bool weighted,
                                      struct err *err);

#endif
