// SPDX-License-Identifier: MIT
// limn generate and limn instruct: an instruction to pictures.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/cli/commands.h"
#include "app/cli/draw.h"
#include "app/job/job_retrieve.h"
#include "app/job/parameters.h"
#include "app/job/sweep.h"
#include "app/job/sweep_sheet.h"
#include "app/job/template.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "renderer/image/codec.h"

struct generate {
    const char *source; // template, PNG or instruction
    struct value_list sets, refs, ref_texts, away, sweeps;
    const char *start, *mask;
    int lots;
    bool no_sweep;
    struct job given; // parameters; its texts are words of the command line
    struct draw_params draw;
};

// "K=REST": the number and what follows; false on anything else.
static bool
numbered(const char *text, const char *name, int *marker, const char **rest, struct err *err)
{
    char *end;
    long k = strtol(text, &end, 10);
    if (end == text || *end != '=' || k < 1 || k > LIMIT_INSTRUCTION_MARKER || !end[1])
        return err_set(err, ERR_INPUT, "%s is '%.60s', but must be K=… with K as in [ref#K]", name,
                       text);
    *marker = (int)k;
    *rest = end + 1;
    return true;
}

// --- jobs

// A JPEG or the like in place of a template or a PNG.
static bool
refuse_picture(const char *path, struct err *err)
{
    struct err ignored = {0};
    size_t size = 0;
    char *data = file_read(path, LIMIT_PICTURE_BYTES, &size, &ignored);
    bool picture = data && codec_recognise(data, size, path, &ignored);
    free(data);
    return !picture ||
           err_set(err, ERR_INPUT, "%s is a picture, but no PNG: only a PNG holds an instruction",
                   path);
}

static bool
read_template(const struct generate *g, struct template *t, struct err *err)
{
    char *path = refuse_picture(g->source, err) ? template_locate(g->source, err) : NULL;
    bool ok = path && template_read(t, path, err);
    for (int i = 0; ok && i < g->sets.count; i++) {
        const char *equals = strchr(g->sets.items[i], '=');
        char *name =
            equals ? mem_strndup(g->sets.items[i], (size_t)(equals - g->sets.items[i])) : NULL;
        ok = name ? template_set(t, name, equals + 1, err)
                  : err_set(err, ERR_INPUT, "--set is '%.60s', but must be NAME=VALUE",
                            g->sets.items[i]);
        free(name);
    }
    for (int i = 0; ok && i < g->refs.count; i++) {
        int marker = 0;
        const char *image = NULL;
        ok = numbered(g->refs.items[i], "--ref", &marker, &image, err);
        bool found = false;
        for (int k = 0; ok && k < t->reference_count; k++)
            if (t->references[k].use == JOB_REFERENCE && t->references[k].marker == marker) {
                found = true;
                free(t->references[k].image);
                t->references[k].image = realpath(image, NULL);
                t->references[k].typed = true;
                if (!t->references[k].image)
                    ok = err_errno(err, ERR_INPUT, "%s", image);
            }
        if (ok && !found)
            ok = err_set(err, ERR_INPUT, "%s has no reference %d", path, marker);
    }
    free(path);
    return ok;
}

// IMAGE[@LOADER[:KEY=VALUE,…]]; an existing file with an @ in its name is taken as it is.
static bool
read_picture(struct job_reference *r, const char *text, struct err *err)
{
    r->file = mem_strdup(text);
    char *at = file_exists(r->file) ? NULL : strrchr(r->file, '@');
    bool ok = true;
    if (at) {
        *at++ = 0;
        char *list = strchr(at, ':'), *left = NULL;
        if (list)
            *list++ = 0;
        r->loader = *at ? mem_strdup(at) : NULL;
        for (char *one = list ? strtok_r(list, ",", &left) : NULL; ok && one;
             one = strtok_r(NULL, ",", &left)) {
            ok = r->setting_count < LIMIT_TEMPLATE_SETTINGS ||
                 err_set(err, ERR_INPUT, "too many settings for the loader of %s", r->file);
            if (ok)
                r->settings[r->setting_count++] = mem_strdup(one);
        }
    }
    return ok;
}

static bool
add_reference(struct job *j, const char *text, struct err *err)
{
    int marker = 0;
    const char *rest = NULL;
    if (!numbered(text, "--ref", &marker, &rest, err))
        return false;
    struct job_reference *r = job_add(j, marker);
    if (!r)
        return err_set(err, ERR_INPUT, "more than %d references", LIMIT_INSTRUCTION_REFERENCES);
    return read_picture(r, rest, err);
}

