// SPDX-License-Identifier: MIT
// Assembling an instruction: files on the left; on the right its text, its references, and the
// chosen reference before and after its loader.
#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wctype.h>

#include "app/ui/browser.h"
#include "app/ui/view.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "engine/base/xdg.h"

enum pane { PANE_FILES = 0, PANE_TEXT, PANE_REFERENCES, PANE_COUNT };
enum { LOOK_SIDE = 256 };

struct compose {
    struct browser browser;
    enum pane pane;
    int reference, top;
    // What the loader made of the chosen reference: the newest answer, and what it was asked for.
    struct image *after;
    char asked[400];
    char trouble[ERR_TEXT_MAX];
    bool waiting;
    bool newcomer; // nothing has been drawn yet
    bool written; // something, since the text has the keys
    struct job_reference removed; // for undo
    int removed_at;               // its place in the list
    bool has_removed;
    struct job before; // what the form of a reference was opened on, for Esc
    bool has_before;
    struct area files, text, references; // where they were drawn, for the mouse
};

static struct compose *
compose_of(const struct ui *ui)
{
    return ui->state[VIEW_COMPOSE];
}

static void
turn_to(struct compose *c, enum pane pane)
{
    c->pane = pane;
    c->written = false;
}

static struct job_reference *
chosen_reference(struct ui *ui)
{
    struct compose *c = compose_of(ui);
    return c->reference < ui->compose.reference_count ? &ui->compose.references[c->reference]
                                                      : NULL;
}

static bool
is_empty(struct library *library)
{
    const struct library_filter any = {.limit = 1};
    struct library_list list = {0};
    bool empty = library_query(library, &any, &list, NULL) && !list.count;
    library_list_free(&list);
    return empty;
}

static void
open_compose(struct ui *ui)
{
    struct compose *c = compose_of(ui);
    struct err err = {0};
    c->newcomer = ui->library && is_empty(ui->library);
    if (c->browser.folder)
        return;
    char *kept = ui->library ? library_kept(ui->library, "folder", NULL) : NULL;
    char here[4096];
    if (!getcwd(here, sizeof here))
        snprintf(here, sizeof here, "/");
    char *home = xdg_home();
    bool kept_is_home = kept && strcmp(here, home) == 0;
    free(home);
    if (!(kept_is_home && browser_open(&c->browser, kept, NULL)) &&
        !browser_open(&c->browser, here, &err))
        browser_open(&c->browser, "/", NULL);
    free(kept);
}

static void
close_compose(struct ui *ui)
{
    struct compose *c = compose_of(ui);
    struct job carrier = JOB_EMPTY;
    if (ui->library && c->browser.folder)
        library_keep(ui->library, "folder", c->browser.folder, NULL);
    carrier.references[0] = c->removed;
    carrier.reference_count = c->has_removed;
    job_finish(&carrier);
    job_finish(&c->before);
    browser_finish(&c->browser);
    image_unref(c->after);
}

// --- the loader's look

// One line that says what would be shown: the same line needs no second look.
static void
describe_look(const struct job_reference *r, char *out, size_t size)
{
    int n = snprintf(out, size, "%s|%s|%d", r->file && !r->embedded ? r->file : r->hash, r->loader ? r->loader : "",
                     r->processed);
    for (int i = 0; i < r->setting_count && n > 0 && (size_t)n < size; i++)
        n += snprintf(out + n, size - (size_t)n, "|%s", r->settings[i]);
}

static void
ask_for_look(struct ui *ui)
{
    struct compose *c = compose_of(ui);
    struct job_reference *r = chosen_reference(ui);
    char wanted[sizeof c->asked] = "";
    if (r)
        describe_look(r, wanted, sizeof wanted);
    if (strcmp(wanted, c->asked) == 0)
        return;
    memcpy(c->asked, wanted, sizeof wanted);
    c->trouble[0] = 0;
    c->waiting = false;
    if (!r)
        return;
    // The file may have changed since it was read last; it is read again when it is drawn.
    struct job one = JOB_EMPTY;
    struct err err = {0};
    job_copy(&one, &ui->compose);
    struct job_reference *copy = &one.references[c->reference];
    if (!copy->embedded) {
        free(copy->data);
        copy->data = NULL;
        copy->hash[0] = 0;
    }
    for (int i = one.reference_count - 1; i >= 0; i--)
        if (i != c->reference)
            job_remove(&one, i);
    if (job_read(&one, &err)) {
        client_load(ui->client, "look", &one.references[0], LOOK_SIDE);
        c->waiting = true;
    } else {
        snprintf(c->trouble, sizeof c->trouble, "%s", err.text);
    }
    job_finish(&one);
}

