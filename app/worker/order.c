// SPDX-License-Identifier: MIT
#include "app/worker/order.h"

#include <stdlib.h>
#include <string.h>

#include "app/cli/commands.h"
#include "app/worker/records.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"

const char *const order_variables[] = {
    "OMP_NUM_THREADS",      "LIMN_CPU_ISA",       "LIMN_LOG", "LIMN_SHADOW", "LIMN_VULKAN_VALIDATE",
    "LIMN_VULKAN_SERIAL", "LIMN_VULKAN_MATRIX", "NO_COLOR", NULL};
const char *const order_places[] = {"LIMN_MODEL", "LIMN_LOADER_PATH", "XDG_DATA_HOME", NULL};

static bool
listed(const char *const *names, const char *name)
{
    while (*names && strcmp(*names, name) != 0)
        names++;
    return *names != NULL;
}

// It becomes part of a path here.
static bool
is_file_name(const char *name)
{
    return *name && *name != '.' && *name != '-' && strlen(name) < 200 && !strchr(name, '/');
}

static bool
parse_word(struct order *o, const struct jv *v, struct err *err)
{
    struct order_word *w = &o->words[o->count++];
    const char *name = jv_string(jv_get(v, "name"), NULL);
    const char *hash = jv_string(jv_get(v, "hash"), NULL);
    w->text = mem_strdup(jv_is_string(v) ? jv_string(v, "") : jv_string(jv_get(v, "before"), ""));
    if (jv_is_string(v))
        return true;
    if (!name || !is_file_name(name) || (hash && !job_is_hash(hash)))
        return err_set(err, ERR_INPUT, "a file of the command has no usable name");
    w->name = mem_strdup(name);
    w->result = !hash;
    if (hash)
        memcpy(w->hash, hash, JOB_HASH_TEXT);
    o->result_count += w->result;
    return o->result_count <= LIMIT_ORDER_RESULTS ||
           err_set(err, ERR_INPUT, "the command has more than %d results", LIMIT_ORDER_RESULTS);
}

static bool
parse_environment(struct order *o, const struct jv *v, struct err *err)
{
    if (jv_size(v) > LIMIT_ORDER_ENVIRONMENT)
        return err_set(err, ERR_INPUT, "the command sets more than %d variables",
                       LIMIT_ORDER_ENVIRONMENT);
    for (size_t i = 0; i < jv_size(v); i++) {
        const char *name = jv_key_at(v, i), *value = jv_string(jv_value_at(v, i), NULL);
        if (!value || (!listed(order_variables, name) && !listed(order_places, name)))
            return err_set(err, ERR_INPUT, "a command may not set the variable %.60s",
                           name);
        o->environment[i] = mem_printf("%s=%s", name, value);
    }
    return true;
}

bool
order_parse(struct order *o, const struct jv *head, struct err *err)
{
    *o = (struct order){0};
    const char *id = jv_string(jv_get(head, "id"), "");
    const struct jv *words = jv_get(head, "words"), *terminal = jv_get(head, "terminal");
    if (!job_is_id(id))
        return err_set(err, ERR_INPUT, "the command has no name");
    memcpy(o->id, id, strlen(id) + 1);
    if (jv_size(words) < 1 || jv_size(words) > LIMIT_ORDER_WORDS)
        return err_set(err, ERR_INPUT, "a command has 1 to %d words", LIMIT_ORDER_WORDS);
    for (size_t i = 0; i < jv_size(words); i++)
        if (!parse_word(o, jv_at(words, i), err))
            return false;
    if (o->words[0].name || !command_computes(o->words[0].text))
        return err_set(err, ERR_INPUT, "a worker does not run '%.40s'", o->words[0].text);
    const char *folder = jv_string(jv_get(head, "folder"), NULL);
    o->folder = folder && *folder ? mem_strdup(folder) : NULL;
    const char *where = jv_string(jv_get(head, "where"), NULL);
    o->where = where && *where ? mem_strdup(where) : NULL;
    for (size_t i = 0; i < jv_size(terminal); i++) {
        int64_t fd = jv_integer(jv_at(terminal, i), 0);
        if (fd == 1 || fd == 2)
            o->terminal[fd] = true;
    }
    o->detach = jv_bool(jv_get(head, "detach"), false);
    if (jv_is_object(jv_get(head, "about")))
        o->about = jv_copy(jv_get(head, "about"));
    return parse_environment(o, jv_get(head, "environment"), err);
}

bool
order_resume(struct order *o, const struct jv *record, const char *id, struct err *err)
{
    struct jv *head = jv_copy(record), *words = jv_array();
    const struct jv *before = jv_get(record, "words");
    bool resumes = false;
    for (size_t i = 0; i < jv_size(before); i++) {
        const char *word = jv_string(jv_at(before, i), "");
        size_t n = strlen(word);
        if (n > 3 && n <= strlen("--force") && strncmp(word, "--force", n) == 0)
            continue; // what it began anew is resumed
        resumes = resumes || strcmp(word, "--resume") == 0;
        jv_append(words, jv_from_string(word));
    }
    if (!resumes)
        jv_append(words, jv_from_string("--resume"));
    jv_set(head, "words", words);
    jv_set(head, "id", jv_from_string(id));
    jv_set(head, "detach", jv_from_bool(true));
    bool ok = order_parse(o, head, err);
    o->resume = true;
    jv_free(head);
    return ok;
}

struct jv *
order_json(const struct order *o)
{
    struct jv *out = jv_object(), *words = jv_array(), *environment = jv_object();
    for (int i = 0; i < o->count; i++) {
        const struct order_word *w = &o->words[i];
        char *file = w->name ? record_file(o->id, w->name) : NULL;
        char *text = mem_printf("%s%s", w->text, file ? file : "");
        jv_append(words, jv_from_string(text));
        free(text);
        free(file);
    }
    for (int i = 0; o->environment[i]; i++) {
        const char *equals = strchr(o->environment[i], '=');
        char *name = mem_strndup(o->environment[i], (size_t)(equals - o->environment[i]));
        jv_set(environment, name, jv_from_string(equals + 1));
        free(name);
    }
    jv_set(out, "words", words);
    jv_set(out, "environment", environment);
    if (o->folder)
        jv_set(out, "folder", jv_from_string(o->folder));
    if (o->where)
        jv_set(out, "where", jv_from_string(o->where));
    jv_set(out, "about", o->about ? jv_copy(o->about) : jv_object());
    return out;
}

void
order_finish(struct order *o)
{
    for (int i = 0; i < o->count; i++) {
        free(o->words[i].text);
        free(o->words[i].name);
        free(o->words[i].data);
    }
    for (int i = 0; o->environment[i]; i++)
        free(o->environment[i]);
    free(o->folder);
    free(o->where);
    jv_free(o->about);
    *o = (struct order){0};
}