// In place of the one that there is.
static bool
set_picture(struct job *j, enum job_use use, int marker, const char *text, struct err *err)
{
    for (int i = j->reference_count - 1; i >= 0; i--)
        if (j->references[i].use == use && j->references[i].marker == marker)
            job_remove(j, i);
    struct job_reference *r = job_add_for(j, use, marker);
    if (!r)
        return err_set(err, ERR_INPUT, "more than %d pictures to steer away from", LIMIT_JOB_AWAY);
    return read_picture(r, text, err);
}

// --start, --mask and --negative-ref.
static bool
set_pictures(const struct generate *g, struct job *j, struct err *err)
{
    bool ok = (!g->start || set_picture(j, JOB_START, 0, g->start, err)) &&
              (!g->mask || set_picture(j, JOB_MASK, 0, g->mask, err));
    for (int i = 0; ok && i < g->away.count; i++)
        ok = set_picture(j, JOB_AWAY, i + 1, g->away.items[i], err);
    return ok;
}

// What --ref-text says of references that are there.
static bool
set_words(const struct generate *g, struct job *j, struct err *err)
{
    bool ok = true;
    for (int i = 0; ok && i < g->ref_texts.count; i++) {
        int marker = 0;
        const char *words = NULL;
        ok = numbered(g->ref_texts.items[i], "--ref-text", &marker, &words, err);
        struct job_reference *r = ok ? job_find(j, marker) : NULL;
        if (r) {
            free(r->words);
            r->words = mem_strdup(words);
        } else if (ok) {
            ok = err_set(err, ERR_INPUT, "--ref-text is '%.60s', but there is no reference %d",
                         g->ref_texts.items[i], marker);
        }
    }
    return ok;
}

static bool
from_command_line(const struct generate *g, struct job *j, struct err *err)
{
    j->instruction = mem_strdup(g->source);
    bool ok = true;
    for (int i = 0; ok && i < g->refs.count; i++)
        ok = add_reference(j, g->refs.items[i], err);
    return ok && job_check(j, err);
}

// What the old picture of a reference went through, the new one goes through, unless another loader
// is named ("IMAGE@": none). The loader is the picture's wish, so it is said.
static void
keep_loader(const struct generate *g, struct job_reference *r, struct job_reference *old,
            bool as_it_is)
{
    if (!r->words) {
        r->words = old->words;
        old->words = NULL;
    }
    if (r->loader || !old->loader || as_it_is)
        return;
    r->loader = old->loader;
    old->loader = NULL;
    char *all = mem_strdup("");
    for (int i = 0; i < old->setting_count; i++) {
        char *longer = mem_printf("%s %s", all, old->settings[i]);
        free(all);
        all = longer;
        r->settings[r->setting_count++] = old->settings[i];
        old->settings[i] = NULL;
    }
    if (!g->draw.quiet) {
        char *text = mem_printf("limn: reference %d goes through the loader %s%s, as %s has it",
                                r->marker, r->loader, all, g->source);
        fprintf(stderr, "%s\n", command_harmless(text));
        free(text);
    }
    free(all);
}

// Another picture for a reference that the instruction has; it keeps its place among them.
static bool
exchange_reference(const struct generate *g, struct job *j, const char *text, struct err *err)
{
    int marker = 0;
    const char *rest = NULL;
    struct job one = JOB_EMPTY;
    bool ok = numbered(text, "--ref", &marker, &rest, err) && add_reference(&one, text, err);
    struct job_reference *old = ok ? job_find(j, marker) : NULL, taken;
    if (ok && !old)
        ok = err_set(err, ERR_INPUT, "%s has no reference %d", g->source, marker);
    if (ok) {
        keep_loader(g, &one.references[0], old, *rest && rest[strlen(rest) - 1] == '@');
        taken = *old;
        *old = one.references[0];
        one.references[0] = taken;
    }
    job_finish(&one);
    return ok;
}

static bool
from_picture(const struct generate *g, struct job *j, struct err *err)
{
    struct err own = {0};
    if (job_from_png(j, g->source, &own)) {
        if (g->sets.count)
            return err_set(err, ERR_INPUT,
                           "%s is a picture and has no variables for --set '%.60s': --ref and "
                           "--ref-text change its references",
                           g->source, g->sets.items[0]);
        bool ok = true;
        for (int i = 0; ok && i < g->refs.count; i++)
            ok = exchange_reference(g, j, g->refs.items[i], err);
        return ok;
    }
    if (own.code != ERR_NONE)
        return err_set(err, own.code, "%s", own.text);
    return err_set(err, ERR_INPUT,
                   "%s: limn did not make this picture: it contains no instruction", g->source);
}

