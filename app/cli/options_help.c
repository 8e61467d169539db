// SPDX-License-Identifier: MIT
#include "app/cli/options_help.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

enum { COLUMNS_MAX = 80, TEXT_AT = 28, OPTIONS_MAX = 96 };

char *
option_phrase(const struct option *o)
{
    char range[400];
    value_range(&o->type, range, sizeof range);
    if (!*range && !o->fallback)
        return mem_strdup(o->help);
    return mem_printf("%s (%s%s%s%s)", o->help, range, *range && o->fallback ? "; " : "",
                      o->fallback ? "default " : "", o->fallback ? o->fallback : "");
}

char *
command_words(const struct command *command)
{
    char *all = mem_strdup("");
    for (const struct argument *a = command->arguments; a && a->name; a++) {
        char *longer = mem_printf("%s%s%s%s%s%s", all, *all ? " " : "", a->optional ? "[" : "",
                                  a->name, a->many ? " ..." : "", a->optional ? "]" : "");
        free(all);
        all = longer;
    }
    return all;
}

// Columns that UTF-8 takes, as far as help texts need: a letter is one.
static int
width(const char *text, size_t bytes)
{
    int n = 0;
    for (size_t i = 0; i < bytes; i++)
        n += ((unsigned char)text[i] & 0xC0) != 0x80;
    return n;
}

// Words of `text` from column `at` on, where the line already has `used` columns.
static void
print_wrapped(FILE *out, int used, int at, const char *text)
{
    if (at && used >= at) {
        fputc('\n', out);
        used = 0;
    }
    fprintf(out, "%*s", at - used, "");
    for (int column = at; *text;) {
        size_t n = strcspn(text, " ");
        int w = width(text, n);
        if (column > at && column + 1 + w > COLUMNS_MAX) {
            fprintf(out, "\n%*s", at, "");
            column = at;
        } else if (column > at) {
            fputc(' ', out);
            column++;
        }
        fprintf(out, "%.*s", (int)n, text);
        column += w;
        text += n + strspn(text + n, " ");
    }
    fputc('\n', out);
}

static void
print_row(FILE *out, const char *left, const char *text)
{
    fputs(left, out);
    print_wrapped(out, width(left, strlen(left)), TEXT_AT, text);
}

// `of`: the commands that take it, where not all do; "": all.
static void
print_option(FILE *out, const struct option *o, const char *of)
{
    char name[40], left[120], letter[6] = "   ";
    char *phrase = option_phrase(o),
         *text = mem_printf("%s%s%s", *of ? of : "", *of ? ": " : "", phrase);
    if (o->letter)
        snprintf(letter, sizeof letter, "-%c,", o->letter);
    snprintf(left, sizeof left, "  %s %s%s%s", letter, option_text(o, name), o->argument ? " " : "",
             o->argument ? o->argument : "");
    if (o->group)
        fprintf(out, "\n%s:\n", o->group);
    print_row(out, left, text);
    free(phrase);
    free(text);
}

char *
command_about(const struct command *command)
{
    if (command->about)
        return mem_strdup(command->about);
    char *text = mem_printf("%s.", command->summary);
    if (*text >= 'a' && *text <= 'z')
        *text = (char)(*text - 'a' + 'A');
    return text;
}

// Paragraphs, and lines that begin with a space as they are.
static void
print_about(FILE *out, const struct command *command)
{
    char *text = command_about(command);
    for (char *line = text, *end; line; line = end) {
        end = strchr(line, '\n');
        if (end)
            *end++ = 0;
        if (*line == ' ')
            fprintf(out, "%s\n", line);
        else
            print_wrapped(out, 0, 0, line);
    }
    free(text);
}

static bool
has_option(const struct command *command, bool away, const struct option *wanted)
{
    const struct option *tables[OPTIONS_TABLES_MAX];
    for (int t = 0, n = command_tables(command, away, tables); t < n; t++)
        for (const struct option *o = tables[t]; o->name; o++)
            if (strcmp(o->name, wanted->name) == 0 &&
                strcmp(o->help ? o->help : "", wanted->help) == 0)
                return true;
    return false;
}

