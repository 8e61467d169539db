// SPDX-License-Identifier: MIT
// limn models fit-preview: fits the linear map that previews estimates without the decoder.
#include <stdlib.h>
#include <string.h>

#include "app/base/places.h"
#include "app/cli/commands.h"
#include "engine/base/mem.h"
#include "engine/draw/pipeline.h"
#include "loaders/look.h"

struct options {
    const char *device;
};

enum { SIDE = 1024 }; // the longer one of a picture that is looked at: it is made smaller anyway

// As the engine takes it: RGB in rows without gaps, what is transparent on white.
static bool
read_picture(const char *path, struct pipeline_picture *picture, struct err *err)
{
    struct image *whole = look_decode_file(path, &(struct look_options){.side = SIDE}, err);
    struct image *image = whole ? image_convert(whole, IMAGE_RGB8, 0xFFFFFF, err) : NULL;
    size_t row = image ? 3 * (size_t)image->width : 0;
    uint8_t *rgb = image ? mem_try_calloc(row, (size_t)image->height, "a picture", err) : NULL;
    for (int y = 0; rgb && y < image->height; y++)
        memcpy(rgb + (size_t)y * row, image->pixels + (size_t)y * image->stride, row);
    if (rgb)
        *picture = (struct pipeline_picture){image->width, image->height, rgb, NULL};
    image_unref(image);
    image_unref(whole);
    return rgb != NULL;
}

static bool
fit(const struct options *o, const char *model, const char *const *files, int count,
    struct err *err)
{
    struct pipeline_picture *pictures = mem_zalloc(((size_t)count + 1) * sizeof *pictures);
    char *folder = places_model(model, err), *path = NULL;
    struct device *d = folder ? device_open(o->device, err) : NULL;
    bool ok = d != NULL;
    double explained = 0;
    for (int i = 0; ok && i < count; i++)
        ok = read_picture(files[i], &pictures[i], err);
    struct pipeline *p = ok ? pipeline_open(folder, d, DTYPE_NONE, err) : NULL;
    ok = p && pipeline_fit_preview(p, pictures, count, &explained, &path, err);
    if (ok)
        command_say(stdout, "%s: it accounts for %.1f %% of what the decoder draws", path,
                    100 * explained);
    pipeline_close(p);
    device_close(d);
    for (int i = 0; i < count; i++)
        free((uint8_t *)(uintptr_t)pictures[i].rgb);
    free(pictures);
    free(folder);
    free(path);
    return ok;
}

static int
run_fit(const struct command_line *line)
{
    struct err err = {0};
    if (!fit(line->values, line->words[0], line->words + 1, line->word_count - 1, &err))
        return command_failed(&err);
    return 0;
}

static const struct option fit_options[] = {
    {OPTION_TEXT("device", "NAME", struct options, device,
                 "device to compute on (see limn devices)"),
     .fallback = "auto"},
    {0},
};

static const struct argument fit_words[] = {
    {"MODEL", "a model's folder, or its name as --model takes it", COMPLETE_MODEL},
    {"PICTURE", "pictures of the kind that will be drawn", COMPLETE_FILE, true, true},
    {0},
};

const struct command command_models_fit = {
    .name = "fit-preview",
    .summary = "fit a model's quick previews",
    .about = "Fit a linear map from a model's latents to colours, by least squares, to what its "
             "own decoder makes of pictures: those given (a few dozen are enough), or drawn ones. "
             "After each step the estimate is then shown through this map instead of being "
             "decoded. The map is kept as preview.safetensors in the model's folder, or in "
             "$XDG_DATA_HOME/limn/previews if that folder cannot be written to.",
    .options = fit_options,
    .arguments = fit_words,
    .size = sizeof(struct options),
    .run = run_fit,
    .computes = true,
    .away = "the pictures are that machine's",
};
