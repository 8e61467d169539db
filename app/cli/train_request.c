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
add_set(struct command_request *r, const char *key, const char *value)
{
    struct jv *quoted = jv_from_string(value);
    char *text = jv_text(quoted, 0), *word = mem_printf("%s=%s", key, text);
    command_request_word(r, "--set");
    command_request_word(r, word);
    free(word);
    free(text);
    jv_free(quoted);
}

static bool
send_set(struct command_request *r, const char *key, const char *path, struct err *err)
{
    char *before = mem_printf("%s=", key);
    command_request_word(r, "--set");
    bool ok = command_request_send_file(r, before, path, err);
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
add_command_line(struct command_request *r, const struct command_line *line, struct err *err)
{
    bool ok = true;
    for (int i = 0; ok && i < line->given_count; i++) {
        const struct given *g = &line->given[i];
        if (g->option && strcmp(g->option->name, "set") == 0 && r->host && is_sent(g->value))
            continue;
        ok = !g->option && r->host ? command_request_send_file(r, "", g->value, err)
                                   : command_request_given(r, g, err);
    }
    return ok;
}

// The name of a model that limn has of its own here, and so there: "limn-icons"; NULL: it is
// another folder.
static char *
name_of_model(const char *path)
{
    char *real = realpath(path, NULL), *name = NULL;
    char **places = places_of("models");
    for (int i = 0; real && places[i] && !name; i++) {
        char *own = file_join(places[i], file_basename(real)), *own_real = realpath(own, NULL);
        if (own_real && strcmp(own_real, real) == 0)
            name = mem_strdup(file_basename(real));
        free(own_real);
        free(own);
    }
    places_free(places);
    free(real);
    return name;
}

// What a recipe names itself is looked at before it goes to another machine. Tasks have been read
// by now.
static bool
check_file(const char *key, const char *path, struct err *err)
{
    if (strcmp(key, "tokenizer") != 0)
        return true;
    struct tokenizer *t = tokenizer_open(path, err);
    tokenizer_close(t);
    return t != NULL;
}

static bool
add_paths(struct command_request *r, const struct train_inspection *o, struct err *err)
{
    struct jv *recipe = config_read(o->file, err);
    char *folder = file_folder(o->file);
    bool ok = recipe != NULL;
    for (int i = 0; ok && sent_keys[i]; i++) {
        const char *set = jv_string(jv_get(o->settings, sent_keys[i]), NULL);
        const char *path = jv_string(jv_get(recipe, sent_keys[i]), NULL);
        char *full = set ? mem_strdup(set) : path ? file_join(folder, path) : NULL;
        ok = !full || ((set || check_file(sent_keys[i], full, err)) &&
                       send_set(r, sent_keys[i], full, err));
        free(full);
    }
    for (int i = 0; ok && kept_keys[i]; i++) {
        const char *path = jv_string(jv_get(recipe, kept_keys[i]), NULL);
        if (!path || path[0] == '/' || jv_get(o->settings, kept_keys[i]))
            continue;
        char *full = file_join(folder, path);
        char *name = strcmp(kept_keys[i], "model") == 0 ? name_of_model(full) : NULL;
        add_set(r, kept_keys[i], name ? name : path);
        free(name);
        free(full);
    }
    free(folder);
    jv_free(recipe);
    return ok;
}

// Where the other machine will write: as written in the recipe, not beside where it lies here.
static const char *
output_of(const struct train_inspection *o, bool away)
{
    const char *output = o->recipe.output;
    char *folder = file_folder(o->file);
    size_t n = strlen(folder);
    bool beside = n && strncmp(output, folder, n) == 0 && output[n] == '/';
    free(folder);
    return away && beside && !jv_get(o->settings, "output") ? output + n + 1 : output;
}

bool
train_request(struct command_request *r, const struct command_line *line, struct err *err)
{
    struct train_inspection o;
    bool ok = train_inspect(&o, line, err);
    if (ok && line->detach && o.sheet)
        ok = err_set(err, ERR_INPUT,
                     "--sheet and --detach exclude each other: a sheet is drawn at once");
    ok = ok && add_command_line(r, line, err) && (!r->host || add_paths(r, &o, err));
    if (ok) {
        jv_set(r->about, "output", jv_from_string(output_of(&o, r->host)));
        jv_set(r->about, "recipe", jv_from_string(file_basename(o.file)));
        jv_set(r->about, "steps",
               jv_from_integer(o.until ? MIN(o.until, o.recipe.steps) : o.recipe.steps));
    }
    train_inspection_finish(&o);
    return ok;
}
