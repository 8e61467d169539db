// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/require.h"
#include "engine/nets/net.h"

static const struct net *const nets[] = {&net_unet, &net_t5};

const struct net *
net_of(const struct jv *json, const char *name, struct err *err)
{
    for (size_t i = 0; i < COUNT_OF(nets); i++)
        if (nets[i]->accepts(json))
            return nets[i];
    const char *architecture = jv_string(jv_at(jv_get(json, "architectures"), 0), "no known class");
    err_set(err, ERR_INPUT, "%s: limn knows %s and %s, not %.80s", name, nets[0]->class_name,
            nets[1]->class_name, jv_string(jv_get(json, "_class_name"), architecture));
    return NULL;
}

struct node *
net_golden_input(struct net_golden *g, struct nn *nn, const char *name, struct shape shape,
                 enum dtype dtype)
{
    require(g->count < NET_GOLDEN_INPUTS_MAX);
    return g->inputs[g->count++] = graph_input(nn->g, name, shape, dtype);
}

const struct part *
parts_find(const struct parts *p, const char *name)
{
    for (int i = 0; i < p->count; i++)
        if (strcmp(p->at[i].name, name) == 0)
            return &p->at[i];
    return NULL;
}

const void *
parts_config(const struct parts *p, const char *name, const struct net *net)
{
    const struct part *part = parts_find(p, name);
    return part && part->net == net ? part->config : NULL;
}

void
parts_finish(struct parts *p)
{
    for (int i = 0; i < p->count; i++) {
        free(p->at[i].prefix);
        free(p->at[i].config);
        free(p->at[i].weights);
    }
    p->count = 0;
}