static void
on_event(struct ui *ui, struct client_event *e)
{
    struct compose *c = compose_of(ui);
    if (e->type == CLIENT_LOST) {
        c->asked[0] = 0;
        return;
    }
    if (e->type != CLIENT_LOADED || strcmp(e->id, "look") != 0)
        return;
    struct arrival *a = mem_zalloc(sizeof *a);
    *a = (struct arrival){.kind = ARRIVAL_LOOK, .png = e->png, .png_size = e->png_size,
                          .refused = e->err};
    e->png = NULL;
    arrivals_put(ui->arrivals, a);
}

static void
on_arrival(struct ui *ui, struct arrival *a)
{
    struct compose *c = compose_of(ui);
    if (a->kind == ARRIVAL_ADDED && a->kept && ui->view == VIEW_COMPOSE)
        c->reference = MAX(0, ui->compose.reference_count - 1);
    if (a->kind != ARRIVAL_LOOK)
        return;
    c->waiting = false;
    image_unref(c->after);
    c->after = a->image;
    a->image = NULL;
    snprintf(c->trouble, sizeof c->trouble, "%s", c->after ? "" : a->refused.text);
}

// --- the reference's form

static const struct jv *
loader_json(const struct ui *ui, const char *name)
{
    for (size_t i = 0; name && i < jv_size(ui->loaders); i++)
        if (strcmp(jv_string(jv_get(jv_at(ui->loaders, i), "name"), ""), name) == 0)
            return jv_at(ui->loaders, i);
    return NULL;
}

static const char *
setting_of(const struct job_reference *r, const char *name)
{
    size_t n = strlen(name);
    for (int i = 0; i < r->setting_count; i++)
        if (strncmp(r->settings[i], name, n) == 0 && r->settings[i][n] == '=')
            return r->settings[i] + n + 1;
    return NULL;
}

// Fields of the form: of the reference by these, of its loader's parameters by PARAM and their names.
#define USE "use"
#define WORDS "words"
#define LOADER "loader"
#define PARAM "param:"

static void
add_param(struct form *f, const struct jv *p, const struct job_reference *r)
{
    const char *name = jv_string(jv_get(p, "name"), ""), *kind = jv_string(jv_get(p, "kind"), "");
    const struct jv *choices = jv_get(p, "choices");
    double fallback = jv_number(jv_get(p, "fallback"), 0);
    char text[64];
    snprintf(text, sizeof text, "%.6g", fallback);
    bool choice = strcmp(kind, "choice") == 0;
    if (choice)
        snprintf(text, sizeof text, "%s", jv_string(jv_at(choices, (size_t)fallback), ""));
    const char *given = setting_of(r, name);
    char id[80];
    snprintf(id, sizeof id, PARAM "%s", name);
    struct form_field *d = form_add(f, choice                      ? FIELD_CHOICE
                                       : strcmp(kind, "bool") == 0 ? FIELD_BOOL
                                       : strcmp(kind, "int") == 0  ? FIELD_INT
                                                                   : FIELD_FLOAT,
                                    id, name, given ? given : text, jv_string(jv_get(p, "help"), ""));
    if (choice) {
        const char *names[34] = {0};
        for (size_t i = 0; i < jv_size(choices) && i < 32; i++)
            names[i] = jv_string(jv_at(choices, i), "");
        form_choices(d, names);
    } else if (strcmp(kind, "bool") != 0) {
        d->minimum = jv_number(jv_get(p, "minimum"), 0);
        d->maximum = jv_number(jv_get(p, "maximum"), 0);
    }
}

static const char *
use_help(enum job_use use)
{
    switch (use) {
    case JOB_REFERENCE: return "the sentence refers to it by its number";
    case JOB_AWAY: return "guidance keeps away from what it shows";
    case JOB_START: return "the drawing starts from it; strength says how far it goes";
    case JOB_MASK: return "of the start: white is drawn anew, black is kept";
    case JOB_USE_COUNT: break;
    }
    return "";
}

static void reference_changed(struct ui *ui, struct form *f, int field);
static bool reference_done(struct ui *ui, struct form *f, bool taken);

