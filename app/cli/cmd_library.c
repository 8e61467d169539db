// SPDX-License-Identifier: MIT
// limn library: what was drawn, from the command line.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/cli/commands.h"
#include "app/library/library.h"
#include "app/base/suggest.h"
#include "engine/base/jv.h"
#include "engine/base/mem.h"

struct ask {
    struct library *library;
    struct library_filter filter;
    const char *words[8]; // what follows the verb
    int count;
    bool json;
};

static int
usage(FILE *out)
{
    fputs("usage: limn library [list] [OPTIONS]         pictures, the newest first\n"
          "       limn library search WORDS… [OPTIONS]  whose instruction, references or tags have "
          "them\n"
          "       limn library show ID\n"
          "       limn library rate ID 0..5\n"
          "       limn library tag|untag ID TAG\n"
          "       limn library delete|undelete ID       hide, show again; the file stays\n"
          "       limn library purge                    remove the files of hidden pictures\n"
          "       limn library import FOLDER|PICTURE    add pictures that limn made\n\n"
          "  --tag TAG  --rating N  --sort newest|oldest|rating|seed  --limit N  --json\n",
          out);
    return out == stdout ? 0 : 2;
}

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
    return o;
}

static void
print_picture(struct library_picture *p)
{
    char date[32];
    time_t t = (time_t)p->created;
    struct tm day;
    localtime_r(&t, &day);
    strftime(date, sizeof date, "%Y-%m-%d %H:%M", &day);
    printf("%5" PRId64 "  %s  %-5.*s  seed %-10" PRId64 "  %s%s%s\n       %s\n", p->id, date,
           p->rating, "*****", p->seed, command_harmless(p->instruction), *p->tags ? "  #" : "",
           command_harmless(p->tags), command_harmless(p->file));
}

static bool
list(struct ask *a, struct err *err)
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
search(struct ask *a, struct err *err)
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
id_of(const struct ask *a, int64_t *id, struct err *err)
{
    char *end = NULL;
    *id = a->count ? strtoll(a->words[0], &end, 10) : 0;
    if (!a->count || *end || *id < 1)
        return err_set(err, ERR_INPUT, "'%.40s' is no number of a picture (see limn library list)",
                       a->count ? a->words[0] : "");
    struct library_list one;
    struct library_filter f = {.id = *id};
    bool ok = library_query(a->library, &f, &one, err), found = ok && one.count == 1;
    library_list_free(&one);
    return ok && (found || err_set(err, ERR_INPUT, "there is no picture %" PRId64, *id));
}

static bool
show(struct ask *a, struct err *err)
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
rate(struct ask *a, struct err *err)
{
    int64_t id;
    char *end = NULL;
    long stars = a->count > 1 ? strtol(a->words[1], &end, 10) : -1;
    if (!end || *end)
        return err_set(err, ERR_INPUT, "a rating is a whole number in 0..5");
    return id_of(a, &id, err) && library_rate(a->library, id, (int)stars, err);
}

static bool
tag_or_untag(struct ask *a, bool on, struct err *err)
{
    int64_t id;
    return id_of(a, &id, err) &&
           library_tag(a->library, id, a->count > 1 ? a->words[1] : "", on, err);
}

static bool
tag(struct ask *a, struct err *err)
{
    return tag_or_untag(a, true, err);
}

static bool
untag(struct ask *a, struct err *err)
{
    return tag_or_untag(a, false, err);
}

static bool
hide(struct ask *a, struct err *err)
{
    int64_t id;
    return id_of(a, &id, err) && library_delete(a->library, id, true, err);
}

static bool
unhide(struct ask *a, struct err *err)
{
    char *end = NULL;
    int64_t id = a->count ? strtoll(a->words[0], &end, 10) : 0;
    if (!end || *end || id < 1)
        return err_set(err, ERR_INPUT, "which picture? (its number)");
    return library_delete(a->library, id, false, err);
}

