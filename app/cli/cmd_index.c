// SPDX-License-Identifier: MIT
// limn index: makes an index of captioned pictures, for searching and for retrieval-augmented
// drawing.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/base/config.h"
#include "app/base/places.h"
#include "app/cli/commands.h"
#include "app/cli/meter.h"
#include "app/index/index_make.h"
#include "engine/base/mem.h"

struct index_options {
    const char *output, *model, *device, *credits, *credit;
    struct value_list styles;
    int size, each;
    double duplicate;
    bool json;
};

// "a/icons.pack" -> "icons.index"; "icons/" -> "icons.index". Freed with free().
static char *
default_output(const char *source)
{
    size_t n = strlen(source);
    while (n > 1 && source[n - 1] == '/')
        n--;
    size_t first = n;
    while (first && source[first - 1] != '/')
        first--;
    size_t stem = strcspn(source + first, "./");
    return mem_printf("%.*s.index", (int)(stem ? MIN(stem, n - first) : n - first), source + first);
}

static bool
check_credits(const struct jv *credits, const char *file, struct err *err)
{
    bool ok = !credits || jv_is_object(credits);
    for (size_t i = 0; ok && i < jv_size(credits); i++)
        ok = jv_is_string(jv_value_at(credits, i));
    return ok ||
           err_set(err, ERR_INPUT, "%s: it must have lines STYLE: CREDIT", file);
}

static void
print_report(const struct index_options *o, const char *out, const struct index_make_report *r)
{
    if (r->unread)
        command_say(stderr, "limn: %zu pictures left out, the first: %s", r->unread,
                    r->first_unread.text);
    if (o->json) {
        struct jv *j = jv_object();
        jv_set(j, "file", jv_from_string(out));
        jv_set(j, "pictures", jv_from_integer((int64_t)r->pictures));
        jv_set(j, "names", jv_from_integer((int64_t)r->entries));
        jv_set(j, "held_out", jv_from_integer((int64_t)r->held_out));
        jv_set(j, "duplicates", jv_from_integer((int64_t)r->duplicates));
        jv_set(j, "over", jv_from_integer((int64_t)r->over));
        jv_set(j, "unread", jv_from_integer((int64_t)r->unread));
        char *text = jv_text(j, 2);
        puts(text);
        free(text);
        jv_free(j);
        return;
    }
    command_say(stdout,
                "%s: %zu pictures of %zu names; left out: %zu held out, %zu alike, %zu more of "
                "one name than asked for",
                out, r->pictures, r->entries, r->held_out, r->duplicates, r->over);
}

static int
run_index(const struct command_line *line)
{
    const struct index_options *o = line->values;
    struct meter meter = meter_open();
    struct err err = {0};
    struct index_make_report report;
    char *model = places_model(o->model, &err);
    char *out = o->output ? mem_strdup(o->output) : default_output(line->words[0]);
    struct jv *credits = model && o->credits ? config_read(o->credits, &err) : NULL;
    const struct index_make m = {.source = line->words[0], .out = out, .model = model,
                                 .device = o->device, .side = o->size, .each = o->each,
                                 .duplicate = o->duplicate, .styles = o->styles, .credits = credits,
                                 .credit = o->credit, .progress = meter_show, .ctx = &meter,
                                 .cancel = &command_interrupted};
    bool ok = model && (!o->credits || credits) && check_credits(credits, o->credits, &err) &&
              index_make(&m, &report, &err);
    if (ok)
        print_report(o, out, &report);
    jv_free(credits);
    free(model);
    free(out);
    return ok ? 0 : command_failed(&err);
}

static const struct option index_options[] = {
    {OPTION_TEXT("output", "FILE", struct index_options, output,
                 "where the index goes; default: NAME.index here"),
     .letter = 'o', .complete = COMPLETE_FILE},
    {OPTION_TEXT("model", "FOLDER", struct index_options, model,
                 "whose features the pictures are compared by: a name from limn models, or a "
                 "folder"),
     .complete = COMPLETE_MODEL},
    {OPTION_TEXT("device", "NAME", struct index_options, device, "device to compute on"),
     .fallback = "auto", .complete = COMPLETE_DEVICE},
    {OPTION_LIST("style", "NAME", struct index_options, styles,
                 "only pictures of this style; may be given several times"),
     .group = "What goes into it"},
    {OPTION_WHOLE("each", "N", 1, 1000, struct index_options, each,
                  "at most N pictures of one name, of different styles")},
    {OPTION_REAL("duplicate", "X", 0, 2, struct index_options, duplicate,
                 "pictures of the same name at most this far apart (1 - cosine) count as one"),
     .fallback = "0.02"},
    {OPTION_WHOLE("size", "N", 8, 512, struct index_options, size,
                  "the copies' side in pixels; default: the model's")},
    {OPTION_TEXT("credits", "FILE", struct index_options, credits,
                 "a YAML file: for each style, whose pictures these are, and their licence"),
     .complete = COMPLETE_FILE, .group = "Credits"},
    {OPTION_TEXT("credit", "TEXT", struct index_options, credit, "the same, for all other styles")},
    {OPTION_SWITCH("json", struct index_options, json, "a report as JSON"), .group = "Output"},
    {0},
};

static const struct argument index_words[] = {
    {"DIR|PACK", "a folder or archive of pictures, the emoji set, or a pack", COMPLETE_FILE},
    {0},
};

const struct command command_index = {
    .name = "index",
    .summary = "make an index of pictures, to find them and to draw from them",
    .about =
        "Make an index of a folder, an archive or a pack: small copies of the pictures, what they "
        "show, and their features in the model. Pictures without a caption beside them are "
        "named after their files. Held-out pictures of a pack are left out, and so is every "
        "picture that looks like another of the same name.\n\n"
        "  limn index my-icons\n"
        "  limn generate text --index my-icons.index --set subject=snail",
    .options = index_options,
    .arguments = index_words,
    .size = sizeof(struct index_options),
    .run = run_index,
    .computes = true,
    .away = "pictures, model and index are that machine's",
};
