// SPDX-License-Identifier: MIT
#include "app/cli/options_docs.h"

#include <stdlib.h>
#include <string.h>

#include "app/cli/options_help.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"

// Calls `each` for every command that people use and that does something by itself, with its whole
// name.
static void
walk(const struct command *command, const char *above,
     void (*each)(const struct command *command, const char *name, void *ctx), void *ctx)
{
    for (int i = 0; command->commands && command->commands[i]; i++) {
        const struct command *below = command->commands[i];
        char *name = mem_printf("%s%s%s", above, *above ? " " : "", below->name);
        if (below->run && !below->hidden)
            each(below, name, ctx);
        walk(below, name, each, ctx);
        free(name);
    }
}

// --- the manual page

// Text for mdoc: letters beyond ASCII by number, and nothing that would be taken for a macro.
static void
put_roff(FILE *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", out);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        unsigned code = *c;
        int more = *c >= 0xF0 ? 3 : *c >= 0xE0 ? 2 : *c >= 0xC0 ? 1 : 0;
        if (more)
            code &= 0x3Fu >> more;
        for (int i = 0; i < more && c[1]; i++)
            code = code << 6 | (*++c & 0x3Fu);
        if (code >= 128)
            fprintf(out, "\\[u%04X]", code);
        else if (code == '\\')
            fputs("\\e", out);
        else if (code == '-')
            fputs("\\-", out);
        else if (code == ' ' && c[-1] == '.' && c[1] >= 'A' && c[1] <= 'Z')
            fputc('\n', out); // a sentence begins on a line of its own
        else
            fputc((int)code, out);
    }
}

// Paragraphs; lines that begin with a space are shown as they are.
static void
put_about(FILE *out, const char *text)
{
    while (*text) {
        size_t n = strcspn(text, "\n");
        char *line = mem_strndup(text, n);
        bool shown = *line == ' ';
        if (shown)
            fputs(".Dl ", out);
        if (n) {
            put_roff(out, line + strspn(line, " "));
            fputc('\n', out);
        } else if (text[n] && text[n + 1] != ' ') {
            fputs(".Pp\n", out);
        }
        free(line);
        text += n + (text[n] == '\n');
    }
}

// A phrase as a sentence: `phrase` gets a capital.
static void
put_sentence(FILE *out, char *phrase)
{
    if (*phrase >= 'a' && *phrase <= 'z')
        *phrase = (char)(*phrase - 'a' + 'A');
    put_roff(out, phrase);
    fputs(".\n", out);
}

static void
put_man_option(FILE *out, const struct option *o)
{
    char name[40], *phrase = option_phrase(o);
    fputs(".It ", out);
    if (o->letter)
        fprintf(out, "Fl %c , ", o->letter);
    fprintf(out, "Fl %s", option_text(o, name) + 1);
    if (o->argument) {
        fputs(" Ar \\&", out);
        put_roff(out, o->argument);
    }
    fputc('\n', out);
    put_sentence(out, phrase);
    free(phrase);
}

static void
man_command(const struct command *command, const char *name, void *ctx)
{
    FILE *out = ctx;
    const struct option *tables[OPTIONS_TABLES_MAX];
    fprintf(out, ".Ss limn %s", name);
    char *words = command_words(command);
    if (*words) {
        fputc(' ', out);
        put_roff(out, words);
    }
    fputc('\n', out);
    free(words);
    char *about = command_about(command);
    put_about(out, about);
    free(about);
    if (command->away) {
        fputs("With\n.Fl -host\n", out);
        put_roff(out, command->away);
        fputs(".\n", out);
    }
    fputs(".Bl -tag -width Ds\n", out);
    for (const struct argument *a = command->arguments; a && a->name; a++) {
        fputs(".It Ar \\&", out);
        put_roff(out, a->name);
        fputc('\n', out);
        char *help = mem_strdup(a->help);
        put_sentence(out, help);
        free(help);
    }
    for (int t = 0, n = command_tables(command, true, tables); t < n; t++)
        for (const struct option *o = tables[t]; o->name; o++)
            if (o->help)
                put_man_option(out, o);
    fputs(".El\n", out);
}