// What the command line says wins over what the template or picture says, but for what is swept,
// which stays as it is in each cell.
static void
override_cell(struct job *j, const struct job *given,
              bool (*swept)(const void *sweep, const char *name), const void *sweep)
{
    for (const struct parameter *p = parameters; p->name; p++)
        if (parameter_is_set(p, given) && !swept(sweep, p->name))
            parameter_copy(p, j, given);
}

// What --sweep and the template's own `sweep` ask for; nothing when neither does.
static bool
read_sweep(const struct generate *g, const struct template *t, struct sweep *s, struct err *err)
{
    const char *fixed[LIMIT_OPTION_TIMES + 1] = {0};
    char *names[LIMIT_OPTION_TIMES] = {0};
    bool ok = true;
    for (int i = 0; ok && i < g->sweeps.count; i++) {
        const char *equals = strchr(g->sweeps.items[i], '=');
        char *name =
            equals ? mem_strndup(g->sweeps.items[i], (size_t)(equals - g->sweeps.items[i])) : NULL;
        ok = name ? sweep_add(s, t, name, equals + 1, err)
                  : err_set(err, ERR_INPUT, "--sweep is '%.60s', but must be NAME=VALUES",
                            g->sweeps.items[i]);
        free(name);
    }
    for (int i = 0; i < g->sets.count; i++) // what was set is not swept
        fixed[i] = names[i] = mem_strndup(g->sets.items[i], strcspn(g->sets.items[i], "="));
    if (ok && t && !g->no_sweep)
        ok = sweep_add_own(s, t, fixed, err);
    for (int i = 0; i < g->sets.count; i++)
        free(names[i]);
    if (ok && g->given.count > 1 && sweep_cells(s))
        ok = err_set(err, ERR_INPUT,
                     "--count and a sweep exclude each other: use --sweep seed=1..%d",
                     g->given.count);
    return ok;
}

static bool
swept_in_sheet(const void *sheet, const char *name)
{
    return sweep_sheet_has(sheet, name);
}

static bool
swept_in_sweep(const void *sweep, const char *name)
{
    const struct sweep *s = sweep;
    for (int k = 0; k < s->axis_count; k++)
        if (strcmp(s->axes[k].name, name) == 0)
            return true;
    return false;
}

// A sheet may be a stranger's: what computes is the user's to say.
static void
say_what_it_asks(const struct generate *g, const struct sweep_sheet *sheet)
{
    if (!sheet->asked || g->draw.quiet)
        return;
    char *text = mem_printf("limn: %s asks for %s: not followed (see --model, --device, --dtype)",
                            g->source, sheet->asked);
    fprintf(stderr, "%s\n", command_harmless(text));
    free(text);
}

static void
say_notice(void *ctx, const char *text)
{
    (void)ctx;
    command_say(stderr, "limn: %s", text);
}

static bool
retrieve_here(const struct generate *g, struct job *j, struct err *err)
{
    return job_retrieve_here(j, g->draw.quiet ? NULL : say_notice, NULL, err);
}

// The cells of a sheet, as they are in it.
static bool
items_of_sheet(const struct generate *g, const struct sweep_sheet *sheet, struct draw_item *items,
               int *count, struct err *err)
{
    bool ok = true;
    if (g->sweeps.count || g->lots || g->given.count || g->sets.count || g->refs.count ||
        g->ref_texts.count || g->start || g->mask || g->away.count)
        return err_set(err, ERR_INPUT,
                       "%s is the sheet of a sweep: it is drawn as it is, without --sweep, "
                       "--random, --count, --set or other pictures",
                       g->source);
    for (int i = 0; ok && i < sheet->count; i++) {
        struct draw_item *item = &items[(*count)++];
        job_copy(&item->job, &sheet->cells[i].job);
        item->label = mem_strdup(sheet->cells[i].label);
        override_cell(&item->job, &g->given, swept_in_sheet, sheet);
        job_settle(&item->job);
        ok = job_check_whole(&item->job, err) && retrieve_here(g, &item->job, err) &&
             job_read(&item->job, err);
    }
    return ok;
}

