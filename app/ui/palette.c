// SPDX-License-Identifier: MIT
#define NCURSES_WIDECHAR 1
#include "app/ui/palette.h"

#include <curses.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "app/base/places.h"
#include "app/job/parameters.h"
#include "app/ui/entry.h"
#include "app/ui/ui_parts.h"
#include "engine/base/mem.h"

enum { ROWS_MAX = 12, COMMANDS_KEPT = 64, FILES_MAX = 2000, NAME_COLUMNS = 18, KEYS_COLUMNS = 12 };

struct item {
    char *text, *help, *keys;
    bool takes_argument;
    int score; // how well it matches the typed text, 0 is best; -1: not offered
};

struct palette {
    struct item *items;
    int count, capacity;
    char *prefix;   // of the line, before the items: "theme "
    struct item **matches;
    int match_count, selected, top; // selected -1: the typed text
    char *history[COMMANDS_KEPT];   // the oldest first
    int history_count;
    int history_back; // entries from the newest, 1 is it; 0: the typed text
    char *typed;      // the line before Tab or an arrow changed it; NULL: unchanged
};

static const struct {
    const char *name, *help;
} commands[] = {
    {"add", "FILE: a picture as a reference"},
    {"cd", "FOLDER: whose pictures the composer lists"},
    {"open", "FILE: the instruction inside a picture that limn made"},
    {"save", "NAME: the instruction as a template"},
    {"theme", "NAME: other colours, at once"},
    {"train", "RECIPE \u2026: a training run in the background"},
};

static void
clear_items(struct palette *p)
{
    for (int i = 0; i < p->count; i++) {
        free(p->items[i].text);
        free(p->items[i].help);
        free(p->items[i].keys);
    }
    p->count = 0;
}

void
palette_free(struct palette *p)
{
    if (!p)
        return;
    clear_items(p);
    for (int i = 0; i < p->history_count; i++)
        free(p->history[i]);
    free(p->items);
    free(p->matches);
    free(p->prefix);
    free(p->typed);
    free(p);
}

static void
add_item(struct palette *p, const char *text, const char *help, const char *keys, bool more)
{
    struct item item = {.text = mem_strdup(text), .help = mem_strdup(help ? help : ""),
                        .keys = mem_strdup(keys ? keys : ""), .takes_argument = more};
    ARRAY_PUSH(p->items, p->count, p->capacity, item);
}

// --- all items

static void
add_commands(struct ui *ui, struct palette *p)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        add_item(p, commands[i].name, commands[i].help, "", true);
    for (int r = 1; r < REQUEST_COUNT; r++)
        if (strcmp(request_name((enum request)r), "add") != 0 &&
            strcmp(request_name((enum request)r), "open") != 0 &&
            strcmp(request_name((enum request)r), "save") != 0)
            add_item(p, request_name((enum request)r), request_help((enum request)r),
                     request_keys(ui->view, (enum request)r), false);
    for (const struct parameter *d = parameters; d->name; d++) {
        bool same = strcasecmp(d->label, d->name) == 0;
        char *help = mem_printf("%s: %s", d->label, d->help);
        add_item(p, d->name, same ? d->help : help, "", true);
        free(help);
    }
}

static void
add_described(struct palette *p, const struct jv *list)
{
    for (size_t i = 0; i < jv_size(list); i++)
        add_item(p, jv_string(jv_get(jv_at(list, i), "name"), ""),
                 jv_string(jv_get(jv_at(list, i), "text"), ""), "", false);
}

static void
add_values(struct ui *ui, struct palette *p, const struct parameter *d)
{
    for (int i = 0; d->type.kind == VALUE_CHOICE && d->type.name(i); i++)
        add_item(p, d->type.name(i), "", "", false);
    if (d->names == COMPLETE_MODEL)
        add_described(p, jv_get(ui->worker.machine, "models"));
    if (d->names == COMPLETE_DEVICE)
        add_described(p, jv_get(ui->worker.machine, "devices"));
}

static int
by_name(const void *a, const void *b)
{
    return strverscmp(((const struct item *)a)->text, ((const struct item *)b)->text);
}