// The commands below that take an option, by name; "": all of them.
static char *
commands_with(const struct command *command, bool away, const struct option *o)
{
    char *takers = mem_strdup("");
    bool all = true;
    for (int i = 0; command->commands[i]; i++) {
        if (!has_option(command->commands[i], away, o)) {
            all = false;
            continue;
        }
        char *longer =
            mem_printf("%s%s%s", takers, *takers ? ", " : "", command->commands[i]->name);
        free(takers);
        takers = longer;
    }
    if (all)
        *takers = 0;
    return takers;
}

// Options of the commands below, each once: first those of some, with their names, then those of
// all.
static void
print_options_below(FILE *out, const struct command *command, bool away)
{
    const struct option *tables[OPTIONS_TABLES_MAX], *seen[OPTIONS_MAX];
    int count = 0;
    for (int i = 0; command->commands[i]; i++)
        for (int t = 0, n = command_tables(command->commands[i], away, tables); t < n; t++)
            for (const struct option *o = tables[t]; o->name; o++) {
                bool known = !o->help || count == OPTIONS_MAX;
                for (int k = 0; k < count && !known; k++)
                    known =
                        strcmp(seen[k]->name, o->name) == 0 && strcmp(seen[k]->help, o->help) == 0;
                if (!known)
                    seen[count++] = o;
            }
    fputs("\nOptions:\n", out);
    for (int pass = 0; pass < 2; pass++)
        for (int k = 0; k < count; k++) {
            char *takers = commands_with(command, away, seen[k]);
            struct option plain = *seen[k];
            plain.group = NULL;
            if ((pass == 0) == (*takers != 0))
                print_option(out, &plain, takers);
            free(takers);
        }
}

static void
print_commands(FILE *out, const struct command_line *line)
{
    const struct command *command = command_of(line);
    fputs("\nCommands:\n", out);
    for (int i = 0; command->commands[i]; i++) {
        const struct command *c = command->commands[i];
        char *words = line->depth > 1 ? command_words(c) : mem_strdup("");
        char *left = mem_printf("  %s%s%s", c->name, *words ? " " : "", words);
        char *text =
            mem_printf("%s%s", c->summary, c == command->default_command ? " (the default)" : "");
        if (!c->hidden)
            print_row(out, left, text);
        free(words);
        free(left);
        free(text);
    }
}

static void
print_own(FILE *out, const struct command *command, bool away)
{
    const struct option *tables[OPTIONS_TABLES_MAX];
    if (command->arguments)
        fputc('\n', out);
    for (const struct argument *a = command->arguments; a && a->name; a++) {
        char *left = mem_printf("  %s", a->name);
        print_row(out, left, a->help);
        free(left);
    }
    for (int t = 0, n = command_tables(command, away, tables); t < n; t++) {
        if (t == 0 && !(tables[0]->group))
            fputs("\nOptions:\n", out);
        for (const struct option *o = tables[t]; o->name; o++)
            if (o->help)
                print_option(out, o, "");
    }
    if (away && command->computes && command->away) {
        char *text = mem_printf("With --host %s.", command->away);
        fputc('\n', out);
        print_wrapped(out, 0, 0, text);
        free(text);
    }
}

void
options_help(const struct command_line *line, bool away, FILE *out)
{
    const struct command *command = command_of(line);
    char *name = command_name(line, -1), *words = command_words(command);
    if (command->commands)
        fprintf(out, "usage: %s%s COMMAND [OPTIONS]\n", name,
                line->depth == 1 ? " [OPTIONS] |" : "");
    else
        fprintf(out, "usage: %s [OPTIONS]%s%s\n", name, *words ? " " : "", words);
    fputc('\n', out);
    print_about(out, command);
    if (command->commands)
        print_commands(out, line);
    if (command->commands && line->depth > 1)
        print_options_below(out, command, away);
    else
        print_own(out, command, away);
    if (command->commands)
        fprintf(out, "\n%s COMMAND --help says more.\n", name);
    free(name);
    free(words);
}
