// SPDX-License-Identifier: MIT
// Completions of bash, zsh and fish, made from the tables.
#include <stdlib.h>
#include <string.h>

#include "app/cli/options_docs.h"
#include "app/cli/options_help.h"
#include "engine/base/mem.h"

const char *
docs_shell(int i)
{
    static const char *const names[] = {"bash", "zsh", "fish"};
    return i < (int)COUNT_OF(names) ? names[i] : NULL;
}

// What prints the names that a value may be, one per line; NULL: nothing does. Bash's compgen
// expands words like any others: a name with other characters than these could be a command.
static const char *
lister(enum completion what)
{
    switch (what) {
    case COMPLETE_TEMPLATE:
        return "limn templates 2>/dev/null | sed -n 's/^\\([a-z0-9][a-z0-9_-]*\\) .*/\\1/p'";
    case COMPLETE_LOADER:
        return "limn loaders 2>/dev/null | sed -n 's/^\\([a-z][a-z0-9-]*\\) (.*/\\1/p'";
    case COMPLETE_MODEL:
        return "limn models list 2>/dev/null | "
               "sed -n 's/^\\([A-Za-z0-9_][A-Za-z0-9_.-]*\\): .*/\\1/p'";
    case COMPLETE_DEVICE:
        return "limn devices 2>/dev/null | sed -n 's/^\\([a-z][a-z0-9:]*\\) .*/\\1/p'";
    case COMPLETE_JOB:
        return "limn jobs 2>/dev/null | sed -n 's/^\\([0-9][0-9a-f-]*\\) .*/\\1/p'";
    case COMPLETE_COMMAND:
        return "limn --help | sed -n 's/^  \\([a-z][a-z]*\\)  .*/\\1/p'";
    case COMPLETE_NOTHING:
    case COMPLETE_FILE:
    case COMPLETE_FOLDER:
    case COMPLETE_HOST:
        break;
    }
    return NULL;
}

static bool
takes_files(enum completion what)
{
    return what == COMPLETE_FILE || what == COMPLETE_TEMPLATE;
}

static bool
takes_folders(enum completion what)
{
    return what == COMPLETE_FOLDER || what == COMPLETE_MODEL;
}

// Text in single quotes of a shell; of `special`, each gets a backslash.
static void
put_quoted(FILE *out, const char *text, const char *special)
{
    for (; *text; text++)
        if (*text == '\'')
            fputs("'\\''", out);
        else
            fprintf(out, strchr(special, *text) ? "\\%c" : "%c", *text);
}

static void
put_names(FILE *out, const struct value_type *type)
{
    const char *names[LIMIT_CHOICE_NAMES + 1];
    for (int i = 0, n = value_names(type, names); i < n; i++)
        fprintf(out, "%s%s", i ? " " : "", names[i]);
}

// All options of a command that people use, one after the other.
static void
each_option(const struct command *command,
            void (*each)(FILE *out, const struct option *o, const void *ctx), FILE *out,
            const void *ctx)
{
    const struct option *tables[OPTIONS_TABLES_MAX];
    for (int t = 0, n = command_tables(command, true, tables); t < n; t++)
        for (const struct option *o = tables[t]; o->name; o++)
            if (o->help)
                each(out, o, ctx);
}

// --- bash

static void
bash_name(FILE *out, const struct option *o, const void *ctx)
{
    char name[40];
    (void)ctx;
    if (o->letter)
        fprintf(out, "-%c ", o->letter);
    fprintf(out, "%s ", option_text(o, name));
}

// Words of a shell's completion for a value; an action of `compgen`.
static void
bash_action(FILE *out, const struct value_type *type, enum completion what)
{
    if (type && type->kind == VALUE_CHOICE) {
        fputs("-W '", out);
        put_names(out, type);
        fputc('\'', out);
    } else if (lister(what)) {
        fprintf(out, "%s-W \"$(%s)\"",
                takes_files(what)     ? "-f "
                : takes_folders(what) ? "-d "
                                      : "",
                lister(what));
    } else if (what == COMPLETE_HOST) {
        fputs("-A hostname", out);
    } else {
        fputs(takes_folders(what) ? "-d" : takes_files(what) ? "-f" : "-W ''", out);
    }
}

static void
bash_value(FILE *out, const struct option *o, const void *ctx)
{
    char name[40];
    (void)ctx;
    if (!o->argument)
        return;
    fputs("        ", out);
    if (o->letter)
        fprintf(out, "-%c | ", o->letter);
    fprintf(out, "%s) _limn_take ", option_text(o, name));
    bash_action(out, &o->type, o->complete);
    fputs("; return ;;\n", out);
}

