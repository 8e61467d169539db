// SPDX-License-Identifier: MIT
#include "app/data/roles.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "engine/base/rng.h"

// "key=a" or "key=a..b".
static bool
read_setting(struct data_role *role, char *setting, struct err *err)
{
    const struct limn_loader *l = role->entry->loader;
    char *dots = strstr(setting, "..");
    if (!dots)
        return loader_set(l, &role->low, setting, err) && loader_set(l, &role->high, setting, err);
    char *equals = strchr(setting, '=');
    if (!equals || equals > dots)
        return err_set(err, ERR_INPUT, "role %s: '%s' is not KEY=VALUE", l->name, setting);
    *equals = *dots = 0;
    return loader_set_value(l, &role->low, setting, equals + 1, err) &&
           loader_set_value(l, &role->high, setting, dots + 2, err);
}

static bool
read_role(struct data_roles *r, char *text, struct err *err)
{
    if (r->count == LIMIT_PACK_ROLES)
        return err_set(err, ERR_INPUT, "at most %d roles", LIMIT_PACK_ROLES);
    char *described = mem_strdup(text), *save = NULL;
    char *name = strtok_r(text, ":", &save);
    const struct loader_entry *e = loader_host_need(r->host, name ? name : "", err);
    for (int i = 0; e && i < r->count; i++)
        if (r->roles[i].entry == e) {
            err_set(err, ERR_INPUT, "role %s is named twice", name);
            e = NULL;
        }
    if (!e) {
        free(described);
        return false;
    }
    struct data_role *role = &r->roles[r->count++];
    *role = (struct data_role){.entry = e, .described = described};
    loader_defaults(e->loader, &role->low);
    role->high = role->low;
    bool ok = true;
    for (char *setting; ok && (setting = strtok_r(NULL, ":", &save));)
        ok = read_setting(role, setting, err);
    for (uint32_t i = 0; ok && i < e->loader->param_count; i++)
        if (role->low.v[i] > role->high.v[i])
            ok = err_set(err, ERR_INPUT, "role %s: the range of %s is reversed", name,
                         e->loader->params[i].name);
    return ok;
}

bool
data_roles_open(struct data_roles *r, const char *text, struct err *err)
{
    *r = (struct data_roles){.host = loader_host_open()};
    char *copy = mem_strdup(text ? text : DATA_ROLES_DEFAULT), *save = NULL;
    bool ok = true;
    for (char *role = strtok_r(copy, ",", &save); ok && role; role = strtok_r(NULL, ",", &save))
        ok = read_role(r, role, err);
    free(copy);
    if (!ok)
        data_roles_close(r);
    return ok;
}

void
data_roles_close(struct data_roles *r)
{
    for (int i = 0; i < r->count; i++)
        free(r->roles[i].described);
    loader_host_close(r->host);
    *r = (struct data_roles){0};
}

struct image *
data_roles_run(struct data_roles *r, struct look_child *look_child, int role,
               const struct image *in, uint64_t record, struct err *err)
{
    struct data_role *k = &r->roles[role];
    const struct limn_loader *l = k->entry->loader;
    struct loader_values values = k->low;
    struct rng rng;
    rng_init(&rng, record, RNG_STREAM_DATA);
    for (uint32_t i = 0; i < l->param_count; i++) {
        double u = rng_uniform(&rng), low = k->low.v[i], high = k->high.v[i];
        if (low < high && l->params[i].kind == LIMN_PARAM_FLOAT)
            values.v[i] = low + u * (high - low);
        else if (low < high)
            values.v[i] = fmin(high, floor(low + u * (high - low + 1)));
    }
    struct image *rgba = look_child_run(look_child, k->entry, in, &values, err);
    struct image *rgb = rgba ? image_convert(rgba, IMAGE_RGB8, 0xFFFFFF, err) : NULL;
    image_unref(rgba);
    return rgb;
}
