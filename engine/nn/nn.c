// SPDX-License-Identifier: MIT
#include "engine/nn/nn.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/require.h"
#include "engine/nn/nn_parts.h"

struct nn_param_node {
    struct node *bound; // in the block
    struct node *cast;  // as layers use it
};

struct nn_constant {
    struct node *node;
    void *data; // owned
};

void
nn_finish(struct nn *nn)
{
    for (int i = 0; i < nn->constant_count; i++)
        free(nn->constants[i].data);
    free(nn->constants);
    free(nn->nodes);
    nn->constants = NULL;
    nn->nodes = NULL;
    nn->constant_count = nn->constant_capacity = nn->node_capacity = 0;
}

struct node *
nn_bound(const struct nn *nn, int i)
{
    return i < nn->node_capacity ? nn->nodes[i].bound : NULL;
}

void
nn_segment(struct nn *nn)
{
    if (nn->checkpoint)
        graph_segment(nn->g, ++nn->segment);
}

void
nn_segment_end(struct nn *nn)
{
    if (nn->checkpoint)
        graph_segment(nn->g, 0);
}

struct node *
nn_named(struct nn *nn, const char *name, const char *suffix, struct shape shape,
         enum param_kind kind, struct param_init init)
{
    char full[NN_NAME_MAX + 16];
    snprintf(full, sizeof full, "%s.%s", name, suffix);
    return nn_param(nn, full, shape, kind, init);
}

const char *
nn_name(char buf[NN_NAME_MAX], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(buf, NN_NAME_MAX, format, args);
    va_end(args);
    return buf;
}

static struct nn_param_node *
param_node(struct nn *nn, int i)
{
    if (i >= nn->node_capacity) {
        int capacity = MAX(2 * nn->node_capacity, MAX(i + 1, 256));
        nn->nodes = mem_realloc(nn->nodes, (size_t)capacity * sizeof *nn->nodes);
        memset(nn->nodes + nn->node_capacity, 0,
               (size_t)(capacity - nn->node_capacity) * sizeof *nn->nodes);
        nn->node_capacity = capacity;
    }
    return &nn->nodes[i];
}

static struct node *
bind(struct nn *nn, int i)
{
    const struct param *q = params_at(nn->params, i);
    struct nn_param_node *at = param_node(nn, i);
    if (!at->bound)
        at->bound = graph_bound(nn->g, q->name, SLOT_PARAMS, q->offset, q->shape, q->dtype);
    return at->bound;
}

// W + B A where there is an adapter, W otherwise.
static struct node *
adapted(struct nn *nn, int i)
{
    const struct param *q = params_at(nn->params, i);
    if (!q->adapter)
        return bind(nn, i);
    struct node *a = op_cast(nn->g, bind(nn, q->adapter), DTYPE_F32);
    struct node *b = op_cast(nn->g, bind(nn, q->adapter + 1), DTYPE_F32);
    struct node *more = op_matmul(nn->g, b, false, a, false, NULL, DTYPE_F32);
    return op_add(nn->g, op_cast(nn->g, bind(nn, i), DTYPE_F32),
                  op_reshape(nn->g, more, q->shape));
}

struct node *
nn_param(struct nn *nn, const char *name, struct shape shape, enum param_kind kind,
         struct param_init init)
{
    char full[2 * NN_NAME_MAX];
    snprintf(full, sizeof full, "%s%s", nn->part ? nn->part : "", name);
    bool matrix = kind == PARAM_MATRIX || kind == PARAM_KEPT;
    if (graph_error(nn->g)->code != ERR_NONE) // shapes are guesses now, and this graph never runs
        return graph_input(nn->g, full, shape, matrix ? nn->dtype : DTYPE_F32);
    int i = params_declare(nn->params, full, shape, kind, init);
    if (!param_node(nn, i)->cast) {
        struct node *w = adapted(nn, i);
        bool cast = matrix && !dtype_is_packed(w->dtype); // products take blocks as they are
        param_node(nn, i)->cast = cast ? op_cast(nn->g, w, nn->dtype) : w;
    }
    return param_node(nn, i)->cast;
}

int32_t *
nn_constant_i32(struct nn *nn, const char *name, struct shape shape, struct node **node)
{
    for (int i = 0; i < nn->constant_count; i++)
        if (strcmp(nn->constants[i].node->name, name) == 0) {
            *node = nn->constants[i].node;
            require(shape_equal(&(*node)->shape, &shape));
            return NULL;
        }
    struct err err = {0};
    struct nn_constant c = {.node = graph_input(nn->g, name, shape, DTYPE_I32)};
    *node = c.node;
    if (graph_error(nn->g)->code != ERR_NONE)
        return NULL;
    c.data = mem_try_calloc((size_t)shape_count(&shape), sizeof(int32_t), name, &err);
    if (c.data)
        ARRAY_PUSH(nn->constants, nn->constant_count, nn->constant_capacity, c);
    else
        graph_refuse(nn->g, &err);
    return c.data;
}

bool
nn_constants_write(const struct nn *nn, struct plan *p, struct err *err)
{
    for (int i = 0; i < nn->constant_count; i++)
        if (!plan_write(p, nn->constants[i].node, nn->constants[i].data, err))
            return false;
    return true;
}
