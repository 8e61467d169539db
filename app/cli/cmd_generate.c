// SPDX-License-Identifier: MIT
// limn generate and limn instruct: an instruction to pictures.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/cli/commands.h"
#include "app/cli/draw.h"
#include "app/job/job.h"
#include "app/job/sweep.h"
#include "app/job/sweep_sheet.h"
#include "app/job/template.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"

enum { SETS_MAX = 64 };

struct generate {
    const char *source;   // template, PNG or instruction
    const char *sets[SETS_MAX], *refs[SETS_MAX], *ref_texts[SETS_MAX];
    const char *sweeps[LIMIT_SWEEP_AXES + 1];
    int set_count, ref_count, ref_text_count, sweep_count, lots;
    bool no_sweep;
    const char *model, *device, *dtype, *guidance, *sampler;
    int64_t seed;
    int steps, size, count;
    double scale, context_scale;
    bool offload;
    struct draw_params draw;
};

static int
usage(const char *command, FILE *out)
{
    bool generate = strcmp(command, "generate") == 0;
    fputs(generate
              ? "usage: limn generate TEMPLATE|PICTURE.png [--set NAME=VALUE]... [OPTIONS]\n\n"
                "Draws from a template (a name of limn templates, or a file), or draws a picture\n"
                "that limn made once more, from the instruction inside it; the sheet of a sweep:\n"
                "all of its pictures.\n\n"
                "  --set NAME=VALUE      give a variable of the template a value\n"
                "  --ref K=IMAGE         another picture for reference K\n"
              : "usage: limn instruct \"TEXT with [ref#1] …\" --ref 1=IMAGE[@LOADER[:KEY=VALUE,…]]...\n\n"
                "Draws from an instruction. Each [ref#K] needs its picture.\n\n"
                "  --ref K=IMAGE@LOADER:KEY=VALUE,KEY=VALUE\n"
                "                        picture of reference K, through a loader if one is named\n"
                "  --ref-text K=WORDS    what reference K is (\"fox\", \"style image\")\n", out);
    fputs("  -o FILE               where the picture goes (with --count: FILE-1.png, …)\n"
          "  --seed N              the same seed gives the same picture\n"
          "  --steps N             denoising steps\n"
          "  --size N              pixels a side\n"
          "  --count N             that many pictures, seeds N, N+1, …\n"
          "  --sweep NAME=VALUES   a picture for each value of a variable, or of seed, steps, scale,\n"
          "                        context_scale: a,b,c or 1..5 or 0..1:0.25 or * (all choices) or\n"
          "                        @FILE; up to 3 times; FILE-sheet.png shows them all with labels\n"
          "  --random N            only N of a sweep's pictures, drawn by lot\n"
          "  --no-sweep            leave the template's own sweep alone\n"
          "  --guidance KIND       cfg, oscillating, separate, interleaved\n"
          "  --scale X             weight of guidance\n"
          "  --context-scale X     weight of the references (separate, interleaved)\n"
          "  --sampler NAME        ddpm, ddim, dpm++\n"
          "  --model DIR           model folder or name\n"
          "  --device NAME         auto, cpu, vulkan, vulkan:N (see limn devices)\n"
          "  --dtype TYPE          f32, bf16 or f16; default: what is fast here\n"
          "  --offload             weights stay in the machine's memory, for models larger than\n"
          "                        the graphics card's\n"
          "  --host [USER@]HOST    compute there, through ssh; the pictures come here\n"
          "  --preview KIND        auto, kitty, sixel, cells, sdl, file[:FOLDER], none:\n"
          "                        the steps as they come\n"
          "  --no-library          do not record it in the library\n"
          "  --json                events as JSON lines on standard output\n"
          "  --quiet               say nothing but errors\n", out);
    return out == stdout ? 0 : 2;
}

// --- command line

