// SPDX-License-Identifier: MIT
// limn-engine does not download or assemble models, and reads no pictures.
#include "app/cli/commands.h"

static int
run_get(const struct command_line *line)
{
    struct err err = {0};
    (void)line;
    err_set(&err, ERR_UNSUPPORTED, "limn-engine adds no models and reads no pictures: use limn "
                                   "models get, add or fit-preview");
    return command_failed(&err);
}

const struct command command_models_get = {
    .name = "get",
    .summary = "fetch a model",
    .run = run_get,
    .hidden = true,
};

const struct command command_models_add = {
    .name = "add",
    .summary = "put a model together from files",
    .run = run_get,
    .hidden = true,
};

const struct command command_models_fit = {
    .name = "fit-preview",
    .summary = "fit a model's quick previews",
    .run = run_get,
    .hidden = true,
};
