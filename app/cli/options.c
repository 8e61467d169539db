// SPDX-License-Identifier: MIT
#include "app/cli/options.h"

#include <stdlib.h>
#include <string.h>

#include "app/base/suggest.h"
#include "engine/base/mem.h"

enum { OPTIONS_MAX = 96 }; // of one command

// --- tables

// What commands have in common; written into struct command_line.
static const struct option host_option[] = {
    {OPTION_TEXT("host", "[USER@]HOST", struct command_line, host, "run there, through ssh"),
     .complete = COMPLETE_HOST, .group = "Another machine"},
    {0},
};
static const struct option detach_options[] = {
    {OPTION_TEXT("host", "[USER@]HOST", struct command_line, host, "run there, through ssh"),
     .complete = COMPLETE_HOST, .group = "In the background, or on another machine"},
    {OPTION_SWITCH("detach", struct command_line, detach,
                   "run in the background; limn jobs lists, attaches and stops it")},
    {0},
};
static const struct option help_option[] = {
    {OPTION_SWITCH("help", struct command_line, help, "print this"), .letter = 'h'},
    {0},
};

int
command_tables(const struct command *command, bool away,
               const struct option *tables[OPTIONS_TABLES_MAX])
{
    int n = 0;
    if (command->options)
        tables[n++] = command->options;
    if (away && command->computes)
        tables[n++] = command->detaches ? detach_options : host_option;
    tables[n++] = help_option;
    return n;
}

static char
normalise_dash(char c)
{
    return c == '_' ? '-' : c;
}

char *
option_text(const struct option *o, char out[40])
{
    int n = 0;
    out[n++] = '-';
    out[n++] = '-';
    for (const char *c = o->name; *c && n < 39; c++)
        out[n++] = normalise_dash(*c);
    out[n] = 0;
    return out;
}

// How many letters of `name` an option's name begins with; all of them: `complete`.
static bool
has_prefix(const struct option *o, const char *name, size_t length, bool *complete)
{
    size_t i = 0;
    while (i < length && o->name[i] && normalise_dash(o->name[i]) == normalise_dash(name[i]))
        i++;
    *complete = i == length && !o->name[i];
    return i == length;
}

// Whether a command, or one below it, has an option of that name; the command that has it.
static const struct command *
find_option(const struct command *command, const char *name, size_t length,
            const struct option **found)
{
    const struct option *tables[OPTIONS_TABLES_MAX];
    bool whole;
    for (int t = 0, n = command_tables(command, true, tables); t < n; t++)
        for (const struct option *o = tables[t]; o->name; o++)
            if (has_prefix(o, name, length, &whole) && whole) {
                *found = o;
                return command;
            }
    for (int i = 0; command->commands && command->commands[i]; i++) {
        const struct command *below = find_option(command->commands[i], name, length, found);
        if (below)
            return below;
    }
    return NULL;
}

// --- reading

struct reader {
    struct command_line *line;
    bool away, ended; // ended: behind --
    int argc;
    char **argv;
    int names[COMMAND_DEPTH_MAX]; // where in argv the names of commands are
    int at;                       // the next word to be read
    int given_capacity;
};

const struct command *
command_of(const struct command_line *line)
{
    return line->path[line->depth - 1];
}

char *
command_name(const struct command_line *line, int depth)
{
    char *name = mem_strdup(line->path[0]->name);
    for (int i = 1; i < (depth < 0 ? line->depth : depth); i++) {
        char *longer = mem_printf("%s %s", name, line->path[i]->name);
        free(name);
        name = longer;
    }
    return name;
}

// The error with "(see: limn models --help)" behind it.
static bool
usage_error(const struct reader *r, struct err *err, const char *text)
{
    char *name = command_name(r->line, -1);
    err_set(err, ERR_INPUT, "%s (see: %s --help)", text, name);
    free(name);
    return false;
}

static bool
is_option(const char *word)
{
    return word[0] == '-' && word[1];
}

// Whether the value of an option is the word behind it; of one that is not known it is not.
static bool
takes_value(const struct command *command, const char *word)
{
    const struct option *o = NULL;
    if (word[1] == '-')
        return !strchr(word, '=') && find_option(command, word + 2, strlen(word + 2), &o) &&
               o->argument;
    if (word[2])
        return false;
    for (const struct option *k = command->options; k && k->name; k++)
        if (k->letter == word[1])
            return k->argument;
    for (int i = 0; command->commands && command->commands[i]; i++)
        if (takes_value(command->commands[i], word))
            return true;
    return false;
}

