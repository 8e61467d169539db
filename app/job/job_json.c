// SPDX-License-Identifier: MIT
// A job as JSON: between limn and its worker, in the library, in sheets.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/job/parameters.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"

static void
set_text(struct jv *o, const char *key, const char *value)
{
    if (value)
        jv_set(o, key, jv_from_string(value));
}

static struct jv *
reference_json(const struct job_reference *r, bool full)
{
    struct jv *o = jv_object();
    if (r->use != JOB_REFERENCE)
        jv_set(o, "use", jv_from_string(job_use_name(r->use)));
    jv_set(o, "marker", jv_from_integer(r->marker));
    set_text(o, "text", r->words);
    set_text(o, "file", r->file && !full ? file_basename(r->file) : r->file);
    if (full) // paths of this machine
        set_text(o, "where", r->where);
    set_text(o, "loader", r->loader);
    set_text(o, "credit", r->credit);
    if (r->retrieved)
        jv_set(o, "retrieved", jv_from_bool(true));
    if (r->hash[0])
        jv_set(o, "hash", jv_from_string(r->hash));
    if (r->processed)
        jv_set(o, "processed", jv_from_bool(true));
    if (full)
        set_text(o, "within", r->within);
    if (r->embedded && full)
        jv_set(o, "embedded", jv_from_bool(true));
    struct jv *settings = jv_array();
    for (int i = 0; i < r->setting_count; i++)
        jv_append(settings, jv_from_string(r->settings[i]));
    jv_set(o, "settings", settings);
    return o;
}

struct jv *
job_json(const struct job *j, bool full)
{
    struct jv *o = jv_object(), *references = jv_array();
    jv_set(o, "id", jv_from_string(j->id));
    jv_set(o, "instruction", jv_from_string(j->instruction ? j->instruction : ""));
    for (int i = 0; i < j->reference_count; i++)
        jv_append(references, reference_json(&j->references[i], full));
    jv_set(o, "references", references);
    for (const struct parameter *p = parameters; p->name; p++)
        parameter_to_json(p, j, o);
    set_text(o, "model_hash", j->model_hash);
    set_text(o, "template", j->template);
    return o;
}

static char *
text_of(const struct jv *o, const char *key)
{
    const char *text = jv_string(jv_get(o, key), NULL);
    return text ? mem_strdup(text) : NULL;
}

// A short word; anything longer is not one and is left out.
static char *
word_of(const struct jv *o, const char *key)
{
    const char *text = jv_string(jv_get(o, key), NULL);
    return text && *text && strlen(text) < 128 ? mem_strdup(text) : NULL;
}

enum type { TYPE_TEXT = 0, TYPE_WHOLE, TYPE_SWITCH, TYPE_LIST };

struct key {
    const char *name;
    enum type type;
};

// Besides the parameters.
static const struct key job_keys[] = {{"id", TYPE_TEXT},
                                      {"instruction", TYPE_TEXT},
                                      {"references", TYPE_LIST},
                                      {"model_hash", TYPE_TEXT},
                                      {"template", TYPE_TEXT}};
static const struct key reference_keys[] = {
    {"use", TYPE_TEXT},
    {"marker", TYPE_WHOLE},   {"text", TYPE_TEXT},        {"file", TYPE_TEXT},
    {"where", TYPE_TEXT},     {"within", TYPE_TEXT},      {"loader", TYPE_TEXT},
    {"hash", TYPE_TEXT},      {"processed", TYPE_SWITCH}, {"embedded", TYPE_SWITCH},
    {"settings", TYPE_LIST},  {"credit", TYPE_TEXT},      {"retrieved", TYPE_SWITCH},
};

// Whether the keys present have the right types; null counts as absent.
static bool
check_types(const struct jv *o, const struct key *keys, size_t count, const char *name,
            struct err *err)
{
    static const char *const words[] = {"a text", "a whole number", "true or false", "a list"};
    for (size_t i = 0; i < count; i++) {
        const struct jv *v = jv_get(o, keys[i].name);
        const bool fits[] = {jv_is_string(v), jv_is_integer(v), jv_is_bool(v), jv_is_array(v)};
        if (!jv_is_null(v) && !fits[keys[i].type])
            return err_set(err, ERR_INPUT, "%s: its %s must be %s", name, keys[i].name,
                           words[keys[i].type]);
    }
    return true;
}

static bool
parse_reference(struct job *j, const struct jv *v, const char *name, struct err *err)
{
    if (!check_types(v, reference_keys, COUNT_OF(reference_keys), name, err))
        return false;
    int64_t marker = jv_integer(jv_get(v, "marker"), 0);
    enum job_use use = job_use_from_name(jv_string(jv_get(v, "use"), job_use_name(JOB_REFERENCE)));
    bool numbered = use == JOB_REFERENCE || use == JOB_AWAY;
    const char *hash = jv_string(jv_get(v, "hash"), "");
    const struct jv *settings = jv_get(v, "settings");
    if (use == JOB_USE_COUNT || marker < numbered || marker > numbered * LIMIT_INSTRUCTION_MARKER ||
        (*hash && !job_is_hash(hash)) || jv_size(settings) > LIMIT_TEMPLATE_SETTINGS)
        return err_set(err, ERR_INPUT, "%s: a reference in it is damaged", name);
    struct job_reference *r = job_add_for(j, use, (int)marker);
    if (!r)
        return err_set(err, ERR_INPUT, "%s: too many pictures of the kind '%s'", name,
                       job_use_name(use));
    r->words = text_of(v, "text");
    r->file = text_of(v, "file");
    r->within = text_of(v, "within");
    r->embedded = jv_bool(jv_get(v, "embedded"), false);
    r->where = text_of(v, "where");
    r->loader = word_of(v, "loader");
    r->credit = text_of(v, "credit");
    r->retrieved = jv_bool(jv_get(v, "retrieved"), false);
    r->processed = jv_bool(jv_get(v, "processed"), false);
    snprintf(r->hash, sizeof r->hash, "%s", hash);
    for (size_t i = 0; i < jv_size(settings); i++)
        r->settings[r->setting_count++] = mem_strdup(jv_string(jv_at(settings, i), ""));
    return true;
}

bool
job_parse(struct job *j, const struct jv *v, const char *name, struct err *err)
{
    *j = JOB_EMPTY;
    const struct jv *value = jv_get(v, "instruction");
    const char *instruction = jv_string(value, NULL);
    if (!instruction && jv_is_null(value))
        return err_set(err, ERR_INPUT, "%s: it contains no instruction", name);
    if (!check_types(v, job_keys, COUNT_OF(job_keys), name, err))
        return false;
    for (const struct parameter *p = parameters; p->name; p++)
        if (!parameter_from_json(p, j, v, name, err))
            return false;
    j->instruction = mem_strdup(instruction);
    j->model_hash = word_of(v, "model_hash");
    j->template = word_of(v, "template");
    const char *id = jv_string(jv_get(v, "id"), "");
    snprintf(j->id, sizeof j->id, "%s", id);
    if (*id && !job_is_id(id))
        return err_set(err, ERR_INPUT, "%s: its id is damaged", name);
    const struct jv *references = jv_get(v, "references");
    for (size_t i = 0; i < jv_size(references); i++)
        if (!parse_reference(j, jv_at(references, i), name, err))
            return false;
    return true;
}

