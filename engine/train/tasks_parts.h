// SPDX-License-Identifier: MIT
// What tasks.c is made of: the description as it was read (tasks_read.c), and texts filled in
// (tasks_text.c). Private to engine/train.
#ifndef LIMN_ENGINE_TRAIN_TASKS_PARTS_H
#define LIMN_ENGINE_TRAIN_TASKS_PARTS_H

#include "engine/base/rng.h"
#include "engine/train/tasks.h"

enum picture_kind {
    PICTURE_NONE = 0,
    PICTURE_ROLE,
    PICTURE_SUBJECT,
    PICTURE_STYLE,
    PICTURE_NEIGHBOUR
};

struct task_reference {
    char *slot, *role; // role: of PICTURE_ROLE
    enum picture_kind kind;
    const struct jv *texts;
};

struct task {
    char *name;
    double ratio;
    bool compound;
    int reference_count;
    struct task_reference references[EXAMPLE_REFERENCE_MAX];
    const struct jv *texts;
};

// Records of one subject or style: records[first[k] .. first[k+1]). Or the clusters of record k.
struct groups {
    int *first, *records;
};

struct tasks {
    const struct pack *pack;
    struct jv *description; // texts point into it
    struct task *tasks;
    int count;
    double drop_all, drop_context, unknown_subject;
    struct groups by_subject, by_style, clusters_of;
    int *train, train_count, *heldout, heldout_count;
    double *train_until; // weights of the training records so far, added up; NULL: all alike
};

// Everything of t but what is made from the pack. ERR_INPUT, which names the task.
bool tasks_read(struct tasks *t, bool zero_shot, struct err *err);
// Writes `pattern` with its {names} filled in, as they are for `record`.
void tasks_expand(const struct tasks *t, const struct example *e, const struct task *task,
                  int record, const char *pattern, struct rng *rng, char out[EXAMPLE_TEXT_MAX]);
// Cuts a character that a full buffer left incomplete.
void tasks_whole_characters(char *text);
// Any of the texts; of a record whose style nobody knows, any that does not speak of it.
const char *tasks_pick_text(const struct tasks *t, const struct jv *texts, int record,
                            struct rng *rng);

#endif