// The first word that is no option and no value of one; argc: none.
static int
first_word(const struct reader *r, const struct command *command, int from)
{
    for (int i = from; i < r->argc; i++) {
        if (strcmp(r->argv[i], "--") == 0)
            return r->argc;
        if (!is_option(r->argv[i]))
            return i;
        i += takes_value(command, r->argv[i]);
    }
    return r->argc;
}

static bool
unknown_command(const struct reader *r, const char *name, struct err *err)
{
    const struct command *command = command_of(r->line);
    const char *names[64] = {0};
    for (int i = 0, n = 0; command->commands[i] && n < 63; i++)
        if (!command->commands[i]->hidden)
            names[n++] = command->commands[i]->name;
    const char *near = suggest(name, names);
    char *above = command_name(r->line, -1), text[300];
    if (r->line->depth == 1)
        snprintf(text, sizeof text, "there is no command '%.40s'", name);
    else
        snprintf(text, sizeof text, "%s has no command '%.40s'", above, name);
    free(above);
    return near ? err_set(err, ERR_INPUT, "%s, did you mean '%s'?", text, near)
                : usage_error(r, err, text);
}

// From the program down to the command that is meant.
static bool
resolve_command(struct reader *r, const struct command *program, struct err *err)
{
    struct command_line *line = r->line;
    int from = 0;
    line->path[line->depth++] = program;
    while (command_of(line)->commands) {
        const struct command *command = command_of(line), *below = NULL;
        int at = first_word(r, command, from);
        for (int i = 0; at < r->argc && command->commands[i]; i++)
            if (strcmp(command->commands[i]->name, r->argv[at]) == 0)
                below = command->commands[i];
        if (at < r->argc && !below)
            return unknown_command(r, r->argv[at], err);
        if (!below && command->default_command && !line->help)
            below = command->default_command;
        if (!below)
            return true;
        if (at < r->argc)
            r->names[line->depth - 1] = at;
        line->path[line->depth++] = below;
        from = MIN(at + 1, r->argc);
    }
    return true;
}

// All options of the command, with the struct that each is written into.
static int
all_options(const struct reader *r, const struct option *options[OPTIONS_MAX + 1],
            void *bases[OPTIONS_MAX])
{
    const struct option *tables[OPTIONS_TABLES_MAX];
    const struct command *command = command_of(r->line);
    int n = 0;
    for (int t = 0, count = command_tables(command, r->away, tables); t < count; t++)
        for (const struct option *o = tables[t]; o->name && n < OPTIONS_MAX; o++) {
            bases[n] = tables[t] == command->options ? r->line->values : (void *)r->line;
            options[n++] = o;
        }
    options[n] = NULL;
    return n;
}

static bool
unknown_option(const struct reader *r, const char *word, struct err *err)
{
    const struct option *options[OPTIONS_MAX + 1], *other = NULL;
    const char *names[OPTIONS_MAX + 1] = {0};
    void *bases[OPTIONS_MAX];
    char text[300], near_text[40];
    int length = (int)strcspn(word, "=");
    for (int i = 0, n = all_options(r, options, bases), k = 0; i < n; i++)
        if (options[i]->help)
            names[k++] = options[i]->name;
    char *name = mem_strndup(word, (size_t)length);
    const char *near = length > 2 ? suggest(name + 2, names) : NULL;
    const struct command *has =
        length > 2 ? find_option(r->line->path[0], name + 2, strlen(name + 2), &other) : NULL;
    free(name);
    if (near) {
        struct option found = {.name = near};
        return err_set(err, ERR_INPUT, "there is no option %.*s, did you mean %s?", MIN(length, 40),
                       word, option_text(&found, near_text));
    }
    if (word[1] != '-' && strpbrk(word, " 0123456789"))
        snprintf(text, sizeof text,
                 "'%.40s' begins with a dash but is not an option: put -- before it", word);
    else if (has && other->help && has != r->line->path[0])
        snprintf(text, sizeof text, "there is no option %.*s here, %s has it", MIN(length, 40),
                 word, has->name);
    else
        snprintf(text, sizeof text, "there is no option %.*s", MIN(length, 40), word);
    return usage_error(r, err, text);
}

