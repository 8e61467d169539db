// SPDX-License-Identifier: MIT
// Reverse-mode gradients: more graph, appended to the existing one.
//
// Activation checkpointing: nodes made under graph_segment(g, k), k > 0, are not kept for the
// backward walk. When it reaches a segment, the segment's nodes are made again from what it reads
// from outside, and the gradients are taken through those copies; the planner then sees that the
// originals die early. A segment must be contiguous in the order of creation. Nodes flagged
// NODE_KEEP are kept all the same.
#ifndef LIMN_ENGINE_OPS_GRAD_H
#define LIMN_ENGINE_OPS_GRAD_H

#include "engine/ops/op.h"

// Gradient of the sum of all elements of `loss` with respect to each of `of` (count nodes):
// gradient[i] has the shape of of[i], f32 where of[i] is f32, and is NULL where loss does not
// depend on of[i]. False and an error if a path leads through an op without a gradient rule.
bool grad_add(struct graph *g, struct node *loss, struct node *const *of, int count,
              struct node **gradient, struct err *err);

// The same, each gradient given away as soon as its last term is in the graph: what is added there
// runs before the rest of the backward walk. Not called for an of[i] that loss does not depend on.
typedef void grad_take_fn(void *ctx, int i, struct node *gradient);
bool grad_each(struct graph *g, struct node *loss, struct node *const *of, int count,
               grad_take_fn *take, void *ctx, struct err *err);

#endif