// `number`: its place. Fields: words, loader, what the loader says of itself, what it is for.
static void
open_reference_form(struct ui *ui, struct job_reference *r, int selected)
{
    char title[JOB_KEY_TEXT];
    const char *uses[JOB_USE_COUNT + 1] = {0};
    job_reference_label(r, title);
    struct form *f = form_new(title);
    for (int i = 0; i < JOB_USE_COUNT; i++)
        uses[i] = job_use_name((enum job_use)i);
    form_add(f, FIELD_TEXT, WORDS, "what it is", r->words,
             "in a word or two: fox, style image; empty: the loader's");
    const char *names[66] = {"none"};
    int n = 1;
    for (size_t i = 0; i < jv_size(ui->loaders) && n < 64; i++)
        if (jv_get(jv_at(ui->loaders, i), "name"))
            names[n++] = jv_string(jv_get(jv_at(ui->loaders, i), "name"), "");
    const struct jv *l = loader_json(ui, r->loader);
    form_choices(form_add(f, FIELD_CHOICE, LOADER, "loader", r->loader ? r->loader : "none",
                          l ? jv_string(jv_get(l, "summary"), "") : "the picture as it is"), names);
    const struct jv *params = jv_get(l, "params");
    for (size_t i = 0; i < jv_size(params); i++)
        add_param(f, jv_at(params, i), r);
    form_choices(form_add(f, FIELD_CHOICE, USE, "use", uses[r->use], use_help(r->use)), uses);
    struct compose *c = compose_of(ui);
    if (!c->has_before)
        session_shown(ui, &c->before);
    c->has_before = true;
    f->changed = reference_changed;
    f->done = reference_done;
    f->number = (int)(r - ui->compose.references);
    f->selected = selected;
    f->picture_beside = true;
    form_open(ui, f);
}

// Its place in the list; NULL: it has gone.
static struct job_reference *
form_reference(struct ui *ui, const struct form *f)
{
    return f->number < ui->compose.reference_count ? &ui->compose.references[f->number] : NULL;
}

// Another use, another number: the first that is free among those of its kind.
static void
take_use(struct ui *ui, struct job_reference *r, enum job_use use)
{
    struct job *j = &ui->compose;
    struct job_reference *room = use == r->use ? NULL : job_add_for(j, use, 0);
    if (use == r->use)
        return;
    if (!room) {
        ui_say(ui, ROLE_ERROR, "there is a picture for %s already", job_use_name(use));
        return;
    }
    job_remove(j, j->reference_count - 1);
    int marker = 0;
    if (use == JOB_REFERENCE || use == JOB_AWAY)
        for (marker = 1; job_find_for(j, use, marker); marker++)
            ;
    char text[JOB_KEY_TEXT];
    job_reference_label(r, text);
    const char *at = r->use == JOB_REFERENCE ? strstr(ui->instruction.text, text) : NULL;
    if (at) { // a picture that has another use is no part of the sentence
        size_t from = (size_t)(at - ui->instruction.text);
        field_replace(&ui->instruction, from, from + strlen(text), "");
    }
    r->use = use;
    r->marker = marker;
}

static void
take_form(struct ui *ui, struct job_reference *r, const struct form *f)
{
    take_use(ui, r, job_use_from_name(form_value(f, USE)));
    const char *words = form_value(f, WORDS), *loader = form_value(f, LOADER);
    free(r->words);
    r->words = *words ? mem_strdup(words) : NULL;
    bool same = strcmp(loader, r->loader ? r->loader : "none") == 0;
    for (int i = 0; i < r->setting_count; i++)
        free(r->settings[i]);
    r->setting_count = 0;
    if (!same) {
        free(r->loader);
        r->loader = strcmp(loader, "none") == 0 ? NULL : mem_strdup(loader);
        r->processed = false;
    }
    for (int i = 0; same && i < f->count && r->setting_count < LIMIT_TEMPLATE_SETTINGS; i++)
        if (strncmp(f->fields[i].id, PARAM, strlen(PARAM)) == 0)
            r->settings[r->setting_count++] =
                mem_printf("%s=%s", f->fields[i].id + strlen(PARAM), f->fields[i].value);
    session_check(ui);
}

static void
reference_changed(struct ui *ui, struct form *f, int field)
{
    struct job_reference *r = form_reference(ui, f);
    if (!r)
        return;
    take_form(ui, r, f);
    const char *id = f->fields[field].id;
    if (strcmp(id, LOADER) == 0 || strcmp(id, USE) == 0) { // another loader, another form; the old one is freed by its opening
        open_reference_form(ui, r, field);
        return;
    }
}

// Each change has shown itself already; Esc takes all of them back.
static bool
reference_done(struct ui *ui, struct form *f, bool taken)
{
    struct compose *c = compose_of(ui);
    struct job_reference *r = form_reference(ui, f);
    if (taken && r)
        take_form(ui, r, f);
    else if (c->has_before)
        session_show(ui, &c->before);
    job_finish(&c->before);
    c->has_before = false;
    return true;
}

// --- drawing

