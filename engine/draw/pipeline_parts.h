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

// ERR_MEMORY if a drawing has no room (engine/draw/need.c); `decoded`: its latents exist already.
bool pipeline_need_check(struct pipeline *p, const struct pipeline_request *r, bool decoded,
                         struct err *err);

// Texts are encoded in two steps, so that the text encoder is done with all of them before the
// denoiser is loaded: if memory has no room for both, each is loaded only once. Adds to `set` the
// outputs of the text encoder for `text` …
bool pipeline_encode_text(struct pipeline *p, const char *text, struct port_set *set,
                          struct err *err);
// … and what the denoiser derives from them before its steps. An empty set stays empty.
bool pipeline_condition_text(struct pipeline *p, struct port_set *set, struct err *err);

// The same for references. Reads the text of each into one of `texts` (zeroed, one per reference),
// which the caller finishes in any case.
bool pipeline_encode_reference_texts(struct pipeline *p, const struct instruction *n,
                                     struct port_set *texts, struct err *err);
// Runs all references at once, in the order of the instruction, through the reference stage, which
// is held; for families of one size. NULL on failure.
struct stage *pipeline_encode_references(struct pipeline *p, const struct instruction *n,
                                         const struct port_set *texts, bool weighted,
                                         struct err *err);

#endif
