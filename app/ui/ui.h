// SPDX-License-Identifier: MIT
// The terminal UI. One thread: ui_run() waits for keys, the worker, decoded pictures and the canvas;
// views are tables of functions (view.h), one file each; a key becomes a request (requests.def), and a
// request goes to the popup, the view, then here. Text is drawn whole each time into curses' memory,
// which sends what changed; pictures go through the canvas, after the text.
#ifndef LIMN_APP_UI_UI_H
#define LIMN_APP_UI_UI_H

#include "app/job/job.h"
#include "app/library/library.h"
#include "app/base/process.h"
#include "app/ui/arrivals.h"
#include "app/ui/field.h"
#include "app/ui/history.h"
#include "app/ui/pictures.h"
#include "app/ui/theme.h"
#include "app/window/window_link.h"
#include "app/worker/client.h"
#include "renderer/canvas.h"

enum request {
    REQUEST_NONE = 0,
#define REQUEST(id, name, help) REQUEST_##id,
#include "app/ui/requests.def"
#undef REQUEST
    REQUEST_COUNT
};

enum view_id {
#define VIEW(id, variable, request) VIEW_##id,
#include "app/ui/views.def"
#include "engine/base/limits.h"
#undef VIEW
    VIEW_COUNT
};

enum {
    UI_COLUMNS_MIN = 40,
    UI_ROWS_MIN = 12,
    UI_LOG_MAX = 1000,
    UI_TASKS_MAX = 512,
    UI_FRAMES_MAX = 200,      // of one job, kept for looking back
    UI_TASKS_WITH_FRAMES = 8, // finished ones that keep them
};

struct area {
    int y, x, rows, columns;
};

// A job of this UI: what was asked for and how far it is.
enum task_state {
    TASK_QUEUED = 0,
    TASK_RUNNING,
    TASK_DONE,
    TASK_FAILED,
    TASK_CANCELLED,
    TASK_OFFERED, // not asked for yet: interrupted, or out of a sheet; `error` says which
};
struct task {
    struct job job;
    enum task_state state;
    int step, total;
    double seconds;
    char device[64], error[ERR_TEXT_MAX];
    struct image *frames[UI_FRAMES_MAX]; // as they came; the last is the finished picture
    int frame_steps[UI_FRAMES_MAX];
    int frame_count;
    char *files[LIMIT_JOB_PICTURES]; // finished ones, NULL until then
    struct jv *sweep_kept;      // of a sweep's: "id", "label", "columns", "about" (sweep_json())
    int sweep;                  // its number here; 0: none
    int sweep_columns;          // of its sheet
    char *label;                // its value there
    char owner[PROCESS_NAME_MAX]; // of one that is TASK_OFFERED: whose it was; "": nobody's
    bool offered;               // again, after its worker had died; a second time it fails
    int arriving;               // pictures that are being kept and decoded (arrivals.h)
    int awaited;                // that wait in the worker's spool and were asked for
    bool drawn;                 // the worker is done; the task is when its pictures have arrived
    bool sheet_waits;           // for them
};

struct log_entry {
    enum role role;
    char *text;
};

struct ui;

// A form over the view: lines of a label and a value.
enum field_kind { FIELD_TEXT = 0, FIELD_INT, FIELD_FLOAT, FIELD_CHOICE, FIELD_BOOL };
struct form_field {
    char *id; // what form_value() finds it by
    char *label, *help, *value;
    enum field_kind kind;
    double minimum, maximum; // FIELD_INT, FIELD_FLOAT
    char **choices;          // FIELD_CHOICE, NULL at the end
};
enum { FORM_FIELDS_MAX = 48 };
struct form {
    char *title;
    struct form_field fields[FORM_FIELDS_MAX];
    int count, selected, top;
    bool editing;
    struct field edit;
    // After each change of a value. May be NULL.
    void (*changed)(struct ui *ui, struct form *form, int field);
    // At its end: taken over, or left with Esc. May open the next one. False: what is in it cannot be taken
    // over, which has been said; the form stays, at the field that is chosen.
    bool (*done)(struct ui *ui, struct form *form, bool taken);
    int number; // the caller's
    bool picture_beside; // leaves the right half of the screen to the view
};

struct ui {
    struct theme theme;
    struct canvas *canvas;
    struct term_info term;
    struct client *client;
    struct library *library; // NULL: none to be had
    struct pictures *pictures;
    struct arrivals *arrivals;
    struct window_link *window; // NULL: none
    char *host;

    enum view_id view, view_before;
    void *state[VIEW_COUNT];

