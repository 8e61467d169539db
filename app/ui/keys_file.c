// SPDX-License-Identifier: MIT
// Key files: each line has a view or `all`, a request, and its keys, which replace those that the
// request had in that view. A line without keys removes them.
#include <stdlib.h>
#include <string.h>

#include "app/base/suggest.h"
#include "app/ui/key_names.h"
#include "app/ui/keys.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "engine/base/xdg.h"

// A view is named after the request that opens it.
static const char *
view_name(int view)
{
    static const enum request opens[] = {
#define VIEW(id, variable, request) request,
#include "app/ui/views.def"
#undef VIEW
    };
    return view == KEYS_ALL ? "all" : request_name(opens[view]);
}

struct file_position {
    const char *file;
    int line;
};

static bool
report_unknown(const char *what, const char *word, const char *const *names,
               const struct file_position *at, struct err *err)
{
    const char *near = suggest(word, names);
    return err_set(err, ERR_INPUT, "%s:%d: '%.40s' is not %s%s%s%s", at->file, at->line, word, what,
                   near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static bool
read_view(const char *word, int *view, const struct file_position *at, struct err *err)
{
    const char *names[KEYS_ALL + 2] = {0};
    for (*view = 0; *view <= KEYS_ALL; ++*view) {
        names[*view] = view_name(*view);
        if (strcmp(names[*view], word) == 0)
            return true;
    }
    return report_unknown("a view or all", word, names, at, err);
}

static bool
read_request(const char *word, enum request *request, const struct file_position *at,
             struct err *err)
{
    const char *names[REQUEST_COUNT + 1] = {0};
    for (int i = 1; i < REQUEST_COUNT; i++)
        names[i - 1] = request_name((enum request)i);
    *request = request_find(word);
    return *request || report_unknown("a request", word, names, at, err);
}

static bool
read_line(char *line, const struct file_position *at, struct err *err)
{
    char *left = NULL, *word = strtok_r(line, " \t\r", &left);
    int view;
    enum request request;
    if (!word || *word == '#')
        return true;
    if (!read_view(word, &view, at, err))
        return false;
    if (!(word = strtok_r(NULL, " \t\r", &left)))
        return err_set(err, ERR_INPUT, "%s:%d: the action after the view is missing",
                       at->file, at->line);
    if (!read_request(word, &request, at, err))
        return false;
    keys_clear(view, request);
    while ((word = strtok_r(NULL, " \t\r", &left))) {
        wint_t key;
        bool code;
        if (!key_from_name(word, &key, &code))
            return err_set(err, ERR_INPUT, "%s:%d: '%.40s' is not a key", at->file, at->line, word);
        if (!keys_bind(view, key, code, request))
            return err_set(err, ERR_INPUT, "%s:%d: there are too many keys", at->file, at->line);
    }
    return true;
}

bool
keys_load(struct err *err)
{
    char *file = xdg_path(XDG_CONFIG, "keys");
    bool there = file_exists(file), ok = true;
    char *text = there ? file_read(file, LIMIT_KEYS_BYTES, NULL, err) : NULL, *next = text;
    struct file_position at = {file, 1};
    for (; ok && next; at.line++) {
        char *line = strsep(&next, "\n");
        ok = read_line(line, &at, err);
    }
    ok = ok && (text || !there);
    free(text);
    free(file);
    return ok;
}

static void
print_view(FILE *out, int view)
{
    bool begun = false;
    for (int r = 1; r < REQUEST_COUNT; r++) {
        const char *keys = keys_of(view, (enum request)r);
        if (!*keys)
            continue;
        fprintf(out, "%s%-10s %-14s %s\n", begun ? "" : "\n", view_name(view),
                request_name((enum request)r), keys);
        begun = true;
    }
}

void
keys_print(FILE *out)
{
    fputs("# The keys of limn's terminal UI. A file of such lines at $XDG_CONFIG_HOME/limn/keys\n"
          "# (~/.config/limn/keys) changes them; only lines that differ are needed.\n"
          "#\n"
          "# A line has a view, or all; an action; and its keys, which replace those it had.\n"
          "# A line without keys removes them. Keys of a view come before those of all.\n"
          "# Keys are characters or Enter Esc Tab S-Tab Space Backsp Del Ins Up Down Left\n"
          "# Right PgUp PgDn Home End ^A to ^_ F1 to F12. While a text is being written,\n"
          "# characters are text.\n"
          "# The help (F1) and the list after the colon say what each action does.\n",
          out);
    print_view(out, KEYS_ALL);
    for (int view = 0; view < VIEW_COUNT; view++)
        print_view(out, view);
}