static void
draw_files(struct ui *ui, const struct area *a)
{
    struct compose *c = compose_of(ui);
    struct browser *b = &c->browser;
    int picture_rows = MAX(4, MIN(a->rows / 2 - 2, a->columns / 2)),
        rows = a->rows - 1 - picture_rows;
    char title[4200];
    int filter = *b->filter ? text_width(b->filter, SIZE_MAX) + 3 : 0;
    draw_short_path(b->folder ? b->folder : "", MAX(a->columns - 4 - filter, 1), title,
                    sizeof title);
    size_t used = strlen(title);
    if (filter)
        snprintf(title + used, sizeof title - used, "  /%s", b->filter);
    draw_heading(a, c->pane == PANE_FILES, title);
    b->top = draw_scroll(b->count, b->selected, rows, b->top);
    for (int row = 0; row < rows && b->top + row < b->count; row++) {
        const struct browser_entry *e = &b->all[b->seen[b->top + row]];
        bool here = b->top + row == b->selected;
        enum role role = here ? (c->pane == PANE_FILES ? ROLE_SELECTION : ROLE_SELECTED)
                         : e->folder ? ROLE_FOLDER
                                     : ROLE_TEXT;
        struct area line = {a->y + 1 + row, a->x, 1, a->columns};
        if (here)
            draw_fill(&line, role);
        draw_format(line.y, a->x + 1, a->columns - 2, role, "%s%s", e->name, e->folder ? "/" : "");
    }
    if (!b->count)
        draw_text(a->y + 1, a->x + 1, a->columns - 2, ROLE_DIM,
                  *b->filter ? "no name has that" : "no pictures here");
    c->files = (struct area){a->y + 1, a->x, rows, a->columns};
    const struct browser_entry *e = browser_chosen(b);
    if (e && !e->folder) {
        char *path = browser_path(b);
        struct area picture = {a->y + 1 + rows, a->x + 1, picture_rows, a->columns - 2};
        draw_file(ui, SLOT_BROWSER, &picture, path);
        free(path);
    }
}

static void
draw_references(struct ui *ui, const struct area *a)
{
    struct compose *c = compose_of(ui);
    const struct job *j = &ui->compose;
    draw_heading(a, c->pane == PANE_REFERENCES, "references");
    c->references = (struct area){a->y + 1, a->x, a->rows - 1, a->columns};
    c->reference = MAX(0, MIN(c->reference, j->reference_count - 1));
    c->top = draw_scroll(j->reference_count, c->reference, a->rows - 1, c->top);
    if (!j->reference_count)
        draw_text(a->y + 1, a->x + 1, a->columns - 2, ROLE_DIM,
                  "a on a picture of the list adds it");
    for (int row = 0; row < a->rows - 1 && c->top + row < j->reference_count; row++) {
        const struct job_reference *r = &j->references[c->top + row];
        bool here = c->top + row == c->reference;
        enum role role = !here                        ? ROLE_TEXT
                         : c->pane == PANE_REFERENCES ? ROLE_SELECTION
                                                      : ROLE_SELECTED;
        struct area line = {a->y + 1 + row, a->x, 1, a->columns};
        char marker[JOB_KEY_TEXT];
        job_reference_label(r, marker);
        bool used = r->use != JOB_REFERENCE || strstr(ui->instruction.text, marker);
        if (here)
            draw_fill(&line, role);
        draw_text(line.y, a->x + 1, 9, !used ? ROLE_FAULT : here ? role : ROLE_MARKER, marker);
        const char *slash = r->file ? strrchr(r->file, '/') : NULL;
        const struct jv *l = loader_json(ui, r->loader);
        const char *words = r->words       ? r->words
                            : r->loader && l ? jv_string(jv_get(l, "role"), "image")
                                           : "image";
        draw_format(line.y, a->x + 10, a->columns - 11, role, "%s  %s%s  %s", words,
                    r->loader ? "through " : "as it is", r->loader ? r->loader : "",
                    slash ? slash + 1 : r->file ? r->file : "");
    }
}

