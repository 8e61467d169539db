// SPDX-License-Identifier: MIT
// The weights of a model, part by part. Their sizes are known when the folder is opened; each part
// is loaded on the device when needed and may be evicted when others need the room. Private to
// engine/draw; stage.c decides which.
#ifndef LIMN_ENGINE_DRAW_WEIGHTS_H
#define LIMN_ENGINE_DRAW_WEIGHTS_H

#include "engine/model/model_folder.h"

struct part_weights {
    const struct part *part;
    enum dtype dtype;      // its products compute in
    struct params *params; // laid out
    struct buffer *block;  // NULL: not on the device
    struct model_reader *reader; // of weights that stay in their files; NULL: not asked for
    uint64_t used;         // time of last use, for eviction
};

struct weights {
    const struct model_folder *folder;
    struct device *device;
    struct part_weights list[PARTS_MAX];
    int count;
};

// Lays out every part and compares it with its files; loads nothing. dtype: for parts whose family
// row leaves it open. blocks: the type into which matrices are quantised (dtype_quantised());
// DTYPE_NONE: they stay as they are. ERR_INPUT if a part has no weights, or other ones than its
// config says. Call weights_finish() after a failure, too.
bool weights_init(struct weights *w, const struct model_folder *folder, struct device *device,
                  enum dtype dtype, enum dtype blocks, struct err *err);
void weights_finish(struct weights *w); // destroy plans that bind them first

struct part_weights *weights_find(struct weights *w, const char *part); // NULL: no such part
bool weights_load(struct weights *w, struct part_weights *p, struct err *err);
// Where its weights come from if they stay in their files. NULL: error.
const struct weights_source *weights_source(struct weights *w, struct part_weights *p,
                                            struct err *err);
bool weights_are_stale(const struct part_weights *p); // the files of its source have changed
void weights_close_reader(struct part_weights *p);    // closes the source of an evicted part
void weights_unload(struct part_weights *p);          // evicts it; no plan may bind it

size_t weights_bytes(const struct weights *w); // of the parts that are on the device
size_t weights_count(const struct weights *w); // numbers in all parts

#endif
