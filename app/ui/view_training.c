// SPDX-License-Identifier: MIT
// Trainings, running or finished: the loss as a curve in cells, the loss by task, the sheets. Their
// folders are kept in the library; where a training runs now, the curve follows it. Those that go
// on by themselves (limn train --detach) are the worker's to tell of: they are begun, stopped and
// gone on with here. On another machine their logs and sheets are copied piece by piece to a folder
// of this one, which is then looked at.
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "app/base/places.h"
#include "app/cli/commands.h"
#include "app/cli/through.h"
#include "app/ui/trainlog.h"
#include "app/ui/view.h"
#include "app/worker/protocol.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/base/xdg.h"

enum {
    TRAININGS_MAX = 32,
    CURVE_COLUMNS_MAX = 1024,
    RUNNING_SECONDS = 120,
    SMOOTH_STEPS = 50,
    SHEETS_COPIED_MAX = 24, // of another machine's training, the newest
};
#define ASK_SECONDS 2.0 // between questions how the worker's trainings are

struct run {
    char *folder;        // where its log and sheets are, here
    struct trainlog log; // folder NULL: there is none yet
    struct jv *job;      // as the worker lists it; NULL: not begun by itself
    bool copied;         // folder is a copy of another machine's
    char *asked;         // of which file a piece is on its way; NULL: none
    off_t from;          // and from which byte on
};

struct training {
    struct run runs[TRAININGS_MAX];
    int count, selected;
    bool loaded;
    int back;     // sheets before the newest
    double asked; // when the worker was
    char begun[JOB_ID_TEXT]; // the last one that was begun here
    bool able;               // the worker runs trainings
};

static struct training *
training_of(const struct ui *ui)
{
    return ui->state[VIEW_TRAINING];
}

static struct run *
chosen(const struct ui *ui)
{
    struct training *t = training_of(ui);
    t->selected = MAX(0, MIN(t->selected, t->count - 1));
    return t->count ? &t->runs[t->selected] : NULL;
}

static void
keep(struct ui *ui)
{
    struct training *t = training_of(ui);
    char *all = mem_strdup("");
    for (int i = 0; i < t->count; i++) {
        if (t->runs[i].copied || !t->runs[i].log.folder)
            continue;
        char *longer = mem_printf("%s%s\n", all, t->runs[i].folder);
        free(all);
        all = longer;
    }
    if (ui->library)
        library_keep(ui->library, "trainings", all, NULL);
    free(all);
}

static void
free_run(struct run *r)
{
    if (r->log.folder)
        trainlog_close(&r->log);
    free(r->folder);
    free(r->asked);
    jv_free(r->job);
    *r = (struct run){0};
}

static void
take_off(struct ui *ui, int at)
{
    struct training *t = training_of(ui);
    free_run(&t->runs[at]);
    memmove(&t->runs[at], &t->runs[at + 1], (size_t)(--t->count - at) * sizeof *t->runs);
    t->runs[t->count] = (struct run){0};
    keep(ui);
}

// The one in a folder, new at the end of the list where there was none; NULL: the list is full.
static struct run *
run_in(struct ui *ui, const char *folder, struct err *err)
{
    struct training *t = training_of(ui);
    char *whole = realpath(folder, NULL);
    const char *name = whole ? whole : folder;
    struct run *found = NULL;
    for (int i = 0; i < t->count && !found; i++)
        if (strcmp(t->runs[i].folder, name) == 0)
            found = &t->runs[i];
    if (!found && t->count == TRAININGS_MAX) {
        err_set(err, ERR_INPUT, "at most %d trainings are shown; x takes one off the list",
                TRAININGS_MAX);
    } else if (!found) {
        found = &t->runs[t->count++];
        found->folder = mem_strdup(name);
    }
    free(whole);
    return found;
}

static bool
add(struct ui *ui, const char *folder, struct err *err)
{
    struct training *t = training_of(ui);
    struct run *r = run_in(ui, folder, err);
    if (!r)
        return false;
    if (!r->log.folder && !trainlog_open(&r->log, r->folder, err)) {
        if (!r->job)
            take_off(ui, (int)(r - t->runs));
        return false;
    }
    t->selected = (int)(r - t->runs);
    return true;
}