static void
bash_command(FILE *out, const struct command *command, const char *pattern)
{
    const struct argument *a = command->arguments;
    fprintf(out, "    %s)\n      case $last in\n", pattern);
    each_option(command, bash_value, out, NULL);
    fputs("      esac\n      if [[ $word == -* ]]; then _limn_take -W '", out);
    each_option(command, bash_name, out, NULL);
    fputs("'; else _limn_take ", out);
    bash_action(out, NULL, a && a->name ? a->complete : COMPLETE_NOTHING);
    fputs("; fi ;;\n", out);
}

static void
bash_commands(FILE *out, const struct command *command, const char *depth)
{
    fprintf(out, "  if [[ $COMP_CWORD -eq %s && $word != -* ]]; then _limn_take -W '", depth);
    for (int i = 0; command->commands[i]; i++)
        if (!command->commands[i]->hidden)
            fprintf(out, "%s ", command->commands[i]->name);
    fputs("'; return; fi\n", out);
}

static void
bash(const struct command *program, FILE *out)
{
    fputs("# bash completion for limn, made from its tables of options\n"
          "_limn_take() { mapfile -t COMPREPLY < <(compgen \"$@\" -- \"$word\"); }\n"
          "_limn() {\n"
          "  local word=${COMP_WORDS[COMP_CWORD]} last=${COMP_WORDS[COMP_CWORD - 1]}\n"
          "  local command=${COMP_WORDS[1]} below=${COMP_WORDS[2]}\n"
          "  if [[ $word == = ]]; then word=; elif [[ $last == = ]]; then "
          "last=${COMP_WORDS[COMP_CWORD - 2]}; fi\n",
          out);
    bash_commands(out, program, "1");
    for (int i = 0; program->commands[i]; i++)
        if (program->commands[i]->commands) {
            fprintf(out, "  if [[ $command == %s ]]; then :\n", program->commands[i]->name);
            bash_commands(out, program->commands[i], "2");
            fputs("  fi\n", out);
        }
    fputs("  case $command:$below in\n", out);
    for (int i = 0; program->commands[i]; i++) {
        const struct command *c = program->commands[i];
        for (int k = 0; c->commands && c->commands[k]; k++) {
            char *pattern = mem_printf("%s:%s", c->name, c->commands[k]->name);
            bash_command(out, c->commands[k], pattern);
            free(pattern);
        }
        char *pattern = mem_printf("%s:*", c->name);
        if (!c->commands || c->default_command)
            bash_command(out, c->commands ? c->default_command : c, pattern);
        free(pattern);
    }
    bash_command(out, program, "*");
    fputs("  esac\n}\ncomplete -o filenames -F _limn limn\n", out);
}

// --- zsh

static void
zsh_action(FILE *out, const struct value_type *type, enum completion what)
{
    if (type && type->kind == VALUE_CHOICE) {
        fputc('(', out);
        put_names(out, type);
        fputc(')', out);
    } else if (lister(what)) {
        fputs("{ compadd -- ${(f)\"$(", out);
        put_quoted(out, lister(what), ":");
        fprintf(out, ")\"}%s }",
                takes_files(what)     ? "; _files"
                : takes_folders(what) ? "; _files -/"
                                      : "");
    } else {
        fputs(what == COMPLETE_HOST ? "_hosts"
              : takes_folders(what) ? "_files -/"
              : takes_files(what)   ? "_files"
                                    : " ",
              out);
    }
}

static void
zsh_spec(FILE *out, const char *name, const struct option *o)
{
    char *phrase = option_phrase(o);
    fprintf(out, " \\\n      '%s%s[", o->type.kind == VALUE_LIST ? "*" : "", name);
    put_quoted(out, phrase, "[]:\\");
    fputc(']', out);
    if (o->argument) {
        fputc(':', out);
        put_quoted(out, o->argument, "[]:\\");
        fputc(':', out);
        zsh_action(out, &o->type, o->complete);
    }
    fputc('\'', out);
    free(phrase);
}

static void
zsh_option(FILE *out, const struct option *o, const void *ctx)
{
    char name[40], text[44], letter[4] = {'-', o->letter, o->argument ? '+' : 0, 0};
    (void)ctx;
    snprintf(text, sizeof text, "%s%s", option_text(o, name), o->argument ? "=" : "");
    zsh_spec(out, text, o);
    if (o->letter)
        zsh_spec(out, letter, o);
}

static void
zsh_arguments(FILE *out, const struct command *command, int depth)
{
    fprintf(out, "shift %d words; (( CURRENT -= %d ))\n    _arguments -S", depth, depth);
    each_option(command, zsh_option, out, NULL);
    int place = 1;
    for (const struct argument *a = command->arguments; a && a->name; a++, place++) {
        if (a->many)
            fputs(" \\\n      '*:", out);
        else
            fprintf(out, " \\\n      '%d:", place);
        put_quoted(out, a->name, "[]:\\");
        fputc(':', out);
        zsh_action(out, NULL, a->complete);
        fputc('\'', out);
    }
    fputs(" ;;\n", out);
}

