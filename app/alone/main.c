// SPDX-License-Identifier: MIT
// limn-engine: the commands that need only the engine, for bare GPU machines without libyaml,
// libvips, curses and SQLite. Recipes are JSON (made by limn train RECIPE.yaml --print); packs are
// made elsewhere.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/cli/commands.h"
#include "app/cli/options_help.h"

#define COMMANDS_LIMN(name)
#define COMMANDS_ENGINE(name) &command_##name,
static const struct command *const commands[] = {
#define COMMAND(name, programs) COMMANDS_##programs(name)
#include "app/cli/commands.def"
#undef COMMAND
    NULL,
};

struct engine_options {
    bool version;
};

static int
run_engine(const struct command_line *line)
{
    const struct engine_options *o = line->values;
    if (o->version)
        puts("limn-engine " LIMN_VERSION);
    else
        options_help(line, false, stdout);
    return 0;
}

static const struct option engine_options[] = {
    {OPTION_SWITCH("version", struct engine_options, version, "print the version")},
    {0},
};

const struct command command_program = {
    .name = "limn-engine",
    .summary = "limn without its screen",
    .about = "limn-engine " LIMN_VERSION
             ": limn without its screen (docs/vulkan.md). Recipes are JSON, as limn train "
             "RECIPE.yaml --print makes them.",
    .options = engine_options,
    .commands = commands,
    .size = sizeof(struct engine_options),
    .run = run_engine,
};

int
bench_ui(void)
{
    fputs("limn-engine: it has no UI to measure; use limn bench ui\n", stderr);
    return 2;
}

int
main(int argc, char **argv)
{
    struct err err = {0};
    struct command_line line;
    int code = 0;
    command_start(argv);
    command_will_compute();
    command_filter_output();
    if (!command_line_read(&line, &command_program, false, argc - 1, argv + 1, &err))
        code = command_failed(&err);
    else if (line.help)
        options_help(&line, false, stdout);
    else
        code = command_of(&line)->run(&line);
    command_line_finish(&line);
    return command_end(code);
}