static void
ask(struct ui *ui)
{
    training_of(ui)->asked = ui_now();
    client_commands(ui->client);
}

static void tidy_copies(const struct ui *ui);

static void
open_training(struct ui *ui)
{
    struct training *t = training_of(ui);
    ask(ui);
    if (t->loaded)
        return;
    t->loaded = true;
    if (ui->host)
        tidy_copies(ui);
    char *kept = ui->library ? library_kept(ui->library, "trainings", NULL) : NULL, *left = NULL;
    for (char *line = kept ? strtok_r(kept, "\n", &left) : NULL; line;
         line = strtok_r(NULL, "\n", &left))
        add(ui, line, NULL); // one that is gone is left out
    free(kept);
    add(ui, "run", NULL); // the place of limn train, when limn was started beside it
    t->selected = 0;
}

static void
close_training(struct ui *ui)
{
    struct training *t = training_of(ui);
    if (t->loaded)
        keep(ui);
    for (int i = 0; i < t->count; i++)
        free_run(&t->runs[i]);
}

// --- the worker's trainings

// Where the logs of another machine's trainings are copied to.
static char *
copies_folder(const struct ui *ui)
{
    char *host = mem_strdup(ui->host);
    for (char *c = host; *c; c++)
        if (*c == '/')
            *c = '_';
    char *name = mem_printf("trainings/%s", host), *folder = xdg_path(XDG_CACHE, name);
    free(name);
    free(host);
    return folder;
}

static char *
copy_folder(const struct ui *ui, const char *id)
{
    char *all = copies_folder(ui), *folder = file_join(all, id);
    free(all);
    return folder;
}

// The folder a job writes to, as it is seen from here.
static char *
folder_of(const struct ui *ui, const struct jv *job)
{
    const char *id = jv_string(jv_get(job, "id"), "");
    const char *output = jv_string(jv_get(jv_get(job, "about"), "output"), NULL);
    if (!job_is_id(id) || !output)
        return NULL;
    if (ui->host)
        return copy_folder(ui, id);
    return output[0] == '/' ? mem_strdup(output)
                            : file_join(jv_string(jv_get(job, "folder"), "/"), output);
}

static struct run *
run_of(const struct ui *ui, const char *id)
{
    struct training *t = training_of(ui);
    for (int i = 0; i < t->count; i++)
        if (t->runs[i].job && strcmp(jv_string(jv_get(t->runs[i].job, "id"), ""), id) == 0)
            return &t->runs[i];
    return NULL;
}

// Whether a run lies where copies of its job do; only there anything is written or removed.
static bool
is_copy(const struct ui *ui, const struct run *r)
{
    char *folder = copy_folder(ui, jv_string(jv_get(r->job, "id"), "")),
         *whole = realpath(folder, NULL);
    bool copy = strcmp(r->folder, whole ? whole : folder) == 0;
    free(whole);
    free(folder);
    return copy;
}

// One job: the newest in a folder is that folder's.
static void
take_job(struct ui *ui, const struct jv *job)
{
    struct training *t = training_of(ui);
    const char *id = jv_string(jv_get(job, "id"), "");
    char *folder = folder_of(ui, job);
    struct run *r = run_of(ui, id);
    if (!r && folder)
        r = run_in(ui, folder, NULL);
    const char *known = r ? jv_string(jv_get(r->job, "id"), "") : "";
    if (r && strcmp(known, id) <= 0) {
        bool first = !r->job;
        jv_free(r->job);
        r->job = jv_copy(job);
        r->copied = ui->host && folder && is_copy(ui, r);
        if (!r->log.folder)
            trainlog_open(&r->log, r->folder, NULL);
        if (first && strcmp(t->begun, id) == 0)
            t->selected = (int)(r - t->runs);
    }
    free(folder);
}