static void
draw_looks(struct ui *ui, const struct area *a)
{
    struct compose *c = compose_of(ui);
    struct job_reference *r = chosen_reference(ui);
    ask_for_look(ui);
    if (!r || a->rows < 3)
        return;
    // Side by side, or one under the other where the place is tall.
    bool beside = a->columns * ui->term.cell_width > a->rows * ui->term.cell_height;
    struct area first = *a, second = *a;
    if (beside) {
        first.columns = a->columns / 2 - 1;
        second.x += a->columns / 2;
        second.columns = a->columns - a->columns / 2;
    } else {
        first.rows = a->rows / 2;
        second.y += a->rows / 2;
        second.rows = a->rows - a->rows / 2;
    }
    draw_text(first.y, first.x + 1, first.columns - 1, ROLE_DIM, "before");
    draw_format(second.y, second.x + 1, second.columns - 1, ROLE_DIM, "%s%s",
                r->loader ? r->loader : "as the model sees it", c->waiting ? " \u2026" : "");
    first.y++, first.rows--, second.y++, second.rows--;
    if (r->embedded || !r->file)
        draw_text(first.y, first.x + 1, first.columns - 1, ROLE_DIM,
                  "kept in the picture it came from");
    else
        draw_file(ui, SLOT_BEFORE, &first, r->file);
    if (*c->trouble)
        draw_wrapped(&second, ROLE_WARNING, c->trouble);
    else if (c->after)
        draw_picture(ui, SLOT_AFTER, &second, c->after, false);
}

static void
parameters_line(const struct ui *ui, char *out, size_t size)
{
    const struct job *j = &ui->compose;
    char seed[32] = "new", steps[16] = "auto", scale[16] = "auto";
    if (j->seed >= 0)
        snprintf(seed, sizeof seed, "%" PRId64, j->seed);
    if (j->steps)
        snprintf(steps, sizeof steps, "%d", j->steps);
    if (j->scale >= 0)
        snprintf(scale, sizeof scale, "%g", j->scale);
    const char *model = j->model ? j->model : "auto", *slash = strrchr(model, '/');
    // What nobody has chosen is named once, and a sampler only where there is one.
    snprintf(out, size, "seed %s  steps %s  guidance %s%s%s%s%s  pictures %d  model %s  on %s", seed,
             steps, j->guidance ? j->guidance : "", j->guidance && j->scale >= 0 ? " " : "",
             j->scale >= 0 || !j->guidance ? scale : "", j->sampler ? "  " : "",
             j->sampler ? j->sampler : "", MAX(j->count, 1), slash ? slash + 1 : model,
             j->device ? j->device : "auto");
}

// An empty composer says what can be done; to who has drawn nothing yet, what limn is.
static void
draw_welcome(const struct compose *c, const struct area *a)
{
    static const char *const lines[] = {
        "limn makes pictures from a sentence and the pictures that it refers to.",
        "F9 draws a sample now. 4 has templates: F9 draws one, Enter fills it in.",
        "i to write: Draw [ref#1] in the style of [ref#2]: \u2026   F1 helps.",
        "i to write: Draw [ref#1] in the style of [ref#2]: \u2026"};
    for (int i = c->newcomer ? 0 : 3, y = a->y; i < (c->newcomer ? 3 : 4); i++)
        draw_text(y++, a->x, a->columns, ROLE_DIM, lines[i]);
}

static void
draw_compose(struct ui *ui, const struct area *a)
{
    struct compose *c = compose_of(ui);
    int left = MIN(MAX(a->columns / 4, 20), 44), text_rows = MAX(3, MIN(a->rows / 4, 10));
    struct area files = {a->y, a->x, a->rows, left};
    struct area right = {a->y, a->x + left + 1, a->rows, a->columns - left - 1};
    draw_files(ui, &files);
    draw_upright(a->y, a->x + left, a->rows);
    struct area text = {right.y + 1, right.x + 1, text_rows, right.columns - 2};
    struct area head = {right.y, right.x, 1, right.columns};
    draw_heading(&head, c->pane == PANE_TEXT, "instruction");
    c->text = text;
    int y = text.y + text_rows;
    if (!*ui->instruction.text && c->pane != PANE_TEXT)
        draw_welcome(c, &text);
    draw_text(y, right.x + 1, right.columns - 2, *ui->fault ? ROLE_FAULT : ROLE_DIM,
              *ui->fault ? ui->fault : "");
    char line[300];
    parameters_line(ui, line, sizeof line);
    draw_text(y + 1, right.x + 1, right.columns - 2, ROLE_DIM, line);
    y += 2;
    int reference_rows = MIN(MAX(ui->compose.reference_count, 1) + 1, MAX(3, a->rows / 4));
    struct area references = {y, right.x, reference_rows, right.columns};
    draw_references(ui, &references);
    y += reference_rows;
    struct area looks = {y, right.x, a->y + a->rows - y, right.columns};
    draw_looks(ui, &looks);
    draw_instruction(ui, &text, ui->instruction.text,
                     c->pane == PANE_TEXT && !ui->form ? ui->instruction.cursor : SIZE_MAX);
}

// --- requests

static void
filter_done(struct ui *ui, const char *text)
{
    browser_filter(&compose_of(ui)->browser, text ? text : "");
}

