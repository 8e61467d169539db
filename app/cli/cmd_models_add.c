// SPDX-License-Identifier: MIT
// limn models add: assembles a model from single files.
#include <stdlib.h>

#include "app/cli/commands.h"
#include "app/hub/assembled.h"

struct options {
    bool base;
};

static int
run_add(const struct command_line *line)
{
    const struct options *o = line->values;
    struct err err = {0};
    char *path = NULL;
    bool ok = assembled_add(line->words[0], line->words + 1, line->word_count - 1, o->base, &path,
                            &err);
    if (ok)
        command_say(stdout, "%s: --model %s", path, line->words[0]);
    free(path);
    return ok ? 0 : command_failed(&err);
}

static const struct option add_options[] = {
    {OPTION_SWITCH(
        "base", struct options, base,
        "the model is not distilled: fifty steps, with guidance; assumed when a file has "
        "\"base\" in its name")},
    {0},
};

static const struct argument add_words[] = {
    {"NAME", "what the model will be called"},
    {"FILE", "its transformer, text encoder, autoencoder and tokenizer.json, in any order; a "
             "folder or a shard stands for all of its weights",
     COMPLETE_FILE, .many = true},
    {0},
};

const struct command command_models_add = {
    .name = "add",
    .summary = "put a model together from files",
    .about = "Write $XDG_DATA_HOME/limn/models/NAME.yaml, which names the files that a model is "
             "made of: safetensors or GGUF, with tensors named as diffusers, the original or "
             "other programs name them. Their tensors say what each file is, and a file may be "
             "several parts; files that do not belong together are refused. The tokenizer may be "
             "one that lies beside the text encoder, or that of another model here.",
    .options = add_options,
    .arguments = add_words,
    .size = sizeof(struct options),
    .run = run_add,
    .computes = true,
    .away = "the files are that machine's",
};