static void
take_jobs(struct ui *ui, const struct jv *jobs)
{
    struct training *t = training_of(ui);
    for (size_t i = 0; i < jv_size(jobs); i++) // the newest first
        take_job(ui, jv_at(jobs, i));
    // One that was forgotten elsewhere is a folder like others, or nothing.
    for (int i = t->count - 1; i >= 0; i--) {
        bool listed = false;
        for (size_t k = 0; t->runs[i].job && k < jv_size(jobs); k++)
            listed = listed || strcmp(jv_string(jv_get(jv_at(jobs, k), "id"), ""),
                                      jv_string(jv_get(t->runs[i].job, "id"), "")) == 0;
        if (!t->runs[i].job || listed)
            continue;
        jv_free(t->runs[i].job);
        t->runs[i].job = NULL;
        if (t->runs[i].copied || !t->runs[i].log.folder)
            take_off(ui, i);
    }
}

static const char *
state_of(const struct run *r)
{
    return jv_string(jv_get(r->job, "state"), "");
}

static bool
is_running(const struct run *r)
{
    if (r->job)
        return strcmp(state_of(r), "running") == 0;
    return r->log.folder && time(NULL) - r->log.changed < RUNNING_SECONDS;
}

// --- copies of another machine's logs and sheets

static void
ask_piece(struct ui *ui, struct run *r, const char *name, off_t from)
{
    client_read(ui->client, jv_string(jv_get(r->job, "id"), ""), name, from);
    r->asked = mem_strdup(name);
    r->from = from;
}

// Bytes of a file that are here; 0 when there is none, -1 when it is no file that can be added to.
static off_t
bytes_here(const char *file)
{
    struct stat s = {0};
    return lstat(file, &s) != 0 ? 0 : S_ISREG(s.st_mode) ? s.st_size : -1;
}

static void
ask_log(struct ui *ui, struct run *r)
{
    char *file = file_join(r->folder, "log.jsonl");
    off_t here = bytes_here(file);
    if (r->copied && r->job && !r->asked && here >= 0 && here < LIMIT_COPIED_LOG_BYTES)
        ask_piece(ui, r, "log.jsonl", here);
    free(file);
}

static bool
is_sheet_name(const char *name)
{
    size_t n = strlen(name);
    return strncmp(name, "sheet", 5) == 0 && n > 9 && n < 200 && !strchr(name, '/') &&
           strcmp(name + n - 4, ".png") == 0;
}

// The newest sheet that has not been copied.
static void
ask_sheet(struct ui *ui, struct run *r, const struct jv *names)
{
    size_t n = jv_size(names);
    for (size_t i = n; i > 0 && i + SHEETS_COPIED_MAX > n && !r->asked; i--) {
        const char *name = jv_string(jv_at(names, i - 1), "");
        char *file = file_join(r->folder, name), *part = mem_printf("%s.part", file);
        off_t here = bytes_here(part);
        if (is_sheet_name(name) && !file_exists(file) && here >= 0 &&
            here < LIMIT_COPIED_SHEET_BYTES)
            ask_piece(ui, r, name, here);
        free(part);
        free(file);
    }
}

static bool
make_copy_folder(const struct ui *ui, const char *id)
{
    char *folder = copy_folder(ui, id), *cache = xdg_path(XDG_CACHE, "");
    char *made = xdg_make(XDG_CACHE, folder + strlen(cache) + 1, NULL);
    bool ok = made != NULL;
    free(made);
    free(cache);
    free(folder);
    return ok;
}

// Adds a piece behind what is here; false: it does not fit there.
static bool
add_piece(const char *file, off_t from, const struct client_event *e, off_t most)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct stat s = {0};
    size_t size = MIN(e->png_size, (size_t)MAX(most - from, 0));
    bool fits = fd >= 0 && fstat(fd, &s) == 0 && S_ISREG(s.st_mode) && s.st_size == from;
    bool ok = fits && pwrite(fd, e->png, size, from) == (ssize_t)size;
    if (fd >= 0)
        close(fd);
    return ok;
}

// A sheet that is whole: a PNG, or it is not kept.
static void
keep_sheet(const char *part, const char *file)
{
    size_t size = 0;
    char *data = file_read(part, LIMIT_COPIED_SHEET_BYTES, &size, NULL);
    if (data && protocol_is_png(data, size))
        rename(part, file);
    else
        unlink(part);
    free(data);
}