static void
save_done(struct ui *ui, const char *text)
{
    struct err err = {0};
    if (!text)
        return;
    if (session_save_template(ui, text, &err))
        ui_say(ui, ROLE_GOOD, "saved: limn generate %s draws it, and it is among the templates",
               text);
    else
        ui_say(ui, ROLE_ERROR, "%s", err.text);
}

static bool
in_files(struct ui *ui, enum request request)
{
    struct compose *c = compose_of(ui);
    struct browser *b = &c->browser;
    struct err err = {0};
    int page = MAX(1, c->files.rows - 1);
    const struct browser_entry *e = browser_chosen(b);
    switch (request) {
    case REQUEST_UP: b->selected--; break;
    case REQUEST_DOWN: b->selected++; break;
    case REQUEST_PAGE_UP: b->selected -= page; break;
    case REQUEST_PAGE_DOWN: b->selected += page; break;
    case REQUEST_FIRST: b->selected = 0; break;
    case REQUEST_LAST: b->selected = b->count - 1; break;
    case REQUEST_LEFT: browser_up(b, &err); break;
    case REQUEST_RIGHT: browser_enter(b, &err); break;
    case REQUEST_FILTER: ui_prompt(ui, "/", b->filter, filter_done); return true;
    case REQUEST_ENTER:
    case REQUEST_ADD:
        if (e && e->folder) {
            browser_enter(b, &err);
        } else if (e) {
            char *path = browser_path(b);
            session_add_picture(ui, path);
            free(path);
        }
        break;
    case REQUEST_OPEN:
        if (e && !e->folder) {
            char *path = browser_path(b);
            session_open_picture(ui, path);
            free(path);
        }
        break;
    default: return false;
    }
    b->selected = MAX(0, MIN(b->selected, b->count - 1));
    if (err.code != ERR_NONE)
        ui_say(ui, ROLE_ERROR, "%s", err.text);
    return true;
}

static void
remove_reference(struct ui *ui)
{
    struct compose *c = compose_of(ui);
    struct job_reference *r = chosen_reference(ui);
    struct job carrier = JOB_EMPTY;
    if (!r)
        return;
    carrier.references[0] = c->removed;
    carrier.reference_count = c->has_removed;
    job_finish(&carrier);
    char name[JOB_KEY_TEXT];
    job_reference_label(r, name);
    c->removed = *r;
    c->removed_at = c->reference;
    c->has_removed = true;
    *r = (struct job_reference){0}; // its parts belong to `removed` now
    job_remove(&ui->compose, c->reference);
    session_check(ui);
    ui_say(ui, ROLE_STATUS, "removed %s; u brings it back", name);
}

static void
bring_back(struct ui *ui)
{
    struct compose *c = compose_of(ui);
    enum job_use use = c->removed.use;
    struct job_reference *r =
        c->has_removed && !job_find_for(&ui->compose, use, c->removed.marker)
            ? job_add_for(&ui->compose, use, 0)
            : NULL;
    if (!r) {
        if (!session_step(ui, -1))
            ui_say(ui, ROLE_STATUS, "there is no instruction before this one");
        return;
    }
    // Into its place again, and those behind it one further.
    struct job *j = &ui->compose;
    int at = MIN(c->removed_at, j->reference_count - 1);
    memmove(&j->references[at + 1], &j->references[at],
            (size_t)(j->reference_count - 1 - at) * sizeof *j->references);
    j->references[at] = c->removed;
    c->reference = at;
    c->has_removed = false;
    c->removed = (struct job_reference){0};
    session_check(ui);
    ui->message[0] = 0;
}

// Through what was in the composer before.
static void
step(struct ui *ui, int by)
{
    if (!session_step(ui, by))
        ui_say(ui, ROLE_STATUS, by < 0 ? "there is no instruction before this one"
                                       : "this is the last instruction");
}

static bool
in_references(struct ui *ui, enum request request)
{
    struct compose *c = compose_of(ui);
    struct job_reference *r = chosen_reference(ui);
    switch (request) {
    case REQUEST_UP: c->reference = MAX(0, c->reference - 1); return true;
    case REQUEST_DOWN:
        c->reference = MAX(0, MIN(c->reference + 1, ui->compose.reference_count - 1));
        return true;
    case REQUEST_ENTER:
        if (r)
            open_reference_form(ui, r, 0);
        return true;
    case REQUEST_REMOVE: remove_reference(ui); return true;
    default: return false;
    }
}

struct editing {
    const char *command;
    bool ok;
};

