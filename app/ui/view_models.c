// SPDX-License-Identifier: MIT
// The models view: the worker's models, those trained here, and devices; a card of the selected
// one; loaders.
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/ui/field.h"
#include "app/ui/session.h"
#include "app/ui/training.h"
#include "app/ui/view.h"
#include "app/worker/client.h"
#include "engine/base/mem.h"

enum { ROWS_MAX = 1024 + TRAININGS_MAX + 64, WIDE = 90, LABEL_COLUMNS = 12 };

// A line of the list.
struct row {
    enum { ROW_MODEL, ROW_TRAINED, ROW_DEVICE } kind;
    const struct jv *about;  // MODEL, DEVICE
    const struct run *run;   // TRAINED
};

struct models {
    int selected, top;
    bool requested;
    struct row rows[ROWS_MAX];
    int count, model_rows; // the first model_rows rows are models and trained ones
    struct area list;
};

static struct models *
models_of(const struct ui *ui)
{
    return ui_state(ui, VIEW_MODELS);
}

static void
open_models(struct ui *ui)
{
    struct models *m = models_of(ui);
    if (!ui_machine(ui) || !m->requested)
        client_describe(ui_client(ui));
    m->requested = true;
    training_load(ui);
}

// Models, results of training runs, devices; not the `null` device, which computes nothing.
static void
list_rows(const struct ui *ui)
{
    struct models *m = models_of(ui);
    struct training *t = training_of(ui);
    const struct jv *models = jv_get(ui_machine(ui), "models"),
                    *devices = jv_get(ui_machine(ui), "devices");
    m->count = 0;
    for (size_t i = 0; i < jv_size(models) && m->count < ROWS_MAX; i++)
        m->rows[m->count++] = (struct row){.kind = ROW_MODEL, .about = jv_at(models, i)};
    for (int i = 0; i < t->count && m->count < ROWS_MAX; i++) {
        bool is_lora;
        char *made = training_result(ui, &t->runs[i], &is_lora);
        if (made)
            m->rows[m->count++] = (struct row){.kind = ROW_TRAINED, .run = &t->runs[i]};
        free(made);
    }
    m->model_rows = m->count;
    for (size_t i = 0; i < jv_size(devices) && m->count < ROWS_MAX; i++)
        if (strcmp(jv_string(jv_get(jv_at(devices, i), "name"), ""), "null") != 0)
            m->rows[m->count++] = (struct row){.kind = ROW_DEVICE, .about = jv_at(devices, i)};
    m->selected = MAX(0, MIN(m->selected, m->count - 1));
}

static const char *
value_of(const struct row *r, const char *key)
{
    return jv_string(jv_get(r->about, key), "");
}

static bool
is_unusable(const struct row *r)
{
    return r->kind == ROW_DEVICE && *value_of(r, "reason");
}

// Whether the next drawing is set to use it.
static bool
is_in_use(const struct ui *ui, const struct row *r)
{
    const struct job *j = &session_of(ui)->job;
    bool is_lora = false;
    char *made = r->kind == ROW_TRAINED ? training_result(ui, r->run, &is_lora) : NULL;
    const char *name = made ? made : value_of(r, "name");
    const char *used = r->kind == ROW_DEVICE ? j->device : is_lora ? j->lora : j->model;
    bool same = used && strcmp(used, name) == 0;
    free(made);
    return same;
}

// --- drawing

static void
draw_row(const struct ui *ui, const struct row *r, const struct area *line, bool here)
{
    char name[4200];
    if (here)
        draw_fill(line, ROLE_SELECTION);
    if (r->kind == ROW_TRAINED)
        draw_short_path(r->run->folder, MAX(line->columns - 12, 4), name, sizeof name);
    else if (*value_of(r, "name") == '/')
        draw_short_path(value_of(r, "name"), MAX(line->columns - 4, 4), name, sizeof name);
    else
        snprintf(name, sizeof name, "%s", value_of(r, "name"));
    draw_format(line->y, line->x + 1, line->columns - 2,
                here             ? ROLE_SELECTION
                : is_unusable(r) ? ROLE_DIM
                                 : ROLE_TEXT,
                "%s %s%s", is_in_use(ui, r) ? "*" : " ", name,
                r->kind == ROW_TRAINED ? " (trained)"
                : is_unusable(r)       ? " (not usable)"
                                       : "");
}