static void
take_piece(struct ui *ui, const struct client_event *e)
{
    struct run *r = run_of(ui, e->id);
    const char *name = jv_string(jv_get(e->data, "name"), "");
    off_t from = (off_t)jv_integer(jv_get(e->data, "from"), 0);
    off_t size = (off_t)jv_integer(jv_get(e->data, "size"), 0);
    bool log = strcmp(name, "log.jsonl") == 0;
    // Only what was asked for, of a copy, and where it goes on.
    if (!r || !r->copied || !r->asked || strcmp(r->asked, name) != 0 || r->from != from)
        return;
    free(r->asked);
    r->asked = NULL;
    char *file = file_join(r->folder, name), *part = mem_printf("%s%s", file, log ? "" : ".part");
    off_t most = log ? LIMIT_COPIED_LOG_BYTES : LIMIT_COPIED_SHEET_BYTES;
    bool added = e->png_size && make_copy_folder(ui, e->id) &&
                 add_piece(part, from, e, most);
    off_t here = from + (off_t)(added ? e->png_size : 0);
    if (size < from && truncate(part, 0) < 0) {
        // A log that was begun anew; the next question starts from what is there.
    }
    if (!log && here >= size && size > 0)
        keep_sheet(part, file);
    free(part);
    free(file);
    if (!r->log.folder)
        trainlog_open(&r->log, r->folder, NULL);
    if (log && added && here < size)
        ask_log(ui, r);
    else if (log || added)
        ask_sheet(ui, r, jv_get(e->data, "sheets"));
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name); // ids begin with the date
}

static int
is_copied_run(const struct dirent *e)
{
    return job_is_id(e->d_name);
}

static void
remove_folder(const char *folder)
{
    DIR *d = opendir(folder);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        char *file = file_join(folder, e->d_name);
        if (strcmp(e->d_name, "log.jsonl") == 0 || strncmp(e->d_name, "sheet", 5) == 0)
            unlink(file);
        free(file);
    }
    if (d)
        closedir(d);
    rmdir(folder);
}

// Copies of the oldest trainings go: they are there still.
static void
tidy_copies(const struct ui *ui)
{
    struct dirent **entries = NULL;
    char *all = copies_folder(ui);
    int n = scandir(all, &entries, is_copied_run, by_name);
    for (int i = 0; i < n; i++) {
        char *folder = file_join(all, entries[i]->d_name);
        if (i < n - LIMIT_COPIED_RUNS)
            remove_folder(folder);
        free(folder);
        free(entries[i]);
    }
    free(entries);
    free(all);
}

static void
on_event(struct ui *ui, const struct client_event *e)
{
    struct training *t = training_of(ui);
    bool ours = *t->begun && strcmp(e->id, t->begun) == 0;
    const struct jv *names = e->type == CLIENT_HELLO ? jv_get(e->data, "commands") : NULL;
    for (size_t i = 0; i < jv_size(names); i++)
        t->able = t->able || strcmp(jv_string(jv_at(names, i), ""), "train") == 0;
    if (e->type == CLIENT_COMMANDS)
        take_jobs(ui, jv_get(e->data, "jobs"));
    if (e->type == CLIENT_CHANGED || e->type == CLIENT_RUNNING || e->type == CLIENT_ENDED ||
        (e->type == CLIENT_HELLO && t->loaded))
        ask(ui);
    if (e->type == CLIENT_RUNNING && ours)
        ui_say(ui, ROLE_GOOD, "the training is running in the background, also without limn: x stops it");
    if (e->type == CLIENT_ENDED && ours)
        ui_say(ui, ROLE_ERROR, "%s", jv_string(jv_get(e->data, "text"), "it could not begin"));
    if (e->type == CLIENT_LOST)
        for (int i = 0; i < t->count; i++)
            free(t->runs[i].asked), t->runs[i].asked = NULL;
    if (e->type == CLIENT_PIECE)
        take_piece(ui, e);
}

// --- drawing

