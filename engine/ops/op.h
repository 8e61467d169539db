// SPDX-License-Identifier: MIT
// Ops: the row of each (ops.def as data) and a typed builder for each.
//
// Builders add one node and never fail; see graph.h for errors. A NULL among optional sources
// means "without". Unless said otherwise all sources share one float dtype, which is the result's.
// Shapes: N batch, H W picture, C channels, T tokens.
#ifndef LIMN_ENGINE_OPS_OP_H
#define LIMN_ENGINE_OPS_OP_H

#include "engine/ops/graph.h"

enum kernel_kind { KERNEL_VIEW = 1, KERNEL_PLAIN, KERNEL_EACH, KERNEL_INPLACE };

// Fills n->shape and n->dtype from sources and params, or sets err and returns false. For ops whose
// result shape or dtype the caller chooses, they hold the requested values on entry.
typedef bool op_shape_fn(struct node *n, struct err *err);
// Adds the gradient: dy is d(target)/d(n), same shape as n. dx[i] is left NULL where no gradient
// flows; broadcasting and dtype are undone by the caller (grad.c).
typedef void op_grad_fn(struct graph *g, struct node *n, struct node *dy, struct node **dx);
// The node expressed in core ops.
typedef struct node *op_expand_fn(struct graph *g, struct node *n);
typedef double op_flops_fn(const struct node *n);

struct op_row {
    const char *name;
    int source_min, source_max;
    op_shape_fn *shape;
    op_grad_fn *grad;     // NULL: not differentiable
    op_expand_fn *expand; // NULL: none
    enum kernel_kind kind;
    op_flops_fn *flops; // NULL: none
    double tolerance;
};
extern const struct op_row op_rows[OP_COUNT];
// FLOPs of a node's products (a multiply-add counts as 2); 0: it has none.
double op_flops(const struct node *n);

// Elementwise with NumPy broadcasting. Mixed f32 with bf16/f16 is allowed: the result has the
// dtype of `a`; arithmetic is f32.
struct node *op_add(struct graph *g, struct node *a, struct node *b);
struct node *op_sub(struct graph *g, struct node *a, struct node *b);
struct node *op_mul(struct graph *g, struct node *a, struct node *b);
struct node *op_div(struct graph *g, struct node *a, struct node *b);
struct node *op_affine(struct graph *g, struct node *x, double scale, double shift);
struct node *op_exp(struct graph *g, struct node *x);
struct node *op_log(struct graph *g, struct node *x);
struct node *op_sqrt(struct graph *g, struct node *x);
struct node *op_tanh(struct graph *g, struct node *x);
struct node *op_erf(struct graph *g, struct node *x);
struct node *op_relu(struct graph *g, struct node *x);
struct node *op_step(struct graph *g, struct node *x); // 1 where x > 0, else 0
struct node *op_cast(struct graph *g, struct node *x, enum dtype to); // x itself if it is that

// Bit i of `axes` set: axis i is reduced and kept with size 1. f32 accumulation. `sum` of bf16/f16
// gives f32.
struct node *op_sum(struct graph *g, struct node *x, uint32_t axes);
struct node *op_max(struct graph *g, struct node *x, uint32_t axes);
struct node *op_mean(struct graph *g, struct node *x, uint32_t axes); // sum, then affine
struct node *op_sumsq(struct graph *g, struct node *x);               // () f32: sum of squares

struct node *op_reshape(struct graph *g, struct node *x, struct shape to); // a view
struct node *op_part(struct graph *g, struct node *x, int64_t offset, struct shape shape); // a view
struct node *op_broadcast(struct graph *g, struct node *x, struct shape to);
struct node *op_permute(struct graph *g, struct node *x, const int *axis);
struct node *op_concat(struct graph *g, struct node *const *x, int count, int axis); // 2..4
struct node *op_slice(struct graph *g, struct node *x, int axis, int64_t start, int64_t length);
struct node *op_pad(struct graph *g, struct node *x, int axis, int64_t before, int64_t after);

