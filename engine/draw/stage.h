// SPDX-License-Identifier: MIT
// Stages of a family made ready to run: a graph, its plan and its ports. Each is made when its
// shapes are first asked for and kept; of those nobody holds the oldest goes when there are many.
// With it comes the part of the model whose weights it binds. Where memory is short, parts that no
// held stage binds leave again, the longest unused first, and their stages with them.
// Values go from stage to stage on the device, by the names of ports. Private to engine/draw.
#ifndef LIMN_ENGINE_DRAW_STAGE_H
#define LIMN_ENGINE_DRAW_STAGE_H

#include "engine/draw/weights.h"

struct stage {
    struct stage_key key;
    struct graph *g;
    struct nn nn;
    struct ports ports;
    struct plan *plan;
    struct device *device;
    struct part_weights *weights; // that the plan has bound; NULL: none
    uint64_t used; // when, for the choice of who goes
    int holders;   // stages that are held stay
};

struct stages {
    const struct model_folder *folder;
    struct device *device;
    enum dtype dtype; // of parts whose family row leaves it open
    struct weights weights;
    size_t memory; // bytes that weights and plans may have; 0: what the device has
    // Private.
    size_t peak;
    struct stage **list;
    int count, capacity;
    uint64_t clock;
};

// Loads nothing. dtype: DTYPE_NONE is what is fast on the device; blocks: as weights_init() has it.
// On failure stages_finish() is
// still due.
bool stages_init(struct stages *s, const struct model_folder *folder, struct device *device,
                 enum dtype dtype, enum dtype blocks, struct err *err);
// The stage with this key, made if need be; owned by `s` and held until stage_release(). ERR_MEMORY
// when there is no room even with every other part gone.
struct stage *stages_get(struct stages *s, const struct stage_key *key, struct err *err);
void stage_release(struct stage *t); // NULL is fine
void stages_finish(struct stages *s);
// Bytes of weights on the device and of all plans: arenas, scratch, packed weights.
size_t stages_memory(const struct stages *s);
// The most it has been since this was asked with `anew`.
size_t stages_peak(struct stages *s, bool anew);

bool stage_has_input(const struct stage *t, const char *name);
// A whole input or output by name, f32.
bool stage_write(struct stage *t, const char *name, const float *values, struct err *err);
bool stage_read(struct stage *t, const char *name, float *values, struct err *err);
// The same number for each of an input's elements.
bool stage_fill(struct stage *t, const char *name, double value, struct err *err);

// Every output of `from` to the input of `to` that has its name.
bool stage_join(struct stage *to, struct stage *from, struct err *err);
// The same with `before` put before the outputs' names, to row `row` of each input.
bool stage_join_row(struct stage *to, int row, const char *before, struct stage *from,
                    struct err *err);

// Outputs that are kept while their stage runs again.
struct port_value {
    char *name;
    struct buffer *buffer; // one row
};

struct port_set {
    struct port_value *list;
    int count, capacity;
};

// Adds all outputs of `from`, a batch of one, with `before` put before their names.
bool port_set_take(struct port_set *set, const char *before, struct stage *from, struct err *err);
// To every row of each input named `before` and the value's name.
bool port_set_give(const struct port_set *set, const char *before, struct stage *to,
                   struct err *err);
// The same to one row.
bool port_set_give_row(const struct port_set *set, const char *before, int row, struct stage *to,
                       struct err *err);
void port_set_finish(struct port_set *set); // zeroed is fine

#endif
