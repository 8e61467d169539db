// SPDX-License-Identifier: MIT
// The UI's jobs: the queue, the worker's events and the resulting files (tasks.c), what earlier
// sessions left (tasks_left.c), the sheets of sweeps (sheets.c).
#ifndef LIMN_APP_UI_TASKS_H
#define LIMN_APP_UI_TASKS_H

#include "app/base/process.h"
#include "app/job/job.h"
#include "renderer/image/image.h"

struct ui;
struct arrival;
struct client_event;

enum {
    UI_TASKS_MAX = 512,
    UI_FRAMES_MAX = 200,      // of one job, kept for looking back
    UI_TASKS_WITH_FRAMES = 8, // finished ones that keep them
};

// A job and its progress.
enum task_state {
    TASK_QUEUED = 0,
    TASK_RUNNING,
    TASK_DONE,
    TASK_FAILED,
    TASK_CANCELLED,
    TASK_OFFERED, // not asked for yet: interrupted, or out of a sheet; `error` says which
};
// A job that was taken back from the worker, to be given again in another order or later.
enum withdrawal { WITHDRAWN_NOT = 0, WITHDRAWN_TO_MOVE };
struct task {
    struct job job;
    enum withdrawal withdrawn;
    enum task_state state;
    int step, total;
    double seconds;
    char device[64], error[ERR_TEXT_MAX];
    struct image *frames[UI_FRAMES_MAX]; // as they came; the last is the finished picture
    int frame_steps[UI_FRAMES_MAX];
    int frame_count;
    char *files[LIMIT_JOB_PICTURES]; // finished ones, NULL until then
    bool unwanted[LIMIT_JOB_PICTURES]; // of several: not kept when they come
    struct jv *sweep_kept;      // of a sweep's: "id", "label", "columns", "about" (sweep_json())
    int sweep;                  // its number here; 0: none
    int sweep_columns;          // of its sheet
    char *label;                // its value there
    char owner[PROCESS_NAME_MAX]; // of one that is TASK_OFFERED: whose it was; "": nobody's
    bool offered;               // again, after its worker had died; a second time it fails
    bool recording;             // in the library; then the worker gets it
    int arriving;               // pictures that are being kept and decoded (arrivals.h)
    int awaited;                // that wait in the worker's spool and were asked for
    bool drawn;                 // the worker is done; the task is when its pictures have arrived
    bool sheet_waits;           // for them
};

struct tasks {
    struct task *items[UI_TASKS_MAX]; // the oldest first
    int count, shown;                 // shown: in the view of pictures as they come
    int sweeps;                       // how many were begun
    bool paused;                      // nothing is given to the worker
    bool reading_left; // what earlier limns left: nothing is taken from the worker before it is
                       // known, for it may be about that
    bool silent;                      // no bell at the end
    double pace;                      // seconds a picture took last, earlier limns too; 0: none
    double busy_since;                // of ui_now(); 0: nothing is under way
};
void tasks_free(struct tasks *tasks); // from mem_zalloc(); NULL is fine
struct tasks *tasks_of(const struct ui *ui);

struct task *task_shown(const struct ui *ui); // NULL: there is none
struct task *task_find(struct ui *ui, const char *job);
// NULL: no room, which is reported.
struct task *task_add(struct ui *ui, const struct job *job, const struct jv *sweep);
// `sweep`: what a job of a sweep keeps (struct task); NULL: not of a sweep.
bool task_start(struct ui *ui, const struct job *job, const struct jv *sweep);
// A job that can be started with task_run(), or dropped, shown with `why`. NULL: no room.
struct task *task_offer(struct ui *ui, const struct job *job, const struct jv *sweep,
                        const char *why);
// Reads what it needs, then submits it. False: it is not an offered one.
bool task_run(struct ui *ui, struct task *t);
void task_recorded(struct ui *ui, const char *job); // it is in the library, or cannot be
void task_drop(struct ui *ui, struct task *t);
int tasks_run_offered(struct ui *ui); // all of them; how many
int tasks_offered(const struct ui *ui);
void task_cancel(struct ui *ui, struct task *t);
// One picture of several will not be kept when it comes; as they are drawn together, that saves
// only its place. False: it would be the last one; stop the job instead.
bool task_drop_picture(struct ui *ui, struct task *t, int index);
void task_event(struct ui *ui, struct client_event *e); // takes the bytes of a result
void task_arrived(struct ui *ui, struct arrival *a);
void sheet_write(struct ui *ui, int sweep); // if the last picture of that sweep has come
// tasks_left.c: by earlier limns, in the background
void tasks_left(struct ui *ui, const struct jv *hello);
void task_offer_again(struct ui *ui); // what a dead worker left
void tasks_forget_finished(struct tasks *tasks);
int tasks_unfinished(const struct ui *ui);

// --- the order of the queue (tasks_queue.c)
void tasks_pause(struct ui *ui); // or continues; what is being drawn is finished
// Moves it before the previous waiting job (-1) or after the next (1). False: there is none, or it
// is not waiting.
bool task_move(struct ui *ui, struct task *t, int by);
int tasks_stop_all(struct ui *ui); // and forgets what is to do; how many
void tasks_turn_bell(struct ui *ui); // on or off, also for later limns
void tasks_restore(struct ui *ui);   // whether it rings, and the pace
void tasks_keep_pace(struct ui *ui, const struct task *t); // of one that was drawn
double tasks_seconds_each(const struct ui *ui); // what the last one took; < 0: not known
double tasks_seconds_left(const struct ui *ui); // to the end of all; < 0: not known

#endif