static void
man_synopsis(const struct command *command, const char *name, void *ctx)
{
    FILE *out = ctx;
    fprintf(out, ".Nm\n.Cm %s\n.Op Ar option ...\n", name);
    for (const struct argument *a = command->arguments; a && a->name; a++) {
        fputs(a->optional ? ".Op Ar \\&" : ".Ar \\&", out);
        put_roff(out, a->name);
        fputs(a->many ? " ...\n" : "\n", out);
    }
}

bool
docs_man(const struct command *program, const char *page, FILE *out, struct err *err)
{
    char *text = file_read(page, 1 << 20, NULL, err), *left = text;
    if (!text)
        return false;
    for (char *line = strsep(&left, "\n"); line; line = strsep(&left, "\n")) {
        if (strcmp(line, ".\\\" SYNOPSIS") == 0)
            walk(program, "", man_synopsis, out);
        else if (strcmp(line, ".\\\" COMMANDS") == 0)
            walk(program, "", man_command, out);
        else if (*line || left)
            fprintf(out, "%s\n", line);
    }
    free(text);
    return true;
}

// --- Markdown

static void
put_cell(FILE *out, const char *text)
{
    for (; *text; text++)
        fprintf(out, strchr("|<>*_", *text) ? "\\%c" : "%c", *text);
}

static void
put_markdown_option(FILE *out, const struct option *o)
{
    char name[40], *phrase = option_phrase(o);
    fputs("| `", out);
    if (o->letter)
        fprintf(out, "-%c`, `", o->letter);
    fprintf(out, "%s%s%s` | ", option_text(o, name), o->argument ? " " : "",
            o->argument ? o->argument : "");
    put_cell(out, phrase);
    fputs(" |\n", out);
    free(phrase);
}

static void
markdown_command(const struct command *command, const char *name, void *ctx)
{
    FILE *out = ctx;
    const struct option *tables[OPTIONS_TABLES_MAX];
    char *words = command_words(command);
    fprintf(out, "\n## limn %s\n\n`limn %s [OPTIONS]%s%s`\n\n", name, name, *words ? " " : "",
            words);
    free(words);
    char *about = command_about(command);
    for (const char *line = about; *line;) {
        size_t n = strcspn(line, "\n");
        fprintf(out, "%s%.*s\n", *line == ' ' ? "  " : "", (int)n, line);
        line += n + (line[n] == '\n');
    }
    free(about);
    if (command->away)
        fprintf(out, "\nWith `--host` %s.\n", command->away);
    fputs("\n| | |\n|---|---|\n", out);
    for (const struct argument *a = command->arguments; a && a->name; a++) {
        fprintf(out, "| `%s` | ", a->name);
        put_cell(out, a->help);
        fputs(" |\n", out);
    }
    for (int t = 0, n = command_tables(command, true, tables); t < n; t++)
        for (const struct option *o = tables[t]; o->name; o++)
            if (o->help)
                put_markdown_option(out, o);
}

void
docs_markdown(const struct command *program, FILE *out)
{
    fputs("# Commands\n\n"
          "<!-- Made by limn --print-docs from the tables in app/cli; a test compares. -->\n\n"
          "All commands share one syntax. Options are written `--name=VALUE`, `--name VALUE` or\n"
          "`-o VALUE`, before, between or after other arguments; `--` ends the options, so that\n"
          "arguments may begin with a dash. A name may be abbreviated as long as it is\n"
          "unambiguous. If an option is given twice the last one counts, except for options that\n"
          "accumulate (`--set`, `--ref`, `--ref-text`, `--sweep`). `--help` shows the options of\n"
          "a command.\n",
          out);
    fputs("\n## limn\n\nThe terminal UI.\n\n| | |\n|---|---|\n", out);
    for (const struct option *o = program->options; o && o->name; o++)
        if (o->help)
            put_markdown_option(out, o);
    walk(program, "", markdown_command, out);
}
