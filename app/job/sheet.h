// SPDX-License-Identifier: MIT
// Sheets of held-out examples: what a model draws for instructions whose true picture is known.
//
// One row per task, in the order of the mixture, of `columns` examples, each as four tiles: first
// reference, second reference, the model's picture, the truth (missing references are grey). Splits
// alternate: held-out pair, held-out subject and, if asked for, held-out style. A task for which
// the pack holds nothing out, as is usual with a small folder of one's own, shows training
// examples.
#ifndef LIMN_APP_JOB_SHEET_H
#define LIMN_APP_JOB_SHEET_H

#include "engine/base/jv.h"
#include "engine/device/device.h"

struct sheet_params {
    const char *model, *pack; // folder, file
    const struct jv *tasks;   // description (engine/train/tasks.h)
    struct device *device;
    int columns, steps;
    uint64_t seed;
    const char *guidance;  // NULL: the model's default
    double scale;          // 0: the model's default
    const char *only_task; // NULL: all
    bool styles;           // with the held-out style
    int first;             // examples to skip in each split
    const char *path;      // PNG to write
    const char *texts_path;      // NULL, or a file that gets the instructions, one per line
};

// Whether this program can draw sheets; limn-engine cannot.
bool sheet_can_draw(void);
bool sheet_draw(const struct sheet_params *p, struct err *err);

#endif
