// SPDX-License-Identifier: MIT
// The program: finds the command and runs it.
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/cli/commands.h"
#include "app/base/suggest.h"
#include "app/cli/through.h"
#include "app/ui/ui.h"
#include "engine/base/mem.h"
#include "renderer/image/codec.h"

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
    bool computes;      // in a worker's child, here or on another machine (app/cli/through.h)
    const char *inside; // but for this first word, which belongs to this process
    const char *away;   // what its help says of that
};

#define AWAY "\n  --host [USER@]HOST   there, through ssh; "

static const struct command commands[] = {
    {"generate", cmd_generate, "draw from a template, or again from a picture limn made"},
    {"instruct", cmd_instruct, "draw from an instruction on the command line"},
    {"templates", cmd_templates, "list the templates"},
    {"load", cmd_load, "run a loader on a picture: edges, a mask, a sketch …"},
    {"loaders", cmd_loaders, "list the loaders and their parameters"},
    {"models", cmd_models, "list models, or check one", .computes = true,
     .away = AWAY "the golden is sent, folders are that machine's\n"},
    {"devices", cmd_devices, "list what can compute here", .computes = true,
     .away = AWAY "what that machine has\n"},
    {"library", cmd_library, "what was drawn: list, search, rate, tag"},
    {"data", cmd_data, "make a training pack, or describe one", .computes = true,
     .away = AWAY "all paths are that machine's\n"},
    {"train", cmd_train, "train a model by a recipe", .computes = true,
     .away = AWAY "the recipe, its tasks and tokenizer are sent,\n"
             "                       model, pack and output are that machine's, sheets come here\n"
             "  --detach             goes on without its terminal; limn jobs shows and stops it\n"},
    {"jobs", cmd_jobs, "trainings that go on by themselves: list, look at, stop"},
    {"bench", cmd_bench, "measure this machine", .computes = true, .inside = "ui",
     .away = AWAY "measures that machine\n"},
    {"worker", cmd_worker, "compute for another limn, over standard input and output"},
};

// --- commands that a worker runs

static const struct command *
find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    return NULL;
}

bool
command_computes(const char *name)
{
    const struct command *c = find(name);
    return c && c->computes;
}

struct jv *
command_computing(void)
{
    struct jv *names = jv_array();
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        if (commands[i].computes)
            jv_append(names, jv_from_string(commands[i].name));
    return names;
}

int
command_run(int argc, char **argv)
{
    return find(argv[0])->run(argc, argv);
}

static bool
asks_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

// Here, or through a worker; a question for help is answered here.
static int
run_command(const struct command *c, int argc, char **argv)
{
    bool help = asks_help(argc, argv);
    bool here = !c->computes || help || (argc > 1 && c->inside && strcmp(argv[1], c->inside) == 0);
    if (!here)
        return through(argc, argv);
    int code = c->run(argc, argv);
    if (help && c->away && code == 0)
        fputs(c->away, stdout);
    return code;
}

static void
help(FILE *out)
{
    fputs("limn " LIMN_VERSION ": pictures from instructions of words and pictures\n\n"
          "usage: limn [--host [USER@]HOST] [--theme NAME] [--preview KIND]   the terminal UI\n"
          "       limn COMMAND [OPTIONS]\n\n", out);
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fputs("\nTry:  limn generate styled-subject -o out.png\n"
          "      limn COMMAND --help\n", out);
}

// No command: the UI, with its options.
static int
run_ui(int argc, char **argv)
{
    const char *host = NULL, *theme = NULL, *preview = "auto";
    struct err err = {0};
    for (int i = 1; i < argc; i += 2) {
        const char **value = strcmp(argv[i], "--host") == 0      ? &host
                             : strcmp(argv[i], "--theme") == 0   ? &theme
                             : strcmp(argv[i], "--preview") == 0 ? &preview
                                                                 : NULL;
        if (!value || i + 1 == argc) {
            err_set(&err, ERR_INPUT,
                    value ? "%.40s needs a value" : "there is no option '%.40s' (see: limn --help)",
                    argv[i]);
            return command_failed(&err);
        }
        *value = argv[i + 1];
    }
    static const char *const kinds[] = {"auto", "kitty", "sixel", "cells", "none", NULL};
    for (int i = 0; strcmp(kinds[i], preview) != 0;)
        if (!kinds[++i]) {
            err_set(&err, ERR_INPUT,
                    "--preview is '%.40s', it must be auto, kitty, sixel, cells or none", preview);
            return command_failed(&err);
        }
    return ui_run(host, theme, preview);
}

static int
unknown(const char *name)
{
    const char *names[COUNT_OF(commands) + 1] = {0};
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        names[i] = commands[i].name;
    const char *near = suggest(name, names);
    if (near)
        fprintf(stderr, "limn: there is no command '%.40s', did you mean '%s'?\n", name, near);
    else
        fprintf(stderr, "limn: there is no command '%.40s' (see: limn --help)\n", name);
    return 2;
}

int
main(int argc, char **argv)
{
    command_start(argv);
    setlocale(LC_CTYPE, "");
    bool asks = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
                             strcmp(argv[1], "help") == 0);
    if (asks || (argc < 2 && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)))) {
        help(stdout);
        return 0;
    }
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        puts("limn " LIMN_VERSION);
        return 0;
    }
    struct err err = {0};
    if (!codec_start(argv[0], &err))
        return command_failed(&err);
    if (argc < 2 || strncmp(argv[1], "--", 2) == 0)
        return run_ui(argc, argv);
    const struct command *c = find(argv[1]);
    if (!c)
        return unknown(argv[1]);
    return run_command(c, argc - 1, argv + 1);
}