static bool
whole(const char *text, int64_t low, int64_t high, int64_t *out, const char *name, struct err *err)
{
    char *end = NULL;
    long long v = text && *text ? strtoll(text, &end, 10) : 0;
    if (!end || *end || v < low || v > high)
        return err_set(err, ERR_INPUT, "%s is '%.40s', it must be a whole number in %" PRId64
                       "..%" PRId64, name, text ? text : "", low, high);
    *out = v;
    return true;
}

static bool
real(const char *text, double low, double high, double *out, const char *name, struct err *err)
{
    char *end = NULL;
    double v = text && *text ? strtod(text, &end) : 0;
    if (!end || *end || !(v >= low && v <= high))
        return err_set(err, ERR_INPUT, "%s is '%.40s', it must be a number in %g..%g", name,
                       text ? text : "", low, high);
    *out = v;
    return true;
}

static bool
append(const char **list, int *count, const char *value, const char *name, struct err *err)
{
    if (*count == SETS_MAX)
        return err_set(err, ERR_INPUT, "more than %d times %s", SETS_MAX, name);
    list[(*count)++] = value;
    return true;
}

static bool
one_of(const char *value, const char *name, const char *const *words, struct err *err)
{
    char all[200] = "";
    for (int i = 0; words[i]; i++) {
        if (strcmp(words[i], value) == 0)
            return true;
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", words[i]);
    }
    return err_set(err, ERR_INPUT, "%s is '%.40s', it must be one of %s", name, value, all);
}

static bool
option(struct generate *g, const char *name, const char *value, struct err *err)
{
    static const char *const guidances[] = {"cfg", "oscillating", "separate", "interleaved", NULL};
    static const char *const samplers[] = {"ddpm", "ddim", "dpm++", NULL};
    static const char *const dtypes[] = {"f32", "bf16", "f16", NULL};
    int64_t v = 0;
    bool ok = true;
    if (strcmp(name, "-o") == 0 || strcmp(name, "--output") == 0) {
        g->draw.output = value;
    } else if (strcmp(name, "--set") == 0) {
        ok = append(g->sets, &g->set_count, value, name, err);
    } else if (strcmp(name, "--ref") == 0) {
        ok = append(g->refs, &g->ref_count, value, name, err);
    } else if (strcmp(name, "--sweep") == 0) {
        ok = g->sweep_count < LIMIT_SWEEP_AXES ||
             err_set(err, ERR_INPUT, "more than %d things to sweep over", LIMIT_SWEEP_AXES);
        if (ok)
            g->sweeps[g->sweep_count++] = value;
    } else if (strcmp(name, "--random") == 0) {
        ok = whole(value, 1, LIMIT_SWEEP_CELLS, &v, name, err);
        g->lots = (int)v;
    } else if (strcmp(name, "--ref-text") == 0) {
        ok = append(g->ref_texts, &g->ref_text_count, value, name, err);
    } else if (strcmp(name, "--seed") == 0) {
        ok = whole(value, 0, (int64_t)1 << 53, &g->seed, name, err);
    } else if (strcmp(name, "--steps") == 0) {
        ok = whole(value, 1, 1000, &v, name, err);
        g->steps = (int)v;
    } else if (strcmp(name, "--size") == 0) {
        ok = whole(value, 8, 4096, &v, name, err);
        g->size = (int)v;
    } else if (strcmp(name, "--count") == 0) {
        ok = whole(value, 1, 64, &v, name, err);
        g->count = (int)v;
    } else if (strcmp(name, "--scale") == 0) {
        ok = real(value, 0, 100, &g->scale, name, err);
    } else if (strcmp(name, "--context-scale") == 0) {
        ok = real(value, 0, 100, &g->context_scale, name, err);
    } else if (strcmp(name, "--guidance") == 0) {
        ok = one_of(value, name, guidances, err);
        g->guidance = value;
    } else if (strcmp(name, "--sampler") == 0) {
        ok = one_of(value, name, samplers, err);
        g->sampler = value;
    } else if (strcmp(name, "--model") == 0) {
        g->model = value;
    } else if (strcmp(name, "--device") == 0) {
        g->device = value;
    } else if (strcmp(name, "--dtype") == 0) {
        ok = one_of(value, name, dtypes, err);
        g->dtype = value;
    } else if (strcmp(name, "--preview") == 0) {
        g->draw.preview = value;
    } else if (strcmp(name, "--host") == 0) {
        g->draw.host = value;
    } else {
        ok = err_set(err, ERR_INPUT, "there is no option '%.40s' (see --help)", name);
    }
    return ok;
}

