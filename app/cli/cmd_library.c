// SPDX-License-Identifier: MIT
// limn library: the library of finished pictures, from the command line.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/base/time_text.h"
#include "app/cli/commands.h"
#include "app/library/library.h"
#include "engine/base/jv.h"
#include "engine/base/mem.h"

struct context {
    struct library *library;
    struct library_filter filter;
    const char *const *words; // what follows the command's name
    int count;
    const char *sort;
    bool json;
};

static struct jv *
picture_json(const struct library_picture *p)
{
    struct jv *o = jv_object();
    jv_set(o, "id", jv_from_integer(p->id));
    jv_set(o, "file", jv_from_string(p->file));
    jv_set(o, "instruction", jv_from_string(p->instruction));
    jv_set(o, "seed", jv_from_integer(p->seed));
    jv_set(o, "rating", jv_from_integer(p->rating));
    jv_set(o, "tags", jv_from_string(p->tags));
    jv_set(o, "created", jv_from_integer(p->created));
    jv_set(o, "job", jv_from_string(p->job));
    jv_set(o, "model", jv_from_string(p->model));
    jv_set(o, "template", jv_from_string(p->template));
    return o;
}

static void
print_picture(struct library_picture *p)
{
    char date[TIME_TEXT_MAX];
    time_text(p->created, "%Y-%m-%d %H:%M", date);
    printf("%5" PRId64 "  %s  %-5.*s  seed %-10" PRId64 "  %s%s%s\n       %s\n", p->id, date,
           p->rating, "*****", p->seed, command_sanitise(p->instruction), *p->tags ? "  #" : "",
           command_sanitise(p->tags), command_sanitise(p->file));
}

static bool
list(struct context *a, struct err *err)
{
    struct library_list pictures;
    if (!library_query(a->library, &a->filter, &pictures, err))
        return false;
    struct jv *all = jv_array();
    for (int i = 0; i < pictures.count; i++) {
        if (a->json)
            jv_append(all, picture_json(&pictures.items[i]));
        else
            print_picture(&pictures.items[i]);
    }
    if (a->json) {
        char *text = jv_text(all, 2);
        puts(text);
        free(text);
    } else if (!pictures.count) {
        puts("no pictures");
    }
    jv_free(all);
    library_list_free(&pictures);
    return true;
}

static bool
search(struct context *a, struct err *err)
{
    char *all = mem_strdup("");
    for (int i = 0; i < a->count; i++) {
        char *longer = mem_printf("%s %s", all, a->words[i]);
        free(all);
        all = longer;
    }
    a->filter.search = all;
    bool ok = list(a, err);
    free(all);
    return ok;
}

static bool
id_of(const struct context *a, int64_t *id, struct err *err)
{
    char *end = NULL;
    *id = a->count ? strtoll(a->words[0], &end, 10) : 0;
    if (!a->count || *end || *id < 1)
        return err_set(err, ERR_INPUT,
                       "'%.40s' is not the number of a picture (see limn library list)",
                       a->count ? a->words[0] : "");
    struct library_list one;
    struct library_filter f = {.id = *id};
    bool ok = library_query(a->library, &f, &one, err), found = ok && one.count == 1;
    library_list_free(&one);
    return ok && (found || err_set(err, ERR_INPUT, "there is no picture %" PRId64, *id));
}

static bool
show(struct context *a, struct err *err)
{
    struct library_list one;
    struct library_filter f = {0};
    if (!id_of(a, &f.id, err) || !library_query(a->library, &f, &one, err))
        return false;
    if (one.count == 1) {
        struct jv *o = picture_json(&one.items[0]);
        char *text = jv_text(o, 2);
        puts(text);
        free(text);
        jv_free(o);
    }
    library_list_free(&one);
    return true;
}

static bool
rate(struct context *a, struct err *err)
{
    int64_t id;
    char *end = NULL;
    long stars = a->count > 1 ? strtol(a->words[1], &end, 10) : -1;
    if (!end || *end)
        return err_set(err, ERR_INPUT, "a rating is a whole number in 0..5");
    return id_of(a, &id, err) && library_rate(a->library, id, (int)stars, err);
}

static bool
tag_or_untag(struct context *a, bool on, struct err *err)
{
    int64_t id;
    return id_of(a, &id, err) &&
           library_tag(a->library, id, a->count > 1 ? a->words[1] : "", on, err);
}

static bool
tag(struct context *a, struct err *err)
{
    return tag_or_untag(a, true, err);
}

static bool
untag(struct context *a, struct err *err)
{
    return tag_or_untag(a, false, err);
}

static bool
hide(struct context *a, struct err *err)
{
    int64_t id;
    return id_of(a, &id, err) && library_delete(a->library, id, true, err);
}

static bool
unhide(struct context *a, struct err *err)
{
    char *end = NULL;
    int64_t id = a->count ? strtoll(a->words[0], &end, 10) : 0;
    if (!end || *end || id < 1)
        return err_set(err, ERR_INPUT, "which picture? Give its number");
    return library_delete(a->library, id, false, err);
}

static bool
purge(struct context *a, struct err *err)
{
    int n = library_purge(a->library, err);
    if (n >= 0)
        printf("%d files removed\n", n);
    return n >= 0;
}