// table (V,C), ids (any shape S) i32 in [0,V) -> (S,C). Ids outside are an error of plan_run().
struct node *op_gather(struct graph *g, struct node *table, struct node *ids);
struct node *op_gather_grad(struct graph *g, struct node *ids, struct node *dy, struct shape table);

// a (…,M,K) or transposed (…,K,M); b (…,K,N) or (…,N,K); leading dimensions equal, or b is rank 2
// and shared. bias (N) f32 or NULL. `out` DTYPE_NONE: a's dtype; DTYPE_F32 from bf16 is allowed.
// b may be weights in blocks (dtype_is_packed()): then it is (N,K), K of whole blocks, a is not
// transposed, and no gradient goes there.
struct node *op_matmul(struct graph *g, struct node *a, bool transpose_a, struct node *b,
                       bool transpose_b, struct node *bias, enum dtype out);

// x (N,H,W,C), w (K,C,k,k) in the order of checkpoints, bias (K) f32 or NULL; stride 1 or 2, zero
// padding `pad` on each side -> (N,Ho,Wo,K), Ho = (H + 2 pad - k)/stride + 1.
struct node *op_conv2d(struct graph *g, struct node *x, struct node *w, struct node *bias,
                       int stride, int pad);
// dy (N,Ho,Wo,K), w (K,C,k,k) -> dx (N,in,in',C); the picture size is given by `like`.
struct node *op_conv2d_grad_x(struct graph *g, struct node *dy, struct node *w, int stride,
                              int pad, struct shape like);
// x (N,H,W,C), dy (N,Ho,Wo,K) -> dw (K,C,k,k) f32 (f64 for f64 sources)
struct node *op_conv2d_grad_w(struct graph *g, struct node *x, struct node *dy, int kernel,
                              int stride, int pad);

struct node *op_silu(struct graph *g, struct node *x);      // x/(1+exp(-x))
struct node *op_gelu(struct graph *g, struct node *x);      // x/2 (1+erf(x/sqrt 2))
struct node *op_gelu_tanh(struct graph *g, struct node *x); // T5 v1.1's "gelu_new"
struct node *op_silu_grad(struct graph *g, struct node *x, struct node *dy);
struct node *op_gelu_grad(struct graph *g, struct node *x, struct node *dy);
struct node *op_gelu_tanh_grad(struct graph *g, struct node *x, struct node *dy);
struct node *op_softmax(struct graph *g, struct node *x); // over the last axis
struct node *op_softmax_grad(struct graph *g, struct node *y, struct node *dy);

// y = act( norm(x) * a + b ), norm over each group of C/groups channels and all positions of a
// sample. x (N,…,C); a and b (N,C) or (1,C), f32 (f64 for f64): per-channel gain and offset, in
// which the caller has folded gamma, beta and any scale-shift embedding:
// a = gamma (1+scale), b = beta (1+scale) + shift.
struct node *op_group_norm(struct graph *g, struct node *x, struct node *a, struct node *b,
                           int groups, double eps, enum activation act);
// Statistics of the backward pass, f32 (f64 for f64), (N,4,C): with z = norm(x) a + b and
// dz = dy act'(z): row 0 sum over positions of dz, row 1 sum of dz norm(x), row 2 the group's mean
// of x, row 3 its 1/sqrt(variance + eps).
struct node *op_group_norm_sums(struct graph *g, struct node *x, struct node *a, struct node *b,
                                struct node *dy, int groups, double eps, enum activation act);
// dx, of x's dtype, given the node of the sums above.
struct node *op_group_norm_grad(struct graph *g, struct node *x, struct node *a, struct node *b,
                                struct node *dy, struct node *sums, int groups, double eps,
                                enum activation act);