static void
zsh_describe(FILE *out, const struct command *command, int place)
{
    fprintf(out, "if (( CURRENT == %d )); then\n    local -a commands=(", place);
    for (int i = 0; command->commands[i]; i++) {
        if (command->commands[i]->hidden)
            continue;
        fprintf(out, "\n      '%s:", command->commands[i]->name);
        put_quoted(out, command->commands[i]->summary, ":\\");
        fputc('\'', out);
    }
    fputs(")\n    _describe command commands && return\n  fi\n", out);
}

static void
zsh(const struct command *program, FILE *out)
{
    fputs(
        "#compdef limn\n# zsh completion for limn, made from its tables of options\n_limn() {\n  ",
        out);
    zsh_describe(out, program, 2);
    fputs("  case $words[2] in\n", out);
    for (int i = 0; program->commands[i]; i++) {
        const struct command *c = program->commands[i];
        fprintf(out, "  %s) ", c->name);
        if (!c->commands) {
            zsh_arguments(out, c, 1);
            continue;
        }
        zsh_describe(out, c, 3);
        fputs("    case $words[3] in\n", out);
        for (int k = 0; c->commands[k]; k++) {
            fprintf(out, "    %s) ", c->commands[k]->name);
            zsh_arguments(out, c->commands[k], 2);
        }
        if (c->default_command) {
            fputs("    *) ", out);
            zsh_arguments(out, c->default_command, 1);
        }
        fputs("    esac ;;\n", out);
    }
    fputs("  *) ", out);
    zsh_arguments(out, program, 0);
    fputs("  esac\n}\n_limn \"$@\"\n", out);
}

// --- fish

struct fish_place {
    const char *command, *below; // below: NULL: none
};

static void
fish_condition(FILE *out, const struct fish_place *at)
{
    fprintf(out, "complete -c limn -n '__fish_seen_subcommand_from %s", at->command);
    if (at->below)
        fprintf(out, "; and __fish_seen_subcommand_from %s", at->below);
    fputs("' ", out);
}

static void
fish_action(FILE *out, const struct value_type *type, enum completion what)
{
    if (type && type->kind == VALUE_CHOICE) {
        fputs(" -x -a '", out);
        put_names(out, type);
        fputc('\'', out);
    } else if (what == COMPLETE_HOST) {
        fputs(" -x -a '(__fish_complete_user_at_hosts)'", out);
    } else if (lister(what)) {
        fprintf(out, " %s -a '(", takes_files(what) || takes_folders(what) ? "-r" : "-x");
        put_quoted(out, lister(what), "\\");
        fputs(")'", out);
    } else {
        fputs(takes_files(what) || takes_folders(what) ? " -r" : " -x", out);
    }
}

static void
fish_option(FILE *out, const struct option *o, const void *ctx)
{
    char name[40], *phrase = option_phrase(o);
    fish_condition(out, ctx);
    if (o->letter)
        fprintf(out, "-s %c ", o->letter);
    fprintf(out, "-l %s -d '", option_text(o, name) + 2);
    put_quoted(out, phrase, "\\");
    fputc('\'', out);
    if (o->argument)
        fish_action(out, &o->type, o->complete);
    fputc('\n', out);
    free(phrase);
}

static void
fish_command(FILE *out, const struct command *command, const struct fish_place *at)
{
    const struct argument *a = command->arguments;
    each_option(command, fish_option, out, at);
    if (a && a->name && lister(a->complete)) {
        fish_condition(out, at);
        fputs("-a '(", out);
        put_quoted(out, lister(a->complete), "\\");
        fputs(")'\n", out);
    }
}

static void
fish_name(FILE *out, const char *condition, const struct command *c)
{
    fprintf(out, "complete -c limn -n '%s' -f -a %s -d '", condition, c->name);
    put_quoted(out, c->summary, "\\");
    fputs("'\n", out);
}

static void
fish(const struct command *program, FILE *out)
{
    fputs("# fish completion for limn, made from its tables of options\n", out);
    for (int i = 0; program->commands[i]; i++) {
        const struct command *c = program->commands[i];
        if (!c->hidden)
            fish_name(out, "__fish_use_subcommand", c);
        char *condition = mem_printf("__fish_seen_subcommand_from %s", c->name);
        for (int k = 0; c->commands && c->commands[k]; k++) {
            fish_name(out, condition, c->commands[k]);
            fish_command(out, c->commands[k], &(struct fish_place){c->name, c->commands[k]->name});
        }
        free(condition);
        if (!c->commands)
            fish_command(out, c, &(struct fish_place){c->name, NULL});
    }
}

void
docs_completions(const struct command *program, const char *shell, FILE *out)
{
    if (strcmp(shell, "bash") == 0)
        bash(program, out);
    else if (strcmp(shell, "zsh") == 0)
        zsh(program, out);
    else
        fish(program, out);
}
