// SPDX-License-Identifier: MIT
// The instruction being assembled: its text, pictures and parameters, kept in the library from one
// limn to the next.
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
// A copy of what is there as it is written, line breaks too; and such a copy in its place.
void session_shown(struct ui *ui, struct job *out);
void session_show(struct ui *ui, const struct job *j);
// Replaces it; what was there goes to the history.
void session_set(struct ui *ui, const struct job *j);
// To the one before (-1) or after (1); false: there is none.
bool session_step(struct ui *ui, int by);
void session_job(struct ui *ui, struct job *out); // a copy, ready for job_read()
// Has it written to the library when it changed; one that cannot be written is tried again.
void session_keep(struct ui *ui, bool now);
void session_keep_beside(struct ui *ui); // what is being done, which waits for another disk
void session_kept(struct ui *ui, const struct err *err); // it was, or why it was not
// At the end: whether it is; `all`: nothing waits to be written any more.
bool session_kept_last(struct ui *ui, bool all, struct err *err);
void session_restore(struct ui *ui);
// The instruction of a picture that limn made, in place of this one or, `draw`, drawn with another
// seed; of a sweep's sheet its cells as tasks, offered or begun (session_open.c).
void session_open(struct ui *ui, const char *file, bool draw);
// When it turns out to be a picture: session_arrived().
void session_add_picture(struct ui *ui, const char *file);
bool session_arrived(struct ui *ui, const struct arrival *a); // true: it is the last reference
bool session_save_template(struct ui *ui, const char *name, struct err *err);
// Words alone are drawn after what the model's index has for them, where nobody says otherwise.
void session_look_words_up(const struct ui *ui, struct job *j);
// What the worker says of the model that the next drawing is made with. NULL: it has not, or the
// model is none that it knows.
const struct jv *session_model(const struct ui *ui);
void session_parameters(struct ui *ui); // opens their form
// What pictures of a model that the worker has described take of memory: "8.60 GB at 512, …"; ""
// where it has not said. Freed with free().
char *session_memory(const struct jv *model);
void session_described(struct ui *ui); // the worker has said what there is: it goes into that form
// Whether a file's name as it is typed into a form names one; empty: it names none, and need not.
bool session_is_file(const char *typed, struct err *err);
// Another file in a picture's place: what was read or made of the old one goes. Empty, or the same
// file: it stays as it is, and this is false.
bool session_take_file(struct job_reference *r, const char *typed);
void session_draw(struct ui *ui); // reads what it needs, starts a job of it, and shows that
void session_begin(struct ui *ui, struct reading *r); // starts a job that was read, and shows it

#endif
