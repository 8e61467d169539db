// SPDX-License-Identifier: MIT
// The parameter table: all weights of a model by name, the offset of each in one block of memory,
// and how it is initialised, loaded and saved.
//
//     struct params *params = params_create(DTYPE_F32);
//     … build the model's graphs once with an nn (engine/nn/nn.h): declares every name …
//     params_layout(params);
//     struct buffer *block = buffer_create(device, params_bytes(params), "weights", &err);
//     … build the graphs that run; all of them bind into the one block …
//
// Names start with the part of the model folder: "unet/conv_in.weight". Before params_layout()
// names may be added and offsets are 0; after it both are fixed. For training the table is made
// with DTYPE_F32, so everything in the block is f32 and gradients, moments and averages can use
// the same offsets; for inference with the type of the device's products: then matrices are stored
// in it. Tables and vectors stay f32: they are small, and rounding them costs most (bf16 token
// embeddings alone change the output of a T5 encoder by 1.4 %). Matrices of products may also stay
// quantised (params_pack()); the kernels unpack them as they go.
#ifndef LIMN_ENGINE_NN_PARAMS_H
#define LIMN_ENGINE_NN_PARAMS_H

#include "engine/device/device.h"
#include "engine/tensor/safetensors.h"

enum param_kind {
    PARAM_NONE = 0,
    PARAM_MATRIX, // weight of a product; quantised if params_pack() was called for it
    PARAM_KEPT,   // the same, never quantised: where rounding costs most, and rows to gather that
                  // have the type of products
    PARAM_TABLE,  // rows to gather or to add, and weights of products that need f32; f32 in the
                  // block
    PARAM_VECTOR  // bias, gain or offset of a norm; f32 in the block and in files
};

enum init_rule {
    INIT_NONE = 0, // zeros
    INIT_ONES,
    INIT_NORMAL,   // mean 0, standard deviation `scale`
    INIT_PLACE,    // positions of one axis of a picture: see struct param_init
    INIT_RULE_COUNT
};

// INIT_PLACE is for a table (places, C) that is added to queries and keys of `heads` heads, one
// table an axis. In the first half of the heads (rounded up) axis 0 fills the first half of the
// head's channels and axis 1 the second with scale * sin and cos of the place, at frequencies
// from half a wave over the table to a quarter of a wave a place; the rest is zeros. Then the
// product of two rows falls with their distance, within two or three places.
struct param_init {
    enum init_rule rule;
    double scale;
    int heads, axis;
};

struct param {
    char *name; // with its part
    struct shape shape;
    enum param_kind kind;
    struct param_init init;
    enum dtype dtype; // in the block
    size_t offset;    // bytes from the start of the block, a multiple of 64
    size_t size;      // bytes
    int adapter;      // position of its A, which its B follows; 0: it has no adapter
    bool is_adapter;  // it is an A or a B
};

struct params;

// `storage`: type of matrices in the block.
struct params *params_create(enum dtype storage);
void params_destroy(struct params *p); // NULL is fine

// Position of the parameter, added if it is new. The same name must come with the same shape. A
// new name after params_layout() is a bug of the caller.
int params_declare(struct params *p, const char *name, struct shape shape, enum param_kind kind,
                   struct param_init init);
// From here on each matrix W (out,in,…) whose name starts with `prefix`, and that has more than
// `rank` rows and columns, gets an adapter of low rank (Hu et al. 2022): A (rank, in …) named
// NAME.lora_A.weight, and B (out,rank), NAME.lora_B.weight, which starts as zeros. nn_param() then
// gives W + B A. `prefix` stays the caller's.
void params_adapt(struct params *p, const char *prefix, int rank);
// Before params_layout(): keeps the i-th parameter quantised in this type, if it is a PARAM_MATRIX
// of two dimensions whose rows are whole blocks and has no adapter. False otherwise; then nothing
// changes.
bool params_pack(struct params *p, int i, enum dtype blocks);
// Gives every parameter its place. None that fits crosses a multiple of BUFFER_SEGMENT bytes
// (engine/device/device.h).
void params_layout(struct params *p);

int params_entries(const struct params *p);
bool params_has_part(const struct params *p, const char *prefix); // any name that starts so
const struct param *params_at(const struct params *p, int i);      // in the order of declaration
const struct param *params_find(const struct params *p, const char *name); // NULL: none
size_t params_bytes(const struct params *p);                       // of the block
size_t params_count(const struct params *p);                       // numbers in all of them

