// SPDX-License-Identifier: MIT
// Dispatches of the ops that treat elements one by one: arithmetic, activations, casts, pictures,
// timesteps, and the optimiser's steps in place.
#include <math.h>

#include "engine/device/vulkan/ops.h"

static uint32_t
count_of(const struct node *n)
{
    return (uint32_t)shape_count(&n->shape);
}

static int
unary_code(enum op op)
{
    switch ((int)op) {
    case OP_affine:
        return UNARY_AFFINE;
    case OP_exp:
        return UNARY_EXP;
    case OP_log:
        return UNARY_LOG;
    case OP_sqrt:
        return UNARY_SQRT;
    case OP_tanh:
        return UNARY_TANH;
    case OP_erf:
        return UNARY_ERF;
    case OP_relu:
        return UNARY_RELU;
    case OP_step:
        return UNARY_STEP;
    case OP_silu:
        return UNARY_SILU;
    case OP_gelu:
        return UNARY_GELU;
    case OP_gelu_tanh:
        return UNARY_GELU_TANH;
    default:
        return UNARY_CAST;
    }
}

// One invocation for each element, or for each four: the next constant of the shader says which.
static void
spread_elements(struct vk_builder *b, struct vk_dispatch *x, uint32_t count, bool wide)
{
    vk_spec(x, wide ? 4 : 1);
    vk_line(b, x, wide ? count / 4 : count);
}

bool
vk_build_unary(struct vk_builder *b, const struct node *n)
{
    struct vk_dispatch *x = vk_add(b, VK_SHADER_unary);
    vk_bind(b, x, 0, n);
    vk_bind(b, x, 1, n->source[0]);
    vk_spec(x, (uint32_t)unary_code(n->op));
    vk_push(x, 0, count_of(n));
    if (n->op == OP_affine) {
        vk_push_f(x, 1, (float)n->params.affine.scale);
        vk_push_f(x, 2, (float)n->params.affine.shift);
    }
    spread_elements(b, x, count_of(n), vk_quads(b, x, count_of(n), 3));
    return true;
}

bool
vk_build_pair(struct vk_builder *b, const struct node *n)
{
    struct vk_dispatch *x = vk_add(b, VK_SHADER_pair);
    vk_bind(b, x, 0, n);
    vk_bind(b, x, 1, n->source[0]);
    vk_bind(b, x, 2, n->source[1]);
    vk_spec(x, n->op == OP_silu_grad   ? PAIR_SILU
               : n->op == OP_gelu_grad ? PAIR_GELU
                                       : PAIR_GELU_TANH);
    vk_push(x, 0, count_of(n));
    spread_elements(b, x, count_of(n), vk_quads(b, x, count_of(n), 7));
    return true;
}

// Strides of source s over the axes of the result d, innermost first; 0 where it is broadcast.
static void
push_strides(struct vk_dispatch *x, int word, const struct shape *s, const struct shape *d)
{
    int64_t stride = 1;
    for (int k = 0; k < SHAPE_RANK_MAX; k++) {
        int at = s->rank - 1 - k;
        bool moves = at >= 0 && k < d->rank && s->dim[at] > 1;
        vk_push(x, word + k, moves ? (uint32_t)stride : 0);
        stride *= at >= 0 ? s->dim[at] : 1;
    }
}

static void
push_sizes(struct vk_dispatch *x, int word, const struct shape *d)
{
    for (int k = 0; k < SHAPE_RANK_MAX - 1; k++)
        vk_push(x, word + k, k < d->rank ? (uint32_t)d->dim[d->rank - 1 - k] : 1);
}

bool
vk_build_binary(struct vk_builder *b, const struct node *n)
{
    struct vk_dispatch *x = vk_add(b, VK_SHADER_binary);
    const struct shape *s0 = &n->source[0]->shape, *s1 = &n->source[1]->shape;
    bool plain = shape_count(s0) == shape_count(&n->shape) &&
                 shape_count(s1) == shape_count(&n->shape);
    vk_bind(b, x, 0, n);
    vk_bind(b, x, 1, n->source[0]);
    vk_bind(b, x, 2, n->source[1]);
    vk_spec(x, n->op == OP_add   ? BINARY_ADD
               : n->op == OP_sub ? BINARY_SUB
               : n->op == OP_mul ? BINARY_MUL
                                 : BINARY_DIV);
    vk_spec(x, plain);
    vk_push(x, 0, count_of(n));
    push_sizes(x, 1, &n->shape);
    push_strides(x, 5, s0, &n->shape);
    push_strides(x, 10, s1, &n->shape);
    spread_elements(b, x, count_of(n), plain && vk_quads(b, x, count_of(n), 7));
    return true;
}

bool
vk_build_picture(struct vk_builder *b, const struct node *n)
{
    struct vk_dispatch *x = vk_add(b, VK_SHADER_picture);
    const struct shape *s = &n->source[0]->shape, *d = &n->shape;
    vk_bind(b, x, 0, n);
    vk_bind(b, x, 1, n->source[0]);
    vk_spec(x, n->op == OP_upsample2 ? PICTURE_UPSAMPLE : PICTURE_DOWNSAMPLE);
    const int64_t words[] = {shape_count(d), d->dim[1], d->dim[2], d->dim[3], s->dim[1], s->dim[2]};
    for (int i = 0; i < 6; i++)
        vk_push(x, i, (uint32_t)words[i]);
    vk_line(b, x, count_of(n));
    return true;
}

// The first 12 bits of x.
static float
head_of(double x)
{
    int e;
    double m = frexp(x, &e);
    return (float)ldexp(trunc(ldexp(m, 12)), e - 12);
}

bool
vk_build_timestep(struct vk_builder *b, const struct node *n)
{
    uint32_t width = (uint32_t)n->shape.dim[1] / 2, count = (uint32_t)n->shape.dim[0] * width;
    double rate = -log(n->params.timestep.max_period) /
                  ((double)width - n->params.timestep.shift);
    float *turns = mem_alloc((size_t)width * 3 * sizeof *turns);
    for (uint32_t k = 0; k < width; k++) {
        double f = exp(rate * k) / (2 * M_PI);
        turns[3 * k] = head_of(f);
        turns[3 * k + 1] = head_of(f - turns[3 * k]);
        turns[3 * k + 2] = (float)(f - turns[3 * k] - turns[3 * k + 1]);
    }
    struct vk_dispatch *x = vk_add(b, VK_SHADER_timestep);
    vk_bind(b, x, 0, n);
    vk_bind(b, x, 1, n->source[0]);
    vk_bind_constant(b, x, 2, turns, (size_t)width * 3);
    vk_push(x, 0, count);
    vk_push(x, 1, width);
    vk_push(x, 2, n->params.timestep.cos_first);
    vk_line(b, x, count);
    free(turns);
    return true;
}

bool
vk_build_optimise(struct vk_builder *b, const struct node *n)
{
    struct vk_dispatch *x = vk_add(b, VK_SHADER_optimise);
    // The result's memory is the first source's.
    vk_bind(b, x, 0, n->source[0]);
    for (int k = 1; k < OP_SRC_MAX; k++) // the shader names all; not all are read
        vk_bind(b, x, k, n->source[MIN(k, n->source_count - 1)]);
    if (n->op == OP_adamw)
        x->writes |= 1u << 2 | 1u << 3;
    vk_spec(x, n->op == OP_accumulate ? OPTIMISE_ACCUMULATE
               : n->op == OP_ema      ? OPTIMISE_EMA
                                      : OPTIMISE_ADAMW);
    vk_push(x, 0, count_of(n));
    vk_line(b, x, count_of(n));
    return true;
}