static bool
parse(struct generate *g, int argc, char **argv, struct err *err)
{
    *g = (struct generate){.seed = -1, .scale = -1, .context_scale = -1,
                           .draw = {.preview = "auto"}};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            g->draw.json = true;
        } else if (strcmp(argv[i], "--offload") == 0) {
            g->offload = true;
        } else if (strcmp(argv[i], "--no-sweep") == 0) {
            g->no_sweep = true;
        } else if (strcmp(argv[i], "--no-library") == 0) {
            g->draw.no_library = true;
        } else if (strcmp(argv[i], "--quiet") == 0 || strcmp(argv[i], "-q") == 0) {
            g->draw.quiet = true;
        } else if (argv[i][0] == '-' && argv[i][1]) {
            char *equals = strncmp(argv[i], "--", 2) == 0 ? strchr(argv[i], '=') : NULL;
            char *name = equals ? mem_strndup(argv[i], (size_t)(equals - argv[i]))
                                : mem_strdup(argv[i]);
            const char *value = equals ? equals + 1 : i + 1 < argc ? argv[++i] : NULL;
            bool ok = value ? option(g, name, value, err)
                            : err_set(err, ERR_INPUT, "%s needs a value", name);
            free(name);
            if (!ok)
                return false;
        } else if (g->source) {
            return err_set(err, ERR_INPUT, "'%.60s' is one argument too many", argv[i]);
        } else {
            g->source = argv[i];
        }
    }
    return g->source || err_set(err, ERR_INPUT, "what is to be drawn? (see --help)");
}

// "K=REST": the number and what follows; false on anything else.
static bool
numbered(const char *text, const char *name, int *marker, const char **rest, struct err *err)
{
    char *end;
    long k = strtol(text, &end, 10);
    if (end == text || *end != '=' || k < 1 || k > LIMIT_INSTRUCTION_MARKER || !end[1])
        return err_set(err, ERR_INPUT, "%s is '%.60s', it must be K=… with K as in [ref#K]", name,
                       text);
    *marker = (int)k;
    *rest = end + 1;
    return true;
}

// --- jobs