// The option of a word "--name", "--name=value"; an index of all_options(), or -1 with the error
// set.
static int
find_long(const struct reader *r, const char *word, struct err *err)
{
    const struct option *options[OPTIONS_MAX + 1];
    void *bases[OPTIONS_MAX];
    size_t length = strcspn(word + 2, "=");
    char all[400] = "", text[40];
    int found = -1, count = 0;
    bool whole;
    for (int i = 0, n = all_options(r, options, bases); i < n; i++) {
        if (!has_prefix(options[i], word + 2, length, &whole))
            continue;
        if (whole)
            return i;
        if (!options[i]->help || !length)
            continue;
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s", count++ ? ", " : "",
                 option_text(options[i], text));
        found = i;
    }
    if (count == 1)
        return found;
    if (!count)
        unknown_option(r, word, err);
    else
        err_set(err, ERR_INPUT, "%.40s is ambiguous: it could be %s", word, all);
    return -1;
}

static void
record_given(struct reader *r, const struct option *o, const char *value)
{
    struct command_line *line = r->line;
    ARRAY_PUSH(line->given, line->given_count, r->given_capacity, ((struct given){o, value}));
}

// `value`: what was written behind it in the same word; NULL: nothing.
static bool
apply_option(struct reader *r, int index, const char *as, const char *value, struct err *err)
{
    const struct option *options[OPTIONS_MAX + 1], *o;
    void *bases[OPTIONS_MAX];
    bool whole;
    all_options(r, options, bases);
    o = options[index];
    void *at = (char *)bases[index] + o->offset;
    if (!o->argument) {
        if (value)
            return err_set(err, ERR_INPUT, "%s takes no value", as);
        *(bool *)at = true;
        record_given(r, o, NULL);
        return true;
    }
    if (!value && r->at < r->argc) {
        value = r->argv[r->at];
        for (int i = 0; value && options[i]; i++) // --model --json: an option, not a model's name
            if (strncmp(value, "--", 2) == 0 &&
                has_prefix(options[i], value + 2, strlen(value + 2), &whole) && whole)
                value = NULL;
        r->at += value != NULL;
    }
    if (!value)
        return err_set(err, ERR_INPUT, "%s needs a value: %s", as, o->argument);
    record_given(r, o, value);
    if (o->type.kind == VALUE_WEIGHTS && *(char **)at) {
        struct command_line *line = r->line;
        char *joined = mem_printf("%s %s", *(char **)at, value);
        ARRAY_PUSH(line->joined, line->joined_count, line->joined_room, joined);
        value = joined;
    }
    return value_read(&o->type, as, value, at, err);
}

// "-o", "-oFILE", "-qh".
static bool
read_letters(struct reader *r, const char *word, struct err *err)
{
    const struct option *options[OPTIONS_MAX + 1];
    void *bases[OPTIONS_MAX];
    int n = all_options(r, options, bases);
    for (const char *c = word + 1; *c; c++) {
        char as[3] = {'-', *c, 0};
        int i = 0;
        while (i < n && options[i]->letter != *c)
            i++;
        if (i == n)
            return unknown_option(r, c == word + 1 ? word : as, err);
        bool rest = options[i]->argument && c[1];
        if (!apply_option(r, i, as, rest ? c + 1 : NULL, err))
            return false;
        if (rest)
            break;
    }
    return true;
}

static bool
read_long(struct reader *r, const char *word, struct err *err)
{
    const struct option *options[OPTIONS_MAX + 1];
    void *bases[OPTIONS_MAX];
    char as[40];
    int index = find_long(r, word, err);
    if (index < 0)
        return false;
    all_options(r, options, bases);
    const char *equals = strchr(word, '=');
    return apply_option(r, index, option_text(options[index], as), equals ? equals + 1 : NULL, err);
}

static bool
read_word(struct reader *r, const char *word)
{
    struct command_line *line = r->line;
    line->words[line->word_count++] = word;
    record_given(r, NULL, word);
    if (command_of(line)->first_word_ends)
        r->ended = true;
    return true;
}