// One cell of braille: dots of its two columns, four rows each, from the top.
static void
put_dots(int y, int x, unsigned dots, bool unicode)
{
    char cell[5];
    if (unicode) {
        unsigned c = 0x2800 + dots;
        snprintf(cell, sizeof cell, "%c%c%c", (char)(0xE0 | c >> 12), (char)(0x80 | (c >> 6 & 63)),
                 (char)(0x80 | (c & 63)));
    } else {
        unsigned upper = dots & (0x01 | 0x02 | 0x08 | 0x10),
                 lower = dots & (0x04 | 0x40 | 0x20 | 0x80);
        snprintf(cell, sizeof cell, "%s", upper && lower ? "|" : upper ? "'" : ".");
    }
    draw_text(y, x, 1, ROLE_CURVE, cell);
}

static void
draw_curve(const struct ui *ui, const struct trainlog *log, const struct area *a)
{
    static const unsigned char bits[2][4] = {{0x01, 0x02, 0x04, 0x40}, {0x08, 0x10, 0x20, 0x80}};
    double means[CURVE_COLUMNS_MAX], low = INFINITY, high = -INFINITY;
    int label = 8, columns = MIN(a->columns - label, CURVE_COLUMNS_MAX / 2), rows = a->rows - 1;
    if (columns < 4 || rows < 2)
        return;
    int count = trainlog_curve(log, columns * 2, SMOOTH_STEPS, means);
    // The first steps of a training are far above all others: the scale is that of the rest.
    for (int i = count > 20 ? count / 20 : 0; i < count; i++) {
        low = MIN(low, means[i]);
        high = MAX(high, means[i]);
    }
    if (!(high > low))
        high = low + 1e-6;
    unsigned char *dots = mem_zalloc((size_t)(rows * columns));
    int before = -1;
    for (int i = 0; i < count; i++) {
        int at = (int)lround((high - MIN(means[i], high)) / (high - low) * (rows * 4 - 1));
        // From the one before to this: a line without gaps.
        int from = before < 0 ? at : MIN(at, before + (before < at)),
            to = before < 0 ? at : MAX(at, before - (before > at));
        for (int k = MAX(from, 0); k <= to && k < rows * 4; k++)
            dots[k / 4 * columns + i / 2] |= bits[i % 2][k % 4];
        before = at;
    }
    for (int y = 0; y < rows; y++)
        for (int x = 0; x < columns; x++)
            if (dots[y * columns + x])
                put_dots(a->y + y, a->x + label + x, dots[y * columns + x], ui->unicode);
    free(dots);
    draw_format(a->y, a->x, label, ROLE_DIM, "%.4f", high);
    draw_format(a->y + rows - 1, a->x, label, ROLE_DIM, "%.4f", low);
    draw_format(a->y + rows, a->x + label, columns, ROLE_DIM, "step 1");
    char last[40];
    snprintf(last, sizeof last, "%" PRId64, log->step);
    draw_text(a->y + rows, a->x + label + columns - (int)strlen(last), (int)strlen(last), ROLE_DIM,
              last);
}

static void
draw_tasks(const struct trainlog *log, const struct area *a)
{
    draw_text(a->y, a->x, a->columns, ROLE_DIM, "loss by task, of late");
    double most = 1e-9;
    for (int i = 0; i < log->task_count; i++)
        most = MAX(most, log->tasks[i].loss);
    for (int i = 0; i < log->task_count && i + 1 < a->rows; i++) {
        const struct trainlog_task *t = &log->tasks[i];
        draw_text(a->y + 1 + i, a->x, 16, ROLE_TEXT, t->name);
        draw_format(a->y + 1 + i, a->x + 17, 8, ROLE_TEXT, "%.4f", t->loss);
        struct area bar = {a->y + 1 + i, a->x + 25, 1,
                           (int)lround((a->columns - 26) * t->loss / most)};
        if (a->columns > 32)
            draw_fill(&bar, ROLE_GAUGE);
    }
}

static void
draw_sheet(struct ui *ui, const struct trainlog *log, const struct area *a)
{
    struct training *t = training_of(ui);
    char **sheets = trainlog_sheets(log);
    int count = 0;
    while (sheets[count])
        count++;
    t->back = MAX(0, MIN(t->back, count - 1));
    if (!count) {
        draw_text(a->y, a->x, a->columns, ROLE_DIM, "no sheets of samples in its folder yet");
    } else {
        const char *name = sheets[count - 1 - t->back], *slash = strrchr(name, '/');
        draw_format(a->y, a->x, a->columns, ROLE_DIM, "%s   %d of %d   [ ] others",
                    slash ? slash + 1 : name, count - t->back, count);
        struct area picture = {a->y + 1, a->x, a->rows - 1, a->columns};
        draw_file(ui, SLOT_SHEET, &picture, name);
    }
    places_free(sheets);
}

