// SPDX-License-Identifier: MIT
// Layers of transformers: rotary positions, norms of heads, grouped queries.
#include "engine/base/require.h"
#include "engine/nn/nn_parts.h"

enum { AXES_MAX = 4 };

struct node *
nn_rope_table(struct nn *nn, struct node *positions, const int *widths, int axes, double theta)
{
    struct graph *g = nn->g;
    struct node *at = op_cast(g, positions, DTYPE_F32), *cosines[AXES_MAX], *sines[AXES_MAX];
    int64_t tokens = positions->shape.dim[0];
    require(axes >= 1 && axes <= AXES_MAX);
    for (int k = 0; k < axes; k++) {
        struct node *one = op_reshape(g, op_slice(g, at, 1, k, 1), SHAPE(tokens));
        struct node *both = op_timestep_embed(g, one, widths[k], theta, 0, true);
        cosines[k] = op_slice(g, both, 1, 0, widths[k] / 2);
        sines[k] = op_slice(g, both, 1, widths[k] / 2, widths[k] / 2);
    }
    struct node *all[2] = {cosines[0], sines[0]};
    if (axes > 1) {
        all[0] = op_concat(g, cosines, axes, 1);
        all[1] = op_concat(g, sines, axes, 1);
    }
    return op_concat(g, all, 2, 1);
}

struct node *
nn_head_norm(struct nn *nn, struct node *x, int heads, double eps, const char *name, ...)
{
    NN_NAME_FROM_ARGS(buf, name);
    const struct shape s = x->shape;
    x = op_reshape(nn->g, x, SHAPE(s.dim[0], s.dim[1], heads, s.dim[2] / heads));
    return op_reshape(nn->g, nn_rms_norm_as(nn, x, eps, DTYPE_NONE, "%s", buf), s);
}

struct node *
nn_repeat_heads(struct nn *nn, struct node *x, int heads, int times)
{
    const int64_t n = x->shape.dim[0], t = x->shape.dim[1], c = x->shape.dim[2];
    if (times == 1)
        return x;
    x = op_reshape(nn->g, x, SHAPE(n * t, heads, 1, c / heads));
    x = op_broadcast(nn->g, x, SHAPE(n * t, heads, times, c / heads));
    return op_reshape(nn->g, x, SHAPE(n, t, c * times));
}
