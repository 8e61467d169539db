// SPDX-License-Identifier: MIT
// Parses scripts: on each line a word and its argument, or a comment after #.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/base/suggest.h"
#include "app/ui/key_names.h"
#include "app/ui/script_parts.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"

enum { SIDE_MAX = 500, LIMIT_MAX_S = 3600 };

static const struct word {
    const char *name;
    enum step_kind kind;
    bool has_argument;
} words[] = {{"keys", STEP_KEYS, true},      {"type", STEP_TYPE, true},
             {"paste", STEP_PASTE, true},    {"wait", STEP_WAIT, true},
             {"gone", STEP_GONE, true},      {"settle", STEP_SETTLE, false},
             {"save", STEP_SAVE, true},      {"size", STEP_SIZE, true},
             {"limit", STEP_LIMIT, true},    {"quit", STEP_QUIT, false}};

static const struct word *
find_word(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strcmp(words[i].name, name) == 0)
            return &words[i];
    return NULL;
}

static bool
unknown_word(const char *where, const char *name, struct err *err)
{
    const char *names[COUNT_OF(words) + 1] = {0};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        names[i] = words[i].name;
    const char *near = suggest(name, names);
    if (near)
        return err_set(err, ERR_INPUT, "%s: unknown word '%s'; did you mean '%s'?", where, name,
                       near);
    return err_set(err, ERR_INPUT,
                   "%s: unknown word '%s'; there are keys, type, paste, wait, gone, settle, save, "
                   "size, limit, quit",
                   where, name);
}

// Adds a step for each key.
static bool
read_keys(struct script *s, int line, char *rest, const char *where, struct err *err)
{
    char *left = NULL;
    for (char *name = strtok_r(rest, " \t", &left); name; name = strtok_r(NULL, " \t", &left)) {
        struct step step = {.kind = STEP_KEYS, .line = line};
        if (!key_from_name(name, &step.key, &step.code))
            return err_set(err, ERR_INPUT, "%s: '%s' is not a key", where, name);
        ARRAY_PUSH(s->steps, s->count, s->capacity, step);
    }
    return true;
}

static bool
read_size(struct step *step, const char *rest, const char *where, struct err *err)
{
    int columns = 0, rows = 0, end = 0;
    if (sscanf(rest, "%dx%d%n", &columns, &rows, &end) < 2 || rest[end] || columns < 1 ||
        rows < 1 || columns > SIDE_MAX || rows > SIDE_MAX)
        return err_set(err, ERR_INPUT,
                       "%s: '%s' is not a size in columns and rows as 80x24, each 1..%d", where,
                       rest, SIDE_MAX);
    step->number = columns;
    step->rows = rows;
    return true;
}

static bool
read_limit(struct step *step, const char *rest, const char *where, struct err *err)
{
    char *end;
    step->number = strtod(rest, &end);
    if (*end || !(step->number > 0 && step->number <= LIMIT_MAX_S))
        return err_set(err, ERR_INPUT, "%s: '%s' is not a number of seconds up to %d", where, rest,
                       LIMIT_MAX_S);
    return true;
}

// The last character of a bracket expression that begins at `c`.
static const char *
bracket_end(const char *c)
{
    c += c[1] == '^' ? 2 : 1;
    for (c += *c == ']'; *c && *c != ']'; c++)
        if (*c == '[' && c[1] && strchr(":.=", c[1])) { // [:alpha:]
            const char close[] = {c[1], ']', 0}, *end = strstr(c + 2, close);
            c = end ? end + 1 : c;
        }
    return c;
}

// The most that a repetition such as {2,5} repeats.
static long
max_repetitions(const char *c)
{
    const char *comma = c + 1 + strspn(c + 1, "0123456789");
    long least = strtol(c + 1, NULL, 10), most = *comma == ',' ? strtol(comma + 1, NULL, 10) : 0;
    return MAX(MAX(least, most), 1);
}

// Repetitions of repetitions can cost regcomp() any amount of time, memory and stack: glibc's
// doubles what x+ repeats, and follows every way through what may be empty.
static bool
is_cheap_pattern(const char *text)
{
    // Repetitions inside one another, in each open group and in what a repetition would repeat.
    int nested[LIMIT_PATTERN_GROUPS + 1] = {0}, last = 0;
    int open = 0, groups = 0;
    long times = 1;
    for (const char *c = text; *c; c++) {
        bool again = strchr("*+?{", *c);
        if (*c == '(' && ++groups <= LIMIT_PATTERN_GROUPS)
            nested[++open] = 0;
        last = again ? last + 1 : *c == ')' ? nested[open] : 0;
        open -= *c == ')' && open > 0;
        nested[open] = MAX(nested[open], last);
        if (*c == '{')
            times =
                MIN(times, LIMIT_PATTERN_TIMES) * MIN(max_repetitions(c), LIMIT_PATTERN_TIMES + 1);
        if (groups > LIMIT_PATTERN_GROUPS || times > LIMIT_PATTERN_TIMES ||
            last > LIMIT_PATTERN_NESTING)
            return false;
        c = *c == '[' ? bracket_end(c) : *c == '\\' && c[1] ? c + 1 : c;
        if (!*c)
            break;
    }
    return true;
}

