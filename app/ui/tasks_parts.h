// SPDX-License-Identifier: MIT
// Shared by the files of the queue: jobs and their events (tasks.c), their order (tasks_queue.c).
#ifndef LIMN_APP_UI_TASKS_PARTS_H
#define LIMN_APP_UI_TASKS_PARTS_H

#include "app/ui/tasks.h"

void task_submit(struct ui *ui, struct task *t); // to the library, then to the worker
// Gives a new id to a job that the worker has seen; the old id counts as cancelled.
void task_rename(struct ui *ui, struct task *t);
// Call it when the worker has stopped a job; true: it was taken back to move or pause it, so it is
// not over.
bool task_withdrawn(struct ui *ui, struct task *t);
void tasks_resubmit(struct ui *ui);  // resubmits withdrawn jobs once all have stopped
void tasks_check_end(struct ui *ui); // rings at the end of a queue that took long

#endif