// A link to a folder, or one that the file system does not tell from other entries, too.
static bool
is_folder_entry(DIR *d, const struct dirent *e)
{
    struct stat s;
    if (e->d_type != DT_LNK && e->d_type != DT_UNKNOWN)
        return e->d_type == DT_DIR;
    return fstatat(dirfd(d), e->d_name, &s, 0) == 0 && S_ISDIR(s.st_mode);
}

// Names in the folder typed so far; hidden ones only after a dot.
static void
add_files(struct palette *p, const char *typed)
{
    const char *slash = strrchr(typed, '/'), *name = slash ? slash + 1 : typed;
    char *begin = mem_strndup(typed, (size_t)(name - typed));
    char *folder = places_expand(*begin ? begin : ".");
    DIR *d = opendir(folder);
    for (struct dirent *e = d ? readdir(d) : NULL; e && p->count < FILES_MAX; e = readdir(d)) {
        bool dots = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
        if (dots || (e->d_name[0] == '.' && *name != '.'))
            continue;
        bool is_folder = is_folder_entry(d, e);
        char *text = mem_printf("%s%s%s", begin, e->d_name, is_folder ? "/" : "");
        add_item(p, text, "", "", false);
        free(text);
    }
    if (d)
        closedir(d);
    if (p->count)
        qsort(p->items, (size_t)p->count, sizeof *p->items, by_name);
    free(folder);
    free(begin);
}

// Lists what the line may continue with: names, or after a name its arguments.
static void
fill_items(struct ui *ui, struct palette *p, const char *line)
{
    const char *space = strchr(line, ' ');
    char *prefix = mem_strndup(line, space ? (size_t)(space + 1 - line) : 0);
    char *name = mem_strndup(line, strcspn(line, " "));
    bool files = strcmp(name, "open") == 0 || strcmp(name, "e") == 0 ||
                 strcmp(name, "add") == 0 || strcmp(name, "train") == 0 ||
                 strcmp(name, "cd") == 0;
    bool same = p->prefix && strcmp(p->prefix, prefix) == 0 && !files;
    const char *value;
    const struct parameter *d = parameter_named(name, &value);
    free(p->prefix);
    p->prefix = prefix;
    if (!same)
        clear_items(p);
    if (!same && !space) {
        add_commands(ui, p);
    } else if (!same && strcmp(name, "theme") == 0) {
        char **themes = theme_names();
        for (int i = 0; themes[i]; i++)
            add_item(p, themes[i], "", "", false);
        places_free(themes);
    } else if (!same && d) {
        add_values(ui, p, d);
    } else if (files) {
        add_files(p, line + strlen(prefix));
    }
    free(name);
}

// --- matching items

static int
score(const struct item *item, const char *typed)
{
    if (strncasecmp(item->text, typed, strlen(typed)) == 0)
        return 0;
    if (strcasestr(item->text, typed))
        return 1;
    return strlen(typed) > 2 && strcasestr(item->help, typed) ? 2 : -1;
}

static void
update_matches(struct ui *ui, struct palette *p, const char *line)
{
    fill_items(ui, p, line);
    const char *typed = line + strlen(p->prefix);
    p->matches = mem_realloc(p->matches, sizeof *p->matches * (size_t)MAX(p->count, 1));
    p->match_count = p->top = 0;
    p->selected = -1;
    for (int i = 0; i < p->count; i++)
        p->items[i].score = score(&p->items[i], typed);
    for (int s = 0; s <= 2; s++)
        for (int i = 0; i < p->count; i++)
            if (p->items[i].score == s)
                p->matches[p->match_count++] = &p->items[i];
}

void
palette_changed(struct ui *ui)
{
    struct palette *p = ui->dialogue.palette;
    free(p->typed);
    p->typed = NULL;
    p->history_back = 0;
    update_matches(ui, p, ui->dialogue.prompt.text);
}

// --- earlier commands

static void
read_history(struct ui *ui, struct palette *p)
{
    char *kept = ui->library ? library_get_value(ui->library, "commands", NULL) : NULL,
         *next = kept;
    for (char *line; next && (line = strsep(&next, "\n")) && p->history_count < COMMANDS_KEPT;)
        if (*line)
            p->history[p->history_count++] = mem_strdup(line);
    free(kept);
}

