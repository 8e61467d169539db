// SPDX-License-Identifier: MIT
#include "engine/ops/graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/require.h"
#include "engine/ops/op.h"

// Nodes are allocated in blocks that never move, so that pointers stay good.
enum { BLOCK_NODES = 256 };

struct graph {
    struct node **blocks;
    int block_count, block_capacity;
    int count;
    int segment;
    char **names;
    int name_count, name_capacity;
    struct err error;
};

struct graph *
graph_create(void)
{
    return mem_zalloc(sizeof(struct graph));
}

void
graph_destroy(struct graph *g)
{
    if (!g)
        return;
    for (int i = 0; i < g->block_count; i++)
        free(g->blocks[i]);
    for (int i = 0; i < g->name_count; i++)
        free(g->names[i]);
    free(g->blocks);
    free(g->names);
    free(g);
}

int
graph_count(const struct graph *g)
{
    return g->count;
}

struct node *
graph_node(const struct graph *g, int id)
{
    require(id >= 0 && id < g->count);
    return &g->blocks[id / BLOCK_NODES][id % BLOCK_NODES];
}

const struct err *
graph_error(const struct graph *g)
{
    return &g->error;
}

void
graph_refuse(struct graph *g, const struct err *why)
{
    if (g->error.code == ERR_NONE)
        g->error = *why;
}

static struct node *
new_node(struct graph *g)
{
    if (g->count == g->block_count * BLOCK_NODES) {
        struct node *block = mem_zalloc(BLOCK_NODES * sizeof *block);
        ARRAY_PUSH(g->blocks, g->block_count, g->block_capacity, block);
    }
    struct node *n = &g->blocks[g->count / BLOCK_NODES][g->count % BLOCK_NODES];
    n->id = g->count++;
    n->segment = g->segment;
    return n;
}

// Sizes come from model files: refuse what cannot be addressed before anything multiplies it.
static void
check_shape(struct graph *g, const struct shape *shape, const char *name)
{
    char text[SHAPE_TEXT_MAX];
    int64_t total = 1;
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dim[i] < 1 || shape->dim[i] > INT32_MAX ||
            __builtin_mul_overflow(total, shape->dim[i], &total) || total > (int64_t)1 << 40) {
            err_set(&g->error, ERR_INPUT, "tensor %s has the impossible shape %s",
                    name ? name : "of an op", shape_text(shape, text));
            return;
        }
    }
}

void
graph_name(struct graph *g, struct node *n, const char *name)
{
    char *copy = mem_strdup(name);
    ARRAY_PUSH(g->names, g->name_count, g->name_capacity, copy);
    n->name = copy;
}

static struct node *
leaf(struct graph *g, const char *name, struct shape shape, enum dtype dtype, unsigned flags)
{
    struct node *n = new_node(g);
    n->shape = shape;
    n->dtype = dtype;
    n->flags = flags;
    n->segment = 0;
    graph_name(g, n, name);
    check_shape(g, &shape, name);
    return n;
}

struct node *
graph_input(struct graph *g, const char *name, struct shape shape, enum dtype dtype)
{
    return leaf(g, name, shape, dtype, NODE_INPUT);
}

struct node *
graph_bound(struct graph *g, const char *name, enum slot slot, size_t offset, struct shape shape,
            enum dtype dtype)
{
    struct node *n = leaf(g, name, shape, dtype, NODE_BOUND);
    n->slot = slot;
    n->offset = offset;
    return n;
}

void
graph_output(struct graph *g, struct node *n)
{
    (void)g;
    n->flags |= NODE_OUTPUT;
}

void
graph_segment(struct graph *g, int segment)
{
    g->segment = segment;
}

struct node *
graph_add(struct graph *g, enum op op, const union op_params *params, struct node *const *source,
          int source_count, enum dtype dtype, const struct shape *shape)
{
    const struct op_row *row = &op_rows[op];
    require(source_count >= row->source_min && source_count <= row->source_max);
    struct node *n = new_node(g);
    n->op = op;
    n->dtype = dtype;
    if (params)
        n->params = *params;
    if (shape)
        n->shape = *shape;
    n->source_count = source_count;
    for (int i = 0; i < source_count; i++) {
        require(source[i] && source[i]->id < n->id);
        n->source[i] = source[i];
    }
    struct err e = {0};
    if (g->error.code == ERR_NONE && !row->shape(n, &e)) {
        char text[SHAPE_TEXT_MAX], all[ERR_TEXT_MAX / 2] = "";
        for (int i = 0; i < source_count; i++) {
            size_t used = strlen(all);
            snprintf(all + used, sizeof all - used, "%s%s %s", i ? ", " : "",
                     dtype_name(source[i]->dtype), shape_text(&source[i]->shape, text));
        }
        err_set(&g->error, e.code, "%s(%s): %s", row->name, all, e.text);
    }
    if (g->error.code != ERR_NONE) { // the best guess
        n->dtype = n->dtype == DTYPE_NONE ? source[0]->dtype : n->dtype;
        n->shape = n->shape.rank == 0 ? source[0]->shape : n->shape;
    }
    check_shape(g, &n->shape, NULL);
    if (row->kind == KERNEL_INPLACE)
        n->flags |= NODE_EFFECT;
    return n;
}

char *
graph_text(const struct graph *g)
{
    size_t size = 0, capacity = 4096;
    char *text = mem_alloc(capacity), shape[SHAPE_TEXT_MAX];
    text[0] = 0;
    for (int i = 0; i < g->count; i++) {
        const struct node *n = graph_node(g, i);
        char line[512];
        int used = snprintf(line, sizeof line, "%%%d %s %s %s", n->id,
                            n->op ? op_rows[n->op].name : n->flags & NODE_BOUND ? "bound" : "input",
                            dtype_name(n->dtype), shape_text(&n->shape, shape));
        for (int k = 0; k < n->source_count && used < 400; k++)
            used += snprintf(line + used, sizeof line - (size_t)used, "%s%%%d", k ? " " : " <- ",
                             n->source[k]->id);
        if (n->name && used < 400)
            used += snprintf(line + used, sizeof line - (size_t)used, " \"%.80s\"", n->name);
        if (size + (size_t)used + 2 > capacity) {
            capacity *= 2;
            text = mem_realloc(text, capacity);
        }
        memcpy(text + size, line, (size_t)used);
        size += (size_t)used;
        text[size++] = '\n';
        text[size] = 0;
    }
    return text;
}
