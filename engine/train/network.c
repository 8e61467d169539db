// SPDX-License-Identifier: MIT
#include "engine/train/network.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/ops/grad.h"

struct node *
network_encode_text(struct network *n, const struct network_params *p, struct node *ids,
                    struct node **thumbnail)
{
    n->nn.part = NETWORK_TEXT;
    n->nn.dtype = p->dtype;
    struct node *mask = t5_padding_mask(&n->nn, ids);
    struct node *out = t5_build(&n->nn, network_text(p->folder), ids, mask);
    n->nn.part = NETWORK_UNET;
    if (thumbnail && network_unet(p->folder)->thumbnail_size)
        *thumbnail = unet_thumbnail(&n->nn, network_unet(p->folder), out, mask);
    return out;
}

// What the empty text foretells, for each of the batch. Padding is hidden, so one token of it will do.
static struct node *
thumbnail_of_nothing(struct network *n, const struct network_params *p)
{
    static const int32_t empty[] = {T5_END, 0};
    struct node *thumbnail;
    network_encode_text(n, p, nn_constant_i32(&n->nn, "empty text", SHAPE(1, 2), empty),
                        &thumbnail);
    int64_t side = network_unet(p->folder)->thumbnail_size;
    return op_broadcast(n->g, thumbnail, SHAPE(p->batch, side, side, 3));
}

// The instruction and the thumbnail that stands beside it; *thumbnail NULL: the U-Net has none.
static struct node *
encode_instruction(struct network *n, const struct network_params *p, struct node **thumbnail)
{
    const struct unet_config *c = network_unet(p->folder);
    bool own = !p->references || c->thumbnail_with_references;
    *thumbnail = NULL;
    struct node *text = network_encode_text(n, p, n->text, own ? thumbnail : NULL);
    if (!c->thumbnail_size || (own && !c->thumbnail_with_references))
        return text;
    struct node *nothing = thumbnail_of_nothing(n, p);
    if (own) {
        n->heard = graph_input(n->g, "heard", SHAPE(p->batch, 1, 1, 1), DTYPE_F32);
        struct node *more = op_mul(n->g, op_sub(n->g, *thumbnail, nothing), n->heard);
        nothing = op_add(n->g, nothing, more);
    }
    *thumbnail = nothing;
    return text;
}

static void
add_inputs(struct network *n, const struct network_params *p)
{
    int64_t side = network_unet(p->folder)->sample_size, batch = p->batch, refs = batch * p->references;
    struct graph *g = n->g;
    n->sample = graph_input(g, "sample", SHAPE(batch, side, side, 3), DTYPE_F32);
    n->target = graph_input(g, "target", SHAPE(batch, side, side, 3), DTYPE_F32);
    n->weight = graph_input(g, "weight", SHAPE(batch, 1, 1, 1), DTYPE_F32);
    n->timestep = graph_input(g, "timestep", SHAPE(batch), DTYPE_F32);
    n->text = graph_input(g, "text", SHAPE(batch, p->text_tokens), DTYPE_I32);
    if (!p->references)
        return;
    n->ref_image = graph_input(g, "ref_image", SHAPE(refs, side, side, 3), DTYPE_F32);
    n->ref_text = graph_input(g, "ref_text", SHAPE(refs, p->reference_tokens), DTYPE_I32);
}

// Mean squared error of each example, and the weighted mean over the batch.
void
network_add_loss(struct network *n, const struct network_params *p)
{
    struct node *error = op_sub(n->g, n->prediction, n->target);
    n->each = op_mean(n->g, op_mul(n->g, error, error), 2 | 4 | 8);
    struct node *weighted = op_mul(n->g, n->each, n->weight);
    n->loss = op_reshape(n->g, op_affine(n->g, op_sum(n->g, weighted, 15), 1.0 / p->batch, 0),
                         SHAPE_SCALAR);
    graph_output(n->g, n->each);
    graph_output(n->g, n->loss);
}

bool
network_is_text(const char *name)
{
    const char *encoder = NETWORK_TEXT;
    static const char thumbnail[] = "unet/text_thumbnail.";
    return strncmp(name, encoder, strlen(encoder)) == 0 ||
           strncmp(name, thumbnail, sizeof thumbnail - 1) == 0;
}

bool
network_add_gradients(struct graph *g, const struct nn *nn, struct node *loss, bool freeze_text,
                      struct err *err)
{
    int total = params_entries(nn->params), count = 0;
    struct node **of = mem_zalloc((size_t)(total + 1) * sizeof *of);
    struct node **gradient = mem_zalloc((size_t)(total + 1) * sizeof *gradient);
    for (int i = 0; i < total; i++) {
        struct node *bound = nn_bound(nn, i);
        bool skip = freeze_text && network_is_text(params_at(nn->params, i)->name);
        if (bound && !skip)
            of[count++] = bound;
    }
    bool ok = grad_add(g, loss, of, count, gradient, err);
    for (int i = 0; ok && i < count; i++) {
        if (!gradient[i])
            continue;
        struct node *into = graph_bound(g, of[i]->name, SLOT_GRADS, of[i]->offset, of[i]->shape,
                                        DTYPE_F32);
        op_accumulate(g, into, op_cast(g, gradient[i], DTYPE_F32));
    }
    free(of);
    free(gradient);
    return ok;
}

bool
network_build(struct network *n, const struct network_params *p, struct err *err)
{
    *n = (struct network){.g = graph_create()};
    n->nn = (struct nn){.g = n->g, .params = p->params, .dtype = p->dtype,
                        .checkpoint = p->checkpoint_activations};
    add_inputs(n, p);
    struct unet_references refs = {.batch = p->batch, .references = p->references,
                                   .image = n->ref_image};
    struct unet_inputs in = {.sample = n->sample, .timestep = n->timestep};
    in.text = encode_instruction(n, p, &in.thumbnail);
    if (p->references)
        refs.text = network_encode_text(n, p, n->ref_text, NULL);
    struct unet_context context = {0};
    if (unet_config_has_context(network_unet(p->folder))) {
        unet_encode_references(&n->nn, network_unet(p->folder), &refs, &context);
        in.context = &context;
    }
    n->prediction = op_cast(n->g, unet_build(&n->nn, network_unet(p->folder), &in), DTYPE_F32);
    nn_segment_end(&n->nn);
    network_add_loss(n, p);
    if (graph_error(n->g)->code != ERR_NONE)
        return err_set(err, graph_error(n->g)->code, "%s", graph_error(n->g)->text);
    return network_add_gradients(n->g, &n->nn, n->loss, p->freeze_text, err);
}

void
network_finish(struct network *n)
{
    if (!n->g)
        return;
    nn_finish(&n->nn);
    graph_destroy(n->g);
    n->g = NULL;
}
