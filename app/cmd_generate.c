// SPDX-License-Identifier: MIT
// limn generate and limn instruct: an instruction to pictures.
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/places.h"
#include "app/request.h"
#include "app/template.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/model/pipeline.h"
#include "renderer/image/codec.h"
#include "renderer/preview.h"

enum { SETS_MAX = 64 };

struct generate {
    const char *source;   // template, PNG or instruction
    const char *sets[SETS_MAX], *refs[SETS_MAX], *ref_texts[SETS_MAX];
    int set_count, ref_count, ref_text_count;
    const char *output, *model, *device, *preview, *guidance, *sampler;
    enum dtype dtype;
    int64_t seed;
    int steps, size, count;
    double scale, context_scale;
    bool json, quiet, offload;
};

static int
usage(const char *command, FILE *out)
{
    bool generate = strcmp(command, "generate") == 0;
    fputs(generate
              ? "usage: limn generate TEMPLATE|PICTURE.png [--set NAME=VALUE]... [OPTIONS]\n\n"
                "Draws from a template (a name of limn templates, or a file), or draws a picture\n"
                "that limn made once more, from the instruction inside it.\n\n"
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
          "  --guidance KIND       cfg, oscillating, separate, interleaved\n"
          "  --scale X             weight of guidance\n"
          "  --context-scale X     weight of the references (separate, interleaved)\n"
          "  --sampler NAME        ddpm, ddim, dpm++\n"
          "  --model DIR           model folder or name\n"
          "  --device NAME         auto, cpu, vulkan, vulkan:N (see limn devices)\n"
          "  --dtype TYPE          f32, bf16 or f16; default: what is fast here\n"
          "  --offload             weights stay in the machine's memory, for models larger than\n"
          "                        the graphics card's\n"
          "  --preview KIND        auto, sixel, file[:FOLDER], none: the steps as they come\n"
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
        g->output = value;
    } else if (strcmp(name, "--set") == 0) {
        ok = append(g->sets, &g->set_count, value, name, err);
    } else if (strcmp(name, "--ref") == 0) {
        ok = append(g->refs, &g->ref_count, value, name, err);
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
        g->dtype = dtype_from_name(value);
    } else if (strcmp(name, "--preview") == 0) {
        g->preview = value;
    } else {
        ok = err_set(err, ERR_INPUT, "there is no option '%.40s' (see --help)", name);
    }
    return ok;
}

static bool
parse(struct generate *g, int argc, char **argv, struct err *err)
{
    *g = (struct generate){.seed = -1, .scale = -1, .context_scale = -1, .device = "auto",
                           .preview = "auto"};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            g->json = true;
        } else if (strcmp(argv[i], "--offload") == 0) {
            g->offload = true;
        } else if (strcmp(argv[i], "--quiet") == 0 || strcmp(argv[i], "-q") == 0) {
            g->quiet = true;
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
    if (end == text || *end != '=' || k < 1 || k > INSTRUCTION_MARKER_MAX || !end[1])
        return err_set(err, ERR_INPUT, "%s is '%.60s', it must be K=… with K as in [ref#K]", name,
                       text);
    *marker = (int)k;
    *rest = end + 1;
    return true;
}

// --- requests

