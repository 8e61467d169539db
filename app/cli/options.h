// SPDX-License-Identifier: MIT
// A command's options as a table, and the one parser of command lines. The tables are also the
// source of the --help text (options_help.h), the option lists of the manual page and of
// docs/commands.md, and the completions of bash, zsh and fish (options_docs.h). Command lines are
// described nowhere else.
//
// All commands share one syntax:
//   * --name=VALUE, --name VALUE, -o VALUE, -oVALUE; several switches in one word (-qh);
//   * options before, between or after the other words; -- ends them, so that words may begin
//     with a dash;
//   * a name may be abbreviated as long as it is unambiguous (--con for --context-scale);
//   * if an option is given twice the last one counts; VALUE_LIST and VALUE_WEIGHTS accumulate;
//   * -h or --help anywhere before -- prints help, and nothing else is done.
// Anything else is ERR_INPUT: one sentence with the word, and the closest valid one.
#ifndef LIMN_APP_CLI_OPTIONS_H
#define LIMN_APP_CLI_OPTIONS_H

#include <stdio.h>

#include "app/base/value.h"

// Where the file that an option names is, when its command runs on another machine.
enum option_file {
    OPTION_THERE = 0, // on the machine that computes, like every other word
    OPTION_SENT,      // here: its content is sent along
    OPTION_FETCHED,   // here: the command writes it, and it is returned if the command succeeds
};

struct option {
    const char *name; // "context-scale" (an _ in it stands for -); NULL ends a table
    char letter;      // 'o' for -o; 0: none
    struct value_type type;
    const char *argument; // what help calls the value: "FILE"; NULL: a switch
    const char *help;     // a phrase, without a stop; NULL: not shown to people
    const char *fallback; // default, as text; NULL: the value in `initial`
    size_t offset;        // of the value in the struct of the command
    const char *group;    // heading printed before it in help; NULL: none
    enum completion complete;
    enum option_file file;
};

// A word that is no option.
struct argument {
    const char *name; // "OUT.png"; NULL ends a table
    const char *help;
    enum completion complete;
    bool optional; // only the last ones
    bool many;     // at most one per command: takes all words the others leave
};

struct command;
enum { COMMAND_DEPTH_MAX = 3, OPTIONS_TABLES_MAX = 3 };

// A parsed command line. Texts point into argv.
struct command_line {
    const struct command *path[COMMAND_DEPTH_MAX]; // from the program down: limn, models, check
    int depth;
    void *values;       // struct of the command; options write into it
    const char **words; // all but options and command names; NULL after the last
    int word_count;
    const char *host; // --host of a command that computes
    bool detach, help;
    // Options and words in the order given, for sending the command elsewhere.
    struct given {
        const struct option *option; // NULL: a word
        const char *value;           // NULL: a switch
    } *given;
    int given_count;
    char **joined; // values of options that accumulate, joined
    int joined_count, joined_room;
};

struct command {
    const char *name, *summary;
    const char *about; // what it does, in sentences; help wraps it, but for lines that begin with a
                       // space; NULL: the summary says enough
    const struct option *options; // may be NULL
    const struct argument *arguments;
    const struct command *const *commands; // subcommands, NULL at the end; NULL: none
    const struct command *default_command; // the default subcommand; NULL: one must be named
    size_t size;                 // bytes of its struct of values, which starts zeroed
    const void *initial;         // copied into it instead; may be NULL
    int (*run)(const struct command_line *line); // NULL: it only has subcommands
    bool together;       // processes that were started together run it here (app/base/launched.h)
    bool computes;        // in a worker's child, here or on another machine (--host)
    bool detaches;        // also takes --detach
    bool first_word_ends; // what follows its first word belongs to another command
    bool hidden;          // internal: not shown in help
    const char *away;     // what --host means for it: a phrase
};

// --- tables

// Offset of FIELD in STRUCT; does not compile unless FIELD has type TYPE.
#define OPTION_AT(STRUCT, FIELD, TYPE)                                                             \
    (offsetof(STRUCT, FIELD) + _Generic(&((STRUCT *)0)->FIELD, TYPE *: 0))

#define OPTION_SWITCH(NAME, STRUCT, FIELD, HELP)                                                   \
    .name = NAME, .help = HELP, .offset = OPTION_AT(STRUCT, FIELD, bool)
#define OPTION_TEXT(NAME, ARGUMENT, STRUCT, FIELD, HELP)                                           \
    .name = NAME, .argument = ARGUMENT, .help = HELP, .type = {.kind = VALUE_TEXT},                \
    .offset = OPTION_AT(STRUCT, FIELD, const char *)
#define OPTION_LIST(NAME, ARGUMENT, STRUCT, FIELD, HELP)                                           \
    .name = NAME, .argument = ARGUMENT, .help = HELP, .type = {.kind = VALUE_LIST},                \
    .offset = OPTION_AT(STRUCT, FIELD, struct value_list)
#define OPTION_WHOLE(NAME, ARGUMENT, LOW, HIGH, STRUCT, FIELD, HELP)                               \
    .name = NAME, .argument = ARGUMENT, .help = HELP, .type = {VALUE_WHOLE, LOW, HIGH, NULL},      \
    .offset = OPTION_AT(STRUCT, FIELD, int)
#define OPTION_LONG(NAME, ARGUMENT, LOW, HIGH, STRUCT, FIELD, HELP)                                \
    .name = NAME, .argument = ARGUMENT, .help = HELP, .type = {VALUE_LONG, LOW, HIGH, NULL},       \
    .offset = OPTION_AT(STRUCT, FIELD, int64_t)
#define OPTION_REAL(NAME, ARGUMENT, LOW, HIGH, STRUCT, FIELD, HELP)                                \
    .name = NAME, .argument = ARGUMENT, .help = HELP, .type = {VALUE_REAL, LOW, HIGH, NULL},       \
    .offset = OPTION_AT(STRUCT, FIELD, double)
#define OPTION_CHOICE(NAME, ARGUMENT, NAMES, STRUCT, FIELD, HELP)                                  \
    .name = NAME, .argument = ARGUMENT, .help = HELP,                                              \
    .type = {.kind = VALUE_CHOICE, .name = NAMES},                                                 \
    .offset = OPTION_AT(STRUCT, FIELD, const char *)

// --- reading

// A command line without the program's name; `program` is the command above all. `away`: commands
// that compute take --host and --detach. Call command_line_finish() in any case.
bool command_line_read(struct command_line *line, const struct command *program, bool away,
                       int argc, char **argv, struct err *err);
void command_line_finish(struct command_line *line);

// The command to run: the last of its path.
const struct command *command_of(const struct command_line *line);
// "limn models check", freed with free(). Of the first `depth` commands of its path; < 0: of all.
char *command_name(const struct command_line *line, int depth);

// "--context-scale", in `out`.
char *option_text(const struct option *o, char out[40]);

// The tables of a command: its own, --host and --detach where it computes, --help. Returns how
// many.
int command_tables(const struct command *command, bool away,
                   const struct option *tables[OPTIONS_TABLES_MAX]);

#endif
