// SPDX-License-Identifier: MIT
// Models and devices, as the worker describes its machine; loaders with them.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/ui/session.h"
#include "app/ui/view.h"
#include "app/worker/client.h"
#include "engine/base/mem.h"

struct models {
    int selected, count, top;
    bool asked;
};

static void
open_models(struct ui *ui)
{
    struct models *m = ui_state(ui, VIEW_MODELS);
    if (!ui_machine(ui) || !m->asked)
        client_describe(ui_client(ui));
    m->asked = true;
}

// Without the one that computes nothing, which is the last and for tests.
static int
device_count(const struct ui *ui)
{
    const struct jv *devices = jv_get(ui_machine(ui), "devices");
    size_t n = jv_size(devices);
    const char *last = n ? jv_string(jv_get(jv_at(devices, n - 1), "name"), "") : "";
    return (int)n - (strcmp(last, "null") == 0);
}

// Lines that can be chosen come first: models, then devices.
static const struct jv *
at(const struct ui *ui, int index, bool *is_model)
{
    const struct jv *models = jv_get(ui_machine(ui), "models"),
                    *devices = jv_get(ui_machine(ui), "devices");
    int n = (int)jv_size(models);
    *is_model = index < n;
    return index < n ? jv_at(models, (size_t)index) : jv_at(devices, (size_t)(index - n));
}

static void
put_types(const struct jv *list, char *out, size_t size)
{
    *out = 0;
    for (size_t i = 0; i < jv_size(list); i++) {
        size_t n = strlen(out);
        snprintf(out + n, size - n, "%s%s", i ? ", " : "", jv_string(jv_at(list, i), ""));
    }
}

static void
describe(const struct ui *ui, const struct jv *o, bool is_model, char *out, size_t size)
{
    struct session *session = session_of(ui);
    const char *name = jv_string(jv_get(o, "name"), "?"),
               *reason = jv_string(jv_get(o, "reason"), "");
    const char *chosen = is_model ? session->job.model : session->job.device;
    const char *mark = chosen && strcmp(chosen, name) == 0 ? "*" : " ";
    char types[64];
    if (is_model) {
        int64_t side = jv_integer(jv_get(o, "size"), 0);
        int64_t whole = jv_integer(jv_get(o, "final"), side);
        char sides[64];
        if (jv_integer(jv_get(o, "grain"), 0))
            snprintf(sides, sizeof sides, "any size, best %" PRId64 " x %" PRId64, side, side);
        else if (whole != side)
            snprintf(sides, sizeof sides, "%" PRId64 " x %" PRId64 ", or %" PRId64 " x %" PRId64,
                     whole, whole, side, side);
        else
            snprintf(sides, sizeof sides, "%" PRId64 " x %" PRId64 " pixels", side, side);
        snprintf(out, size, "%s %-18s %s   %.1f MiB   %s", mark, name, sides,
                 (double)jv_integer(jv_get(o, "bytes"), 0) / 0x1p20,
                 jv_string(jv_get(o, "folder"), ""));
    } else {
        put_types(jv_get(o, "types"), types, sizeof types);
        double all = (double)jv_integer(jv_get(o, "memory"), 0) / 0x1p30;
        double free_now = (double)jv_integer(jv_get(o, "available"), 0) / 0x1p30;
        char memory[64] = "";
        if (all > 0 && free_now > 0)
            snprintf(memory, sizeof memory, "   %.1f of %.1f GiB free", free_now, all);
        else if (all > 0)
            snprintf(memory, sizeof memory, "   %.1f GiB", all);
        snprintf(out, size, "%s %-18s %s%s   %s%s%s%s", mark, name,
                 jv_string(jv_get(o, "text"), ""), memory, types,
                 jv_bool(jv_get(o, "matrix"), false) ? "   matrix units" : "",
                 *reason ? "   not usable: " : "", reason);
    }
}

static void
draw_loaders(const struct ui *ui, const struct area *a)
{
    draw_heading(a, false, "loaders");
    for (size_t i = 0; i < jv_size(ui_loaders(ui)) && (int)i + 1 < a->rows; i++) {
        const struct jv *l = jv_at(ui_loaders(ui), i);
        const char *refused = jv_string(jv_get(l, "refused"), NULL);
        if (refused)
            draw_text(a->y + 1 + (int)i, a->x + 1, a->columns - 2, ROLE_WARNING, refused);
        else
            draw_format(a->y + 1 + (int)i, a->x + 1, a->columns - 2, ROLE_TEXT, "  %-18s %s",
                        jv_string(jv_get(l, "name"), ""), jv_string(jv_get(l, "summary"), ""));
    }
}