static bool
from_template(const struct generate *g, struct request *r, struct err *err)
{
    struct template t = {0};
    struct loader_host *loaders = NULL;
    char *path = template_locate(g->source, err);
    bool ok = path && template_read(&t, path, err);
    for (int i = 0; ok && i < g->set_count; i++) {
        const char *equals = strchr(g->sets[i], '=');
        char *name = equals ? mem_strndup(g->sets[i], (size_t)(equals - g->sets[i])) : NULL;
        ok = name ? template_set(&t, name, equals + 1, err)
                  : err_set(err, ERR_INPUT, "--set is '%.60s', it must be NAME=VALUE", g->sets[i]);
        free(name);
    }
    for (int i = 0; ok && i < g->ref_count; i++) {
        int marker = 0;
        const char *image = NULL;
        ok = numbered(g->refs[i], "--ref", &marker, &image, err);
        bool found = false;
        for (int k = 0; ok && k < t.reference_count; k++)
            if (t.references[k].marker == marker) {
                found = true;
                free(t.references[k].image);
                t.references[k].image = realpath(image, NULL);
                if (!t.references[k].image)
                    ok = err_errno(err, ERR_INPUT, "%s", image);
            }
        if (ok && !found)
            ok = err_set(err, ERR_INPUT, "%s has no reference %d", path, marker);
    }
    if (ok) {
        loaders = loader_host_open();
        ok = request_from_template(r, &t, loaders, err);
    }
    loader_host_close(loaders);
    template_finish(&t);
    free(path);
    return ok;
}

// IMAGE[@LOADER[:KEY=VALUE,…]]; an existing file with an @ in its name is taken as it is.
static bool
add_reference(struct request *r, const struct generate *g, const char *text,
              const struct loader_host *loaders, struct err *err)
{
    struct request_reference ref = {0};
    const char *settings[TEMPLATE_SETTINGS_MAX], *rest = NULL;
    if (!numbered(text, "--ref", &ref.marker, &rest, err))
        return false;
    char *copy = mem_strdup(rest), *at = file_exists(copy) ? NULL : strrchr(copy, '@');
    ref.path = copy;
    ref.settings = settings;
    bool ok = true;
    if (at) {
        *at++ = 0;
        char *list = strchr(at, ':');
        if (list)
            *list++ = 0;
        ref.loader = *at ? at : NULL;
        for (char *one = list ? strtok(list, ",") : NULL; ok && one; one = strtok(NULL, ",")) {
            ok = ref.setting_count < TEMPLATE_SETTINGS_MAX ||
                 err_set(err, ERR_INPUT, "too many settings for reference %d", ref.marker);
            if (ok)
                settings[ref.setting_count++] = one;
        }
    }
    for (int i = 0; ok && i < g->ref_text_count; i++) {
        int marker = 0;
        const char *words = NULL;
        ok = numbered(g->ref_texts[i], "--ref-text", &marker, &words, err);
        if (ok && marker == ref.marker)
            ref.words = words;
    }
    ok = ok && request_add(r, &ref, loaders, err);
    free(copy);
    return ok;
}

static bool
from_command_line(const struct generate *g, struct request *r, struct err *err)
{
    *r = REQUEST_EMPTY;
    r->instruction.text = mem_strdup(g->source);
    struct loader_host *loaders = loader_host_open();
    bool ok = true;
    for (int i = 0; ok && i < g->ref_count; i++)
        ok = add_reference(r, g, g->refs[i], loaders, err);
    loader_host_close(loaders);
    return ok && instruction_check(&r->instruction, err);
}

static bool
is_png(const char *path)
{
    static const char head[8] = "\x89PNG\r\n\x1A\n";
    char have[8] = "";
    FILE *f = fopen(path, "rbe");
    size_t n = f ? fread(have, 1, 8, f) : 0;
    if (f)
        fclose(f);
    return n == 8 && memcmp(head, have, 8) == 0;
}

static bool
from_picture(const struct generate *g, struct request *r, struct err *err)
{
    struct err own = {0};
    if (request_from_png(r, g->source, &own))
        return true;
    if (own.code != ERR_NONE)
        return err_set(err, own.code, "%s", own.text);
    return err_set(err, ERR_INPUT, "%s: limn did not make this picture, there is no instruction in it",
                   g->source);
}

