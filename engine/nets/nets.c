// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/require.h"
#include "engine/nets/guess.h"
#include "engine/nets/net.h"

static const struct net *const nets[] = {
#define NET(stem) &net_##stem,
#include "engine/nets/nets.def"
#undef NET
};

const struct net *
net_of(const struct jv *json, const char *name, struct err *err)
{
    for (size_t i = 0; i < COUNT_OF(nets); i++)
        if (nets[i]->accepts(json))
            return nets[i];
    const char *architecture = jv_string(jv_at(jv_get(json, "architectures"), 0), "no known class");
    char *known = mem_strdup(nets[0]->class_name);
    for (size_t i = 1; i < COUNT_OF(nets); i++) {
        char *longer = mem_printf("%s%s%s", known, i + 1 < COUNT_OF(nets) ? ", " : " and ",
                                  nets[i]->class_name);
        free(known);
        known = longer;
    }
    err_set(err, ERR_INPUT, "%s: limn knows %s, not %.80s", name, known,
            jv_string(jv_get(json, "_class_name"), architecture));
    free(known);
    return NULL;
}

// The length in bytes of the prefix before the anchor that a name ends with; -1: it ends with none,
// or the prefix is too long.
static int
before_anchor(const struct net *net, const char *name)
{
    size_t n = strlen(name);
    for (const char *const *a = net->anchors; a && *a; a++) {
        size_t k = strlen(*a);
        if (n < k || strcmp(name + n - k, *a) != 0)
            continue;
        bool own = n == k || name[n - k - 1] == '.';
        if (own && n - k < PARAMS_PREFIX_MAX)
            return (int)(n - k);
    }
    return -1;
}

void
net_prefix(const struct net *net, const struct safetensors *file, char prefix[PARAMS_PREFIX_MAX])
{
    int least = PARAMS_PREFIX_MAX;
    *prefix = '\0';
    for (size_t i = 0; net->anchors && i < safetensors_count(file); i++) {
        const char *name = safetensors_at(file, i)->name;
        int n = before_anchor(net, name);
        if (n >= 0 && n < least) {
            least = n;
            snprintf(prefix, PARAMS_PREFIX_MAX, "%.*s", n, name);
        }
    }
}

const struct net *
net_guess(const struct safetensors *file, const struct net *after, struct jv **config)
{
    size_t i = 0;
    *config = NULL;
    while (after && nets[i++] != after)
        continue;
    for (; i < COUNT_OF(nets); i++) {
        struct guess from = {.file = file};
        net_prefix(nets[i], file, from.prefix);
        if (nets[i]->guess && (*config = nets[i]->guess(&from)))
            return nets[i];
    }
    return NULL;
}

bool
net_golden_shape(const struct net_golden *g, const char *name, int rank, struct shape *out)
{
    const struct shape *has = g->shape(g->ctx, name);
    if (!has)
        return false;
    *out = *has;
    while (out->rank > rank && out->dim[0] == 1) {
        out->rank--;
        memmove(out->dim, out->dim + 1, (size_t)out->rank * sizeof out->dim[0]);
    }
    if (out->rank == rank - 1) {
        memmove(out->dim + 1, out->dim, (size_t)out->rank * sizeof out->dim[0]);
        out->dim[0] = 1;
        out->rank++;
    }
    return out->rank == rank;
}

struct node *
net_golden_input(struct net_golden *g, struct nn *nn, const char *name, struct shape shape,
                 enum dtype dtype)
{
    require(g->count < NET_GOLDEN_INPUTS_MAX);
    return g->inputs[g->count++] = graph_input(nn->g, name, shape, dtype);
}

bool
net_declare(struct params *params, const char *prefix, const void *config,
            struct node *(*build)(struct nn *nn, const void *config), struct err *err)
{
    struct graph *g = graph_create();
    struct nn nn = {.g = g, .params = params, .dtype = DTYPE_F32, .part = prefix};
    build(&nn, config);
    bool ok = graph_error(g)->code == ERR_NONE;
    if (!ok)
        err_set(err, graph_error(g)->code, "%s", graph_error(g)->text);
    nn_finish(&nn);
    graph_destroy(g);
    return ok;
}

bool
parts_add(struct parts *p, const char *name, const struct jv *json, const char *file,
          struct err *err)
{
    require(p->count < PARTS_MAX);
    struct part *part = &p->at[p->count++];
    *part = (struct part){.name = name, .prefix = mem_printf("%s/", name)};
    part->net = net_of(json, file, err);
    if (!part->net)
        return false;
    part->config = mem_zalloc(part->net->config_size);
    return part->net->read(part->config, json, file, err);
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
