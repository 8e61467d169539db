// SPDX-License-Identifier: MIT
// Layers: functions that add nodes to a graph and bind their weights by name.
//
//     struct nn nn = {.g = graph, .params = params, .dtype = DTYPE_BF16, .part = "unet/"};
//     struct node *h = nn_conv(&nn, x, &(struct conv){.out = 64, .kernel = 3}, "%s.conv1", prefix);
//     …
//     struct plan *p = plan_create(graph, …);
//     nn_constants_write(&nn, p, &err);   // once for each plan
//     nn_finish(&nn);
//
// One nn serves one graph; `params` is shared by all. The name at the end of each call is a printf
// format without the part; weights are "NAME.weight", "NAME.bias", spelt as diffusers and
// transformers spell them. While params are not laid out yet, the calls declare them.
//
// Activations have nn->dtype; norms take and give it, their statistics are f32. A weight stored in
// another type is cast once per graph. Vectors (biases, gains) are f32.
#ifndef LIMN_ENGINE_NN_NN_H
#define LIMN_ENGINE_NN_NN_H

#include "engine/nn/params.h"
#include "engine/ops/op.h"

enum { NN_NAME_MAX = 256 };

struct nn {
    struct graph *g;
    struct params *params;
    enum dtype dtype;
    const char *part;   // "unet/"; NULL is ""
    bool checkpoint;    // blocks become segments of activation checkpointing (ops/grad.h)
    // Private.
    int segment;
    struct nn_param_node *nodes; // by position in params
    int node_capacity;
    struct nn_constant *constants;
    int constant_count, constant_capacity;
};

void nn_finish(struct nn *nn); // frees what it holds, not the graph nor the params

// The bound tensor itself, of the type it has in the block: what gradients are taken for. `i` is a
// position in params. NULL when this graph does not use it.
struct node *nn_bound(const struct nn *nn, int i);

// A new segment from here on, if nn->checkpoint; nn_segment_end() leaves segments.
void nn_segment(struct nn *nn);
void nn_segment_end(struct nn *nn);

// Full name with the part: buf, cut at its end.
const char *nn_name(char buf[NN_NAME_MAX], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// A parameter as a node: matrices in nn->dtype, or in blocks, which only the right side of a
// product may be; tables and vectors f32.
struct node *nn_param(struct nn *nn, const char *name, struct shape shape, enum param_kind kind,
                      struct param_init init);

// Integers known when the graph is made: *node is an input of the graph, which nn_constants_write()
// fills with what the caller writes into the space that is returned, zeroed and owned by `nn`.
// NULL: nothing is to be written, for a constant of that name is there, or there is no memory for
// one (its size may be a file's), which is the graph's error.
int32_t *nn_constant_i32(struct nn *nn, const char *name, struct shape shape, struct node **node);
bool nn_constants_write(const struct nn *nn, struct plan *p, struct err *err);

// x (…,in) -> (…,out); x is cast to nn->dtype. weight (out,in), bias (out).
struct linear {
    int64_t out;
    bool no_bias;
    bool zero;           // starts as zeros
    double std;          // of the start; 0: 1/sqrt(3 in), the spread of PyTorch's default
    enum dtype out_dtype; // DTYPE_NONE: nn->dtype; or DTYPE_F32
    bool wide;            // weight, product and result are f32 whatever nn->dtype is
    bool kept;            // the weight is never in blocks (PARAM_KEPT)
};
struct node *nn_linear(struct nn *nn, struct node *x, const struct linear *l, const char *name,
                       ...) __attribute__((format(printf, 4, 5)));

// x (N,H,W,in) -> (N,H',W',out); weight (out,in,k,k), bias (out). Padding is kernel/2.
struct conv {
    int64_t out;
    int kernel, stride; // stride 0 means 1
    bool zero;
    bool pad_end; // instead: one row below and one column to the right
    bool bare_below; // of these the column alone: the row is there already
};
struct node *nn_conv(struct nn *nn, struct node *x, const struct conv *c, const char *name, ...)
    __attribute__((format(printf, 4, 5)));

// x (N,…,C) of nn->dtype. scale_shift (N,2C) f32 or NULL: norm(x) (1+scale) + shift, scale first.
struct group_norm {
    int groups;
    double eps;
    enum activation act;
    struct node *scale_shift;
};
struct node *nn_group_norm(struct nn *nn, struct node *x, const struct group_norm *n,
                           const char *name, ...) __attribute__((format(printf, 4, 5)));

// Over the last axis with gain and offset; x any float type, the result has it.
struct node *nn_layer_norm(struct nn *nn, struct node *x, double eps, const char *name, ...)
    __attribute__((format(printf, 4, 5)));
// Over the last axis with gain alone ("weight").
struct node *nn_rms_norm(struct nn *nn, struct node *x, double eps, const char *name, ...)
    __attribute__((format(printf, 4, 5)));

// The same in one pass, with a result of any float type: what the next product reads.
struct node *nn_rms_norm_as(struct nn *nn, struct node *x, double eps, enum dtype out,
                            const char *name, ...) __attribute__((format(printf, 5, 6)));

// ids (any shape S) i32 -> (S,width) f32. Rows start with deviation `std`.
struct embedding {
    int64_t rows, width;
    double std;
};
struct node *nn_embedding(struct nn *nn, struct node *ids, const struct embedding *e,
                          const char *name, ...) __attribute__((format(printf, 4, 5)));

// The layers of transformers (engine/nn/transformer.c). Heads lie side by side in the last
// dimension: (N,T,heads*D).

// positions (T,axes) i32 -> (T, sum of widths) f32, the table of op_rope: of axis k, widths[k]/2
// angles position * theta^(-2i/widths[k]). At most 4 axes.
struct node *nn_rope_table(struct nn *nn, struct node *positions, const int *widths, int axes,
                           double theta);
// RMS norm over the channels of each head, with one gain for all heads.
struct node *nn_head_norm(struct nn *nn, struct node *x, int heads, double eps, const char *name,
                          ...) __attribute__((format(printf, 5, 6)));
// Each head `times` times, side by side: keys and values of grouped queries (Ainslie et al. 2023).
struct node *nn_repeat_heads(struct nn *nn, struct node *x, int heads, int times);

// Silu or gelu; ACT_NONE is x itself.
struct node *nn_activation(struct nn *nn, struct node *x, enum activation act);

#endif