// Models and devices, each below its heading.
static void
draw_list(const struct ui *ui, const struct area *a)
{
    struct models *m = models_of(ui);
    char title[300];
    snprintf(title, sizeof title, "models on %s", ui_host(ui) ? ui_host(ui) : "this computer");
    draw_heading(a, true, title);
    if (!ui_machine(ui))
        draw_text(a->y + 1, a->x + 1, a->columns - 2, ROLE_DIM,
                  "asking the worker \u2026");
    int rows = a->rows - 1 - (m->model_rows < m->count);
    m->top = draw_scroll(m->count, m->selected, rows, m->top);
    m->list = (struct area){a->y + 1, a->x, a->rows - 1, a->columns};
    int y = a->y + 1;
    for (int i = m->top; i < m->count && i < m->top + rows; i++, y++) {
        if (i == m->model_rows) {
            struct area head = {y++, a->x, 1, a->columns};
            draw_heading(&head, false, "devices");
        }
        struct area line = {y, a->x, 1, a->columns};
        draw_row(ui, &m->rows[i], &line, i == m->selected);
    }
}

// Draws a label and wrapped text: "references  up to 8"; returns the next line.
__attribute__((format(printf, 4, 5))) static int
put(const struct area *a, int y, const char *label, const char *format, ...)
{
    char text[4400];
    struct field_line lines[6];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct area value = {y, a->x + LABEL_COLUMNS, 0, a->columns - LABEL_COLUMNS};
    int rows = field_wrap(text, MAX(value.columns, 1), lines, 6);
    value.rows = MIN(rows, a->y + a->rows - y);
    if (value.rows < 1 || !*text)
        return y;
    draw_text(y, a->x, LABEL_COLUMNS - 1, ROLE_DIM, label);
    draw_wrapped(&value, ROLE_TEXT, text);
    return y + value.rows;
}

static void
put_sizes(const struct jv *o, char *out, size_t size)
{
    int64_t side = jv_integer(jv_get(o, "size"), 0), whole = jv_integer(jv_get(o, "final"), side);
    if (jv_integer(jv_get(o, "grain"), 0))
        snprintf(out, size, "any size, best %" PRId64 " x %" PRId64 " pixels", side, side);
    else if (whole != side)
        snprintf(out, size, "%" PRId64 " x %" PRId64 " pixels, or %" PRId64 " x %" PRId64 " sooner",
                 whole, whole, side, side);
    else
        snprintf(out, size, "%" PRId64 " x %" PRId64 " pixels", side, side);
}

// The device of the next drawing: the one that was set, else the first usable one that is not a
// software driver. NULL: none.
static const struct row *
device_in_use(const struct ui *ui)
{
    struct models *m = models_of(ui);
    const struct row *first = NULL;
    for (int i = m->model_rows; i < m->count; i++) {
        if (is_in_use(ui, &m->rows[i]))
            return &m->rows[i];
        bool emulated = jv_bool(jv_get(m->rows[i].about, "emulated"), false);
        if (!first && !is_unusable(&m->rows[i]) && !emulated)
            first = &m->rows[i];
    }
    return first;
}

static void
put_memory(const struct row *device, char *out, size_t size)
{
    double all = (double)jv_integer(jv_get(device->about, "memory"), 0) / 0x1p30;
    double free_now = (double)jv_integer(jv_get(device->about, "available"), 0) / 0x1p30;
    *out = 0;
    if (all > 0 && free_now > 0)
        snprintf(out, size, "%.1f of %.1f GiB free", free_now, all);
    else if (all > 0)
        snprintf(out, size, "%.1f GiB", all);
}

static int
draw_model(const struct ui *ui, const struct row *r, const struct area *a)
{
    const struct row *device = device_in_use(ui);
    int64_t references = jv_integer(jv_get(r->about, "references"), -1),
            steps = jv_integer(jv_get(r->about, "steps"), 0);
    double bytes = (double)jv_integer(jv_get(r->about, "bytes"), 0);
    char text[200], memory[80] = "", path[4200];
    int y = a->y;
    put_sizes(r->about, text, sizeof text);
    y = put(a, y, "draws", "%s", text);
    if (references > 0)
        y = put(a, y, "references", "up to %" PRId64 ", and a picture to start from", references);
    else if (references == 0)
        y = put(a, y, "references", "none: it draws from words, and from a picture to start from");
    if (steps > 0)
        y = put(a, y, "usually", "%" PRId64 " steps%s%s%s%s", steps,
                *value_of(r, "sampler") ? " of " : "", value_of(r, "sampler"),
                *value_of(r, "guidance") ? ", guidance " : "", value_of(r, "guidance"));
    if (device)
        put_memory(device, memory, sizeof memory);
    y = put(a, y, "weights", "%.1f %s%s%s%s%s", bytes / (bytes < 0x1p30 ? 0x1p20 : 0x1p30),
            bytes < 0x1p30 ? "MiB" : "GiB", *memory ? "; " : "",
            *memory ? value_of(device, "name") : "", *memory ? " has " : "", memory);
    char *takes = session_memory(r->about);
    if (*takes)
        y = put(a, y, "memory", "%s", takes);
    free(takes);
    y = put(a, y, "licence", "%s",
            *value_of(r, "licence") ? value_of(r, "licence") : "its folder does not say");
    if (*value_of(r, "family"))
        y = put(a, y, "family", "%s", value_of(r, "family"));
    draw_short_path(value_of(r, "folder"), a->columns - LABEL_COLUMNS, path, sizeof path);
    return put(a, y, "folder", "%s", path);
}