// Initialises every parameter. Its values depend on the seed and its name, not on its place.
bool params_initialise(const struct params *p, uint64_t seed, struct buffer *block,
                       struct err *err);

// --- Files ------------------------------------------------------------------------------------

// Differences between a table and the weights in files. Zeroed is empty.
struct params_report {
    char **missing, **unexpected; // "down_blocks.0…weight"
    char **mismatched;            // with both shapes
    int missing_count, unexpected_count, mismatched_count;
    int missing_capacity, unexpected_capacity, mismatched_capacity;
};
void params_report_finish(struct params_report *r);
bool params_report_is_empty(const struct params_report *r); // nothing in it
// "3 missing (first: a.weight), 1 misshapen (b.weight is [2,3], needs [3,2])"; "" when whole.
// Freed with free().
char *params_report_text(const struct params_report *r);

// Where a parameter is in a file with another naming scheme: in rows of a tensor, which may hold
// several parameters (fused projections).
struct param_place {
    char name[160];   // of the tensor
    int64_t first;    // row at which the parameter starts
    int64_t rows;     // of the whole tensor; 0: as many as the parameter has
    bool swap_halves; // the second half of the rows comes first there
};

enum { PARAMS_PREFIX_MAX = 80 };

// How files of a network name its parameters. NULL members: as in the table.
struct params_change;
struct params_spelling {
    const void *config; // for the functions
    // The way-th other place of a parameter (0, 1, …); both names without the part. false: no more.
    bool (*place)(const void *config, const char *name, int way, struct param_place *out);
    // Whether limn knowingly ignores a tensor, so that it is not reported as surplus.
    bool (*ignored)(const void *config, const char *tensor);
    const struct params_change *change; // added to what is loaded; NULL: nothing
    // Before every name in the file ("model.diffusion_model."), where a file holds several
    // networks; what has another is not this network's. The functions see names without it.
    char prefix[PARAMS_PREFIX_MAX];
};

// What is added to parameters, in f32, while they are loaded.
struct params_change {
    void *ctx;
    // For add(); NULL: nothing is added to the parameter of that name.
    const void *(*find)(void *ctx, const char *name);
    // Adds to `count` values of it, from element `at` of the parameter on.
    void (*add)(void *ctx, const void *found, int64_t at, int64_t count, float *values);
};

// Compares the parameters whose names start with `part` ("unet/") with the tensors of a file. Adds
// to the report; names in it start with the part. spelling NULL: that of the table alone.
void params_compare(const struct params *p, const char *part, const struct safetensors *file,
                    const struct params_spelling *spelling, struct params_report *report);

// Before params_layout(): matrices that are quantised in the file stay so; with a wish
// (dtype_quantised()) the others are quantised to it while they are loaded. Where a change is added
// the sum is quantised again, to Q8_0 if limn cannot quantise to the file's type. file NULL: apply
// the wish to the whole part.
void params_choose_blocks(struct params *p, const char *part, const struct safetensors *file,
                          const struct params_spelling *spelling, enum dtype wish);

// Reads every parameter of the part that is in the file with its shape into the block, converted
// to its type in pieces. Says nothing about others: see params_compare().
bool params_load(const struct params *p, const char *part, const struct safetensors *file,
                 const struct params_spelling *spelling, struct buffer *block, struct err *err);

// The same, of weights that stay in their file (engine/device/device.h, buffer_create_from()):
// converted as params_load() does it, piece by piece when a plan asks. Everything given outlives
// the reader; one thread at a time may load.
struct params_reader;
struct params_reader *params_reader_create(const struct params *p, const char *part,
                                           const struct safetensors *file,
                                           const struct params_spelling *spelling);
void params_reader_destroy(struct params_reader *r); // NULL is fine
const struct weights_source *params_reader_source(const struct params_reader *r);

// Writes the parameters of a part to a safetensors file: matrices and tables in `dtype`, vectors in
// f32. `block`: any buffer laid out as the weights are (weights, averages). metadata: pairs of key
// and value, NULL at the end; may be NULL.
// Adapters are left out: params_save_adapters() writes them.
bool params_save(const struct params *p, const char *part, struct buffer *block, enum dtype dtype,
                 const char *path, const char *const *metadata, struct err *err);

#endif
