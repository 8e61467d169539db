// SPDX-License-Identifier: MIT
// A command that only a test has: what a file app/cli/cmd_NAME.c holds (tests/app/command_more.py).
#include <stdio.h>

#include "app/cli/commands.h"

struct dummy_options {
    int times;
};

static int
run(const struct command_line *line)
{
    const struct dummy_options *o = line->values;
    for (int i = 0; i < o->times; i++)
        printf("dummy %s\n", line->word_count ? line->words[0] : "");
    return 0;
}

static const struct option options[] = {
    {OPTION_WHOLE("times", "N", 0, 9, struct dummy_options, times, "how often it is said"),
     .letter = 't', .fallback = "1"},
    {0},
};
static const struct argument arguments[] = {{"WORD", "what is said", .optional = true}, {0}};

const struct command command_dummy = {
    .name = "dummy",
    .summary = "say a word, for a test",
    .options = options,
    .arguments = arguments,
    .size = sizeof(struct dummy_options),
    .run = run,
};