static int
draw_trained(const struct ui *ui, const struct row *r, const struct area *a)
{
    bool is_lora;
    char path[4200];
    char *made = training_result(ui, r->run, &is_lora);
    int y = put(a, a->y, "is", is_lora ? "a LoRA: it changes the model that it was trained on"
                                       : "a model of your own");
    y = put(a, y, "trained", "%" PRId64 " steps", r->run->log.step);
    draw_short_path(made ? made : "", a->columns - LABEL_COLUMNS, path, sizeof path);
    y = put(a, y, is_lora ? "file" : "folder", "%s", path);
    y = put(a, y, "elsewhere", "limn generate text --%s %s", is_lora ? "lora" : "model", path);
    free(made);
    return y;
}

static int
draw_device(const struct row *r, const struct area *a)
{
    char types[80] = "", memory[80];
    const struct jv *list = jv_get(r->about, "types");
    for (size_t i = 0; i < jv_size(list); i++) {
        size_t n = strlen(types);
        snprintf(types + n, sizeof types - n, "%s%s", i ? ", " : "", jv_string(jv_at(list, i), ""));
    }
    put_memory(r, memory, sizeof memory);
    int y = put(a, a->y, "is", "%s", value_of(r, "text"));
    if (is_unusable(r))
        return put(a, y, "not usable", "%s", value_of(r, "reason"));
    y = put(a, y, "memory", "%s", memory);
    return put(a, y, "computes in", "%s%s", types,
               jv_bool(jv_get(r->about, "matrix"), false) ? ", with matrix units" : "");
}

// What is said of a loader, in lines; returns how many.
static int
loader_rows(const struct jv *l, int columns, struct field_line lines[4])
{
    const char *refused = jv_string(jv_get(l, "refused"), NULL);
    return MAX(1, field_wrap(refused ? refused : jv_string(jv_get(l, "summary"), ""),
                             MAX(columns - 2 - (refused ? 0 : LABEL_COLUMNS), 1), lines, 4));
}

static int
loaders_rows(const struct ui *ui, int columns)
{
    struct field_line lines[4];
    int rows = 0;
    for (size_t i = 0; i < jv_size(ui_loaders(ui)); i++)
        rows += loader_rows(jv_at(ui_loaders(ui), i), columns, lines);
    return rows;
}

static void
draw_loaders(const struct ui *ui, const struct area *a)
{
    struct field_line lines[4];
    int y = a->y + 1, all = loaders_rows(ui, a->columns);
    draw_heading(a, false, "loaders");
    for (size_t i = 0; i < jv_size(ui_loaders(ui)) && y < a->y + a->rows; i++) {
        const struct jv *l = jv_at(ui_loaders(ui), i);
        const char *refused = jv_string(jv_get(l, "refused"), NULL);
        int rows = all < a->rows ? loader_rows(l, a->columns, lines) : 1; // of each the beginning
        int label = refused ? 0 : LABEL_COLUMNS;
        struct area words = {y, a->x + 1 + label, rows, a->columns - 2 - label};
        if (!refused)
            draw_text(y, a->x + 1, label - 1, ROLE_TEXT, jv_string(jv_get(l, "name"), ""));
        const char *said = refused ? refused : jv_string(jv_get(l, "summary"), "");
        if (rows > 1)
            draw_wrapped(&words, refused ? ROLE_WARNING : ROLE_DIM, said);
        else
            draw_text(y, words.x, words.columns, refused ? ROLE_WARNING : ROLE_DIM, said);
        y += rows;
    }
}

