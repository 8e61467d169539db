// SPDX-License-Identifier: MIT
// What the UI writes into its library, in the background (ui->chores): a slow disk, or another
// process that has it locked, holds up no key. In the order of the calls; what cannot be written is
// a line of the log. Without a library nothing happens.
#ifndef LIMN_APP_UI_ENTRY_H
#define LIMN_APP_UI_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "app/library/library.h"

struct background;
struct ui;
struct task;

// A job that was asked for, with its pictures; then task_recorded().
void entry_job(struct ui *ui, const struct task *t);
void entry_state(struct ui *ui, const char *job, enum library_state state, const char *error);
void entry_own(struct ui *ui, const char *job);
// One that was offered is dropped, unless another limn has claimed it from `owner` meanwhile.
void entry_drop(struct ui *ui, const char *job, const char *owner);
void entry_text(struct ui *ui, const char *key, const char *text); // of the session
void entry_instruction(struct ui *ui, struct background *b); // in hand, on b's thread; then
                                                             // session_kept()

// Pictures, as the gallery changes them; it is read again then.
void entry_rating(struct ui *ui, int64_t picture, int rating);
void entry_tag(struct ui *ui, int64_t picture, const char *tag, bool on);
void entry_deleted(struct ui *ui, int64_t picture, bool deleted);

#endif
