// SPDX-License-Identifier: MIT
#include "engine/train/update.h"

#include <math.h>
#include <string.h>

#include "engine/ops/op.h"
#include "engine/train/network.h"

// A parameter's learning rate, the text encoder's or that of all others; NULL: this run does not
// train it.
static struct node *
hyper_of(const struct update *u, const struct param *q)
{
    const struct family *f = u->folder->family;
    const char *const encoder[] = {parts_find(&u->folder->parts, f->text)->prefix, NULL};
    struct network_trained trained = {f->training, u->recipe->stage, u->recipe->freeze_text};
    if (!network_trains(&trained, q))
        return NULL;
    return network_is_one_of(q->name, encoder) ? u->hyper_text : u->hyper;
}

static struct node *
bound(struct graph *g, const char *name, enum slot slot, size_t first, size_t last)
{
    return graph_bound(g, name, slot, first, SHAPE((int64_t)((last - first) / sizeof(float))),
                       DTYPE_F32);
}

static void
update_range(struct update *u, size_t first, size_t last, struct node *hyper)
{
    if (!hyper)
        return;
    struct graph *g = u->g;
    struct node *p = bound(g, "weights", SLOT_PARAMS, first, last);
    struct node *d = bound(g, "gradients", SLOT_GRADS, first, last);
    struct node *m = bound(g, "moment 1", SLOT_ADAM_M, first, last);
    struct node *v = bound(g, "moment 2", SLOT_ADAM_V, first, last);
    struct node *e = bound(g, "average", SLOT_EMA, first, last);
    op_ema(g, e, op_adamw(g, p, d, m, v, hyper, u->norm), u->decay);
}

bool
update_build(struct update *u, struct err *err)
{
    size_t all = params_bytes(u->params), first = 0;
    struct graph *g = u->g = graph_create();
    u->hyper = graph_input(g, "hyper", SHAPE(ADAMW_NUMBERS), DTYPE_F32);
    u->hyper_text = graph_input(g, "hyper of the text encoder", SHAPE(ADAMW_NUMBERS), DTYPE_F32);
    u->decay = graph_input(g, "decay", SHAPE_SCALAR, DTYPE_F32);
    u->norm = op_sumsq(g, bound(g, "all gradients", SLOT_GRADS, 0, all));
    graph_output(g, u->norm);
    // One operation per contiguous range with the same rate.
    for (int i = 0, n = params_entries(u->params); i < n; i++) {
        struct node *own = hyper_of(u, params_at(u->params, i));
        bool ends = i + 1 == n || hyper_of(u, params_at(u->params, i + 1)) != own;
        size_t last = i + 1 == n ? all : params_at(u->params, i + 1)->offset;
        if (ends) {
            update_range(u, first, last, own);
            first = last;
        }
    }
    struct plan_params pp = {.device = u->device};
    memcpy(pp.slots, u->slots, sizeof pp.slots);
    u->plan = plan_create(g, &pp, err);
    return u->plan != NULL;
}

void
update_finish(struct update *u)
{
    plan_destroy(u->plan);
    graph_destroy(u->g);
}

bool
update_run(struct update *u, int64_t done, double *lr, double *grad_norm, struct err *err)
{
    const struct recipe *r = u->recipe;
    double step = (double)done + 1;
    *lr = recipe_lr(r, done);
    float hyper[ADAMW_NUMBERS] = {
        [ADAMW_RATE] = (float)*lr,
        [ADAMW_BETA1] = (float)r->beta1,
        [ADAMW_BETA2] = (float)r->beta2,
        [ADAMW_EPS] = (float)r->eps,
        [ADAMW_DECAY] = (float)r->weight_decay,
        [ADAMW_UNBIAS1] = (float)(1 - pow(r->beta1, step)),
        [ADAMW_UNBIAS2] = (float)(1 - pow(r->beta2, step)),
        [ADAMW_CLIP] = (float)r->clip,
    };
    float decay = (float)fmin(r->ema, (1 + step) / (10 + step)), square;
    float hyper_text[ADAMW_NUMBERS];
    memcpy(hyper_text, hyper, sizeof hyper);
    hyper_text[ADAMW_RATE] = (float)(*lr * r->text_lr);
    if (!plan_write(u->plan, u->hyper, hyper, err) ||
        !plan_write(u->plan, u->hyper_text, hyper_text, err) ||
        !plan_write(u->plan, u->decay, &decay, err) || !plan_run(u->plan, err) ||
        !plan_read(u->plan, u->norm, &square, err))
        return false;
    *grad_norm = sqrt(square);
    return buffer_zero(u->slots[SLOT_GRADS], err);
}
