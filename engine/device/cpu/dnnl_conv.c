// SPDX-License-Identifier: MIT
// Convolution and its two gradients by oneDNN.
//
// Pictures are passed as they are (channels last); weights are reordered into the layout the
// library prefers, just once if they are constant. Weight gradients are reordered back.
#include "engine/device/cpu/dnnl.h"

static struct onednn_arg
picture(const struct node *n)
{
    const int64_t *d = n->shape.dim; // N,H,W,C
    return (struct onednn_arg){.rank = 4,
                               .dim = {d[0], d[3], d[1], d[2]},
                               .stride = {d[1] * d[2] * d[3], 1, d[2] * d[3], d[3]},
                               .dtype = n->dtype};
}

static struct onednn_arg
weights(const struct node *n)
{
    const int64_t *d = n->shape.dim; // K,C,k,k
    return (struct onednn_arg){.rank = 4,
                               .dim = {d[0], d[1], d[2], d[3]},
                               .stride = {d[1] * d[2] * d[3], d[2] * d[3], d[3], 1},
                               .dtype = n->dtype,
                               .any = true};
}

static struct onednn_arg
bias(const struct node *n)
{
    return (struct onednn_arg){
        .rank = 1, .dim = {n->shape.dim[0]}, .stride = {1}, .dtype = n->dtype};
}

static bool
keep(struct cpu_step *s, const struct onednn_params *p)
{
    enum dtype t = s->node->source[0]->dtype;
    if (t != DTYPE_F32 && t != DTYPE_BF16)
        return false;
    struct onednn_call *c = onednn_call_create(p);
    if (c == NULL)
        return false;
    s->state = c;
    s->scratch_size = onednn_call_scratch(c);
    s->packed = onednn_call_packed(c);
    return true;
}

static void
release(struct cpu_step *s)
{
    onednn_call_destroy(s->state);
    s->state = NULL;
}

static bool
conv_prepare(struct cpu_step *s)
{
    const struct node *n = s->node;
    struct onednn_params p = {.kind = ONEDNN_CONV,
                              .arg = {[ONEDNN_SOURCE] = picture(n->source[0]),
                                      [ONEDNN_WEIGHTS] = weights(n->source[1]),
                                      [ONEDNN_RESULT] = picture(n)},
                              .stride = n->params.conv.stride,
                              .pad = n->params.conv.pad};
    p.arg[ONEDNN_WEIGHTS].constant = s->constant[1];
    p.arg[ONEDNN_WEIGHTS].at = s->src[1];
    if (n->source_count == 3)
        p.arg[ONEDNN_BIAS] = bias(n->source[2]);
    return keep(s, &p);
}

static void
conv_run(struct cpu_step *s)
{
    void *data[ONEDNN_ARGS] = {(void *)s->src[0], (void *)s->src[1],
                               s->node->source_count == 3 ? (void *)s->src[2] : NULL, s->dst};
    onednn_call_run(s->state, data, s->scratch);
}

static bool
grad_x_prepare(struct cpu_step *s)
{
    const struct node *n = s->node;
    struct onednn_params p = {.kind = ONEDNN_CONV_GRAD_X,
                              .arg = {[ONEDNN_SOURCE] = picture(n),
                                      [ONEDNN_WEIGHTS] = weights(n->source[1]),
                                      [ONEDNN_RESULT] = picture(n->source[0])},
                              .stride = n->params.conv.stride,
                              .pad = n->params.conv.pad};
    p.arg[ONEDNN_WEIGHTS].constant = s->constant[1];
    p.arg[ONEDNN_WEIGHTS].at = s->src[1];
    return keep(s, &p);
}

static void
grad_x_run(struct cpu_step *s)
{
    void *data[ONEDNN_ARGS] = {s->dst, (void *)s->src[1], NULL, (void *)s->src[0]};
    onednn_call_run(s->state, data, s->scratch);
}

