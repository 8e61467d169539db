// SPDX-License-Identifier: MIT
// The instruction being assembled: text, pictures and parameters, kept in the library between
// sessions.
#ifndef LIMN_APP_UI_SESSION_H
#define LIMN_APP_UI_SESSION_H

#include "app/job/job.h"
#include "app/ui/field.h"
#include "app/ui/history.h"
#include "engine/base/err.h"

struct ui;
struct arrival;
struct reading;
struct parameter;

struct session {
    struct field text; // of the instruction; its pictures and parameters are in `job`
    struct job job;
    struct history history; // earlier instructions
    char fault[ERR_TEXT_MAX]; // the text's current error; "": none
    bool dirty;
    bool saving;           // a write to the library is under way
    bool save_failed;      // the last write failed
    struct err save_error; // of the last write
    double saved_at;       // when it was last written
};
struct session *session_new(void);
void session_free(struct session *s); // NULL is fine
struct session *session_of(const struct ui *ui);

void session_check(struct ui *ui);                // sets `fault` from text and references
// A copy of the instruction as written, line breaks included.
void session_snapshot(struct ui *ui, struct job *out);
void session_show(struct ui *ui, const struct job *j); // replaces it by such a copy
// Replaces the instruction; the old one goes to the history.
void session_set(struct ui *ui, const struct job *j);
// Steps to the one before (-1) or after (1); false: there is none.
bool session_step(struct ui *ui, int by);
void session_job(struct ui *ui, struct job *out); // a copy for job_read()
// Queues a write to the library if it changed or the last write failed: unless `now`, at most once
// a second, and not for ten seconds after a failure.
void session_save(struct ui *ui, bool now);
void session_save_on_arrivals(struct ui *ui);             // at exit, on the other queue
void session_saved(struct ui *ui, const struct err *err); // the write is done, or failed with `err`
// At exit: whether it is saved, else ERR_IO or the write's error. all: no more writes are queued.
bool session_check_saved(struct ui *ui, bool all, struct err *err);
void session_restore(struct ui *ui);
// Opens the instruction inside a picture that limn made or, with `draw`, draws it with another
// seed. The cells of a sweep's sheet become tasks, offered or (with `draw`) started
// (session_open.c).
void session_open(struct ui *ui, const char *file, bool draw);
// Adds a reference, once the file is known to be a picture: then session_arrived() is called.
void session_add_picture(struct ui *ui, const char *file);
bool session_arrived(struct ui *ui, const struct arrival *a); // true: it is the last reference
bool session_save_template(struct ui *ui, const char *name, struct err *err);
// Lets an instruction without references retrieve pictures from the model's index, unless a
// parameter says otherwise.
void session_enable_retrieval(const struct ui *ui, struct job *j);
// The next drawing's model: the chosen one, else the one that the worker uses, which before it has
// described itself is taken to be the one that would be used here.
const char *session_model_name(const struct ui *ui);
// The worker's description of it. NULL: not received yet, or an unknown model.
const struct jv *session_model(const struct ui *ui);
void session_parameters(struct ui *ui); // opens their form
// The memory that drawing with a model takes, as the worker described it: "8.60 GB at 512, …"; "":
// unknown. Freed with free().
char *session_memory(const struct jv *model);
// Whether the worker has the model or device that is named; ERR_INPUT if not. Other parameters,
// names of files, and any name before the worker has described itself, are left to the drawing.
bool session_offers(struct ui *ui, const struct parameter *p, const char *name, struct err *err);
void session_described(struct ui *ui); // the worker has described its models: updates the open form
// Whether a name typed into a form is that of a file; true for an empty one.
bool session_is_file(const char *typed, struct err *err);
// Replaces a reference's file, and drops what was read or made from the old one. Returns false, and
// changes nothing, if `typed` is empty or the same file.
bool session_set_file(struct job_reference *r, const char *typed);
void session_draw(struct ui *ui); // reads its pictures, starts a job and shows it
void session_begin(struct ui *ui, struct reading *r); // starts a job that was read, and shows it

#endif
