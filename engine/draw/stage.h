// SPDX-License-Identifier: MIT
// Stages of a family made ready to run: a graph, its plan and its ports. Each is made when its
// shapes are first asked for and kept; of those nobody holds the oldest goes when there are many.
// Values go from stage to stage on the device, by the names of ports. Private to engine/draw.
#ifndef LIMN_ENGINE_DRAW_STAGE_H
#define LIMN_ENGINE_DRAW_STAGE_H

#include "engine/model/model_folder.h"

struct stage {
    struct stage_key key;
    struct graph *g;
    struct nn nn;
    struct ports ports;
    struct plan *plan;
    struct device *device;
    uint64_t used; // when, for the choice of who goes
    int holders;   // stages that are held stay
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

// The stage with this key, made if need be; owned by `s` and held until stage_release().
struct stage *stages_get(struct stages *s, const struct stage_key *key, struct err *err);
void stage_release(struct stage *t); // NULL is fine
void stages_finish(struct stages *s);
size_t stages_memory(const struct stages *s); // bytes of all plans: arenas, scratch, packed weights

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

// All outputs of `from`, a batch of one. What the set held before goes.
bool port_set_take(struct port_set *set, struct stage *from, struct err *err);
// To every row of each input named `before` and the value's name.
bool port_set_give(const struct port_set *set, const char *before, struct stage *to,
                   struct err *err);
void port_set_finish(struct port_set *set);

#endif