    struct field instruction; // the text being assembled; its pictures and parameters:
    struct job compose;
    struct history history; // what was there before
    char fault[ERR_TEXT_MAX]; // what is wrong with it now; ""
    bool session_dirty, sampled; // sampled: the last drawing was the sample
    bool session_unkept; // the last try failed
    double session_kept; // when it was last written

    struct task *tasks[UI_TASKS_MAX];
    int task_count, task_shown;
    int sweeps; // how many were begun

    struct jv *loaders, *machine; // as the worker described them; NULL: not yet
    bool worker_lost;
    double worker_restart; // when
    int worker_failures;

    struct log_entry log[UI_LOG_MAX];
    int log_count;

    enum role message_role;
    double message_said; // when
    char message[ERR_TEXT_MAX];

    struct form *form; // NULL: none
    // A line to be filled in, in place of the message.
    bool prompting;
    char prompt_label[80];
    struct field prompt;
    void (*prompt_done)(struct ui *ui, const char *text); // NULL text: left with Esc
    // A question with one letter for an answer.
    bool asking;
    char question[ERR_TEXT_MAX], answers[16];
    void (*answered)(struct ui *ui, char answer); // 0: none of them

    char partial[8]; // bytes of a character whose rest has not come (input.c)
    int partial_count;
    wint_t pushed; // a key that was read too early; 0: none
    char *paste;   // text that is being pasted; NULL: none
    size_t paste_size;
    double paste_came; // the last of it
    char sequence[64]; // one that curses does not know, while it comes in; "": none
    double sequence_began;
    const char *preview; // what was asked for, as pictures in the terminal

    bool dirty, quit, unicode, mono, drawn_small;
    bool slot_used[CANVAS_SLOTS];
    double started, first_frame; // seconds
    double wake; // a view wants to be drawn again then; 0: not
};

// `host`: NULL for a worker here. Returns an exit code.
int ui_run(const char *host, const char *theme, const char *preview);

// --- what views use
double ui_now(void); // seconds, monotonic
void ui_open_view(struct ui *ui, enum view_id view);
bool ui_request(struct ui *ui, enum request request); // true: done
__attribute__((format(printf, 3, 4))) void ui_say(struct ui *ui, enum role role, const char *format,
                                                  ...);
void ui_log(struct ui *ui, enum role role, const char *text);
void ui_prompt(struct ui *ui, const char *label, const char *text,
               void (*done)(struct ui *ui, const char *text));
void ui_ask(struct ui *ui, const char *question, const char *answers,
            void (*answered)(struct ui *ui, char answer));
bool ui_command(struct ui *ui, const char *line); // as typed behind ":"
// The terminal as it was before limn, while `run` has it.
void ui_give_screen(struct ui *ui, void (*run)(void *ctx), void *ctx);

// --- its parts: each in the file that is named
void ui_turn_window(struct ui *ui);                    // actions.c: the window's own events
bool keys_read(struct ui *ui);                         // dispatch.c: those that have come
bool frame_show(struct ui *ui, struct err *err);       // frame.c: what has changed, text before pictures

// --- drawing (draw.c): clipped to the screen; text made harmless
void draw_text(int y, int x, int columns, enum role role, const char *text);
__attribute__((format(printf, 5, 6))) void draw_format(int y, int x, int columns, enum role role,
                                                       const char *format, ...);
// The end of a path that fits, from a name on where it can; a home is ~.
void draw_short_path(const char *path, int columns, char *out, size_t size);
void draw_fill(const struct area *a, enum role role);
void draw_heading(const struct area *a, bool focus, const char *title); // the area's first line
void draw_rule(int y, int x, int columns);
void draw_upright(int y, int x, int rows);
void draw_box(const struct area *a, const char *title); // a frame; what is within stays
void draw_gauge(int y, int x, int columns, double part);
// Lines of a list around the selection; returns the first one that is seen.
int draw_scroll(int count, int selected, int rows, int top);
// A picture in an area; live: one of many frames. The image stays the caller's.
void draw_picture(struct ui *ui, int slot, const struct area *a, struct image *image, bool live);
void draw_file(struct ui *ui, int slot, const struct area *a,
               const char *file); // through ui->pictures
// Text with its [ref#k] markers, wrapped; the cursor at byte `cursor` when it is not SIZE_MAX.
void draw_instruction(struct ui *ui, const struct area *a, const char *text, size_t cursor);
void draw_wrapped(const struct area *a, enum role role, const char *text);

