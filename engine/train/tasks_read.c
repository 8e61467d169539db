// SPDX-License-Identifier: MIT
// Reading the description of a mixture.
#include <string.h>

#include "engine/base/mem.h"
#include "engine/train/tasks_parts.h"

static bool
read_texts(const struct jv *texts, const char *task, const char *what, struct err *err)
{
    if (!jv_is_array(texts) || jv_size(texts) == 0)
        return err_set(err, ERR_INPUT, "task %s: %s needs a list of texts", task, what);
    for (size_t i = 0; i < jv_size(texts); i++) {
        const char *text = jv_string(jv_at(texts, i), NULL);
        if (!text || strlen(text) >= EXAMPLE_TEXT_MAX / 4)
            return err_set(err, ERR_INPUT, "task %s: text %zu of %s is no text or too long", task,
                           i + 1, what);
    }
    return true;
}

static bool
read_reference(const struct tasks *t, struct task_reference *r, const struct jv *v,
               const char *task, struct err *err)
{
    const char *picture = jv_string(jv_get(v, "picture"), "");
    r->slot = mem_strdup(jv_string(jv_get(v, "slot"), ""));
    r->texts = jv_get(v, "texts");
    if (strncmp(picture, "role.", 5) == 0) {
        r->kind = PICTURE_ROLE;
        r->role = mem_strdup(picture + 5);
        if (!pack_role(t->pack, r->role, 0))
            return err_set(err, ERR_INPUT, "task %s: the pack has no role '%s'", task, r->role);
    } else if (strcmp(picture, "subject") == 0) {
        r->kind = PICTURE_SUBJECT;
    } else if (strcmp(picture, "style") == 0) {
        r->kind = PICTURE_STYLE;
    } else if (strcmp(picture, "neighbour") == 0) {
        r->kind = PICTURE_NEIGHBOUR;
        if (pack_cluster_count(t->pack) == 0)
            return err_set(err, ERR_INPUT, "task %s: the pack has no clusters for a neighbour to "
                           "be of: make them with 'limn data clusters'", task);
    } else {
        return err_set(err, ERR_INPUT,
                       "task %s: picture is '%s', but must be subject, style, neighbour or "
                       "role.NAME", task, picture);
    }
    if (!*r->slot)
        return err_set(err, ERR_INPUT, "task %s: a reference has no slot", task);
    return read_texts(r->texts, task, r->slot, err);
}

static bool
read_task(const struct tasks *t, struct task *task, const struct jv *v, struct err *err)
{
    static const char *const known[] = {"name", "ratio", "compound", "references", "texts"};
    if (!jv_is_object(v))
        return err_set(err, ERR_INPUT, "tasks: an entry of 'mixture' is no table of a task");
    for (size_t i = 0; i < jv_size(v); i++) {
        bool found = false;
        for (size_t k = 0; k < COUNT_OF(known); k++)
            found |= strcmp(jv_key_at(v, i), known[k]) == 0;
        if (!found)
            return err_set(err, ERR_INPUT, "tasks: unknown key '%s'", jv_key_at(v, i));
    }
    task->name = mem_strdup(jv_string(jv_get(v, "name"), ""));
    task->ratio = jv_number(jv_get(v, "ratio"), -1);
    const struct jv *compound = jv_get(v, "compound");
    if (compound && !jv_is_bool(compound))
        return err_set(err, ERR_INPUT, "task '%s': compound must be true or false", task->name);
    task->compound = jv_bool(compound, false);
    task->texts = jv_get(v, "texts");
    if (!*task->name || !(task->ratio >= 0 && task->ratio <= 1e6))
        return err_set(err, ERR_INPUT, "task '%s' needs a name and a ratio of at least 0",
                       task->name);
    const struct jv *references = jv_get(v, "references");
    if (jv_size(references) > EXAMPLE_REFERENCE_MAX)
        return err_set(err, ERR_INPUT, "task %s: at most %d references", task->name,
                       EXAMPLE_REFERENCE_MAX);
    for (size_t i = 0; i < jv_size(references); i++) {
        task->reference_count++;
        if (!read_reference(t, &task->references[i], jv_at(references, i), task->name, err))
            return false;
    }
    return read_texts(task->texts, task->name, "texts", err);
}

