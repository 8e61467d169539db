// SPDX-License-Identifier: MIT
// A training run sent to another machine: which files its command line and recipe send along, and
// which are expected there.
#include <stdlib.h>
#include <string.h>

#include "app/base/config.h"
#include "app/base/places.h"
#include "app/cli/through.h"
#include "app/cli/train.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/text/tokenizer.h"

// A word of --set, as YAML takes it.
static void
add_set(struct errand *e, const char *key, const char *value)
{
    struct jv *quoted = jv_from_string(value);
    char *text = jv_text(quoted, 0), *word = mem_printf("%s=%s", key, text);
    errand_word(e, "--set");
    errand_word(e, word);
    free(word);
    free(text);
    jv_free(quoted);
}

static bool
send_set(struct errand *e, const char *key, const char *path, struct err *err)
{
    char *before = mem_printf("%s=", key);
    errand_word(e, "--set");
    bool ok = errand_send(e, before, path, err);
    free(before);
    return ok;
}

// Small files, which only this machine has, go along; the others are paths of the other machine,
// where relative ones begin in the folder that ssh opens.
static const char *const sent_keys[] = {"tasks", "tokenizer", NULL};
static const char *const kept_keys[] = {"model", "pack", "output", NULL};

static bool
is_sent(const char *setting)
{
    for (int i = 0; sent_keys[i]; i++)
        if (strncmp(setting, sent_keys[i], strlen(sent_keys[i])) == 0 &&
            setting[strlen(sent_keys[i])] == '=')
            return true;
    return false;
}

// The command line as it goes along: of --set not what is sent with the recipe, below.
static bool
add_line(struct errand *e, const struct command_line *line, struct err *err)
{
    bool ok = true;
    for (int i = 0; ok && i < line->given_count; i++) {
        const struct given *g = &line->given[i];
        if (g->option && strcmp(g->option->name, "set") == 0 && e->host && is_sent(g->value))
            continue;
        ok = !g->option && e->host ? errand_send(e, "", g->value, err) : errand_given(e, g, err);
    }
    return ok;
}

// The name of a model that limn has of its own here, and so there: "limn-icons"; NULL: it is
// another folder.
static char *
name_of_model(const char *path)
{
    char *whole = realpath(path, NULL), *name = NULL;
    char **places = places_of("models");
    for (int i = 0; whole && places[i] && !name; i++) {
        char *own = file_join(places[i], file_basename(whole)), *own_whole = realpath(own, NULL);
        if (own_whole && strcmp(own_whole, whole) == 0)
            name = mem_strdup(file_basename(whole));
        free(own_whole);
        free(own);
    }
    places_free(places);
    free(whole);
    return name;
}

// What a recipe names itself is looked at before it goes to another machine. Tasks have been read
// by now.
static bool
is_what_it_says(const char *key, const char *path, struct err *err)
{
    if (strcmp(key, "tokenizer") != 0)
        return true;
    struct tokenizer *t = tokenizer_open(path, err);
    tokenizer_close(t);
    return t != NULL;
}

static bool
add_paths(struct errand *e, const struct train_look *o, struct err *err)
{
    struct jv *recipe = config_read(o->file, err);
    char *folder = file_folder(o->file);
    bool ok = recipe != NULL;
    for (int i = 0; ok && sent_keys[i]; i++) {
        const char *set = jv_string(jv_get(o->settings, sent_keys[i]), NULL);
        const char *path = jv_string(jv_get(recipe, sent_keys[i]), NULL);
        char *full = set ? mem_strdup(set) : path ? file_join(folder, path) : NULL;
        ok = !full || ((set || is_what_it_says(sent_keys[i], full, err)) &&
                       send_set(e, sent_keys[i], full, err));
        free(full);
    }
    for (int i = 0; ok && kept_keys[i]; i++) {
        const char *path = jv_string(jv_get(recipe, kept_keys[i]), NULL);
        if (!path || path[0] == '/' || jv_get(o->settings, kept_keys[i]))
            continue;
        char *full = file_join(folder, path);
        char *name = strcmp(kept_keys[i], "model") == 0 ? name_of_model(full) : NULL;
        add_set(e, kept_keys[i], name ? name : path);
        free(name);
        free(full);
    }
    free(folder);
    jv_free(recipe);
    return ok;
}

// Where the other machine will write: as written in the recipe, not beside where it lies here.
static const char *
output_of(const struct train_look *o, bool away)
{
    const char *output = o->recipe.output;
    char *folder = file_folder(o->file);
    size_t n = strlen(folder);
    bool beside = n && strncmp(output, folder, n) == 0 && output[n] == '/';
    free(folder);
    return away && beside && !jv_get(o->settings, "output") ? output + n + 1 : output;
}

bool
train_errand(struct errand *e, const struct command_line *line, struct err *err)
{
    struct train_look o;
    bool ok = train_look(&o, line, err);
    if (ok && line->detach && o.sheet)
        ok = err_set(err, ERR_INPUT,
                     "--sheet and --detach exclude each other: a sheet is drawn at once");
    ok = ok && add_line(e, line, err) && (!e->host || add_paths(e, &o, err));
    if (ok) {
        jv_set(e->about, "output", jv_from_string(output_of(&o, e->host)));
        jv_set(e->about, "recipe", jv_from_string(file_basename(o.file)));
        jv_set(e->about, "steps",
               jv_from_integer(o.until ? MIN(o.until, o.recipe.steps) : o.recipe.steps));
    }
    train_look_finish(&o);
    return ok;
}
