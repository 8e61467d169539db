// SPDX-License-Identifier: MIT
// The view of training runs, in five files: the list (view_training.c), losses and sheets
// (training_draw.c, training_curve.c), the form that starts one (training_form.c), and copies of
// another machine's logs (training_copies.c).
#ifndef LIMN_APP_UI_TRAINING_H
#define LIMN_APP_UI_TRAINING_H

#include "app/job/job.h"
#include "app/ui/trainlog.h"
#include "app/ui/view.h"

enum { TRAININGS_MAX = 32 };

struct run {
    char *folder;        // where its log and sheets are, here
    struct trainlog log; // folder NULL: no log yet
    struct jv *job;      // as the worker lists it; NULL: not the worker's
    bool copied;         // folder is a copy of another machine's
    char *requested;     // the file of which a piece was requested; NULL: none
    off_t from;          // the first byte of that piece
};

struct training {
    struct run runs[TRAININGS_MAX];
    int count, selected;
    bool loaded;
    int back;                     // how many sheets before the newest is shown
    double requested_at;          // when the worker was last asked, by ui_now()
    char started_id[JOB_ID_TEXT]; // the last run started here
    bool able;                    // the worker can run training
    bool blocks;                  // curves of block characters, for fonts without braille
};

// view_training.c
struct training *training_of(const struct ui *ui);
struct run *training_chosen(const struct ui *ui);              // the selected one; NULL: none
struct run *training_run(const struct ui *ui, const char *id); // by job; NULL: not listed
void training_request_jobs(struct ui *ui);                     // asks the worker for its runs
const char *training_state(const struct run *r);               // the worker's word; "": not its own
bool training_is_running(const struct run *r);
void training_load(struct ui *ui); // lists the stored runs; only the first call acts
// The result of a training run, a path on the worker's machine: a model's folder, or a LoRA's file.
// NULL: nothing yet. Freed with free().
char *training_result(const struct ui *ui, const struct run *r, bool *is_lora);
// Fills `out` with the models made by training runs, each freed with free(); returns how many, at
// most `room`.
int training_models(struct ui *ui, char **out, int room);
// Makes the next drawing use the run's result; called again for the same one, goes back to limn's
// own choice of model.
void training_use(struct ui *ui, const struct run *r);

// training_draw.c
void training_draw(struct ui *ui, const struct area *a);

// training_curve.c
void training_draw_curve(const struct ui *ui, const struct trainlog *log, const struct area *a);
void training_restore_curve(struct ui *ui); // restores the style last set
void training_toggle_curve(struct ui *ui);  // between blocks and braille, also for later sessions

// training_form.c
void training_form(struct ui *ui);

// training_copies.c
char *training_copy_folder(const struct ui *ui, const char *id); // freed with free()
// Whether the run's folder is the one for copies of its job, the only one in which files may be
// written or removed.
bool training_is_copy(const struct ui *ui, const struct run *r);
void training_request_log(struct ui *ui, struct run *r);
void training_on_piece(struct ui *ui, const struct client_event *e);
void training_remove_copy(const char *folder);
// Removes the copies of all but the newest LIMIT_COPIED_RUNS runs; the other machine still has the
// originals.
void training_sweep_copies(const struct ui *ui);

#endif
