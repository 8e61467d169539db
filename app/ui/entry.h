// SPDX-License-Identifier: MIT
// Writes to the UI's library in the background (ui->chores), in the order of the calls, so that no
// key waits for a slow disk or another process's lock. Failures go to the log. Without a library
// nothing is written.
#ifndef LIMN_APP_UI_ENTRY_H
#define LIMN_APP_UI_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "app/library/library.h"

struct background;
struct ui;
struct task;

// A new job with its pictures; then task_recorded() is called.
void entry_job(struct ui *ui, const struct task *t);
void entry_state(struct ui *ui, const char *job, enum library_state state, const char *error);
void entry_own(struct ui *ui, const char *job); // makes this process its owner
// Drops an offered job, unless another process has claimed it from `owner` meanwhile.
void entry_drop(struct ui *ui, const char *job, const char *owner);
void entry_text(struct ui *ui, const char *key, const char *text); // of the session
// The composer's instruction, on b's thread; then session_saved() is called.
void entry_instruction(struct ui *ui, struct background *b);

// The gallery's changes to pictures; the gallery is read again afterwards.
void entry_rating(struct ui *ui, int64_t picture, int rating);
void entry_tag(struct ui *ui, int64_t picture, const char *tag, bool on);
void entry_deleted(struct ui *ui, int64_t picture, bool deleted);

#endif