static void
draw_row(const struct run *r, const struct area *line, bool here)
{
    static const char *const shown[][2] = {{"running", "runs"}, {"lost", "cut off"}};
    const char *state = r->job ? state_of(r) : is_running(r) ? "runs" : "rests";
    const char *place = r->copied ? jv_string(jv_get(jv_get(r->job, "about"), "output"), "?")
                                  : r->folder;
    const char *text = jv_string(jv_get(r->job, "text"), "");
    char steps[40] = "";
    int64_t whole = jv_integer(jv_get(jv_get(r->job, "about"), "steps"), 0);
    for (size_t i = 0; i < COUNT_OF(shown); i++)
        if (strcmp(state, shown[i][0]) == 0)
            state = shown[i][1];
    if (whole)
        snprintf(steps, sizeof steps, "/%" PRId64, whole);
    if (here)
        draw_fill(line, ROLE_SELECTION);
    enum role role = here ? ROLE_SELECTION : strcmp(state, "failed") == 0 ? ROLE_ERROR : ROLE_TEXT;
    if (*text && strcmp(state, "failed") == 0)
        draw_format(line->y, line->x + 1, line->columns - 2, role, "%-8s %s: %s", state, place,
                    text);
    else
        draw_format(line->y, line->x + 1, line->columns - 2, role,
                    "%-8s step %" PRId64 "%s  rate %.3g  %.2f s a step   %s", state, r->log.step,
                    steps, r->log.rate, r->log.seconds, place);
}

static void
draw_training(struct ui *ui, const struct area *a)
{
    struct training *t = training_of(ui);
    const struct run *run = chosen(ui);
    draw_heading(a, true, "trainings");
    if (ui_now() > t->asked + ASK_SECONDS)
        ask(ui);
    if (!run) {
        draw_text(a->y + 2, a->x + 1, a->columns - 2, ROLE_DIM,
                  "n begins a training, a adds the output folder of one (limn train RECIPE.yaml)");
        return;
    }
    struct trainlog *log = &t->runs[t->selected].log;
    int rows = MIN(t->count, 4),
        top = draw_scroll(t->count, t->selected, rows, t->selected - rows + 1);
    ask_log(ui, &t->runs[t->selected]);
    if (log->folder)
        trainlog_read(log);
    for (int row = 0; row < rows; row++) {
        struct area line = {a->y + 1 + row, a->x, 1, a->columns};
        draw_row(&t->runs[top + row], &line, top + row == t->selected);
    }
    if (is_running(run) || log->more)
        ui->wake = ui_now() + (log->more ? 0.01 : 1);
    if (!log->folder) {
        draw_text(a->y + rows + 2, a->x + 1, a->columns - 2, ROLE_DIM, "it has no log yet");
        return;
    }
    int y = a->y + rows + 2, left = a->rows - rows - 2;
    bool wide = a->columns >= 100;
    struct area curve = {y, a->x + 1, wide ? left * 3 / 5 : left * 2 / 5,
                         wide ? a->columns / 2 - 2 : a->columns - 2};
    draw_curve(ui, log, &curve);
    struct area tasks = {curve.y + curve.rows + 1, a->x + 1,
                         a->y + a->rows - curve.y - curve.rows - 1, curve.columns};
    struct area sheet = {y, a->x + a->columns / 2, left, a->columns / 2 - 1};
    if (!wide) {
        tasks.columns = a->columns / 2 - 2;
        sheet.y = tasks.y;
        sheet.rows = tasks.rows;
    }
    if (tasks.rows > 1)
        draw_tasks(log, &tasks);
    if (sheet.rows > 2)
        draw_sheet(ui, log, &sheet);
}

// --- beginning one

