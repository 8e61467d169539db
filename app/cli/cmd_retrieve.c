// SPDX-License-Identifier: MIT
// limn retrieve: searches an index by words or by a picture. Words need no model and are looked up
// here; a picture's features need one and are computed by limn nearest, in a worker's child.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/base/places.h"
#include "app/cli/commands.h"
#include "app/cli/output.h"
#include "app/cli/through.h"
#include "app/index/index.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "engine/draw/pipeline.h"
#include "loaders/look.h"
#include "renderer/image/codec.h"
#include "renderer/preview.h"

struct retrieve_options {
    const char *index, *model, *device, *output, *preview;
    int count;
    bool json;
};

// What was found: rows of the index, best first.
struct hits {
    struct hit {
        int64_t row;
        double distance; // < 0: found by words
        bool loose;
    } items[INDEX_FOUND_MAX];
    int count;
};

// The index that is meant: that file, or the model's own. Freed with free().
static char *
index_path(const struct retrieve_options *o, struct err *err)
{
    if (o->index)
        return mem_strdup(o->index);
    char *folder = places_model(o->model, err), *path = folder ? index_of_model(folder, err) : NULL;
    if (folder && !path) // or a reason that is known
        err_set(err, ERR_INPUT, "%s has no index: make one with limn index, or name one with "
                                "--index", folder);
    free(folder);
    return path;
}

// --- limn nearest INDEX IMAGE: for limn retrieve alone

// A picture's features as the model that made the index has them.
static bool
features_of(const struct retrieve_options *o, const struct index_about *about,
            const struct image *rgb, float *features, struct err *err)
{
    char *folder = places_model(o->model, err);
    struct device *device = folder ? device_open(o->device, err) : NULL;
    struct pipeline *p = device ? pipeline_open(folder, device, DTYPE_F32, err) : NULL;
    struct pipeline_info info = {0};
    if (p)
        pipeline_info(p, &info);
    bool ok = p != NULL;
    if (ok && (strcmp(info.hash, about->hash) != 0 || info.feature_width != about->features))
        ok = err_set(err, ERR_INPUT,
                     "the index was made with %s (%s), this is %s (%s): a picture is found "
                     "by the model that made the index",
                     about->model, about->hash, info.name, info.hash);
    ok = ok && pipeline_features(p, rgb->pixels, 1, rgb->width, features, err);
    pipeline_close(p);
    device_close(device);
    free(folder);
    return ok;
}

static bool
vector_of_file(const struct retrieve_options *o, struct index *x, const char *image, float *vector,
               struct err *err)
{
    const struct index_about *about = index_about(x);
    const struct look_options options = {.cover = 4 * about->side, .cover_least = about->side};
    struct image *whole = look_decode_file(image, &options, err);
    struct image *rgb = whole ? image_convert(whole, IMAGE_RGB8, 0xFFFFFF, err) : NULL;
    float *features = mem_zalloc((size_t)about->features * sizeof *features);
    struct looks looks = {0};
    bool ok = rgb && features_of(o, about, rgb, features, err) && index_looks(x, &looks, err);
    if (ok)
        looks_of(&looks, features, vector);
    looks_close(&looks);
    free(features);
    image_unref(rgb);
    image_unref(whole);
    return ok;
}

static void
print_nearest(const struct neighbour *found, int count)
{
    struct jv *list = jv_array();
    for (int i = 0; i < count && found[i].row >= 0; i++) {
        struct jv *o = jv_object();
        jv_set(o, "row", jv_from_integer(found[i].row));
        jv_set(o, "distance", jv_from_number(found[i].distance));
        jv_append(list, o);
    }
    char *text = jv_text(list, 0);
    puts(text);
    free(text);
    jv_free(list);
}

static int
run_nearest(const struct command_line *line)
{
    const struct retrieve_options *o = line->values;
    struct err err = {0};
    struct neighbour found[INDEX_FOUND_MAX];
    struct vectors v = {0};
    struct index *x = index_open(line->words[0], &err);
    float *vector = x ? mem_zalloc((size_t)index_about(x)->dimension * sizeof *vector) : NULL;
    struct device *cpu = NULL;
    bool ok = x && index_vectors(x, &v, &err) &&
              vector_of_file(o, x, line->words[1], vector, &err) &&
              (cpu = device_open("cpu", &err)) &&
              neighbours_find(cpu, &v, vector, 1, o->count, found, &err);
    if (ok)
        print_nearest(found, o->count);
    device_close(cpu);
    free(vector);
    index_close(x);
    return ok ? 0 : command_failed(&err);
}