// (x - mean) / sqrt(var + eps) over the last axis, no gain: multiply and add with core ops.
struct node *op_layer_norm(struct graph *g, struct node *x, double eps);
struct node *op_layer_norm_grad(struct graph *g, struct node *x, struct node *dy, double eps);
// x / sqrt(mean(x^2) + eps) over the last axis
struct node *op_rms_norm(struct graph *g, struct node *x, double eps);
struct node *op_rms_norm_grad(struct graph *g, struct node *x, struct node *dy, double eps);
// norm(x) a + b over rows of the last axis: RMS norm, or else layer norm. x (N,…,C); a and b f32
// (f64 for f64), (C) or (N|1,C), one row a sample; b NULL: none. `out` DTYPE_NONE: x's dtype; or
// any float type, so that what a product reads is written once.
struct node *op_norm_affine(struct graph *g, struct node *x, struct node *a, struct node *b,
                            double eps, bool rms, enum dtype out);
// x (…,2C) -> (…,C): silu(first half) * second half (Shazeer 2020)
struct node *op_swiglu(struct graph *g, struct node *x);
// Rotary positions (Su et al. 2021): in each of `heads` heads that lie side by side in the last
// dimension of x (N,T,heads*D), pair i < D/2 is turned by the angle i of its token. table (T,D)
// f32: cosines of the D/2 angles, then their sines; no gradient goes there. Pairs are channels 2i
// and 2i+1 (interleaved: Llama's own, FLUX, Z-Image) or i and i+D/2 (rotate-half: Qwen in
// transformers).
struct node *op_rope(struct graph *g, struct node *x, struct node *table, int heads,
                     bool interleaved);

// softmax(scale q k^T + bias) v for each of `heads` heads that lie side by side in the last
// dimension: q (N,Tq,heads*D), k v (N,Tk,heads*D) -> (N,Tq,heads*D). bias NULL or f32
// (N|1, heads|1, Tq|1, Tk). The score matrix is never a tensor; softmax in f32.
struct node *op_attention(struct graph *g, struct node *q, struct node *k, struct node *v,
                          struct node *bias, int heads, double scale);
// All three gradients, flat: dq, then dk, then dv (take them out with op_part).
struct node *op_attention_grad(struct graph *g, struct node *q, struct node *k, struct node *v,
                               struct node *bias, struct node *dy, int heads, double scale);
// d bias, f32 (f64 for f64), of bias's shape
struct node *op_attention_grad_bias(struct graph *g, struct node *q, struct node *k,
                                    struct node *v, struct node *bias, struct node *dy, int heads,
                                    double scale);

struct node *op_upsample2(struct graph *g, struct node *x);   // nearest, (N,H,W,C)->(N,2H,2W,C)
struct node *op_downsample2(struct graph *g, struct node *x); // mean of 2x2; H and W even
// t (N) f32 -> (N,C) f32: sinusoids, C even (Imagen/IF; Vaswani et al. 2017)
struct node *op_timestep_embed(struct graph *g, struct node *t, int64_t channels,
                               double max_period, double shift, bool cos_first);

// In place; the result is the first source's memory. All f32.
struct node *op_accumulate(struct graph *g, struct node *into, struct node *x); // into += x
// Where AdamW's numbers lie. Decay is of the weights; UNBIAS1 is 1-beta1^t, UNBIAS2 1-beta2^t.
enum adamw_number {
    ADAMW_RATE, ADAMW_BETA1, ADAMW_BETA2, ADAMW_EPS, ADAMW_DECAY, ADAMW_UNBIAS1, ADAMW_UNBIAS2,
    ADAMW_CLIP, ADAMW_NUMBERS
};
// AdamW (Loshchilov & Hutter 2019): p, its gradient, m, v, all of one shape; hyper (ADAMW_NUMBERS);
// sumsq (): sum of squares of all gradients.
// The gradient is scaled by min(1, clip/(sqrt(sumsq)+1e-6)) first; clip <= 0: never.
struct node *op_adamw(struct graph *g, struct node *p, struct node *grad, struct node *m,
                      struct node *v, struct node *hyper, struct node *sumsq);
// e += (1-decay)(p - e); decay is a scalar ()
struct node *op_ema(struct graph *g, struct node *e, struct node *p, struct node *decay);

#endif