static void
begin(struct ui *ui, int argc, char **argv)
{
    struct training *t = training_of(ui);
    struct err err = {0};
    struct errand e;
    struct job id = JOB_EMPTY;
    job_name(&id);
    errand_begin(&e, ui->host);
    if (!client_ready(ui->client))
        err_set(&err, ERR_DEVICE, "the worker is not ready yet");
    else if (!t->able)
        err_set(&err, ERR_UNSUPPORTED,
                "the worker is an earlier limn's, which trains nothing: install the same version");
    struct command_line line = {0};
    bool ok = err.code == ERR_NONE &&
              command_line_read(&line, &command_program, true, argc, argv, &err);
    line.detach = true;
    if (ok && errand_from(&e, &line, &err)) {
        snprintf(t->begun, sizeof t->begun, "%s", id.id);
        errand_start(&e, ui->client, id.id, true);
        ui_say(ui, ROLE_STATUS, "the training begins \u2026");
    } else {
        ui_say(ui, ROLE_ERROR, "%s", err.text);
    }
    command_line_finish(&line);
    errand_finish(&e);
}

// Words as a shell splits them at spaces; quotes keep them together.
static int
split(char *line, char **words, int room)
{
    int count = 0;
    for (char *in = line; *in && count < room;) {
        in += strspn(in, " ");
        if (!*in)
            break;
        char *out = in, quote = 0;
        words[count++] = out;
        for (; *in && (quote || *in != ' '); in++)
            if (quote ? *in == quote : *in == '"' || *in == '\'')
                quote = quote ? 0 : *in;
            else
                *out++ = *in;
        in += *in != 0;
        *out = 0;
    }
    return count;
}

enum { WORDS_MAX = 64 };

bool
training_command(struct ui *ui, const char *line)
{
    char *copy = mem_strdup(line), *words[WORDS_MAX] = {(char *)(uintptr_t)"train"};
    int count = 1 + split(copy, words + 1, WORDS_MAX - 1);
    ui_open_view(ui, VIEW_TRAINING);
    begin(ui, count, words);
    free(copy);
    return true;
}

static void
form_done(struct ui *ui, struct form *f, bool taken)
{
    static const char *const settings[] = {"pack", "output", "model"};
    char *sets[COUNT_OF(settings)] = {0}, *copy = mem_strdup(form_value(f, "options"));
    char *words[WORDS_MAX] = {(char *)(uintptr_t)"train"};
    int count = 1;
    words[count++] = (char *)(uintptr_t)form_value(f, "recipe");
    for (size_t i = 0; i < COUNT_OF(settings); i++)
        if (*form_value(f, settings[i])) {
            sets[i] = mem_printf("%s=%s", settings[i], form_value(f, settings[i]));
            words[count++] = (char *)(uintptr_t)"--set";
            words[count++] = sets[i];
        }
    if (strcmp(form_value(f, "device"), "auto") != 0) {
        words[count++] = (char *)(uintptr_t)"--device";
        words[count++] = (char *)(uintptr_t)form_value(f, "device");
    }
    if (strcmp(form_value(f, "resume"), "1") == 0)
        words[count++] = (char *)(uintptr_t)"--resume";
    if (strcmp(form_value(f, "force"), "1") == 0)
        words[count++] = (char *)(uintptr_t)"--force";
    count += split(copy, words + count, WORDS_MAX - count);
    if (taken)
        begin(ui, count, words);
    for (size_t i = 0; i < COUNT_OF(settings); i++)
        free(sets[i]);
    free(copy);
}