// --- limn retrieve

static bool
find_words(struct index *x, const char *text, int count, struct hits *h, struct err *err)
{
    struct index_found found;
    if (!index_find(x, text, count, &found, err))
        return false;
    for (int i = 0; i < found.count; i++)
        h->items[h->count++] = (struct hit){found.items[i].row, -1, found.items[i].loose};
    if (*found.missing)
        command_say(stderr, "limn: the index has no picture of '%s'", found.missing);
    return true;
}

static bool
find_image(const struct retrieve_options *o, const char *index, const char *image, struct hits *h,
           struct err *err)
{
    char count[16], *output = NULL;
    snprintf(count, sizeof count, "%d", o->count);
    const char *words[] = {"nearest", "--count", count, "--device", o->device,
                           "--",      index,     image, NULL};
    const char *with[] = {"nearest", "--count", count, "--device", o->device, "--model",
                          o->model,  "--",      index, image,      NULL};
    bool ok = through_capture(NULL, o->model ? with : words, &output, err);
    struct jv *list = ok ? jv_parse(output, strlen(output), "limn nearest", err) : NULL;
    for (size_t i = 0; i < jv_size(list) && h->count < INDEX_FOUND_MAX; i++)
        h->items[h->count++] =
            (struct hit){.row = jv_integer(jv_get(jv_at(list, i), "row"), -1),
                         .distance = jv_number(jv_get(jv_at(list, i), "distance"), 2)};
    jv_free(list);
    free(output);
    return list != NULL;
}

static void
print_picture(const struct index_picture *p, const struct hit *h, int number)
{
    char distance[32] = "";
    if (h->distance >= 0)
        snprintf(distance, sizeof distance, "  %.4f", fabs(h->distance));
    command_say(stdout, "%2d%s  %s%s%s%s%s%s%s%s%s", number, distance, p->name,
                *p->style ? ", " : "", p->style, h->loose ? " (by a keyword)" : "",
                *p->source ? "  " : "", p->source, *p->credit ? "  [" : "", p->credit,
                *p->credit ? "]" : "");
}

static struct jv *
picture_json(const struct index_picture *p, const struct hit *h)
{
    struct jv *o = jv_object();
    jv_set(o, "row", jv_from_integer(p->row));
    jv_set(o, "name", jv_from_string(p->name));
    jv_set(o, "style", jv_from_string(p->style));
    jv_set(o, "source", jv_from_string(p->source));
    jv_set(o, "credit", jv_from_string(p->credit));
    if (h->distance >= 0)
        jv_set(o, "distance", jv_from_number(h->distance));
    else
        jv_set(o, "keyword", jv_from_bool(h->loose));
    return o;
}

// Side by side, at most eight in a row, each as large as the index has them.
static bool
paste(struct image *sheet, const struct index_picture *p, int number, int side, struct err *err)
{
    struct image *one = look_decode(p->data, p->size, p->name, NULL, err);
    struct image *rgb = one ? image_convert(one, IMAGE_RGB8, 0xFFFFFF, err) : NULL;
    if (rgb)
        image_paste(sheet, rgb, number % 8 * side, number / 8 * side);
    image_unref(rgb);
    image_unref(one);
    return rgb != NULL;
}

static bool
show_sheet(const struct retrieve_options *o, const struct image *sheet, struct err *err)
{
    struct preview *preview = NULL;
    bool ok = !o->output || codec_write_png(sheet, o->output, NULL, err);
    ok = ok && preview_open(&preview, o->json ? "none" : o->preview, err) &&
         preview_frame(preview, sheet, 1, 1, err);
    preview_close(preview);
    return ok;
}