// Keeps the newest last, each command once.
void
palette_add_history(struct ui *ui, const char *line)
{
    struct palette before = {0};
    read_history(ui, &before);
    char *all = mem_strdup("");
    int spare = before.history_count - COMMANDS_KEPT + 1;
    for (int i = MAX(spare, 0); i < before.history_count; i++)
        if (strcmp(before.history[i], line) != 0) {
            char *more = mem_printf("%s%s\n", all, before.history[i]);
            free(all);
            all = more;
        }
    char *whole = mem_printf("%s%s", all, line);
    entry_text(ui, "commands", whole);
    for (int i = 0; i < before.history_count; i++)
        free(before.history[i]);
    free(whole);
    free(all);
}

struct palette *
palette_open(struct ui *ui)
{
    struct palette *p = mem_zalloc(sizeof *p);
    read_history(ui, p);
    update_matches(ui, p, "");
    return p;
}

// --- keys

static void
save_typed(struct ui *ui, struct palette *p)
{
    if (!p->typed)
        p->typed = mem_strdup(ui->dialogue.prompt.text);
}

// Puts the next item into the line; after the last one, the typed text.
static void
complete(struct ui *ui, struct palette *p, int by)
{
    save_typed(ui, p);
    if (!p->match_count)
        return;
    int n = p->match_count + 1;
    p->selected = (p->selected + 1 + by + n) % n - 1;
    const struct item *item = p->selected >= 0 ? p->matches[p->selected] : NULL;
    char *line = item ? mem_printf("%s%s%s", p->prefix, item->text, item->takes_argument ? " " : "")
                      : mem_strdup(p->typed);
    field_set(&ui->dialogue.prompt, line);
    free(line);
    if (p->match_count == 1) // the only match: offer its arguments
        palette_changed(ui);
}

// Steps through the earlier commands that start with the typed text.
static void
step_history(struct ui *ui, struct palette *p, int by)
{
    save_typed(ui, p);
    int back = p->history_back;
    do
        back += by;
    while (back > 0 && back <= p->history_count &&
           strncmp(p->history[p->history_count - back], p->typed, strlen(p->typed)) != 0);
    if (back < 0 || back > p->history_count)
        return;
    p->history_back = back;
    field_set(&ui->dialogue.prompt, back ? p->history[p->history_count - back] : p->typed);
    update_matches(ui, p, ui->dialogue.prompt.text);
}

bool
palette_key(struct ui *ui, wint_t key, bool code)
{
    struct palette *p = ui->dialogue.palette;
    if (!code && key == '\t')
        complete(ui, p, 1);
    else if (code && key == KEY_BTAB)
        complete(ui, p, -1);
    else if (code && key == KEY_UP)
        step_history(ui, p, 1);
    else if (code && key == KEY_DOWN)
        step_history(ui, p, -1);
    else
        return false;
    return true;
}

// --- drawing

static void
draw_item(const struct item *item, int y, bool here)
{
    struct area line = {y, 0, 1, COLS};
    enum role plain = here ? ROLE_SELECTION : ROLE_POPUP;
    int name = MIN(MAX(text_width(item->text, SIZE_MAX), NAME_COLUMNS), COLS - 2), x = name + 3;
    draw_fill(&line, plain);
    draw_text(y, 2, name, plain, item->text);
    if (here)
        draw_text(y, x, MIN(KEYS_COLUMNS, COLS - x), plain, item->keys);
    else
        draw_popup_key(y, x, MIN(KEYS_COLUMNS, COLS - x), item->keys);
    draw_text(y, x + KEYS_COLUMNS + 1, COLS - x - KEYS_COLUMNS - 2, plain, item->help);
}

void
palette_draw(struct ui *ui)
{
    struct palette *p = ui->dialogue.palette;
    int rows = MIN(MIN(p->match_count, ROWS_MAX), LINES - 7), y = LINES - 2 - rows;
    p->top = draw_scroll(p->match_count, MAX(p->selected, 0), rows, p->top);
    for (int row = 0; row < rows; row++)
        draw_item(p->matches[p->top + row], y + row, p->top + row == p->selected);
    struct area head = {y - 1, 0, 1, COLS};
    struct canvas_rect cover = {y - 1, 0, rows + 1, COLS};
    if (rows > 0) {
        draw_fill(&head, ROLE_POPUP);
        draw_heading(&head, true, *p->prefix ? "arguments" : "commands");
    }
    if (rows > 0)
        canvas_cover(ui->screen.canvas, &cover, 1);
}
