// SPDX-License-Identifier: MIT
// The checkpoint of a training run: everything needed to resume it with bit-identical results.
#ifndef LIMN_ENGINE_TRAIN_STATE_H
#define LIMN_ENGINE_TRAIN_STATE_H

#include "engine/nn/params.h"
#include "engine/train/group.h"

struct train_state {
    struct buffer *const *slots; // by enum slot: weights, moments, average
    const struct params *params;
    int64_t step;
};

// FOLDER/checkpoint.safetensors: weights, both moments and averages in f32 under "weights/NAME",
// "moment1/…", "moment2/…", "average/…", step in the metadata. The previous one is kept as
// checkpoint.previous.safetensors. The new one is on the disk before anything is renamed, so that a
// complete one exists at every moment.
bool train_state_save(const struct train_state *s, const char *folder, struct err *err);
bool train_state_exists(const char *folder); // either of the two
// Fills the slots and s->step. The names and shapes must be those of the params.
bool train_state_load(struct train_state *s, const char *folder, struct err *err);

// In a group of processes: copies rank 0's state to all; and checks that all have bit-identical
// weights (ERR_DEVICE). As in group_all_ok(), only one process reports what is wrong.
bool train_state_share(struct train_state *s, const struct group *g, struct err *err);
bool train_state_same(const struct train_state *s, const struct group *g, struct err *err);

#endif
