// SPDX-License-Identifier: MIT
// The UI's jobs: the queue, the worker's events and the resulting files (tasks.c), jobs left by
// earlier sessions (tasks_recover.c), the sheets of sweeps (sheets.c). The UI's thread.
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
    TASK_OFFERED, // not started yet: interrupted, or from a sheet; `error` says which
};
// Whether a job was taken back from the worker, to be submitted again in another order or later.
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
    struct image *first, *first_of; // of several pictures in a frame, cut out; NULL: not yet
    char *files[LIMIT_JOB_PICTURES]; // finished pictures, NULL until then
    bool unwanted[LIMIT_JOB_PICTURES]; // of several: discarded when they come
    struct jv *sweep_record;      // of a sweep's: "id", "label", "columns", "about" (sweep_json())
    int sweep;                  // the sweep's number in this session; 0: none
    int sweep_columns;          // of its sheet
    char *label;                // its value in the sweep
    char owner[PROCESS_NAME_MAX]; // while TASK_OFFERED: its former owner; "": none
    bool crashed;                 // its worker crashed once; a second time it fails
    bool recording;               // being entered into the library; the worker gets it afterwards
    int arriving;                 // pictures that are being kept and decoded (arrivals.h)
    int fetching;                 // pictures being fetched from the worker's spool
    bool drawn;                   // the worker is done; the task is done once its pictures arrive
    bool sheet_pending;           // the sweep's sheet waits for those pictures
};

struct tasks {
    struct task *items[UI_TASKS_MAX]; // the oldest first
    int count, shown;                 // shown: index of the task in the live view
    int sweeps;                       // how many were started
    bool paused;                      // nothing is submitted to the worker
    bool recovering;   // jobs of earlier sessions are being read; the worker's events, which may
                       // concern them, wait until then
    bool silent;                      // no bell at the end of the queue
    double pace;                      // seconds the last picture took, in any session; 0: unknown
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
// Adds a job that can be started with task_run() or dropped, shown with the reason `why`. NULL: no
// room.
struct task *task_offer(struct ui *ui, const struct job *job, const struct jv *sweep,
                        const char *why);
// Reads its pictures, then submits it. False: it is not an offered one.
bool task_run(struct ui *ui, struct task *t);
void task_recorded(struct ui *ui, const char *job); // it is in the library, or could not be entered
void task_drop(struct ui *ui, struct task *t);
int tasks_run_offered(struct ui *ui); // all of them; returns how many
int tasks_offered(const struct ui *ui);
void task_cancel(struct ui *ui, struct task *t);
// Discards one of a job's pictures when it comes; since they are drawn together, this does not
// shorten the job. False: it is the last one wanted; stop the job instead.
bool task_drop_picture(struct ui *ui, struct task *t, int index);
void task_event(struct ui *ui, struct client_event *e); // takes the bytes of a result
void task_arrived(struct ui *ui, struct arrival *a);
void sheet_write(struct ui *ui, int sweep); // if all pictures of that sweep have come
// tasks_recover.c: reads the jobs of earlier sessions in the background, and takes them over
void tasks_recover(struct ui *ui, const struct jv *hello);
void tasks_offer_lost(struct ui *ui); // the jobs of a worker that has died
void tasks_remove_finished(struct tasks *tasks);
int tasks_unfinished(const struct ui *ui);

// --- the order of the queue (tasks_queue.c)
void tasks_pause(struct ui *ui); // or resumes; the picture being drawn is finished
// Moves a waiting job before the previous one (-1) or after the next (1). False: there is none, or
// the job is not waiting.
bool task_move(struct ui *ui, struct task *t, int by);
int tasks_stop_all(struct ui *ui); // and drops all offered ones; returns how many
void tasks_toggle_bell(struct ui *ui); // on or off, also for later sessions
void tasks_restore(struct ui *ui);     // restores the bell's setting and the pace
void tasks_save_pace(struct ui *ui, const struct task *t); // from a finished one
double tasks_seconds_each(const struct ui *ui); // the last picture's time; < 0: unknown
double tasks_seconds_left(const struct ui *ui); // to the end of the queue; < 0: unknown

#endif