static void
run_editor(void *ctx)
{
    struct editing *e = ctx;
    e->ok = system(e->command) == 0;
}

// $EDITOR gets the instruction in a file; the screen is given back meanwhile.
static void
edit_outside(struct ui *ui)
{
    const char *editor = getenv("VISUAL");
    if (!editor || !*editor)
        editor = getenv("EDITOR");
    char path[] = "/tmp/limn-instruction-XXXXXX";
    int fd = mkstemp(path);
    struct err err = {0};
    if (fd < 0) {
        ui_say(ui, ROLE_ERROR, "no file for the editor can be made in /tmp");
        return;
    }
    bool ok = write(fd, ui->instruction.text, strlen(ui->instruction.text)) >= 0;
    close(fd);
    char *command = mem_printf("%s %s", editor && *editor ? editor : "vi", path);
    struct editing e = {command, false};
    if (ok)
        ui_give_screen(ui, run_editor, &e);
    char *text = e.ok ? file_read(path, LIMIT_INSTRUCTION_BYTES, NULL, &err) : NULL;
    unlink(path);
    free(command);
    if (text) {
        size_t n = strlen(text);
        while (n && text[n - 1] == '\n')
            text[--n] = 0;
        if (strcmp(text, ui->instruction.text) != 0) {
            ui->instruction.cursor = 0;
            field_replace(&ui->instruction, 0, strlen(ui->instruction.text), "");
            field_insert(&ui->instruction, text);
        }
        session_check(ui);
    } else {
        ui_say(ui, ROLE_ERROR, "%s",
               err.code ? err.text : "the editor failed: the text is as it was");
    }
    free(text);
}

static bool
on_request(struct ui *ui, enum request request)
{
    struct compose *c = compose_of(ui);
    switch (request) {
    case REQUEST_NEXT_PANE: turn_to(c, (c->pane + 1) % PANE_COUNT); return true;
    case REQUEST_PREVIOUS_PANE: turn_to(c, (c->pane + PANE_COUNT - 1) % PANE_COUNT); return true;
    case REQUEST_INSTRUCTION: turn_to(c, PANE_TEXT); return true;
    case REQUEST_PARAMETERS: session_parameters(ui); return true;
    case REQUEST_EDITOR: edit_outside(ui); return true;
    case REQUEST_UNDO: bring_back(ui); return true;
    case REQUEST_EARLIER: step(ui, -1); return true;
    case REQUEST_LATER: step(ui, 1); return true;
    case REQUEST_SAVE: ui_prompt(ui, "name of the template: ", "", save_done); return true;
    case REQUEST_NEW: {
        struct job empty = JOB_EMPTY;
        session_set(ui, &empty);
        turn_to(c, PANE_TEXT);
        ui_say(ui, ROLE_STATUS, "an empty instruction; what was here comes back with [");
        return true;
    }
    case REQUEST_BACK:
        turn_to(c, c->pane == PANE_TEXT ? PANE_REFERENCES : PANE_FILES);
        if (c->pane == PANE_FILES && *c->browser.filter)
            browser_filter(&c->browser, "");
        return true;
    default: break;
    }
    return c->pane == PANE_FILES        ? in_files(ui, request)
           : c->pane == PANE_REFERENCES ? in_references(ui, request)
                                        : false;
}

// --- writing

static bool
is_typing(const struct ui *ui)
{
    return compose_of(ui)->pane == PANE_TEXT;
}

// The marker right before the cursor becomes the next reference's.
static bool
next_marker(struct ui *ui)
{
    struct field *f = &ui->instruction;
    size_t from = f->cursor;
    int marker = 0, length = 0, first = 0, next = 0;
    bool passed = false;
    while (from > 0 && f->text[from] != '[' && f->cursor - from < JOB_KEY_TEXT)
        from--;
    if (sscanf(f->text + from, "[ref#%d]%n", &marker, &length) != 1 ||
        from + (size_t)length != f->cursor)
        return false;
    for (int i = 0; i < ui->compose.reference_count; i++) {
        const struct job_reference *r = &ui->compose.references[i];
        if (r->use != JOB_REFERENCE)
            continue;
        first = first ? first : r->marker;
        next = passed && !next ? r->marker : next;
        passed = passed || r->marker == marker;
    }
    char text[JOB_KEY_TEXT];
    snprintf(text, sizeof text, "[ref#%d]", next ? next : first ? first : marker);
    field_replace(f, from, f->cursor, text);
    return true;
}