static bool
is_name_of_command(const struct reader *r, int at)
{
    for (int i = 0; i < r->line->depth - 1; i++)
        if (r->names[i] == at)
            return true;
    return false;
}

// How many words these arguments need.
static int
required_count(const struct argument *a)
{
    int n = 0;
    for (; a->name; a++)
        n += !a->optional;
    return n;
}

// No word that names something is empty; a sentence may be.
static bool
check_names(const struct reader *r, struct err *err)
{
    const struct argument *a = command_of(r->line)->arguments;
    for (int i = 0; a && a->name && i < r->line->word_count; i++) {
        char text[300];
        snprintf(text, sizeof text, "%s is empty: %s", a->name, a->help);
        if (a->complete != COMPLETE_NOTHING && !*r->line->words[i])
            return usage_error(r, err, text);
        a += !a->many;
    }
    return true;
}

// There are as many words as the command takes.
static bool
check_words(const struct reader *r, struct err *err)
{
    const struct command *command = command_of(r->line);
    const struct argument *a = command->arguments;
    char text[300];
    int n = 0;
    if (!command->run) {
        snprintf(text, sizeof text, "limn %s needs a command", command->name);
        return usage_error(r, err, text);
    }
    for (; a && a->name; a++) {
        if (r->line->word_count > n || a->optional) {
            n = a->many ? MAX(n + 1, r->line->word_count - required_count(a + 1)) : n + 1;
            continue;
        }
        snprintf(text, sizeof text, "%s is missing: %s", a->name, a->help);
        return usage_error(r, err, text);
    }
    if (r->line->word_count <= n)
        return check_names(r, err);
    snprintf(text, sizeof text, "'%.60s' is one argument too many", r->line->words[n]);
    return usage_error(r, err, text);
}

// --help anywhere, also beside what is wrong.
static bool
has_help_option(const struct reader *r, const struct command *program)
{
    const struct command *first = NULL;
    int word = first_word(r, program, 0);
    for (int i = 0; word < r->argc && program->commands && program->commands[i]; i++)
        if (strcmp(program->commands[i]->name, r->argv[word]) == 0)
            first = program->commands[i];
    int end = first && first->first_word_ends ? first_word(r, first, word + 1) : r->argc;
    for (int i = 0; i < end && strcmp(r->argv[i], "--") != 0; i++)
        if (strcmp(r->argv[i], "--help") == 0 || strcmp(r->argv[i], "-h") == 0)
            return true;
    return false;
}

// The values as they are where nothing is given.
static bool
begin_values(struct reader *r, struct err *err)
{
    const struct command *command = command_of(r->line);
    bool ok = true;
    r->line->values = mem_zalloc(MAX(command->size, 1));
    if (command->initial)
        memcpy(r->line->values, command->initial, command->size);
    for (const struct option *o = command->options; ok && o && o->name; o++)
        if (o->fallback)
            ok = value_read(&o->type, o->name, o->fallback, (char *)r->line->values + o->offset,
                            err);
    return ok;
}

bool
command_line_read(struct command_line *line, const struct command *program, bool away, int argc,
                  char **argv, struct err *err)
{
    struct reader r = {
        .line = line, .away = away, .argc = argc, .argv = argv, .names = {-1, -1, -1}};
    *line = (struct command_line){.words = mem_zalloc(((size_t)argc + 1) * sizeof *line->words)};
    line->help = has_help_option(&r, program);
    if (!resolve_command(&r, program, err))
        return line->help;
    if (line->help)
        return true;
    bool ok = begin_values(&r, err);
    while (ok && r.at < argc) {
        const char *word = argv[r.at++];
        if (is_name_of_command(&r, r.at - 1))
            continue;
        if (!r.ended && strcmp(word, "--") == 0)
            r.ended = true;
        else if (!r.ended && is_option(word))
            ok = word[1] == '-' ? read_long(&r, word, err) : read_letters(&r, word, err);
        else
            ok = read_word(&r, word);
    }
    return ok && check_words(&r, err);
}

void
command_line_finish(struct command_line *line)
{
    free(line->values);
    free(line->words);
    free(line->given);
    for (int i = 0; i < line->joined_count; i++)
        free(line->joined[i]);
    free(line->joined);
    *line = (struct command_line){0};
}
