// SPDX-License-Identifier: MIT
#include "engine/train/network.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/ops/grad.h"

// Mean squared error of each example, and the weighted mean over the batch.
static void
add_loss(struct network *n, int batch)
{
    struct graph *g = n->g;
    const struct shape *s = &n->prediction->shape;
    n->target = graph_input(g, "target", *s, DTYPE_F32);
    n->weight = graph_input(g, "weight", SHAPE(batch, 1, 1, 1), DTYPE_F32);
    struct node *error = op_sub(g, n->prediction, n->target);
    n->each = op_mean(g, op_mul(g, error, error), 2 | 4 | 8);
    struct node *weighted = op_mul(g, n->each, n->weight);
    n->loss = op_reshape(g, op_affine(g, op_sum(g, weighted, 15), 1.0 / batch, 0), SHAPE_SCALAR);
    graph_output(g, n->each);
    graph_output(g, n->loss);
}

bool
network_is_one_of(const char *name, const char *const *starts)
{
    for (; starts && *starts; starts++)
        if (strncmp(name, *starts, strlen(*starts)) == 0)
            return true;
    return false;
}

bool
network_trains(const struct network_trained *t, const struct param *q)
{
    if (t->stage == TRAIN_LORA)
        return q->is_adapter;
    bool words = network_is_one_of(q->name, t->family->words);
    return words ? !t->freeze_text : t->stage != TRAIN_WORDS;
}

struct weights {
    struct graph *g;
    struct node **of;
};

// Adds each gradient to the step's sum at once, so that none has to stay in memory until the end of
// the backward pass.
static void
accumulate(void *ctx, int i, struct node *gradient)
{
    struct weights *w = ctx;
    const struct node *of = w->of[i];
    struct node *into = graph_bound(w->g, of->name, SLOT_GRADS, of->offset, of->shape, DTYPE_F32);
    op_accumulate(w->g, into, op_cast(w->g, gradient, DTYPE_F32));
}

bool
network_add_gradients(struct graph *g, const struct nn *nn, struct node *loss,
                      const struct network_trained *trained, struct err *err)
{
    int total = params_entries(nn->params), count = 0;
    struct node **of = mem_zalloc((size_t)(total + 1) * sizeof *of);
    struct weights w = {g, of};
    for (int i = 0; i < total; i++) {
        struct node *bound = nn_bound(nn, i);
        if (bound && (!trained || network_trains(trained, params_at(nn->params, i))))
            of[count++] = bound;
    }
    bool ok = grad_each(g, loss, of, count, accumulate, &w, err);
    free(of);
    return ok;
}

bool
network_build(struct network *n, const struct network_params *p, struct err *err)
{
    const struct model_folder *m = p->folder;
    const struct family_training *f = m->family->training;
    *n = (struct network){0};
    if (p->stage == TRAIN_WORDS && !f->words_size(&m->parts))
        return err_set(err, ERR_INPUT, "%s: the stage 'words' needs %s", m->path, f->words_need);
    if (p->stage == TRAIN_ENLARGER && (!f->enlarged_size || !f->enlarged_size(&m->parts)))
        return err_set(err, ERR_INPUT, "%s: the stage 'enlarger' needs %s", m->path,
                       f->enlarged_need ? f->enlarged_need : "a family with a second pass");
    struct graph *g = n->g = graph_create();
    n->nn = (struct nn){.g = g, .params = p->params, .dtype = p->dtype,
                        .checkpoint = p->checkpoint_activations};
    n->prediction = (p->stage == TRAIN_WORDS      ? f->from_words
                     : p->stage == TRAIN_ENLARGER ? f->enlarged
                                                  : f->pictures)(&n->nn, &m->parts, &p->key,
                                                                 &n->ports);
    n->prediction = op_cast(g, n->prediction, DTYPE_F32);
    nn_segment_end(&n->nn);
    add_loss(n, p->key.batch);
    if (graph_error(g)->code != ERR_NONE)
        return err_set(err, graph_error(g)->code, "%s", graph_error(g)->text);
    struct network_trained trained = {f, p->stage, p->freeze_text};
    return network_add_gradients(g, &n->nn, n->loss, &trained, err);
}

void
network_finish(struct network *n)
{
    if (!n->g)
        return;
    nn_finish(&n->nn);
    ports_finish(&n->ports);
    graph_destroy(n->g);
    n->g = NULL;
}