// The selected row's card, and below it the loaders.
static void
draw_right(const struct ui *ui, const struct area *a)
{
    struct models *m = models_of(ui);
    const struct row *r = m->count ? &m->rows[m->selected] : NULL;
    struct area card = {a->y + 1, a->x + 1, a->rows - 1, a->columns - 2};
    int y = card.y, loaders = loaders_rows(ui, a->columns);
    if (r) {
        draw_heading(a, false, r->kind == ROW_TRAINED ? "trained here" : value_of(r, "name"));
        y = r->kind == ROW_MODEL     ? draw_model(ui, r, &card)
            : r->kind == ROW_TRAINED ? draw_trained(ui, r, &card)
                                     : draw_device(r, &card);
        if (!is_unusable(r) && y < card.y + card.rows)
            draw_text(y++, card.x, card.columns, ROLE_GOOD,
                      is_in_use(ui, r) ? "the next drawing uses it; Enter leaves that to limn"
                                       : "Enter: the next drawing uses it");
        // A blank line where there is room.
        y += y + 1 < a->y + a->rows - loaders;
    }
    // At the bottom, so that they stay in place when the card changes.
    y = MAX(y, a->y + a->rows - 1 - loaders);
    struct area below = {y, a->x, a->y + a->rows - y, a->columns};
    if (below.rows > 1)
        draw_loaders(ui, &below);
}

static void
draw_models(struct ui *ui, const struct area *a)
{
    struct models *m = models_of(ui);
    list_rows(ui);
    int left = MAX(a->columns / 3, 30), high = MIN(m->count + 2, MAX(a->rows / 3, 6));
    struct area list = *a, right = *a;
    if (a->columns >= WIDE && !draw_is_plain()) {
        list.columns = left;
        right.x += left + 1;
        right.columns -= left + 1;
        draw_vertical(a->y, a->x + left, a->rows);
    } else {
        list.rows = high;
        right.y += high;
        right.rows -= high;
    }
    draw_list(ui, &list);
    draw_right(ui, &right);
}

// --- requests

// Makes the next drawing use the row's model or device; if it does already, leaves that to limn.
static void
choose(struct ui *ui, const struct row *r)
{
    struct session *session = session_of(ui);
    if (r->kind == ROW_TRAINED) {
        training_use(ui, r->run);
        return;
    }
    if (is_unusable(r)) {
        ui_say(ui, ROLE_ERROR, "%s cannot be used: %s", value_of(r, "name"), value_of(r, "reason"));
        return;
    }
    bool is_model = r->kind == ROW_MODEL, same = is_in_use(ui, r);
    char **field = is_model ? &session->job.model : &session->job.device;
    free(*field);
    *field = same ? NULL : mem_strdup(value_of(r, "name"));
    session_check(ui);
    ui_say(ui, ROLE_GOOD, same ? "the %s is chosen automatically" : "the next drawing uses this %s",
           is_model ? "model" : "device");
}

static bool
on_request(struct ui *ui, enum request request)
{
    struct models *m = models_of(ui);
    list_rows(ui);
    switch (request) {
    case REQUEST_UP: m->selected--; break;
    case REQUEST_DOWN: m->selected++; break;
    case REQUEST_FIRST: m->selected = 0; break;
    case REQUEST_LAST: m->selected = m->count - 1; break;
    case REQUEST_ENTER:
        if (m->count)
            choose(ui, &m->rows[m->selected]);
        break;
    case REQUEST_REPEAT: client_describe(ui_client(ui)); break;
    default: return false;
    }
    m->selected = MAX(0, MIN(m->selected, m->count - 1));
    return true;
}

static void
on_mouse(struct ui *ui, int y, int x, int turn, bool double_click)
{
    struct models *m = models_of(ui);
    int row = m->top + y - m->list.y;
    bool device = row > m->model_rows; // below the devices' heading
    if (turn) {
        on_request(ui, turn < 0 ? REQUEST_UP : REQUEST_DOWN);
        return;
    }
    if (!draw_contains(&m->list, y, x) || row == m->model_rows || row - device >= m->count)
        return;
    m->selected = row - device;
    if (double_click)
        on_request(ui, REQUEST_ENTER);
}

static const enum request hints[] = {REQUEST_ENTER, REQUEST_BACK, REQUEST_HELP, REQUEST_NONE};

static const struct view_word words[] = {
    {REQUEST_ENTER, "draw with it"},
    {REQUEST_NONE, NULL},
};

const struct view view_models = {
    .name = "models",
    .title = "models, devices and loaders",
    .state_size = sizeof(struct models),
    .open = open_models,
    .draw = draw_models,
    .request = on_request,
    .mouse = on_mouse,
    .hints = hints,
    .words = words,
};