static bool
show(struct index *x, const struct retrieve_options *o, const struct hits *h, struct err *err)
{
    int side = index_about(x)->side, n = MAX(h->count, 1);
    struct jv *list = jv_array();
    struct image *sheet = image_create(side * MIN(n, 8), side * ((n + 7) / 8), IMAGE_RGB8, err);
    bool ok = sheet != NULL;
    for (int i = 0; ok && i < h->count; i++) {
        struct index_picture p;
        ok = index_picture(x, h->items[i].row, &p, err) && paste(sheet, &p, i, side, err);
        if (ok && o->json)
            jv_append(list, picture_json(&p, &h->items[i]));
        else if (ok)
            print_picture(&p, &h->items[i], i + 1);
        index_picture_finish(&p);
    }
    if (ok && o->json) {
        char *text = jv_text(list, 2);
        puts(text);
        free(text);
    }
    fflush(stdout);
    ok = ok && (!h->count || show_sheet(o, sheet, err));
    image_unref(sheet);
    jv_free(list);
    return ok;
}

static int
run_retrieve(const struct command_line *line)
{
    const struct retrieve_options *o = line->values;
    const char *what = line->words[0];
    struct err err = {0};
    struct hits h = {0};
    bool image = file_exists(what);
    char *path = !o->output || output_check(o->output, image ? what : NULL, &err)
                     ? index_path(o, &err)
                     : NULL;
    struct index *x = path ? index_open(path, &err) : NULL;
    bool ok = x && (image ? find_image(o, path, what, &h, &err)
                          : find_words(x, what, o->count, &h, &err));
    ok = ok && show(x, o, &h, &err);
    index_close(x);
    free(path);
    return ok ? 0 : command_failed(&err);
}

#define SEARCH_OPTIONS                                                                             \
    {OPTION_TEXT("model", "FOLDER", struct retrieve_options, model,                                \
                 "the model whose index it is, or whose features are in the index"),               \
     .complete = COMPLETE_MODEL},                                                                  \
        {OPTION_TEXT("device", "NAME", struct retrieve_options, device,                            \
                     "device to compute on"),                                                      \
         .fallback = "auto", .complete = COMPLETE_DEVICE},                                         \
    {                                                                                              \
        OPTION_WHOLE("count", "N", 1, INDEX_FOUND_MAX, struct retrieve_options, count,             \
                     "how many"),                                                                  \
            .letter = 'k', .fallback = "8"                                                         \
    }

static const struct option nearest_options[] = {SEARCH_OPTIONS, {0}};

static const struct option retrieve_options[] = {
    {OPTION_TEXT("index", "FILE", struct retrieve_options, index,
                 "which index; default: the one that comes with the model"),
     .complete = COMPLETE_FILE},
    SEARCH_OPTIONS,
    {OPTION_TEXT("output", "FILE.png", struct retrieve_options, output,
                 "the pictures side by side"),
     .letter = 'o', .complete = COMPLETE_FILE, .group = "Output"},
    {OPTION_TEXT("preview", "KIND", struct retrieve_options, preview,
                 "the pictures in the terminal: auto, kitty, sixel, cells, none"),
     .fallback = "auto"},
    {OPTION_SWITCH("json", struct retrieve_options, json, "as JSON")},
    {0},
};

static const struct argument nearest_words[] = {{"INDEX", ""}, {"IMAGE", ""}, {0}};

static const struct argument retrieve_words[] = {
    {"TEXT|IMAGE", "what to look for: words, or a picture file", COMPLETE_FILE},
    {0},
};

const struct command command_nearest = {
    .name = "nearest",
    .summary = "what limn retrieve asks a worker for",
    .options = nearest_options,
    .arguments = nearest_words,
    .size = sizeof(struct retrieve_options),
    .run = run_nearest,
    .computes = true,
    .hidden = true,
};

const struct command command_retrieve = {
    .name = "retrieve",
    .summary = "show what an index has for some words or a picture",
    .about = "Show the pictures of an index that match some words, or that look most like a "
             "picture: their names, sources and credits, and for a picture their distance (1 - "
             "cosine of their features).\n\n"
             "  limn retrieve \"a snail in noto style\"\n"
             "  limn retrieve photo.jpg -k 16 -o like-it.png",
    .options = retrieve_options,
    .arguments = retrieve_words,
    .size = sizeof(struct retrieve_options),
    .run = run_retrieve,
};
