// SPDX-License-Identifier: MIT
// limn generate and limn instruct: an instruction to pictures.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/cli/commands.h"
#include "app/cli/generate.h"
#include "app/job/job_retrieve.h"
#include "app/job/parameters.h"
#include "app/job/sweep.h"
#include "app/job/sweep_sheet.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"

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
warn_of_ignored(const struct generate *g, const struct sweep_sheet *sheet)
{
    if (!sheet->asked || g->draw.quiet)
        return;
    char *text = mem_printf("limn: %s asks for %s: not followed (see --model, --device, --dtype)",
                            g->source, sheet->asked);
    fprintf(stderr, "%s\n", command_sanitise(text));
    free(text);
}

static void
print_notice(void *ctx, const char *text)
{
    (void)ctx;
    command_say(stderr, "limn: %s", text);
}

static bool
retrieve_here(const struct generate *g, struct job *j, struct err *err)
{
    return job_retrieve_here(j, g->draw.quiet ? NULL : print_notice, NULL, err);
}

// The cells of a sheet, as they are in it.
static bool
items_of_sheet(const struct generate *g, const struct sweep_sheet *sheet, struct draw_item *items,
               int *count, struct err *err)
{
    bool ok = true;
    if (g->sweeps.count || g->samples || g->given.count || g->sets.count || g->refs.count ||
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
        job_resolve(&item->job);
        ok = job_check_complete(&item->job, err) && retrieve_here(g, &item->job, err) &&
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
        ok = ok && generate_ref_texts(g, &item->job, err) &&
             generate_extra_pictures(g, &item->job, err);
        if (ok) {
            override_cell(&item->job, &g->given, swept_in_sweep, s);
            if (cells && item->job.seed < 0)
                item->job.seed = seed;
            item->job.id[0] = 0;
            job_resolve(&item->job);
            seed = cells && seed < 0 ? item->job.seed : seed;
            ok = job_check_complete(&item->job, err) && retrieve_here(g, &item->job, err) &&
                 job_read(&item->job, err);
        }
    }
    return ok;
}

// What is drawn: pictures of a template, of an instruction, or the cells of a sheet.
struct drawings {
    struct job base; // of an instruction, from the command line or a picture
    struct template *template; // NULL: none
    struct sweep sweep;
    struct sweep_sheet sheet;
    bool is_sheet; // all of the sheet
    struct draw_item *items;
    int count;
};

static bool
read_source(struct drawings *d, const struct generate *g, bool instruct, struct err *err)
{
    struct err own = {0};
    if (instruct)
        return generate_instruction(g, &d->base, err);
    d->is_sheet = sweep_sheet_read(&d->sheet, g->source, &own);
    if (d->is_sheet)
        warn_of_ignored(g, &d->sheet);
    if (own.code != ERR_NONE)
        return err_set(err, own.code, "%s", own.text);
    if (d->is_sheet)
        return true;
    if (job_is_png(g->source))
        return generate_picture(g, &d->base, err);
    d->template = mem_zalloc(sizeof *d->template); // a small stack has no room for it
    return generate_template(g, d->template, err);
}

static bool
resolve_sweep(struct drawings *d, const struct generate *g, struct err *err)
{
    return d->is_sheet ||
           (read_sweep(g, d->template, &d->sweep, err) &&
            (!g->samples || sweep_sample(&d->sweep, g->samples, MAX(g->given.seed, 0), err)) &&
            sweep_fits(&d->sweep, err));
}

static bool
list_drawings(struct drawings *d, const struct generate *g, struct err *err)
{
    int room = d->is_sheet ? d->sheet.count : sweep_cells(&d->sweep);
    d->items = mem_zalloc((size_t)MAX(room, 1) * sizeof *d->items);
    return d->is_sheet ? items_of_sheet(g, &d->sheet, d->items, &d->count, err)
                       : make_items(g, d->template, &d->base, &d->sweep, d->items, &d->count, err);
}

static bool
draw_all(const struct drawings *d, const struct generate *g, struct err *err)
{
    int columns = d->is_sheet ? d->sheet.columns : sweep_columns(&d->sweep);
    struct jv *about = d->is_sheet ? jv_copy(d->sheet.about)
                                   : sweep_json(&d->sweep, d->template, &d->base);
    bool ok = draw(d->items, d->count, columns, about, &g->draw, err);
    jv_free(about);
    return ok;
}

static void
drawings_finish(struct drawings *d)
{
    for (int i = 0; i < d->count; i++) {
        job_finish(&d->items[i].job);
        free(d->items[i].label);
    }
    free(d->items);
    sweep_sheet_finish(&d->sheet);
    sweep_finish(&d->sweep);
    if (d->template)
        template_finish(d->template);
    free(d->template);
    job_finish(&d->base);
}

static int
run(const struct command_line *line, bool instruct)
{
    struct err err = {0};
    struct generate g = *(const struct generate *)line->values;
    struct drawings d = {.base = JOB_EMPTY};
    g.source = line->words[0];
    bool ok = read_source(&d, &g, instruct, &err) && resolve_sweep(&d, &g, &err) &&
              list_drawings(&d, &g, &err);
    g.draw.source = instruct                        ? NULL
                    : d.template && d.template->path ? d.template->path
                                                     : g.source;
    ok = ok && draw_all(&d, &g, &err);
    drawings_finish(&d);
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
    {OPTION_WHOLE("random", "N", 1, LIMIT_SWEEP_CELLS, struct generate, samples,                   \
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