// "[", "[re", "[ref#" and the like before the cursor become the marker that is meant: the first
// reference that the text does not have yet, or the next in turn.
static bool
complete(struct ui *ui)
{
    struct field *f = &ui->instruction;
    static const char start[] = "[ref#";
    size_t from = f->cursor;
    while (from > 0 && f->text[from - 1] != '[' && f->cursor - from < 6)
        from--;
    if (from == 0 || f->text[from - 1] != '[')
        return false;
    from--;
    size_t n = f->cursor - from;
    int typed = 0;
    if (n > sizeof start - 1)
        typed = atoi(f->text + from + sizeof start - 1);
    if (strncmp(f->text + from, start, MIN(n, sizeof start - 1)) != 0 ||
        memchr(f->text + from, ']', n))
        return false;
    int marker = typed;
    int first = 0;
    for (int i = 0; !marker && i < ui->compose.reference_count; i++) {
        const struct job_reference *r = &ui->compose.references[i];
        char text[JOB_KEY_TEXT];
        job_reference_label(r, text);
        if (r->use == JOB_REFERENCE && !strstr(f->text, text))
            marker = r->marker;
        first = first || r->use != JOB_REFERENCE ? first : r->marker;
    }
    marker = marker ? marker : first;
    char text[24];
    snprintf(text, sizeof text, "[ref#%d]", MAX(marker, 1));
    field_replace(f, from, f->cursor, text);
    return true;
}

static bool
on_key(struct ui *ui, wint_t key, bool code)
{
    struct compose *c = compose_of(ui);
    if (!code && (key == 27 || key == ('G' & 0x1f) || key == ('L' & 0x1f) || key == ('X' & 0x1f)))
        return false;
    if (!code && key == '\t') {
        bool done = (c->written && next_marker(ui)) || complete(ui);
        if (!done && c->written) // who writes stays in the text: what follows would be commands
            ui_say(ui, ROLE_STATUS, "Tab after [ completes a marker, again takes the next; Esc ends writing");
        c->written = c->written || done;
        session_check(ui);
        return c->written;
    }
    if (code && (key == KEY_UP || key == KEY_DOWN))
        return field_move_line(&ui->instruction, MAX(c->text.columns - 1, 1),
                               key == KEY_UP ? -1 : 1),
               true;
    size_t cursor = ui->instruction.cursor;
    // A word right behind a marker, as after pictures were added, is meant to stand apart.
    if (!code && iswalnum(key) && cursor > 0 && ui->instruction.text[cursor - 1] == ']')
        field_insert(&ui->instruction, " ");
    bool used = field_key(&ui->instruction, key, code);
    c->written = c->written || (used && !code);
    if (used && (cursor != ui->instruction.cursor || !code))
        session_check(ui);
    return used;
}

static void
on_paste(struct ui *ui, const char *text)
{
    field_insert(&ui->instruction, text);
    compose_of(ui)->written = true;
    session_check(ui);
}

static void
on_mouse(struct ui *ui, int y, int x, int turn, bool twice)
{
    struct compose *c = compose_of(ui);
    if (x < c->files.x + c->files.columns) {
        turn_to(c, PANE_FILES);
        int row = c->browser.top + y - c->files.y;
        if (turn)
            in_files(ui, turn < 0 ? REQUEST_UP : REQUEST_DOWN);
        else if (y >= c->files.y && y < c->files.y + c->files.rows && row < c->browser.count)
            c->browser.selected = row;
        if (twice)
            in_files(ui, REQUEST_ENTER);
    } else if (y >= c->references.y && y < c->references.y + c->references.rows) {
        turn_to(c, PANE_REFERENCES);
        int row = c->top + y - c->references.y;
        if (row < ui->compose.reference_count)
            c->reference = row;
        if (twice)
            in_references(ui, REQUEST_ENTER);
    } else if (y >= c->text.y && y < c->text.y + c->text.rows) {
        turn_to(c, PANE_TEXT);
    }
}

static const enum request hints[] = {
    REQUEST_DRAW,   REQUEST_NEXT_PANE, REQUEST_ADD,  REQUEST_INSTRUCTION, REQUEST_PARAMETERS,
    REQUEST_FILTER, REQUEST_SAVE,      REQUEST_HELP, REQUEST_QUIT,        REQUEST_NONE};

const struct view view_compose = {
    .name = "compose",
    .title = "assemble an instruction",
    .state_size = sizeof(struct compose),
    .open = open_compose,
    .close = close_compose,
    .draw = draw_compose,
    .request = on_request,
    .typing = is_typing,
    .typing_hint = "writing: Esc ends it   Tab completes [ref#\u2026]   F9 draws",
    .paste = on_paste,
    .key = on_key,
    .event = on_event,
    .arrived = on_arrival,
    .mouse = on_mouse,
    .hints = hints,
};