static bool
grad_w_prepare(struct cpu_step *s)
{
    const struct node *n = s->node;
    struct onednn_params p = {.kind = ONEDNN_CONV_GRAD_W,
                              .arg = {[ONEDNN_SOURCE] = picture(n->source[0]),
                                      [ONEDNN_WEIGHTS] = weights(n),
                                      [ONEDNN_RESULT] = picture(n->source[1])},
                              .stride = n->params.conv.stride,
                              .pad = n->params.conv.pad};
    return keep(s, &p);
}

static void
grad_w_run(struct cpu_step *s)
{
    void *data[ONEDNN_ARGS] = {(void *)s->src[0], s->dst, NULL, (void *)s->src[1]};
    onednn_call_run(s->state, data, s->scratch);
}

// --- weight gradient of a convolution with few outputs
//
// The last convolution of a U-Net has three or six outputs, and the library computes sixteen at a
// time. The same sums with the two pictures exchanged,
//     dw[k][c][u][v] = sum dy[y][x][k] x[y+u-pad][x+v-pad][c] = dw'[c][k][size-1-u][size-1-v],
// are the weight gradient of a convolution with few inputs, which it does several times as fast.

enum { FEW = 8 };

static bool
few_prepare(struct cpu_step *s)
{
    const struct node *n = s->node;
    const int64_t *d = n->shape.dim; // K,C,k,k
    int size = n->params.conv.kernel, pad = n->params.conv.pad;
    if (n->params.conv.stride != 1 || d[0] > FEW || d[1] < 4 * FEW || pad >= size)
        return false;
    struct node turned = {.shape = SHAPE(d[1], d[0], d[2], d[3]), .dtype = n->dtype};
    struct onednn_params p = {.kind = ONEDNN_CONV_GRAD_W,
                              .arg = {[ONEDNN_SOURCE] = picture(n->source[1]),
                                      [ONEDNN_WEIGHTS] = weights(&turned),
                                      [ONEDNN_RESULT] = picture(n->source[0])},
                              .stride = 1,
                              .pad = size - 1 - pad};
    if (!keep(s, &p))
        return false;
    s->scratch_size += (size_t)shape_count(&n->shape) * sizeof(float); // of dw'
    return true;
}

static void
few_run(struct cpu_step *s)
{
    const int64_t *d = s->node->shape.dim;
    int64_t outputs = d[0], inputs = d[1], taps = d[2] * d[3];
    float *turned = (float *)((char *)s->scratch + onednn_call_scratch(s->state)), *dw = s->dst;
    void *data[ONEDNN_ARGS] = {(void *)s->src[1], turned, NULL, (void *)s->src[0]};
    onednn_call_run(s->state, data, s->scratch);
    for (int64_t k = 0; k < outputs; k++)
        for (int64_t c = 0; c < inputs; c++)
            for (int64_t t = 0; t < taps; t++)
                dw[(k * inputs + c) * taps + t] =
                    turned[(c * outputs + k) * taps + taps - 1 - t];
}

static bool
conv_keeps(const struct node *n)
{
    (void)n;
    return true;
}

static const struct cpu_kernel conv_kernel = {"onednn", conv_prepare, conv_run, release,
                                              conv_keeps};
static const struct cpu_kernel grad_x_kernel = {"onednn", grad_x_prepare, grad_x_run, release};
static const struct cpu_kernel few_kernel = {"onednn", few_prepare, few_run, release};
static const struct cpu_kernel grad_w_kernel = {"onednn", grad_w_prepare, grad_w_run, release};

void
onednn_add_conv(struct cpu_table *t)
{
    cpu_table_add(t, OP_conv2d, &conv_kernel);
    cpu_table_add(t, OP_conv2d_grad_x, &grad_x_kernel);
    cpu_table_add(t, OP_conv2d_grad_w, &few_kernel);
    cpu_table_add(t, OP_conv2d_grad_w, &grad_w_kernel);
}
