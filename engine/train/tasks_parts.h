// SPDX-License-Identifier: MIT
// What the files of tasks share: reading the description (tasks_read.c) and filling in texts
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
    char *slot, *role; // role: NULL unless PICTURE_ROLE
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
    double *train_until; // running sum of the weights of `train`; NULL: all equal
};

// Fills in everything of t that does not come from the pack. ERR_INPUT names the task.
bool tasks_read(struct tasks *t, bool zero_shot, struct err *err);
// Writes `pattern` with its {names} filled in for `record`.
void tasks_expand(const struct tasks *t, const struct example *e, const struct task *task,
                  int record, const char *pattern, struct rng *rng, char out[EXAMPLE_TEXT_MAX]);
// Removes a last character that was cut off by the end of a full buffer.
void tasks_whole_characters(char *text);
// One of the texts at random; for a record of unknown style, one that does not mention style.
const char *tasks_pick_text(const struct tasks *t, const struct jv *texts, int record,
                            struct rng *rng);

#endif
