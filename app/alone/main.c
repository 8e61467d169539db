// SPDX-License-Identifier: MIT
// limn-engine: what of limn needs the engine alone, for bare GPU machines: no libyaml, libvips, curses,
// SQLite. Recipes are JSON (limn train RECIPE.yaml --print makes one), packs come from elsewhere.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/cli/commands.h"
#include "engine/base/mem.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    {"devices", cmd_devices, "list what can compute here"},
    {"models", cmd_models, "list models, or check one"},
    {"train", cmd_train, "train a model by a recipe in JSON"},
    {"bench", cmd_bench, "measure this machine"},
};

int
bench_ui(void)
{
    fputs("limn-engine: there is no UI to measure here; limn bench ui does it\n", stderr);
    return 2;
}

int
main(int argc, char **argv)
{
    command_start(argv);
    for (size_t i = 0; argc > 1 && i < COUNT_OF(commands); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    bool asks = argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0;
    if (!asks) {
        fprintf(stderr, "limn-engine: there is no command '%.40s' here (see: limn-engine --help)\n",
                command_harmless(argv[1]));
        return 2;
    }
    puts("limn-engine " LIMN_VERSION ": limn without its screen (docs/vulkan.md)\n\n"
         "usage: limn-engine COMMAND [OPTIONS]\n");
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].summary);
    return 0;
}