// What the command line says wins over what the template or picture says.
static void
override(struct request *r, const struct generate *g)
{
    if (g->seed >= 0)
        r->seed = g->seed;
    if (g->steps)
        r->steps = g->steps;
    if (g->size)
        r->size = g->size;
    if (g->count)
        r->count = g->count;
    if (g->scale >= 0)
        r->scale = g->scale;
    if (g->context_scale >= 0)
        r->context_scale = g->context_scale;
    if (g->guidance) {
        free(r->guidance);
        r->guidance = mem_strdup(g->guidance);
    }
    if (g->sampler) {
        free(r->sampler);
        r->sampler = mem_strdup(g->sampler);
    }
    r->count = MAX(r->count, 1);
    if (r->seed < 0) {
        uint32_t chosen = 1;
        if (getrandom(&chosen, sizeof chosen, 0) != sizeof chosen)
            chosen = (uint32_t)getpid();
        r->seed = chosen;
    }
}

// --- drawing

struct live {
    const struct generate *g;
    struct preview *preview;
    int count;
    bool terminal, failed;
    struct err err;
};

// All pictures of the batch side by side.
static struct image *
side_by_side(const uint8_t *rgb, int size, int count, struct err *err)
{
    struct image *all = image_create(size * count, size, IMAGE_RGB8, err);
    for (int i = 0; all && i < count; i++) {
        struct image one = {.width = size, .height = size, .format = IMAGE_RGB8,
                            .stride = (size_t)size * 3, .references = 1,
                            .pixels = (uint8_t *)(uintptr_t)rgb + (size_t)i * (size_t)size * (size_t)size * 3};
        image_paste(all, &one, i * size, 0);
    }
    return all;
}

static void
progress(void *ctx, int step, int total, double seconds, const uint8_t *rgb, int size)
{
    struct live *l = ctx;
    if (l->preview && !l->failed) {
        struct image *frame = side_by_side(rgb, size, l->count, &l->err);
        l->failed = !frame || !preview_frame(l->preview, frame, step, total, &l->err);
        image_unref(frame);
    }
    double left = step ? seconds / step * (total - step) : 0;
    if (l->g->json) {
        printf("{\"event\":\"progress\",\"step\":%d,\"total\":%d,\"seconds\":%.3f}\n", step, total,
               seconds);
        fflush(stdout);
    } else if (!l->g->quiet && l->terminal) {
        fprintf(stderr, "\r\033[K%d/%d  %.1f steps/s  %.1f s left", step, total,
                seconds > 0 ? step / seconds : 0, left);
    }
}

// FILE, or FILE-1.png, FILE-2.png … for several; without -o limn-SEED.png, made unique.
static char *
output_name(const struct generate *g, const struct request *r, int i)
{
    if (!g->output) {
        char *name = mem_printf("limn-%" PRId64 ".png", r->seed + i);
        for (int k = 2; file_exists(name); k++) {
            free(name);
            name = mem_printf("limn-%" PRId64 "-%d.png", r->seed + i, k);
        }
        return name;
    }
    if (r->count == 1)
        return mem_strdup(g->output);
    const char *dot = strrchr(g->output, '.'), *slash = strrchr(g->output, '/');
    size_t stem = dot && (!slash || dot > slash) ? (size_t)(dot - g->output) : strlen(g->output);
    return mem_printf("%.*s-%d%s", (int)stem, g->output, i + 1, g->output + stem);
}

static void
print_result(const char *file, int64_t seed)
{
    struct jv *event = jv_object();
    jv_set(event, "event", jv_from_string("result"));
    jv_set(event, "file", jv_from_string(file));
    jv_set(event, "seed", jv_from_integer(seed));
    char *text = jv_text(event, 0);
    puts(text);
    free(text);
    jv_free(event);
}

