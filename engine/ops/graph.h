// SPDX-License-Identifier: MIT
// The graph: nodes in an arena, made by typed builders; nothing runs here.
//
//     struct graph *g = graph_create();
//     struct node *x = graph_input(g, "x", SHAPE(2, 64, 64, 3), DTYPE_F32);
//     struct node *w = graph_bound(g, "w", SLOT_PARAMS, 0, SHAPE(8, 3, 3, 3), DTYPE_F32);
//     struct node *y = op_conv2d(g, x, w, NULL, 1, 1);
//     graph_output(g, y);
//     struct plan *p = plan_create(g, &(struct plan_params){.device = device}, &err);
//
// Ids increase, and sources come before their users: creation order is a valid execution order. A
// builder whose shapes do not fit records the first error in the graph and returns a node of the
// most plausible shape, so that model code needs no checks; graph_error() and plan_create() report
// it. Node pointers live as long as the graph. One thread at a time.
#ifndef LIMN_ENGINE_OPS_GRAPH_H
#define LIMN_ENGINE_OPS_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/tensor/dtype.h"
#include "engine/tensor/shape.h"

enum op {
    OP_NONE = 0, // a leaf: input or bound tensor
#define OP(name, ...) OP_##name,
#include "engine/ops/ops.def"
#undef OP
    OP_COUNT
};

enum { OP_SRC_MAX = 6 };

// Where a tensor's bytes live. SLOT_ARENA belongs to the plan; the others are buffers the caller
// owns and hands to plan_create(), so that one block of weights serves many plans.
enum slot {
    SLOT_ARENA = 0,
    SLOT_PARAMS, // weights
    SLOT_GRADS,  // their gradients, f32
    SLOT_ADAM_M, // first and second moments, f32
    SLOT_ADAM_V,
    SLOT_EMA, // averaged weights, f32
    SLOT_USER, // anything else
    SLOT_COUNT
};

enum activation { ACT_NONE = 0, ACT_SILU, ACT_GELU, ACT_COUNT };

// Parameters of an op; the member is named after the op or family. Zero where unused.
union op_params {
    struct {
        double scale, shift;
    } affine; // x*scale + shift
    struct {
        uint32_t axes; // bit i: axis i is reduced to size 1
    } reduce;          // sum, max
    struct {
        int64_t offset; // elements
    } part;
    struct {
        int axis[SHAPE_RANK_MAX]; // output axis i is input axis axis[i]
    } permute;
    struct {
        int axis;
        int64_t start, length, before, after;
    } range; // concat: axis; slice: axis start length; pad: axis before after
    struct {
        bool transpose_a, transpose_b;
    } matmul;
    struct {
        int stride, pad, kernel, in; // kernel and in: what the gradient ops cannot see
    } conv;
    struct {
        int groups;
        enum activation act;
        double eps;
        bool rms;
    } norm; // group_norm*: groups, act, eps; norm_affine: eps, rms; layer_norm, rms_norm: eps
    struct {
        int heads;
        double scale;
    } attention;
    struct {
        int heads;
        bool interleaved, inverse; // inverse: by the negative angle
    } rope;
    struct {
        double max_period, shift; // shift: diffusers' downscale_freq_shift
        bool cos_first;           // diffusers' flip_sin_to_cos
    } timestep;
};

enum node_flag {
    NODE_INPUT = 1,  // written by plan_write() before a run; keeps its value between runs
    NODE_OUTPUT = 2, // readable by plan_read() after a run
    NODE_BOUND = 4,  // lives in an external slot
    NODE_EFFECT = 8, // runs although nobody reads it (in-place steps)
    NODE_KEEP = 16,  // segment boundary: not recomputed by activation checkpointing
};

struct node {
    enum op op;
    enum dtype dtype;
    struct shape shape;
    union op_params params;
    int source_count;
    struct node *source[OP_SRC_MAX];
    unsigned flags;
    int id;           // position in the graph
    int segment;      // activation checkpointing segment, 0: none
    enum slot slot;   // bound tensors: their home
    size_t offset;    // bound tensors: bytes from the start of the slot
    const char *name; // of inputs, bound tensors and outputs; else NULL; owned by the graph
};

struct graph;

struct graph *graph_create(void);
void graph_destroy(struct graph *g); // NULL is fine
static inline size_t
node_bytes(const struct node *n)
{
    return dtype_bytes(n->dtype, shape_count(&n->shape));
}

int graph_count(const struct graph *g);
struct node *graph_node(const struct graph *g, int id);
const struct err *graph_error(const struct graph *g); // code ERR_NONE when all is well
// Records why a builder cannot continue, unless an error has been recorded already.
void graph_refuse(struct graph *g, const struct err *why);

struct node *graph_input(struct graph *g, const char *name, struct shape shape, enum dtype dtype);
struct node *graph_bound(struct graph *g, const char *name, enum slot slot, size_t offset,
                         struct shape shape, enum dtype dtype);
void graph_output(struct graph *g, struct node *n); // also marks it as not to be overwritten
void graph_name(struct graph *g, struct node *n, const char *name);

// Nodes made from now on belong to `segment` (0: none); see grad.h.
void graph_segment(struct graph *g, int segment);

// The general builder, which those of engine/ops/op.h call. Checks with the op's shape rule.
struct node *graph_add(struct graph *g, enum op op, const union op_params *params,
                       struct node *const *source, int source_count, enum dtype dtype,
                       const struct shape *shape);

// The graph as text, one node a line: "%12 conv2d f32 [2,64,64,8] <- %3 %4". Freed with free().
char *graph_text(const struct graph *g);

#endif