static bool
read_template(const struct generate *g, struct template *t, struct err *err)
{
    char *path = template_locate(g->source, err);
    bool ok = path && template_read(t, path, err);
    for (int i = 0; ok && i < g->set_count; i++) {
        const char *equals = strchr(g->sets[i], '=');
        char *name = equals ? mem_strndup(g->sets[i], (size_t)(equals - g->sets[i])) : NULL;
        ok = name ? template_set(t, name, equals + 1, err)
                  : err_set(err, ERR_INPUT, "--set is '%.60s', it must be NAME=VALUE", g->sets[i]);
        free(name);
    }
    for (int i = 0; ok && i < g->ref_count; i++) {
        int marker = 0;
        const char *image = NULL;
        ok = numbered(g->refs[i], "--ref", &marker, &image, err);
        bool found = false;
        for (int k = 0; ok && k < t->reference_count; k++)
            if (t->references[k].marker == marker) {
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
add_reference(struct job *j, const struct generate *g, const char *text, struct err *err)
{
    int marker = 0;
    const char *rest = NULL;
    if (!numbered(text, "--ref", &marker, &rest, err))
        return false;
    struct job_reference *r = job_add(j, marker);
    if (!r)
        return err_set(err, ERR_INPUT, "more than %d references", LIMIT_INSTRUCTION_REFERENCES);
    r->file = mem_strdup(rest);
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
                 err_set(err, ERR_INPUT, "too many settings for reference %d", marker);
            if (ok)
                r->settings[r->setting_count++] = mem_strdup(one);
        }
    }
    for (int i = 0; ok && i < g->ref_text_count; i++) {
        int other = 0;
        const char *words = NULL;
        ok = numbered(g->ref_texts[i], "--ref-text", &other, &words, err);
        if (ok && other == marker) {
            free(r->words);
            r->words = mem_strdup(words);
        }
    }
    return ok;
}

static bool
from_command_line(const struct generate *g, struct job *j, struct err *err)
{
    j->instruction = mem_strdup(g->source);
    bool ok = true;
    for (int i = 0; ok && i < g->ref_count; i++)
        ok = add_reference(j, g, g->refs[i], err);
    return ok && job_check(j, err);
}

static bool
from_picture(const struct generate *g, struct job *j, struct err *err)
{
    struct err own = {0};
    if (job_from_png(j, g->source, &own))
        return true;
    if (own.code != ERR_NONE)
        return err_set(err, own.code, "%s", own.text);
    return err_set(err, ERR_INPUT, "%s: limn did not make this picture, there is no instruction in it",
                   g->source);
}

static void
replace(char **text, const char *value)
{
    if (value) {
        free(*text);
        *text = mem_strdup(value);
    }
}

// What the command line says wins over what the template or picture says.
static void
override(struct job *j, const struct generate *g)
{
    if (g->seed >= 0)
        j->seed = g->seed;
    if (g->steps)
        j->steps = g->steps;
    if (g->size)
        j->size = g->size;
    if (g->count)
        j->count = g->count;
    if (g->scale >= 0)
        j->scale = g->scale;
    if (g->context_scale >= 0)
        j->context_scale = g->context_scale;
    replace(&j->guidance, g->guidance);
    replace(&j->sampler, g->sampler);
    replace(&j->model, g->model);
    replace(&j->device, g->device);
    replace(&j->dtype, g->dtype);
    j->offload = g->offload;
}

// What --sweep and the template's own `sweep` ask for; nothing when neither does.
static bool
read_sweep(const struct generate *g, const struct template *t, struct sweep *s, struct err *err)
{
    const char *fixed[SETS_MAX + 1] = {0};
    char *names[SETS_MAX] = {0};
    bool ok = true;
    for (int i = 0; ok && i < g->sweep_count; i++) {
        const char *equals = strchr(g->sweeps[i], '=');
        char *name = equals ? mem_strndup(g->sweeps[i], (size_t)(equals - g->sweeps[i])) : NULL;
        ok = name ? sweep_add(s, t, name, equals + 1, err)
                  : err_set(err, ERR_INPUT, "--sweep is '%.60s', it must be NAME=VALUES", g->sweeps[i]);
        free(name);
    }
    for (int i = 0; i < g->set_count; i++) // what was set is not swept
        fixed[i] = names[i] = mem_strndup(g->sets[i], strcspn(g->sets[i], "="));
    if (ok && t && !g->no_sweep)
        ok = sweep_add_own(s, t, fixed, err);
    for (int i = 0; i < g->set_count; i++)
        free(names[i]);
    if (ok && g->count > 1 && sweep_cells(s))
        ok = err_set(err, ERR_INPUT, "--count and a sweep exclude each other: use --sweep seed=1..%d", g->count);
    return ok;
}

// What was swept stays as it is in each cell.
static void
spare(struct generate *own, const char *swept)
{
    own->seed = strcmp(swept, "seed") == 0 ? -1 : own->seed;
    own->steps = strcmp(swept, "steps") == 0 ? 0 : own->steps;
    own->scale = strcmp(swept, "scale") == 0 ? -1 : own->scale;
    own->context_scale = strcmp(swept, "context_scale") == 0 ? -1 : own->context_scale;
}

// The cells of a sheet, as they are in it.
static bool
items_of_sheet(const struct generate *g, const struct sweep_sheet *sheet, struct draw_item *items,
               int *count, struct err *err)
{
    struct generate own = *g;
    bool ok = true;
    if (g->sweep_count || g->lots || g->count || g->set_count || g->ref_count)
        return err_set(err, ERR_INPUT,
                       "%s is the sheet of a sweep: it is drawn as it is, without --sweep, "
                       "--random, --count, --set or --ref",
                       g->source);
    for (int i = 0; job_parameters[i]; i++)
        if (sweep_sheet_has(sheet, job_parameters[i]))
            spare(&own, job_parameters[i]);
    for (int i = 0; ok && i < sheet->count; i++) {
        struct draw_item *item = &items[(*count)++];
        job_copy(&item->job, &sheet->cells[i].job);
        item->label = mem_strdup(sheet->cells[i].label);
        override(&item->job, &own);
        job_settle(&item->job);
        ok = job_check(&item->job, err) && job_read(&item->job, err);
    }
    return ok;
}

static bool
make_items(const struct generate *g, struct template *t, const struct job *base, const struct sweep *s,
           struct draw_item *items, int *count, struct err *err)
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
            ok = job_from_template(&item->job, t, err);
        else
            job_copy(&item->job, base);
        if (ok) {
            struct generate own = *g;
            for (int k = 0; k < s->axis_count; k++) // a swept parameter is not overridden
                spare(&own, s->axes[k].name);
            override(&item->job, &own);
            if (cells && item->job.seed < 0)
                item->job.seed = seed;
            item->job.id[0] = 0;
            job_settle(&item->job);
            seed = cells && seed < 0 ? item->job.seed : seed;
            ok = job_check(&item->job, err) && job_read(&item->job, err);
        }
    }
    return ok;
}