static bool
import(struct context *a, struct err *err)
{
    if (a->count != 1)
        return err_set(err, ERR_INPUT, "import which folder or picture?");
    const char *dot = strrchr(a->words[0], '.');
    if (dot && strcmp(dot, ".png") == 0)
        return library_picture_import(a->library, a->words[0], NULL, err) >= 0;
    struct library_scanned found;
    bool ok = library_scan(a->library, a->words[0], &found, err);
    if (ok || found.pictures)
        printf("%d pictures\n", found.pictures);
    if (found.unread)
        command_say(stderr, "limn: %d files or folders could not be read, the first: %s",
                    found.unread, found.first.text);
    return ok;
}

// --- the commands

static const char *
sort_name(int i)
{
    static const char *const names[LIBRARY_SORT_COUNT] = {"newest", "oldest", "rating", "seed"};
    return i < LIBRARY_SORT_COUNT ? names[i] : NULL;
}

static int
run(const struct command_line *line, bool (*verb)(struct context *a, struct err *err))
{
    struct context *a = line->values;
    struct err err = {0};
    char *notice = NULL;
    a->words = line->words;
    a->count = line->word_count;
    for (int i = 0; a->sort && i < LIBRARY_SORT_COUNT; i++)
        if (strcmp(sort_name(i), a->sort) == 0)
            a->filter.sort = (enum library_sort)i;
    a->library = library_open(NULL, &notice, &err);
    if (notice)
        fprintf(stderr, "limn: %s\n", notice);
    free(notice);
    bool ok = a->library && verb(a, &err);
    library_close(a->library);
    return ok ? 0 : command_failed(&err);
}

#define RUN(verb)                                                                                  \
    static int run_##verb(const struct command_line *line)                                         \
    {                                                                                              \
        return run(line, verb);                                                                    \
    }
RUN(list)
RUN(search)
RUN(show)
RUN(rate)
RUN(tag)
RUN(untag)
RUN(hide)
RUN(unhide)
RUN(purge)
RUN(import)
#undef RUN

static const struct option list_options[] = {
    {OPTION_TEXT("tag", "TAG", struct context, filter.tag, "only pictures with this tag")},
    {OPTION_WHOLE("rating", "N", 0, 5, struct context, filter.rating,
                  "only pictures with N stars or more")},
    {OPTION_CHOICE("sort", "ORDER", sort_name, struct context, sort, "which come first"),
     .fallback = "newest"},
    {OPTION_WHOLE("limit", "N", 1, 1000000, struct context, filter.limit, "at most N pictures")},
    {OPTION_SWITCH("json", struct context, json, "as JSON on standard output")},
    {0},
};

static const struct argument search_words[] = {
    {"WORDS", "words of the instruction, references or tags", .many = true}, {0}};
static const struct argument one_picture[] = {{"ID", "its number in limn library list"}, {0}};
static const struct argument rate_words[] = {
    {"ID", "its number in limn library list"}, {"STARS", "0 to 5"}, {0}};
static const struct argument tag_words[] = {
    {"ID", "its number in limn library list"}, {"TAG", "a word"}, {0}};
static const struct argument import_words[] = {
    {"FOLDER|PICTURE.png", "pictures that limn drew elsewhere, or earlier", COMPLETE_FILE}, {0}};

#define LIBRARY_COMMAND(variable, verb, text, takes, table)                                        \
    static const struct command variable##_command = {                                             \
        .name = verb, .summary = text, .options = table, .arguments = takes,                       \
        .size = sizeof(struct context), .run = run_##variable}
LIBRARY_COMMAND(list, "list", "list the pictures, newest first", NULL, list_options);
LIBRARY_COMMAND(search, "search",
                "list the pictures with all of these words; also #tag, *3 (stars or more), seed:7, "
                "since:2026, until:2026-11 or on:2026-11-26, model:NAME, template:NAME",
                search_words, list_options);
LIBRARY_COMMAND(show, "show", "print what is known of a picture, as JSON", one_picture, NULL);
LIBRARY_COMMAND(rate, "rate", "rate a picture", rate_words, NULL);
LIBRARY_COMMAND(tag, "tag", "tag a picture", tag_words, NULL);
LIBRARY_COMMAND(untag, "untag", "remove a tag", tag_words, NULL);
LIBRARY_COMMAND(hide, "delete", "hide a picture; its file stays until limn library purge",
                one_picture, NULL);
LIBRARY_COMMAND(unhide, "undelete", "show a hidden picture again", one_picture, NULL);
LIBRARY_COMMAND(purge, "purge", "remove the files of hidden pictures", NULL, NULL);
LIBRARY_COMMAND(import, "import", "add pictures that limn drew", import_words, NULL);

const struct command command_library = {
    .name = "library",
    .summary = "list, search, rate and tag what was drawn",
    .commands = (const struct command *const[]){&list_command, &search_command, &show_command,
                                                &rate_command, &tag_command, &untag_command,
                                                &hide_command, &unhide_command, &purge_command,
                                                &import_command, NULL},
    .default_command = &list_command,
};
