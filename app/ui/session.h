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

struct session {
    struct field text; // of the instruction; its pictures and parameters:
    struct job job;
    struct history history; // what was there before
    char fault[ERR_TEXT_MAX]; // what is wrong with it now; ""
    bool dirty;
    bool keeping;             // it is being written to the library
    bool unkept;              // the last try to keep it failed
    struct err why;           // that failed
    double kept;              // when it was last written
};
struct session *session_new(void);
void session_free(struct session *s); // NULL is fine
struct session *session_of(const struct ui *ui);

void session_check(struct ui *ui);                // its fault from text and references
// A copy of the instruction as written, line breaks included.
void session_shown(struct ui *ui, struct job *out);
void session_show(struct ui *ui, const struct job *j); // puts such a copy in its place
// Replaces the instruction; the old one goes to the history.
void session_set(struct ui *ui, const struct job *j);
// Steps to the one before (-1) or after (1); false: there is none.
bool session_step(struct ui *ui, int by);
void session_job(struct ui *ui, struct job *out); // a copy, ready for job_read()
// Has it written to the library if it changed; tries again if that failed.
void session_keep(struct ui *ui, bool now);
void session_keep_beside(struct ui *ui); // what is being done, which waits for another disk
void session_kept(struct ui *ui, const struct err *err); // it was, or why it was not
// At the end: whether it is; `all`: nothing waits to be written any more.
bool session_kept_last(struct ui *ui, bool all, struct err *err);
void session_restore(struct ui *ui);
// Opens the instruction inside a picture that limn made or, with `draw`, draws it with another
// seed; for a sweep's sheet its cells become tasks, offered or started (session_open.c).
void session_open(struct ui *ui, const char *file, bool draw);
// When it turns out to be a picture: session_arrived().
void session_add_picture(struct ui *ui, const char *file);
bool session_arrived(struct ui *ui, const struct arrival *a); // true: it is the last reference
bool session_save_template(struct ui *ui, const char *name, struct err *err);
// Lets an instruction without references use the model's index, unless a parameter says otherwise.
void session_look_words_up(const struct ui *ui, struct job *j);
// The worker's description of the next drawing's model. NULL: not received yet, or an unknown
// model.
const struct jv *session_model(const struct ui *ui);
void session_parameters(struct ui *ui); // opens their form
// What pictures of a model that the worker has described take of memory: "8.60 GB at 512, …"; ""
// where it has not said. Freed with free().
char *session_memory(const struct jv *model);
void session_described(struct ui *ui); // the worker has said what there is: it goes into that form
// Whether the name typed into a form is a file's; true for an empty one.
bool session_is_file(const char *typed, struct err *err);
// Replaces a picture's file, and drops what was read or made from the old one. Empty, or the same
// file: changes nothing, and returns false.
bool session_take_file(struct job_reference *r, const char *typed);
void session_draw(struct ui *ui); // reads what it needs, starts a job of it, and shows that
void session_begin(struct ui *ui, struct reading *r); // starts a job that was read, and shows it

#endif
