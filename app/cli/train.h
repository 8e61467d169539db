// SPDX-License-Identifier: MIT
// The command line of limn train, parsed; also used to send it elsewhere (app/cli/train_request.c).
#ifndef LIMN_APP_CLI_TRAIN_H
#define LIMN_APP_CLI_TRAIN_H

#include "app/cli/options.h"
#include "engine/base/jv.h"
#include "engine/train/recipe.h"

struct train_inspection {
    // From the command line: the recipe, the sheet to make; NULL: none.
    const char *file, *sheet;
    struct jv *settings; // --set
    struct recipe recipe;
    int64_t until;
};

// Reads and checks a command line and its recipe, without training. Call train_inspection_finish()
// afterwards, after a failure too.
bool train_inspect(struct train_inspection *look, const struct command_line *line,
                      struct err *err);
void train_inspection_finish(struct train_inspection *look);

#endif
