// SPDX-License-Identifier: MIT
// What the files of the queue share: jobs and their events (tasks.c), their order (tasks_queue.c).
#ifndef LIMN_APP_UI_TASKS_PARTS_H
#define LIMN_APP_UI_TASKS_PARTS_H

#include "app/ui/tasks.h"

void task_submit(struct ui *ui, struct task *t); // kept in the library, and given to the worker
// Gives a job that the worker has had another name; the old one is stopped.
void task_rename(struct ui *ui, struct task *t);
// The worker has stopped it; true: in order to move or pause it, so it is not over.
bool task_withdrawn(struct ui *ui, struct task *t);
void tasks_give_again(struct ui *ui); // what was taken back, when all of it is
void tasks_watch_end(struct ui *ui);  // a bell at the end of a queue that took long

#endif