static bool
make_items(const struct generate *g, struct template *t, const struct job *base,
           const struct sweep *s, struct draw_item *items, int *count, struct err *err)
{
    int cells = sweep_cells(s);
    int64_t seed = -1; // one for all, so that what differs is what is swept
    bool ok = true;
    for (int i = 0; ok && i < MAX(cells, 1); i++) {
        struct draw_item *item = &items[(*count)++];
        *item = (struct draw_item){.job = JOB_EMPTY};
        if (cells)
            ok = sweep_job(s, t, base, i, &item->job, &item->label, err);
        else if (t)
            ok = template_job(t, &item->job, err);
        else
            job_copy(&item->job, base);
        ok = ok && set_words(g, &item->job, err) && set_pictures(g, &item->job, err);
        if (ok) {
            override_cell(&item->job, &g->given, swept_in_sweep, s);
            if (cells && item->job.seed < 0)
                item->job.seed = seed;
            item->job.id[0] = 0;
            job_settle(&item->job);
            seed = cells && seed < 0 ? item->job.seed : seed;
            ok = job_check_whole(&item->job, err) && retrieve_here(g, &item->job, err) &&
                 job_read(&item->job, err);
        }
    }
    return ok;
}

static int
run(const struct command_line *line, bool instruct)
{
    struct err err = {0};
    struct generate g = *(const struct generate *)line->values;
    struct job base = JOB_EMPTY;
    struct template *t = mem_zalloc(sizeof *t); // a small stack has no room for it
    struct sweep s = {0};
    struct sweep_sheet sheet = {0};
    g.source = line->words[0];
    bool ok = true;
    bool from_file = ok && !instruct && !job_is_png(g.source);
    bool from_sheet = ok && !instruct && sweep_sheet_read(&sheet, g.source, &err);
    if (from_sheet)
        say_what_it_asks(&g, &sheet);
    ok = ok && err.code == ERR_NONE;
    if (ok && !from_sheet)
        ok = instruct    ? from_command_line(&g, &base, &err)
             : from_file ? read_template(&g, t, &err)
                         : from_picture(&g, &base, &err);
    ok = ok && (from_sheet || read_sweep(&g, from_file ? t : NULL, &s, &err));
    if (ok && g.lots && !from_sheet)
        ok = sweep_draw_lots(&s, g.lots, MAX(g.given.seed, 0), &err);
    ok = ok && sweep_fits(&s, &err);
    int count = 0, room = MAX(!ok ? 1 : from_sheet ? sheet.count : sweep_cells(&s), 1);
    struct draw_item *items = mem_zalloc((size_t)room * sizeof *items);
    struct jv *about = from_sheet ? jv_copy(sheet.about)
                       : ok       ? sweep_json(&s, from_file ? t : NULL, &base)
                                  : NULL;
    if (ok)
        ok = from_sheet ? items_of_sheet(&g, &sheet, items, &count, &err)
                        : make_items(&g, from_file ? t : NULL, &base, &s, items, &count, &err);
    int columns = from_sheet ? sheet.columns : sweep_columns(&s);
    g.draw.source = instruct ? NULL : from_file && t->path ? t->path : g.source;
    ok = ok && draw(items, count, columns, about, &g.draw, &err);
    jv_free(about);
    sweep_sheet_finish(&sheet);
    for (int i = 0; i < count; i++) {
        job_finish(&items[i].job);
        free(items[i].label);
    }
    free(items);
    sweep_finish(&s);
    template_finish(t);
    free(t);
    job_finish(&base);
    return ok ? 0 : command_failed(&err);
}

static int
run_generate(const struct command_line *line)
{
    return run(line, false);
}

static int
run_instruct(const struct command_line *line)
{
    return run(line, true);
}

// --- the commands