static bool
read_pattern(struct step *step, const char *rest, const char *where, struct err *err)
{
    char why[200];
    if (strlen(rest) > LIMIT_PATTERN_BYTES || !is_cheap_pattern(rest))
        return err_set(err, ERR_INPUT,
                       "%s: '%.40s…' asks for too much: a regular expression has at most %d bytes, "
                       "%d groups, %d repetitions inside one another, and %d for what its {} make "
                       "when multiplied",
                       where, rest, LIMIT_PATTERN_BYTES, LIMIT_PATTERN_GROUPS,
                       LIMIT_PATTERN_NESTING, LIMIT_PATTERN_TIMES);
    int code = regcomp(&step->pattern, rest, REG_EXTENDED | REG_NEWLINE | REG_NOSUB);
    if (code == 0)
        return true;
    regerror(code, &step->pattern, why, sizeof why);
    return err_set(err, ERR_INPUT, "%s: '%s' is not a regular expression: %s", where, rest, why);
}

static bool
read_rest(struct step *step, const char *rest, const char *where, struct err *err)
{
    switch (step->kind) {
    case STEP_SIZE: return read_size(step, rest, where, err);
    case STEP_LIMIT: return read_limit(step, rest, where, err);
    case STEP_WAIT:
    case STEP_GONE:
        if (!read_pattern(step, rest, where, err))
            return false;
        break;
    default: break;
    }
    step->text = *rest ? mem_strdup(rest) : NULL;
    return true;
}

static bool
read_line(struct script *s, int line, char *text, struct err *err)
{
    char where[400], *name = text + strspn(text, " \t");
    snprintf(where, sizeof where, "%.360s:%d", s->file, line);
    for (size_t n = strlen(name); n && strchr(" \t\r", name[n - 1]); n--)
        name[n - 1] = 0;
    if (!*name || *name == '#')
        return true;
    char *rest = name + strcspn(name, " \t");
    if (*rest)
        *rest++ = 0;
    rest += strspn(rest, " \t");
    const struct word *word = find_word(name);
    if (!word)
        return unknown_word(where, name, err);
    if (word->has_argument != (*rest != 0))
        return err_set(err, ERR_INPUT, word->has_argument ? "%s: %s needs an argument"
                                                          : "%s: %s takes no argument",
                       where, name);
    if (word->kind == STEP_KEYS)
        return read_keys(s, line, rest, where, err);
    struct step step = {.kind = word->kind, .line = line};
    if (!read_rest(&step, rest, where, err))
        return false;
    ARRAY_PUSH(s->steps, s->count, s->capacity, step);
    return true;
}

static char *
read_input(struct err *err)
{
    char *text = mem_alloc(LIMIT_SCRIPT_BYTES + 2);
    size_t n = fread(text, 1, LIMIT_SCRIPT_BYTES + 1, stdin);
    text[n] = 0;
    if (!ferror(stdin) && n <= LIMIT_SCRIPT_BYTES)
        return text;
    free(text);
    if (ferror(stdin))
        err_errno(err, ERR_IO, "standard input");
    else
        err_set(err, ERR_INPUT, "a script has at most %d bytes", LIMIT_SCRIPT_BYTES);
    return NULL;
}

struct script *
script_open(const char *file, struct err *err)
{
    bool input = strcmp(file, "-") == 0;
    char *text = input ? read_input(err) : file_read(file, LIMIT_SCRIPT_BYTES, NULL, err);
    if (!text)
        return NULL;
    struct script *s = mem_zalloc(sizeof *s);
    s->file = mem_strdup(input ? "standard input" : file);
    s->headless = !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO);
    s->limit = SCRIPT_LIMIT_S;
    bool ok = true;
    int line = 1;
    for (char *next = text; ok && next; line++) {
        char *at = strsep(&next, "\n");
        ok = read_line(s, line, at, err);
    }
    free(text);
    if (ok)
        return s;
    script_close(s);
    return NULL;
}

void
script_close(struct script *s)
{
    if (!s)
        return;
    if (s->failed_on)
        fputs(s->failed_on, stderr);
    for (int i = 0; i < s->count; i++) {
        struct step *step = &s->steps[i];
        if (step->text && (step->kind == STEP_WAIT || step->kind == STEP_GONE))
            regfree(&step->pattern);
        free(step->text);
    }
    free(s->failed_on);
    free(s->steps);
    free(s->file);
    free(s);
}

bool
script_is_headless(const struct script *s)
{
    return s && s->headless;
}

void
script_size(const struct script *s, int *columns, int *rows)
{
    *columns = SCRIPT_COLUMNS;
    *rows = SCRIPT_ROWS;
    for (int i = 0; i < s->count; i++)
        if (s->steps[i].kind == STEP_SIZE) {
            *columns = (int)s->steps[i].number;
            *rows = s->steps[i].rows;
            return;
        }
}
