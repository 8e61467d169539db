// SPDX-License-Identifier: MIT
// The program: reads the command line and runs the command.
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/base/launched.h"
#include "app/base/places.h"
#include "app/cli/commands.h"
#include "app/hub/assembled.h"
#include "app/cli/options_docs.h"
#include "app/cli/options_help.h"
#include "app/cli/through.h"
#include "app/ui/keys.h"
#include "app/ui/ui.h"
#include "engine/base/mem.h"
#include "loaders/look.h"
#include "renderer/canvas.h"

static const struct command *const commands[] = {
#define COMMAND(name, programs) &command_##name,
#include "app/cli/commands.def"
#undef COMMAND
    NULL,
};

// --- without a command: the UI

struct ui_options {
    const char *host, *theme, *preview, *script, *completions, *man;
    bool plain, version, keys, docs;
};

static const char *
preview_kind(int i)
{
    return i < CANVAS_KIND_COUNT ? canvas_kind_name((enum canvas_kind)i) : NULL;
}

// What the build asks for (app/meson.build, docs/meson.build).
static int
print_docs(const struct ui_options *o)
{
    struct err err = {0};
    if (o->completions)
        docs_completions(&command_program, o->completions, stdout);
    else if (o->docs)
        docs_markdown(&command_program, stdout);
    else if (!docs_man(&command_program, o->man, stdout, &err))
        return command_failed(&err);
    return 0;
}

static int
print_keys(void)
{
    struct err err = {0};
    if (!keys_load(&err))
        return command_failed(&err);
    keys_print(stdout);
    return 0;
}

static int
run_ui(const struct command_line *line)
{
    const struct ui_options *o = line->values;
    if (o->version) {
        puts("limn " LIMN_VERSION);
        return 0;
    }
    if (o->keys)
        return print_keys();
    if (o->completions || o->man || o->docs)
        return print_docs(o);
    if (!o->script && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))) {
        options_help(line, true, stdout);
        return 0;
    }
    struct err err = {0};
    if (!look_start(&err)) // before there are threads
        return command_failed(&err);
    const struct ui_params p = {o->host, o->theme, o->preview, o->script, o->plain};
    return ui_run(&p);
}

static const struct option ui_options[] = {
    {OPTION_TEXT("host", "[USER@]HOST", struct ui_options, host, "draw there, through ssh"),
     .complete = COMPLETE_HOST,
     .group = "Options of the terminal UI (limn without a command)"},
    {OPTION_TEXT("theme", "NAME", struct ui_options, theme, "colours (docs/themes.md)")},
    {OPTION_CHOICE("preview", "KIND", preview_kind, struct ui_options, preview,
                   "how pictures are shown"),
     .fallback = "auto"},
    {OPTION_SWITCH("plain", struct ui_options, plain,
                   "for screen readers: no lines or pictures, the cursor at what is chosen")},
    {OPTION_TEXT("script", "FILE", struct ui_options, script,
                 "play the keys in FILE, - for standard input; no terminal is needed (docs/ui.md)"),
     .complete = COMPLETE_FILE},
    {OPTION_SWITCH("version", struct ui_options, version, "print the version")},
    {OPTION_SWITCH("print-keys", struct ui_options, keys,
                   "print the keys of the terminal UI, as the file that changes them")},
    {OPTION_CHOICE("print-completions", "SHELL", docs_shell, struct ui_options, completions, NULL)},
    {OPTION_TEXT("print-man", "PAGE", struct ui_options, man, NULL)},
    {OPTION_SWITCH("print-docs", struct ui_options, docs, NULL)},
    {0},
};

const struct command command_program = {
    .name = "limn",
    .summary = "draw pictures from a sentence and the pictures it refers to",
    .about = "limn " LIMN_VERSION
             ": draws pictures from a sentence and the pictures it refers to.\n\n"
             "  limn                                      the terminal UI\n"
             "  limn generate styled-subject -o out.png   a picture from a template",
    .options = ui_options,
    .commands = commands,
    .size = sizeof(struct ui_options),
    .run = run_ui,
};

// --- commands that a worker runs

bool
command_computes(const char *name)
{
    for (int i = 0; commands[i]; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i]->computes;
    return false;
}

struct jv *
command_computing(void)
{
    struct jv *names = jv_array();
    for (int i = 0; commands[i]; i++)
        if (commands[i]->computes)
            jv_append(names, jv_from_string(commands[i]->name));
    return names;
}

// Here, or, with `away`, what computes in a worker's child.
static int
run(const struct command_line *line, bool away)
{
    const struct command *c = command_of(line);
    bool here = !away || !c->computes || (c->together && !line->host && launched_by_mpi());
    if (here && c->computes)
        command_will_compute();
    if (c != &command_program) // the UI's screen is curses'
        command_filter_output();
    return here ? c->run(line) : through_run(line);
}

static int
read_and_run(bool away, int argc, char **argv)
{
    struct err err = {0};
    struct command_line line;
    int code = 0;
    bool ok = command_line_read(&line, &command_program, away, argc, argv, &err);
    if (!ok)
        code = command_failed(&err);
    else if (line.help)
        options_help(&line, away, stdout);
    else
        code = run(&line, away);
    command_line_finish(&line);
    return code;
}

int
command_run(int argc, char **argv)
{
    return read_and_run(false, argc, argv);
}

// Where nobody has chosen one, text is UTF-8, as it is in limn's files; LC_ALL=C stays what it
// says.
static void
choose_locale(void)
{
    const char *all = getenv("LC_ALL"), *type = getenv("LC_CTYPE");
    const char *locale = setlocale(LC_CTYPE, "");
    bool chosen = (all && *all) || (type && *type);
    bool none = !locale || strcmp(locale, "C") == 0 || strcmp(locale, "POSIX") == 0;
    if (!chosen && none)
        setlocale(LC_CTYPE, "C.UTF-8");
}

int
main(int argc, char **argv)
{
    command_start(argv);
    places_assembled = assembled_folder;
    choose_locale();
    static char help[] = "--help";
    if (argc > 1 && strcmp(argv[1], "help") == 0) // limn help COMMAND
        argv[1] = help;
    return command_end(read_and_run(true, argc - 1, argv + 1));
}
