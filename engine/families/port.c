// SPDX-License-Identifier: MIT
#include "engine/families/port.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

struct node *
port_input(struct ports *p, struct nn *nn, const char *name, struct shape shape, enum dtype dtype)
{
    struct node *n = graph_input(nn->g, name, shape, dtype);
    port_adopt_input(p, n);
    return n;
}

void
port_output(struct ports *p, struct nn *nn, const char *name, struct node *node)
{
    graph_name(nn->g, node, name);
    graph_output(nn->g, node);
    port_adopt_output(p, node);
}

void
port_adopt_input(struct ports *p, struct node *node)
{
    ARRAY_PUSH(p->inputs, p->input_count, p->input_capacity, node);
}

void
port_adopt_output(struct ports *p, struct node *node)
{
    ARRAY_PUSH(p->outputs, p->output_count, p->output_capacity, node);
}

void
ports_finish(struct ports *p)
{
    free(p->inputs);
    free(p->outputs);
    *p = (struct ports){0};
}

static struct node *
find(struct node *const *list, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(list[i]->name, name) == 0)
            return list[i];
    return NULL;
}

struct node *
ports_find_input(const struct ports *p, const char *name)
{
    return find(p->inputs, p->input_count, name);
}

struct node *
ports_find_output(const struct ports *p, const char *name)
{
    return find(p->outputs, p->output_count, name);
}
