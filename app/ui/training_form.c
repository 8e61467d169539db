// SPDX-License-Identifier: MIT
// Starts training runs: from a form, or from a command after ":".
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/base/places.h"
#include "app/cli/commands.h"
#include "app/cli/through.h"
#include "app/ui/form.h"
#include "app/ui/training.h"
#include "app/worker/client.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"

static bool
worker_trains(struct ui *ui, struct err *err)
{
    if (!client_ready(ui_client(ui)))
        return err_set(err, ERR_DEVICE, "the worker is not ready yet; try again in a moment");
    return training_of(ui)->able ||
           err_set(err, ERR_UNSUPPORTED,
                   "the worker belongs to an earlier limn, which cannot train: install the same "
                   "version");
}

// What is wrong with the line is said first, whether or not the worker is ready.
static void
begin(struct ui *ui, int argc, char **argv)
{
    struct training *t = training_of(ui);
    struct err err = {0};
    struct command_request e;
    struct job id = JOB_EMPTY;
    job_name(&id);
    command_request_begin(&e, ui_host(ui));
    struct command_line line = {0};
    bool ok = command_line_read(&line, &command_program, true, argc, argv, &err);
    line.detach = true;
    if (ok && command_request_from(&e, &line, &err) && worker_trains(ui, &err)) {
        snprintf(t->started_id, sizeof t->started_id, "%s", id.id);
        command_request_start(&e, ui_client(ui), id.id, true);
        ui_say(ui, ROLE_STATUS, "starting the training run \u2026");
    } else {
        ui_say(ui, ROLE_ERROR, "%s", err.text);
    }
    command_line_finish(&line);
    command_request_finish(&e);
}

// Splits a line into words at spaces, as a shell does; quotes keep words together.
static int
split(char *line, char **words, int room)
{
    int count = 0;
    for (char *in = line; *in && count < room;) {
        in += strspn(in, " ");
        if (!*in)
            break;
        char *out = in, quote = 0;
        words[count++] = out;
        for (; *in && (quote || *in != ' '); in++)
            if (quote ? *in == quote : *in == '"' || *in == '\'')
                quote = quote ? 0 : *in;
            else
                *out++ = *in;
        in += *in != 0;
        *out = 0;
    }
    return count;
}

enum { WORDS_MAX = 64 };

bool
training_command(struct ui *ui, const char *line)
{
    char *copy = mem_strdup(line), *words[WORDS_MAX] = {(char *)(uintptr_t)"train"};
    int count = 1 + split(copy, words + 1, WORDS_MAX - 1);
    ui_open_view(ui, VIEW_TRAINING);
    begin(ui, count, words);
    free(copy);
    return true;
}

static bool
form_done(struct ui *ui, struct form *f, bool accepted)
{
    static const char *const settings[] = {"pack", "output", "model"};
    char *sets[COUNT_OF(settings)] = {0}, *copy = mem_strdup(form_value(f, "options"));
    char *words[WORDS_MAX] = {(char *)(uintptr_t)"train"};
    int count = 1;
    words[count++] = (char *)(uintptr_t)form_value(f, "recipe");
    for (size_t i = 0; i < COUNT_OF(settings); i++)
        if (*form_value(f, settings[i])) {
            sets[i] = mem_printf("%s=%s", settings[i], form_value(f, settings[i]));
            words[count++] = (char *)(uintptr_t)"--set";
            words[count++] = sets[i];
        }
    if (strcmp(form_value(f, "device"), "auto") != 0) {
        words[count++] = (char *)(uintptr_t)"--device";
        words[count++] = (char *)(uintptr_t)form_value(f, "device");
    }
    if (strcmp(form_value(f, "resume"), "1") == 0)
        words[count++] = (char *)(uintptr_t)"--resume";
    if (strcmp(form_value(f, "force"), "1") == 0)
        words[count++] = (char *)(uintptr_t)"--force";
    count += split(copy, words + count, WORDS_MAX - count);
    if (accepted)
        begin(ui, count, words);
    for (size_t i = 0; i < COUNT_OF(settings); i++)
        free(sets[i]);
    free(copy);
    return true;
}

void
training_form(struct ui *ui)
{
    struct form *f = form_new("start a training run");
    if (!ui_machine(ui))
        client_describe(ui_client(ui));
    char **places = places_of("recipes"), *recipe = NULL;
    for (int i = 0; places[i] && !recipe; i++) {
        recipe = file_join(places[i], "limn-icons.yaml");
        if (!file_exists(recipe)) {
            free(recipe);
            recipe = NULL;
        }
    }
    const char *there =
        ui_host(ui) ? "on that machine; empty: the recipe's" : "empty: the recipe's";
    char *help = mem_printf("folder it writes to, %s", there);
    static const char *const recipes[] = {"yaml", "yml", NULL}, *const packs[] = {"pack", NULL};
    form_add_file(f, recipes, NULL, "recipe", "recipe", recipe,
                  "a YAML file of this machine (docs/training.md)");
    struct form_field *pack = form_add(f, FIELD_TEXT, "pack", "pack", "", there);
    pack->files = ui_host(ui) ? NULL : packs; // else the file is on the other machine
    form_add(f, FIELD_TEXT, "output", "output", "", help);
    form_add(f, FIELD_TEXT, "model", "model", "", there);
    const char *names[66] = {"auto"};
    const struct jv *devices = jv_get(ui_machine(ui), "devices");
    for (size_t i = 0, n = 1; i < jv_size(devices) && n < 64; i++)
        if (!*jv_string(jv_get(jv_at(devices, i), "reason"), ""))
            names[n++] = jv_string(jv_get(jv_at(devices, i), "name"), "?");
    form_choices(form_add(f, FIELD_CHOICE, "device", "device", "auto", "device to compute on"),
                 names);
    form_add(f, FIELD_BOOL, "resume", "resume", "0",
             "yes: continue from the checkpoint in its output");
    form_add(f, FIELD_BOOL, "force", "start over", "0",
             "yes: replace a training run in its output, which is lost");
    form_add(f, FIELD_TEXT, "options", "more options", "",
             "as limn train has them: --set steps=500 --until 100");
    f->done = form_done;
    free(help);
    free(recipe);
    places_free(places);
    form_open(ui, f);
}
