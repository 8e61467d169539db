// SPDX-License-Identifier: MIT
// limn-engine fetches nothing.
#include "app/cli/commands.h"

static int
run_get(const struct command_line *line)
{
    struct err err = {0};
    (void)line;
    err_set(&err, ERR_UNSUPPORTED, "limn-engine fetches no models: limn models get does");
    return command_failed(&err);
}

const struct command command_models_get = {
    .name = "get",
    .summary = "fetch a model",
    .run = run_get,
    .hidden = true,
};