// Slots of the canvas, by who uses them.
enum {
    SLOT_BROWSER = 0,
    SLOT_BEFORE = 1,
    SLOT_AFTER = 2,
    SLOT_LIVE = 3,
    SLOT_SHEET = 4,
    SLOT_GRID = 16
};

// --- keys (keys.c)
enum request key_request(enum view_id view, wint_t key, bool code, bool typing);
const char *request_name(enum request r);
const char *request_help(enum request r);
enum request request_find(const char *name);
// "F9, ^G": the keys of a request in a view; in a static buffer.
const char *request_keys(enum view_id view, enum request r);

// --- bytes to keys (input.c): OK, KEY_CODE_YES or ERR, as get_wch()
int input_key(struct ui *ui, wint_t *key);
void input_unget(struct ui *ui, wint_t key); // one
void input_paste_begin(struct ui *ui);
void input_paste_key(struct ui *ui, wint_t key);
void input_paste_end(struct ui *ui);
bool input_paste_is_late(const struct ui *ui); // its end does not come

// --- forms (form.c)
struct form *form_new(const char *title);
struct form_field *form_add(struct form *f, enum field_kind kind, const char *id, const char *label,
                            const char *value, const char *help);
void form_choices(struct form_field *field, const char *const *choices); // NULL at the end; copied
const char *form_value(const struct form *f, const char *id); // "" when there is none
void form_open(struct ui *ui, struct form *f); // takes over
void form_close(struct ui *ui, bool taken);
// Chooses the field with this id, where something is wrong; false when there is none.
bool form_select(struct form *f, const char *id);
void form_free(struct form *f);
void form_draw(struct ui *ui);
bool form_key(struct ui *ui, wint_t key, bool code, enum request request);
void form_paste(struct ui *ui, const char *text); // into the value that is chosen, where it is a text

// --- tasks (tasks.c)
struct task *task_find(struct ui *ui, const char *job);
// NULL: there is no room, and it is said.
struct task *task_add(struct ui *ui, const struct job *job, const struct jv *sweep);
// `sweep`: what one of a sweep keeps (struct task); NULL: it is none.
bool task_start(struct ui *ui, const struct job *job, const struct jv *sweep);
// One that can be started with task_run(), or dropped; `why` is said of it. NULL: there is no room.
struct task *task_offer(struct ui *ui, const struct job *job, const struct jv *sweep,
                        const char *why);
bool task_run(struct ui *ui, struct task *t);
// What a job needs from this machine: pictures of the index that it names, and its own files.
bool task_read(struct ui *ui, struct job *j, struct err *err);
void task_drop(struct ui *ui, struct task *t);
int tasks_run_offered(struct ui *ui); // all of them; how many
int tasks_offered(const struct ui *ui);
void task_cancel(struct ui *ui, struct task *t);
void task_event(struct ui *ui, struct client_event *e); // takes the bytes of a result
void task_arrived(struct ui *ui, struct arrival *a);
void tasks_left(struct ui *ui, const struct jv *hello); // tasks_left.c: by earlier limns
void task_offer_again(struct ui *ui); // what a dead worker left
void task_free(struct task *t);
int tasks_unfinished(const struct ui *ui);

// --- the instruction being assembled (session.c)
void session_check(struct ui *ui);                // ui->fault from text and references
// A copy of what is there as it is written, line breaks too; and such a copy in its place.
void session_shown(struct ui *ui, struct job *out);
void session_show(struct ui *ui, const struct job *j);
void session_set(struct ui *ui, const struct job *j); // replaces it; what was there goes to the history
bool session_step(struct ui *ui, int by); // to the one before (-1) or after (1); false: there is none
void session_job(struct ui *ui, struct job *out); // a copy, ready for job_read()
// Writes it to the library when it changed; false: it could not, and is tried again.
bool session_keep(struct ui *ui, bool now, struct err *err);
void session_restore(struct ui *ui);
bool session_open_picture(struct ui *ui, const char *file);
// The cells of a sweep's sheet as tasks, offered or, with another seed, begun. False without a
// message: it is no sheet.
bool session_open_sheet(struct ui *ui, const char *file, bool draw);
// When it turns out to be a picture: session_arrived().
void session_add_picture(struct ui *ui, const char *file);
bool session_arrived(struct ui *ui, const struct arrival *a); // true: it is the last reference
bool session_save_template(struct ui *ui, const char *name, struct err *err);
void session_parameters(struct ui *ui); // opens their form
bool session_draw(struct ui *ui);       // starts a job of it

#endif
