// SPDX-License-Identifier: MIT
// limn models merge: writes a model with LoRAs merged into its weights.
#include <stdlib.h>
#include <unistd.h>

#include "app/base/loras.h"
#include "app/base/places.h"
#include "app/cli/commands.h"
#include "engine/base/file.h"
#include "engine/device/device.h"
#include "engine/model/model_folder.h"

struct options {
    const char *lora, *type;
};

// The denoiser's weights as they are drawn with, into `to`; the other parts are copied.
static bool
write_merged(const struct model_folder *m, const char *to, enum dtype dtype, struct err *err)
{
    struct device *host = device_open("cpu", err);
    struct params *params = params_create(dtype);
    bool ok = host && model_folder_declare(m, m->family->denoiser, params, err);
    params_layout(params);
    struct buffer *block =
        ok ? buffer_create(host, params_bytes(params), "merged weights", err) : NULL;
    struct model_folder_save s = {.path = to, .params = params, .block = block, .dtype = dtype};
    ok = block && model_folder_load(m, m->family->denoiser, params, block, NULL, err) &&
         model_folder_save(m, &s, err);
    buffer_destroy(block);
    params_destroy(params);
    device_close(host);
    return ok;
}

static bool
merge(const struct options *o, const char *model, const char *out, struct err *err)
{
    struct loras loras = {0};
    if (file_exists(out))
        return err_set(err, ERR_INPUT, "%s already exists: name a new folder", out);
    char *folder = places_model(model, err);
    struct model_folder *m = folder ? model_folder_open(folder, err) : NULL;
    bool ok = m && loras_find(&loras, o->lora, err) &&
              model_folder_change(m, loras.files, loras.count, err) &&
              write_merged(m, out, dtype_from_name(o->type), err);
    if (!ok)
        rmdir(out); // where nothing was written into it
    loras_finish(&loras);
    model_folder_close(m);
    free(folder);
    return ok;
}

static int
run_merge(const struct command_line *line)
{
    const struct options *o = line->values;
    struct err err = {0};
    if (!o->lora)
        err_set(&err, ERR_INPUT, "--lora names what to merge: FILE[:WEIGHT], separated by commas");
    if (!o->lora || !merge(o, line->words[0], line->words[1], &err))
        return command_failed(&err);
    command_say(stdout, "%s: --model %s", line->words[1], line->words[1]);
    return 0;
}

static const struct option merge_options[] = {
    {OPTION_TEXT("lora", "FILE[:WEIGHT]", struct options, lora,
                 "LoRAs to merge, separated by commas: files, or names in limn's folder loras"),
     .complete = COMPLETE_FILE},
    {OPTION_CHOICE("dtype", "TYPE", dtype_compute, struct options, type,
                   "element type of the weights that are written"),
     .fallback = "bf16"},
    {0},
};

static const struct argument merge_words[] = {
    {"MODEL", "a model's folder, or its name as --model takes it", COMPLETE_MODEL},
    {"OUT", "the folder that is written: a new name", COMPLETE_FOLDER},
    {0},
};

const struct command command_models_merge = {
    .name = "merge",
    .summary = "write a model with LoRAs merged into it",
    .about = "Add the changes of LoRA files to the denoiser's weights, in f32, and write the "
             "whole model as a folder. It draws as MODEL does with --lora, without the time that "
             "applying them takes.\n\n"
             "  limn models merge limn-icons my-icons --lora my-style/lora.safetensors:0.8",
    .options = merge_options,
    .arguments = merge_words,
    .size = sizeof(struct options),
    .run = run_merge,
    .computes = true,
    .away = "all paths are that machine's",
};