static bool
write_pictures(const struct generate *g, const struct request *r, const struct pipeline *p,
               const struct pipeline_result *result, struct device *d, struct err *err)
{
    struct pipeline_info info;
    pipeline_info(p, &info);
    for (int i = 0; i < result->count; i++) {
        struct request_made made = {.model = info.name, .model_hash = info.hash,
                                    .sampler = result->sampler, .guidance = result->guidance,
                                    .device = device_limits(d)->name, .index = i,
                                    .steps = result->steps, .size = result->size,
                                    .scale = result->scale,
                                    .context_scale = result->context_scale, .seed = r->seed + i};
        size_t bytes = (size_t)result->size * (size_t)result->size * 3;
        struct image image = {.width = result->size, .height = result->size, .references = 1,
                              .format = IMAGE_RGB8, .stride = (size_t)result->size * 3,
                              .pixels = result->rgb + (size_t)i * bytes};
        char *text = request_text(r, &made, err), *name = output_name(g, r, i);
        const char *const texts[] = {"limn", text, "Software", "limn " LIMN_VERSION, NULL};
        bool ok = text && codec_write_png(&image, name, texts, err);
        if (ok && g->json)
            print_result(name, made.seed);
        else if (ok && !g->quiet)
            printf("%s  (seed %" PRId64 ")\n", name, made.seed);
        free(text);
        free(name);
        if (!ok)
            return false;
    }
    return true;
}

static bool
draw(const struct generate *g, const struct request *r, struct err *err)
{
    struct live live = {.g = g, .count = r->count, .terminal = isatty(STDERR_FILENO)};
    struct device *d = NULL;
    struct pipeline *p = NULL;
    struct pipeline_result result = {0};
    struct pipeline_info info;
    char *folder = places_model(g->model, err);
    bool ok = folder && preview_open(&live.preview, g->preview, err);
    d = ok ? device_open(g->device, err) : NULL;
    if (d)
        device_set_offload(d, g->offload);
    p = d ? pipeline_open(folder, d, g->dtype, err) : NULL;
    ok = p != NULL;
    if (ok) {
        pipeline_info(p, &info);
        if (r->model_hash && strcmp(r->model_hash, info.hash) != 0 && !g->quiet)
            fprintf(stderr, "limn: the picture was made by another model (%s, this is %s): it will "
                            "differ\n", r->model_hash, info.hash);
        struct pipeline_request request = {.instruction = &r->instruction,
                                           .seed = (uint64_t)r->seed, .count = r->count,
                                           .steps = r->steps, .size = r->size,
                                           .sampler = r->sampler, .guidance = r->guidance,
                                           .scale = r->scale, .context_scale = r->context_scale,
                                           .progress = progress, .ctx = &live,
                                           .cancel = &command_interrupted};
        ok = pipeline_run(p, &request, &result, err);
    }
    preview_close(live.preview);
    if (live.terminal && !g->quiet && !g->json && d)
        fputs("\r\033[K", stderr);
    if (ok && live.failed)
        ok = err_set(err, live.err.code, "%s", live.err.text);
    if (ok && atomic_load(&command_interrupted))
        ok = err_set(err, ERR_CANCELLED, "stopped");
    ok = ok && write_pictures(g, r, p, &result, d, err);
    if (ok && !g->quiet && !g->json)
        printf("%d steps of %s, %s guidance: text %.2f s, references %.2f s, denoising %.2f s, "
               "%.0f MiB\n", result.steps, result.sampler, result.guidance, result.text_seconds,
               result.reference_seconds, result.denoise_seconds,
               (double)result.peak_bytes / 0x1p20);
    free(result.rgb);
    pipeline_close(p);
    device_close(d);
    free(folder);
    return ok;
}

static int
run(int argc, char **argv, bool instruct)
{
    struct err err = {0};
    struct generate g;
    struct request r = REQUEST_EMPTY;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return usage(argv[0], stdout);
    bool ok = parse(&g, argc, argv, &err);
    if (ok && !instruct && g.ref_text_count)
        ok = err_set(&err, ERR_INPUT, "--ref-text belongs to limn instruct");
    if (ok)
        ok = instruct          ? from_command_line(&g, &r, &err)
             : is_png(g.source) ? from_picture(&g, &r, &err)
                                : from_template(&g, &r, &err);
    if (ok) {
        override(&r, &g);
        ok = draw(&g, &r, &err);
    }
    request_finish(&r);
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
