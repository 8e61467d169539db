// SPDX-License-Identifier: MIT
// Stages of a family, ready to run: a graph, its plan and its ports. A stage is made when its
// shapes are first requested, and kept; when there are many, the least recently used one that is
// not held is freed. Making a stage loads the part of the model whose weights it binds. If memory
// is short, plans that are not held are freed, the longest unused first, then parts that no held
// stage binds, together with their stages. Weights for which a device with memory of its own has no
// room even then stay with the host (device_set_offload()). Values go from stage to stage on the
// device, by port name. Private to engine/draw.
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
    struct part_weights *weights; // bound by the plan; NULL: none
    uint64_t used; // time of last use
    int refs;      // while > 0 the stage is kept
};

struct stages {
    const struct model_folder *folder;
    struct device *device;
    enum dtype dtype; // of parts whose family row does not set one
    enum dtype blocks; // requested quantised type of matrices; DTYPE_NONE: as in the files
    struct weights weights;
    size_t memory; // bytes that weights and plans may use; 0: all of the device's
    size_t beside; // bytes that a drawing uses besides weights and plans
    // Private.
    size_t peak;
    struct stage **list;
    int count, capacity;
    uint64_t clock;
};

// Loads nothing. dtype: DTYPE_NONE is the fastest on the device; blocks: as in weights_init().
// Call stages_finish() also after a failure.
bool stages_init(struct stages *s, const struct model_folder *folder, struct device *device,
                 enum dtype dtype, enum dtype blocks, struct err *err);
// The stage with this key, made if necessary; owned by `s` and held until stage_release().
// ERR_MEMORY if there is no room even with every other part unloaded.
struct stage *stages_get(struct stages *s, const struct stage_key *key, struct err *err);
void stage_release(struct stage *t); // NULL is fine
void stages_finish(struct stages *s);
// Unloads streamed parts whose files have changed since they were opened, and their stages.
void stages_renew(struct stages *s);
// The memory that a stage's plan uses, whether the stage exists or not; nothing is loaded or made.
struct stage_need {
    const struct part_weights *weights; // that it binds; NULL: none
    size_t plan;                        // bytes of arena, scratch and packed weights
    size_t streamed;                    // bytes in place of the weights' own if they are streamed
    size_t outputs;                     // bytes of its outputs, which are kept separately
};
bool stages_need(struct stages *s, const struct stage_key *key, struct stage_need *need,
                 struct err *err);
// Bytes available for weights and plans, including those already loaded; SIZE_MAX: unknown.
size_t stages_room(const struct stages *s);
// Bytes of weights on the device and of all plans: arenas, scratch, packed weights.
size_t stages_memory(const struct stages *s);
// The maximum since the last call with `anew`.
size_t stages_peak(struct stages *s, bool anew);

bool stage_has_input(const struct stage *t, const char *name);
// Writes or reads a whole input or output by name, f32.
bool stage_write(struct stage *t, const char *name, const float *values, struct err *err);
bool stage_read(struct stage *t, const char *name, float *values, struct err *err);
// Sets every element of an input to one value.
bool stage_fill(struct stage *t, const char *name, double value, struct err *err);

// Copies every output of `from` to the input of `to` with the same name.
bool stage_join(struct stage *to, struct stage *from, struct err *err);
// The same to row `row` of each input, with `before` put before the outputs' names.
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
bool port_set_read(struct port_set *set, const char *before, struct stage *from, struct err *err);
// Copies each value to every row of the input whose name is `before` and the value's name.
bool port_set_write(const struct port_set *set, const char *before, struct stage *to,
                    struct err *err);
// The same, to one row.
bool port_set_write_row(const struct port_set *set, const char *before, int row, struct stage *to,
                        struct err *err);
void port_set_finish(struct port_set *set); // zeroed is fine

#endif
