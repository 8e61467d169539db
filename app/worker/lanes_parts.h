// SPDX-License-Identifier: MIT
// The parts of the lanes: their queues and threads (lanes.c), and the drawing of one job
// (lanes_draw.c). Private to app/worker.
#ifndef LIMN_APP_WORKER_LANES_PARTS_H
#define LIMN_APP_WORKER_LANES_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "app/job/job.h"
#include "app/worker/lanes.h"
#include "engine/draw/pipeline.h"
#include "loaders/host.h"

enum task_state { TASK_WAITING = 0, TASK_RUNNING, TASK_DONE, TASK_FAILED, TASK_CANCELLED };

struct task {
    struct task *next;
    char id[JOB_ID_TEXT]; // stays when the job's pictures are freed
    struct job job;
    enum task_state state;
    bool previews;
    atomic_int cancel;
    int unseen, step, total;
    struct err err;
};

struct load; // a loader's run that waits

struct lanes {
    lanes_post *post;
    void *ctx;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t drawer, loader;
    bool draw_started, load_started; // the threads that were started
    bool stop;
    struct task *tasks; // all of them, in the order they came
    struct load *loads, *loading; // waiting; running
    struct loader_host *host;
    bool host_ready;

    // Of the drawing thread alone: the open model, and what it was opened with.
    struct pipeline *pipeline;
    struct device *device;
    char *model_key;
};

void lanes_post_message(struct lanes *l, struct jv *head, const void *payload, size_t size);
void lanes_set_error(struct jv *head, const struct err *err); // "code" and "text"
struct jv *lanes_job_message(const char *type, const struct task *t);

// On the drawer's thread: draws, and posts "started", "progress" and "result", and finally "done".
bool lanes_draw_task(struct lanes *l, struct task *t, struct err *err);
void lanes_close_model(struct lanes *l); // the open one; none is fine

#endif