static int
run(int argc, char **argv, bool instruct)
{
    struct err err = {0};
    struct generate g;
    struct job base = JOB_EMPTY;
    struct template t = {0};
    struct sweep s = {0};
    struct sweep_sheet sheet = {0};
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return usage(argv[0], stdout);
    bool ok = parse(&g, argc, argv, &err);
    if (ok && !instruct && g.ref_text_count)
        ok = err_set(&err, ERR_INPUT, "--ref-text belongs to limn instruct");
    bool from_file = ok && !instruct && !job_is_png(g.source);
    bool from_sheet = ok && !instruct && sweep_sheet_read(&sheet, g.source, &err);
    ok = ok && err.code == ERR_NONE;
    if (ok && !from_sheet)
        ok = instruct    ? from_command_line(&g, &base, &err)
             : from_file ? read_template(&g, &t, &err)
                         : from_picture(&g, &base, &err);
    ok = ok && (from_sheet || read_sweep(&g, from_file ? &t : NULL, &s, &err));
    if (ok && g.lots && !from_sheet)
        ok = sweep_draw_lots(&s, g.lots, MAX(g.seed, 0), &err);
    ok = ok && sweep_fits(&s, &err);
    int count = 0, room = MAX(!ok ? 1 : from_sheet ? sheet.count : sweep_cells(&s), 1);
    struct draw_item *items = mem_zalloc((size_t)room * sizeof *items);
    struct jv *about = from_sheet ? jv_copy(sheet.about)
                       : ok       ? sweep_json(&s, from_file ? &t : NULL, &base)
                                  : NULL;
    if (ok)
        ok = from_sheet ? items_of_sheet(&g, &sheet, items, &count, &err)
                        : make_items(&g, from_file ? &t : NULL, &base, &s, items, &count, &err);
    int columns = from_sheet ? sheet.columns : sweep_columns(&s);
    ok = ok && draw(items, count, columns, about, &g.draw, &err);
    jv_free(about);
    sweep_sheet_finish(&sheet);
    for (int i = 0; i < count; i++) {
        job_finish(&items[i].job);
        free(items[i].label);
    }
    free(items);
    sweep_finish(&s);
    template_finish(&t);
    job_finish(&base);
    return ok ? 0 : command_failed(&err);
}

int
cmd_generate(int argc, char **argv)
{
    return run(argc, argv, false);
}

int
cmd_instruct(int argc, char **argv)
{
    return run(argc, argv, true);
}