static bool
purge(struct ask *a, struct err *err)
{
    int n = library_purge(a->library, err);
    if (n >= 0)
        printf("%d files removed\n", n);
    return n >= 0;
}

static bool
import(struct ask *a, struct err *err)
{
    if (a->count != 1)
        return err_set(err, ERR_INPUT, "import which folder or picture?");
    const char *dot = strrchr(a->words[0], '.');
    if (dot && strcmp(dot, ".png") == 0)
        return library_picture_import(a->library, a->words[0], NULL, err) >= 0;
    int n = library_scan(a->library, a->words[0], err);
    if (err->code == ERR_NONE)
        printf("%d pictures\n", n);
    return err->code == ERR_NONE;
}

static const struct {
    const char *name;
    bool (*run)(struct ask *a, struct err *err);
} verbs[] = {
    {"list", list},   {"search", search},   {"show", show},   {"rate", rate},     {"tag", tag},
    {"untag", untag}, {"delete", hide}, {"undelete", unhide}, {"purge", purge}, {"import", import},
};

static bool
option(struct ask *a, const char *name, const char *value, struct err *err)
{
    static const char *const sorts[] = {"newest", "oldest", "rating", "seed"};
    if (!value)
        return err_set(err, ERR_INPUT, "%s needs a value", name);
    if (strcmp(name, "--tag") == 0) {
        a->filter.tag = value;
        return true;
    }
    if (strcmp(name, "--sort") == 0) {
        for (int i = 0; i < LIBRARY_SORT_COUNT; i++)
            if (strcmp(sorts[i], value) == 0) {
                a->filter.sort = (enum library_sort)i;
                return true;
            }
        return err_set(err, ERR_INPUT,
                       "--sort is '%.40s', it must be newest, oldest, rating or seed", value);
    }
    char *end;
    long v = strtol(value, &end, 10);
    if (*end || v < 0 || v > 1000000)
        return err_set(err, ERR_INPUT, "%s is '%.40s', it must be a whole number", name, value);
    if (strcmp(name, "--rating") == 0)
        a->filter.rating = (int)v;
    else if (strcmp(name, "--limit") == 0)
        a->filter.limit = (int)v;
    else
        return err_set(err, ERR_INPUT, "there is no option '%.40s' (see --help)", name);
    return true;
}

int
cmd_library(int argc, char **argv)
{
    struct ask a = {0};
    struct err err = {0};
    const char *verb = NULL;
    bool ok = true;
    for (int i = 1; ok && i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return usage(stdout);
        if (strcmp(argv[i], "--json") == 0) {
            a.json = true;
        } else if (strncmp(argv[i], "--", 2) == 0) {
            ok = option(&a, argv[i], i + 1 < argc ? argv[i + 1] : NULL, &err);
            i++;
        } else if (!verb) {
            verb = argv[i];
        } else if (a.count < (int)COUNT_OF(a.words)) {
            a.words[a.count++] = argv[i];
        } else {
            ok = err_set(&err, ERR_INPUT, "'%.40s' is one word too many", argv[i]);
        }
    }
    bool (*run)(struct ask *, struct err *) = verb ? NULL : list;
    const char *names[COUNT_OF(verbs) + 1] = {0};
    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        names[i] = verbs[i].name;
        if (verb && strcmp(verb, verbs[i].name) == 0)
            run = verbs[i].run;
    }
    if (ok && !run) {
        const char *near = suggest(verb, names);
        ok = err_set(&err, ERR_INPUT, "limn library cannot '%.40s'%s%s%s", verb,
                     near ? ", did you mean '" : " (see --help)", near ? near : "",
                     near ? "'?" : "");
    }
    char *notice = NULL;
    a.library = ok ? library_open(NULL, &notice, &err) : NULL;
    if (notice)
        fprintf(stderr, "limn: %s\n", notice);
    free(notice);
    ok = a.library && run(&a, &err);
    library_close(a.library);
    return ok ? 0 : command_failed(&err);
}
