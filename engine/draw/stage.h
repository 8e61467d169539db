// SPDX-License-Identifier: MIT
// The plans a pipeline replays: text encoder, reference encoder, one step of a U-Net. Each is made
// when its shapes are first asked for and kept; of those not used lately the oldest goes when there
// are many. Private to engine/model/pipeline*.c.
#ifndef LIMN_ENGINE_DRAW_STAGE_H
#define LIMN_ENGINE_DRAW_STAGE_H

#include "engine/model/model_folder.h"
#include "engine/nets/unet.h"

enum stage_kind { STAGE_NONE = 0, STAGE_TEXT, STAGE_REFERENCES, STAGE_STEP, STAGE_KIND_COUNT };

// What tells one plan from another. Zero where a kind has no use for it.
struct stage_key {
    enum stage_kind kind;
    const char *part;     // steps: of the folder, "unet"
    int batch;            // steps: pictures
    int references;       // references and steps: R
    int tokens;           // of the text that is encoded, or that conditions
};

struct stage {
    struct stage_key key;
    struct graph *g;
    struct nn nn;
    struct plan *plan;
    uint64_t used;                // when, for the choice of who goes
    struct node *ids;             // text in: (1,T) i32
    struct node *text;            // text out; references and steps in: (…,T,D) f32
    struct node *thumbnail;       // text out, steps in: (N,S,S,3) f32; NULL: the U-Net has none
    struct node *image;           // references in: (R,S,S,3) f32
    struct node *sample, *timestep, *labels; // steps in
    struct node *out;             // steps: (N,S,S,C) f32
    struct unet_context context;  // references: outputs; steps with R > 0: inputs
};

struct stages {
    const struct model_folder *folder;
    struct device *device;
    enum dtype dtype;
    struct params *params;
    struct buffer *block;
    // Private.
    struct stage **list;
    int count, capacity;
    uint64_t clock;
};

// The stage with this key, made if need be; owned by `s`, valid until the next call that makes one
// of the same kind in a full house (there are more places than one picture can need).
struct stage *stages_get(struct stages *s, const struct stage_key *key, struct err *err);
void stages_finish(struct stages *s);
size_t stages_memory(const struct stages *s); // bytes of all plans: arenas, scratch, packed weights

#endif