static void
draw_models(struct ui *ui, const struct area *a)
{
    struct models *m = ui_state(ui, VIEW_MODELS);
    int models = (int)jv_size(jv_get(ui_machine(ui), "models")),
        devices = device_count(ui);
    char title[300], line[1024];
    snprintf(title, sizeof title, "models %s%s", ui_host(ui) ? "on " : "here",
             ui_host(ui) ? ui_host(ui) : "");
    draw_heading(a, true, title);
    m->count = models + devices;
    m->selected = MAX(0, MIN(m->selected, m->count - 1));
    if (!ui_machine(ui))
        draw_text(a->y + 1, a->x + 1, a->columns - 2, ROLE_DIM,
                  "asking the worker for its models and devices \u2026");
    // Each list gets the room it needs, and the chosen line is always seen.
    int rows = MAX(3, MIN(models + devices, a->rows * 2 / 3 - 2));
    m->top = draw_scroll(m->count, m->selected, rows, m->top);
    int y = a->y + 1;
    for (int i = m->top; i < m->count && i < m->top + rows; i++) {
        bool is_model;
        const struct jv *o = at(ui, i, &is_model);
        if (i == models) {
            struct area head = {y++, a->x, 1, a->columns};
            head.y = y++;
            draw_heading(&head, false, "devices");
        }
        bool bad = !is_model && *jv_string(jv_get(o, "reason"), ""), here = i == m->selected;
        struct area bar = {y, a->x, 1, a->columns};
        describe(ui, o, is_model, line, sizeof line);
        if (here)
            draw_fill(&bar, ROLE_SELECTION);
        draw_text(y++, a->x + 1, a->columns - 2,
                  here  ? ROLE_SELECTION
                  : bad ? ROLE_DIM
                        : ROLE_TEXT,
                  line);
    }
    struct area loaders = {y + 1, a->x, a->y + a->rows - y - 1, a->columns};
    if (loaders.rows > 1)
        draw_loaders(ui, &loaders);
}

// The next drawing is made with what was chosen; once more: the worker chooses again.
static void
choose(struct ui *ui)
{
    struct session *session = session_of(ui);
    struct models *m = ui_state(ui, VIEW_MODELS);
    bool is_model;
    const struct jv *o = m->count ? at(ui, m->selected, &is_model) : NULL;
    const char *name = jv_string(jv_get(o, "name"), NULL),
               *reason = jv_string(jv_get(o, "reason"), "");
    if (!o || !name)
        return;
    if (!is_model && *reason) {
        ui_say(ui, ROLE_ERROR, "%s cannot be used: %s", name, reason);
        return;
    }
    char **field = is_model ? &session->job.model : &session->job.device;
    bool same = *field && strcmp(*field, name) == 0;
    free(*field);
    *field = same ? NULL : mem_strdup(name);
    session_check(ui);
    ui_say(ui, ROLE_GOOD, same ? "the %s is chosen automatically" : "the next drawing uses this %s",
           is_model ? "model" : "device");
}

static bool
on_request(struct ui *ui, enum request request)
{
    struct models *m = ui_state(ui, VIEW_MODELS);
    switch (request) {
    case REQUEST_UP: m->selected--; break;
    case REQUEST_DOWN: m->selected++; break;
    case REQUEST_FIRST: m->selected = 0; break;
    case REQUEST_LAST: m->selected = m->count - 1; break;
    case REQUEST_ENTER: choose(ui); break;
    case REQUEST_REPEAT: client_describe(ui_client(ui)); break;
    default: return false;
    }
    m->selected = MAX(0, MIN(m->selected, m->count - 1));
    return true;
}

static const enum request hints[] = {REQUEST_ENTER, REQUEST_UP,   REQUEST_DOWN,
                                     REQUEST_BACK,  REQUEST_HELP, REQUEST_NONE};

const struct view view_models = {
    .name = "models",
    .title = "models, devices and loaders",
    .state_size = sizeof(struct models),
    .open = open_models,
    .draw = draw_models,
    .request = on_request,
    .hints = hints,
};