static void
open_form(struct ui *ui)
{
    struct form *f = form_new("begin a training");
    if (!ui->machine)
        client_describe(ui->client);
    char **places = places_of("recipes"), *recipe = NULL;
    for (int i = 0; places[i] && !recipe; i++) {
        recipe = file_join(places[i], "limn-icons.yaml");
        if (!file_exists(recipe)) {
            free(recipe);
            recipe = NULL;
        }
    }
    const char *there = ui->host ? "on that machine; empty: the recipe's" : "empty: the recipe's";
    char *help = mem_printf("folder it writes to, %s", there);
    form_add(f, FIELD_TEXT, "recipe", "recipe", recipe, "a YAML file of this machine (docs/training.md)");
    form_add(f, FIELD_TEXT, "pack", "pack", "", there);
    form_add(f, FIELD_TEXT, "output", "output", "", help);
    form_add(f, FIELD_TEXT, "model", "model", "", there);
    const char *names[66] = {"auto"};
    const struct jv *devices = jv_get(ui->machine, "devices");
    for (size_t i = 0, n = 1; i < jv_size(devices) && n < 64; i++)
        if (!*jv_string(jv_get(jv_at(devices, i), "reason"), ""))
            names[n++] = jv_string(jv_get(jv_at(devices, i), "name"), "?");
    form_choices(form_add(f, FIELD_CHOICE, "device", "device", "auto", "what computes"), names);
    form_add(f, FIELD_BOOL, "resume", "resume", "0",
             "1: continue from the checkpoint in its output");
    form_add(f, FIELD_BOOL, "force", "begin anew", "0",
             "1: also where its output holds a training, which is lost");
    form_add(f, FIELD_TEXT, "options", "more options", "",
             "as limn train has them: --set steps=500 --until 100");
    f->done = form_done;
    free(help);
    free(recipe);
    places_free(places);
    form_open(ui, f);
}

// --- requests

static void
add_done(struct ui *ui, const char *text)
{
    struct err err = {0};
    if (text && *text && !add(ui, text, &err))
        ui_say(ui, ROLE_ERROR, "%s", err.text);
    keep(ui);
}

static const char *
id_of(const struct run *r)
{
    return jv_string(jv_get(r->job, "id"), "");
}

static void
stop_answered(struct ui *ui, char answer)
{
    struct run *r = chosen(ui);
    if (answer != 'y' || !r || !r->job)
        return;
    client_interrupt(ui->client, id_of(r));
    ui_say(ui, ROLE_STATUS, "it saves and stops after its step");
}

static void
remove_run(struct ui *ui, struct run *r)
{
    if (r->job && is_running(r)) {
        ui_ask(ui, "save and stop this training? y", "y", stop_answered);
        return;
    }
    if (r->job)
        client_remove(ui->client, id_of(r));
    if (r->copied)
        remove_folder(r->folder);
    take_off(ui, training_of(ui)->selected);
}

static void
resume(struct ui *ui, struct run *r)
{
    if (!r->job) {
        ui_say(ui, ROLE_ERROR, "it was not begun by limn's worker: n begins one, with `resume`");
    } else if (is_running(r)) {
        ui_say(ui, ROLE_ERROR, "it runs");
    } else {
        snprintf(training_of(ui)->begun, JOB_ID_TEXT, "%s", jv_string(jv_get(r->job, "id"), ""));
        client_again(ui->client, id_of(r));
    }
}

static bool
on_request(struct ui *ui, enum request request)
{
    struct training *t = training_of(ui);
    struct run *r = chosen(ui);
    switch (request) {
    case REQUEST_UP: t->selected--; break;
    case REQUEST_DOWN: t->selected++; break;
    case REQUEST_FIRST: t->selected = 0; break;
    case REQUEST_LAST: t->selected = t->count - 1; break;
    case REQUEST_LEFT:
    case REQUEST_EARLIER: t->back++; break;
    case REQUEST_RIGHT:
    case REQUEST_LATER: t->back--; break;
    case REQUEST_ADD: ui_prompt(ui, "folder of a training: ", "", add_done); break;
    case REQUEST_NEW: open_form(ui); break;
    case REQUEST_REMOVE:
        if (r)
            remove_run(ui, r);
        break;
    case REQUEST_RESUME:
        if (r)
            resume(ui, r);
        break;
    default: return false;
    }
    return true;
}

static const enum request hints[] = {REQUEST_NEW,  REQUEST_ADD,   REQUEST_REMOVE,
                                     REQUEST_RESUME, REQUEST_EARLIER, REQUEST_LATER,
                                     REQUEST_BACK, REQUEST_HELP,  REQUEST_NONE};

const struct view view_training = {
    .name = "training",
    .title = "trainings and their curves",
    .state_size = sizeof(struct training),
    .open = open_training,
    .close = close_training,
    .draw = draw_training,
    .request = on_request,
    .event = on_event,
    .hints = hints,
};