// Parameters (app/job/parameters.def) as options.
#define PARAMETER(kind, field, empty, low, high, names, argument_, names_a, where, group_, label,  \
                  help_)                                                                           \
    {.name = #field, .argument = argument_, .help = help_,                                         \
     .type = {VALUE_##kind, low, high, names},                                                     \
     .offset = offsetof(struct generate, given) + offsetof(struct job, field), .group = group_,    \
     .complete = COMPLETE_##names_a},

// Of the pictures, in both tables.
#define PICTURE_OPTIONS                                                                            \
    {OPTION_LIST("ref-text", "K=WORDS", struct generate, ref_texts,                                \
                 "what reference K is: fox, style image")},                                        \
    {OPTION_TEXT("start", "IMAGE[@LOADER…]", struct generate, start,                               \
                 "a picture to start from; --strength says how far the drawing departs from it"),  \
     .complete = COMPLETE_FILE},                                                                   \
    {OPTION_TEXT("mask", "IMAGE[@LOADER…]", struct generate, mask,                                 \
                 "which parts of --start are redrawn (white) and which are kept to the pixel "     \
                 "(black)"),                                                                       \
     .complete = COMPLETE_FILE},                                                                   \
    {OPTION_LIST("negative-ref", "IMAGE[@LOADER…]", struct generate, away,                         \
                 "a picture to steer away from, beside --negative; the first is [ref#1] there"),   \
     .complete = COMPLETE_FILE}

// Behind them in both tables.
#define OTHER_OPTIONS                                                                              \
    {OPTION_TEXT("host", "[USER@]HOST", struct generate, draw.host,                                \
                 "compute there, through ssh; the pictures come here"),                            \
     .complete = COMPLETE_HOST},                                                                   \
    {OPTION_LIST("sweep", "NAME=VALUES", struct generate, sweeps,                                  \
                 "a picture for each value of a variable or parameter: a,b,c or 1..5 or "          \
                 "0..1:0.25 or * (all choices) or @FILE; up to 3 times; FILE-sheet.png shows "     \
                 "them all with labels"),                                                          \
     .group = "Sweeps"},                                                                           \
    {OPTION_WHOLE("random", "N", 1, LIMIT_SWEEP_CELLS, struct generate, lots,                      \
                  "only N of a sweep's pictures, chosen at random")},                              \
    {OPTION_SWITCH("no-sweep", struct generate, no_sweep, "ignore the template's own sweep")},     \
    {OPTION_TEXT("output", "FILE.png", struct generate, draw.output,                               \
                 "where the picture goes: a new name or a regular file; - is standard output; "    \
                 "several become FILE-1.png, FILE-2.png …; default: limn-SEED.png"),               \
     .letter = 'o', .complete = COMPLETE_FILE, .group = "Output"},                                 \
    {OPTION_TEXT("preview", "KIND", struct generate, draw.preview,                                 \
                 "show the steps as they come: auto, kitty, sixel, cells, sdl, file[:FOLDER], "    \
                 "none"),                                                                          \
     .fallback = "auto"},                                                                          \
    {OPTION_SWITCH("json", struct generate, draw.json,                                             \
                   "events as JSON lines on standard output")},                                    \
    {OPTION_SWITCH("quiet", struct generate, draw.quiet, "print errors only"), .letter = 'q'},     \
    {OPTION_SWITCH("no-library", struct generate, draw.no_library,                                 \
                   "do not record it in the library")}

static const struct option generate_options[] = {
    {OPTION_LIST("set", "NAME=VALUE", struct generate, sets,
                 "a value for a variable of the template"),
     .group = "Instruction"},
    {OPTION_LIST(
         "ref", "K=IMAGE", struct generate, refs,
         "another picture for reference K; when redrawing, also IMAGE@LOADER, as in instruct"),
     .complete = COMPLETE_FILE},
    PICTURE_OPTIONS,
#include "app/job/parameters.def"
    OTHER_OPTIONS,
    {0},
};

static const struct option instruct_options[] = {
    {OPTION_LIST("ref", "K=IMAGE[@LOADER[:KEY=VALUE,…]]", struct generate, refs,
                 "picture of reference K, through a loader if one is named"),
     .complete = COMPLETE_FILE, .group = "Instruction"},
    PICTURE_OPTIONS,
#include "app/job/parameters.def"
    OTHER_OPTIONS,
    {0},
};
#undef PARAMETER
#undef PICTURE_OPTIONS
#undef OTHER_OPTIONS

// Nothing given. As job_empty, which is no constant.
static const struct generate initial = {
#define PARAMETER(kind, field, empty, low, high, names, argument, names_a, where, group, label,    \
                  help)                                                                            \
    .given.field = empty,
#include "app/job/parameters.def"
#undef PARAMETER
};

static const struct argument generate_words[] = {
    {"TEMPLATE|PICTURE.png",
     "a name from limn templates, a template file, or a picture that limn drew", COMPLETE_TEMPLATE},
    {0},
};

static const struct argument instruct_words[] = {
    {"TEXT", "the instruction; each [ref#K] in it needs its picture"},
    {0},
};

const struct command command_generate = {
    .name = "generate",
    .summary = "draw from a template, or redraw a picture that limn drew",
    .about = "Draw from a template, or redraw a picture that limn drew, from the instruction "
             "inside it. The sheet of a sweep redraws all its pictures.",
    .options = generate_options,
    .arguments = generate_words,
    .size = sizeof(struct generate),
    .initial = &initial,
    .run = run_generate,
};

const struct command command_instruct = {
    .name = "instruct",
    .summary = "draw from an instruction on the command line",
    .about = "Draw from an instruction.\n\n"
             "  limn instruct \"Draw [ref#1] in the style of [ref#2]\" \\\n"
             "    --ref 1=cat.png@subject --ref 2=icon.png --ref-text 2=\"style image\"",
    .options = instruct_options,
    .arguments = instruct_words,
    .size = sizeof(struct generate),
    .initial = &initial,
    .run = run_instruct,
};