static bool
read_chance(const struct tasks *t, const char *key, double fallback, double *chance,
            struct err *err)
{
    const struct jv *v = jv_get(t->description, key);
    *chance = jv_number(v, fallback);
    return ((!v || jv_is_number(v)) && *chance >= 0 && *chance <= 1) ||
           err_set(err, ERR_INPUT, "tasks: %s must be a number in 0..1", key);
}

static bool
read_chances(struct tasks *t, struct err *err)
{
    static const char *const known[] = {"drop_all", "drop_context", "unknown_subject",
                                        "style_weights", "mixture"};
    for (size_t i = 0; i < jv_size(t->description); i++) {
        bool found = false;
        for (size_t k = 0; k < COUNT_OF(known); k++)
            found |= strcmp(jv_key_at(t->description, i), known[k]) == 0;
        if (!found)
            return err_set(err, ERR_INPUT, "tasks: unknown key '%s'",
                           jv_key_at(t->description, i));
    }
    return read_chance(t, "drop_all", 0.1, &t->drop_all, err) &&
           read_chance(t, "drop_context", 0.1, &t->drop_context, err) &&
           read_chance(t, "unknown_subject", 0, &t->unknown_subject, err) &&
           (t->drop_all + t->drop_context <= 1 ||
            err_set(err, ERR_INPUT, "tasks: drop_all and drop_context are more than 1 together"));
}

// A list of weights may name styles that this pack lacks, so that one list serves several packs.
static bool
read_style_weights(struct tasks *t, struct err *err)
{
    const struct jv *weights = jv_get(t->description, "style_weights");
    double total = 0;
    if (!weights)
        return true;
    if (!jv_is_object(weights))
        return err_set(err, ERR_INPUT, "tasks: style_weights must be a list of STYLE: NUMBER");
    for (size_t i = 0; i < jv_size(weights); i++) {
        const struct jv *w = jv_value_at(weights, i);
        if (!jv_is_number(w) || !(jv_number(w, -1) >= 0 && jv_number(w, -1) <= 1e6))
            return err_set(err, ERR_INPUT, "tasks: style_weights: %s needs a number from 0 on",
                           jv_key_at(weights, i));
    }
    t->train_until = mem_try_calloc((size_t)t->train_count + 1, sizeof *t->train_until,
                                    "weights of pictures", err);
    if (!t->train_until)
        return false;
    for (int i = 0; i < t->train_count; i++) {
        int style = pack_style(t->pack, t->train[i]);
        const char *name = style < 0 ? "" : pack_style_name(t->pack, style);
        total += jv_number(jv_get(weights, name), 1);
        t->train_until[i] = total;
    }
    return total > 0 || err_set(err, ERR_INPUT, "tasks: style_weights leave nothing to train on");
}

bool
tasks_read(struct tasks *t, bool zero_shot, struct err *err)
{
    const struct jv *mixture = jv_get(t->description, "mixture");
    if (!jv_is_object(t->description))
        return err_set(err, ERR_INPUT, "tasks: no description with a 'mixture'");
    if (!read_chances(t, err) || !read_style_weights(t, err))
        return false;
    if (!jv_is_array(mixture) || jv_size(mixture) == 0)
        return err_set(err, ERR_INPUT, "tasks: the list 'mixture' is missing or empty");
    t->tasks = mem_try_calloc(jv_size(mixture), sizeof *t->tasks, "tasks", err);
    if (!t->tasks)
        return false;
    double total = 0;
    for (size_t i = 0; i < jv_size(mixture); i++) {
        t->count++;
        if (!read_task(t, &t->tasks[i], jv_at(mixture, i), err))
            return false;
        if (zero_shot && t->tasks[i].compound)
            t->tasks[i].ratio = 0;
        total += t->tasks[i].ratio;
    }
    if (!(total > 0))
        return err_set(err, ERR_INPUT, "tasks: all ratios are 0");
    for (int i = 0; i < t->count; i++)
        t->tasks[i].ratio /= total;
    return true;
}
