// SPDX-License-Identifier: MIT
// A search as people write it: `fox #best *3 since:2026-11`.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/library/library_parts.h"
#include "engine/base/mem.h"

static const char blanks[] = " \t\r\n";

// The first second of a year, a month or a day, and the first after it. False: it is not a date.
static bool
read_date(const char *text, int64_t *begin, int64_t *end)
{
    int year = 0, month = 0, day = 0, n = 0;
    int parts = sscanf(text, "%4d-%2d-%2d%n", &year, &month, &day, &n);
    if (parts == 2)
        sscanf(text, "%4d-%2d%n", &year, &month, &n);
    else if (parts == 1)
        sscanf(text, "%4d%n", &year, &n);
    if (parts < 1 || text[n] || year < 1970 || year > 9999 ||
        (parts > 1 && (month < 1 || month > 12)) || (parts > 2 && (day < 1 || day > 31)))
        return false;
    struct tm t = {.tm_year = year - 1900, .tm_mon = MAX(month, 1) - 1, .tm_mday = MAX(day, 1),
                   .tm_isdst = -1};
    struct tm after = t;
    after.tm_year += parts == 1;
    after.tm_mon += parts == 2;
    after.tm_mday += parts == 3;
    *begin = mktime(&t);
    *end = mktime(&after);
    return true;
}

static bool
read_number(const char *text, int64_t high, int64_t *out)
{
    char *end;
    long long v = strtoll(text, &end, 10);
    if (!*text || *end || v < 0 || v > high)
        return false;
    *out = v;
    return true;
}

static bool
set_name(char **out, const char *name)
{
    free(*out);
    *out = mem_strdup(name);
    return true;
}

// False: it is a word to search for.
static bool
read_condition(const char *word, struct library_search *out)
{
    int64_t begin, end, v;
    if (*word == '*' && read_number(word + 1, LIBRARY_RATING_MAX, &v)) {
        out->rating = (int)v;
        return true;
    }
    if (strncmp(word, "seed:", 5) == 0 && read_number(word + 5, INT64_MAX, &v)) {
        out->seed = v;
        return true;
    }
    if (strncmp(word, "model:", 6) == 0 && word[6])
        return set_name(&out->model, word + 6);
    if (strncmp(word, "template:", 9) == 0 && word[9])
        return set_name(&out->template, word + 9);
    bool on = strncmp(word, "on:", 3) == 0, since = strncmp(word, "since:", 6) == 0,
         until = strncmp(word, "until:", 6) == 0;
    if (!(on || since || until) || !read_date(strchr(word, ':') + 1, &begin, &end))
        return false;
    out->since = on || since ? begin : out->since;
    out->until = on || until ? end : out->until;
    return true;
}

// fox -> "fox"*, #best -> tags:"best"*
static void
add_match(char **match, const char *word)
{
    bool tag = *word == '#' && word[1];
    size_t n = 0;
    word += tag;
    char *quoted = mem_zalloc(2 * strlen(word) + 1);
    for (; *word; word++) {
        if (*word == '"')
            quoted[n++] = '"';
        quoted[n++] = *word;
    }
    char *longer = mem_printf("%s%s%s\"%s\"*", *match ? *match : "", *match ? " " : "",
                              tag ? "tags:" : "", quoted);
    free(quoted);
    free(*match);
    *match = longer;
}

void
library_search_finish(struct library_search *w)
{
    free(w->match);
    free(w->model);
    free(w->template);
    *w = (struct library_search){0};
}

void
library_search_read(const char *search, struct library_search *out)
{
    *out = (struct library_search){.seed = -1};
    char *copy = mem_strdup(search), *left = NULL;
    for (char *w = strtok_r(copy, blanks, &left); w; w = strtok_r(NULL, blanks, &left))
        if (!read_condition(w, out))
            add_match(&out->match, w);
    free(copy);
}
