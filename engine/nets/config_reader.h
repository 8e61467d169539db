// SPDX-License-Identifier: MIT
// Reading a network's config.json: values by key, within bounds, and what is wrong as one sentence
// that names the file, the key and the value. Absent and null keys get the fallback. After a fault
// the reader continues with harmless values; `ok` says whether there was one. Private to
// engine/nets.
#ifndef LIMN_ENGINE_NETS_CONFIG_READER_H
#define LIMN_ENGINE_NETS_CONFIG_READER_H

#include "engine/base/jv.h"

struct config_reader {
    const struct jv *json;
    const char *name; // the file
    struct err *err;
    bool ok;          // the caller sets it to true at the start
};

void config_refuse(struct config_reader *r, const char *key, const struct jv *value,
                   const char *wanted);
const struct jv *config_get(struct config_reader *r, const char *key); // NULL: absent or null
int config_int(struct config_reader *r, const char *key, int fallback, int low, int high);
double config_double(struct config_reader *r, const char *key, double fallback, double low,
                     double high);
bool config_bool(struct config_reader *r, const char *key, bool fallback);
// The index of one of some words, NULL at the end. `none`: returned if absent; -1: not allowed.
int config_choice(struct config_reader *r, const char *key, const char *const *words, int none);
// A list of 1..most whole numbers from 1 to `high`: how many.
int config_list(struct config_reader *r, const char *key, int most, int high, int *out);
// Refuses any value but absent or this word.
void config_expect(struct config_reader *r, const char *key, const char *only);

#endif
