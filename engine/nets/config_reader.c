// SPDX-License-Identifier: MIT
#include "engine/nets/config_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

void
config_refuse(struct config_reader *r, const char *key, const struct jv *value, const char *wanted)
{
    char *text = value ? jv_text(value, 0) : mem_strdup("nothing");
    r->ok = err_set(r->err, ERR_INPUT, "%s: %s is %.80s, which limn cannot use (%s)", r->name, key,
                    text, wanted);
    free(text);
}

const struct jv *
config_get(struct config_reader *r, const char *key)
{
    const struct jv *v = jv_get(r->json, key);
    return jv_is_null(v) ? NULL : v;
}

int
config_int(struct config_reader *r, const char *key, int fallback, int low, int high)
{
    const struct jv *v = config_get(r, key);
    int64_t n = jv_integer(v, fallback);
    if ((v && !jv_is_integer(v)) || n < low || n > high) {
        char wanted[80];
        snprintf(wanted, sizeof wanted, "a whole number from %d to %d is needed", low, high);
        config_refuse(r, key, v, wanted);
        return fallback < low ? low : fallback;
    }
    return (int)n;
}

double
config_double(struct config_reader *r, const char *key, double fallback, double low, double high)
{
    const struct jv *v = config_get(r, key);
    double x = jv_number(v, fallback);
    if ((v && !jv_is_number(v)) || !(x >= low && x <= high)) {
        config_refuse(r, key, v, "a number in range is needed");
        return fallback;
    }
    return x;
}

bool
config_bool(struct config_reader *r, const char *key, bool fallback)
{
    const struct jv *v = config_get(r, key);
    if (v && !jv_is_bool(v))
        config_refuse(r, key, v, "true or false is needed");
    return jv_bool(v, fallback);
}

int
config_choice(struct config_reader *r, const char *key, const char *const *words, int none)
{
    const struct jv *v = config_get(r, key);
    if (!v && none >= 0)
        return none;
    for (int i = 0; words[i]; i++)
        if (v && strcmp(jv_string(v, ""), words[i]) == 0)
            return i;
    char *list = mem_strdup("known:");
    for (int i = 0; words[i]; i++) {
        char *longer = mem_printf("%s %s", list, words[i]);
        free(list);
        list = longer;
    }
    config_refuse(r, key, v, list);
    free(list);
    return 0;
}

int
config_list(struct config_reader *r, const char *key, int most, int high, int *out)
{
    const struct jv *v = config_get(r, key);
    bool fits = v && jv_is_array(v) && jv_size(v) >= 1 && jv_size(v) <= (size_t)most;
    for (size_t i = 0; fits && i < jv_size(v); i++) {
        int64_t n = jv_integer(jv_at(v, i), 0);
        fits = n >= 1 && n <= high;
        out[i] = (int)n;
    }
    if (fits)
        return (int)jv_size(v);
    char wanted[80];
    snprintf(wanted, sizeof wanted, "1 to %d whole numbers from 1 to %d are needed", most, high);
    config_refuse(r, key, v, wanted);
    return 0;
}

void
config_expect(struct config_reader *r, const char *key, const char *only)
{
    const char *const words[] = {only, NULL};
    config_choice(r, key, words, 0);
}
