// SPDX-License-Identifier: MIT
// Training: from a recipe and a pack to weights.
//
// One optimiser step is `accumulate` micro-batches and one update. All examples of a micro-batch
// have the same number of references, drawn for each micro-batch from the mixture, so shapes are
// static and no references are padded. Every random choice is a function of (seed, step), so a
// resumed run continues exactly as if it had not been stopped. Its state is the weights, both
// moments, the averaged weights and the step number.
//
// Several processes may share the micro-batches of each step (trainer_join). Since every example is
// a function of (seed, step) and its place in the step, together they train on the same examples as
// a single process.
//
// Thread: one; trainer_step() takes seconds.
#ifndef LIMN_ENGINE_TRAIN_TRAINER_H
#define LIMN_ENGINE_TRAIN_TRAINER_H

#include "engine/device/device.h"
#include "engine/train/group.h"
#include "engine/train/recipe.h"

struct trainer;

struct trainer_step {
    int64_t step;    // number of the step just done, from 1
    double loss;     // mean of the weighted loss over its examples, of all processes
    double lr, grad_norm;
    double seconds;  // of the step
    int examples;
    // Mean unweighted loss by task, over the examples of the step; task_examples 0: it had none.
    int task_count;
    const char *task_name[16];
    double task_loss[16];
    int task_examples[16];
};

// Opens model, pack and tokenizer, initialises or loads the weights, builds the plans. With
// `resume`, continues from OUTPUT/checkpoint.safetensors; an error if that is missing or of another
// model. The recipe and the device are kept by the caller.
struct trainer *trainer_create(const struct recipe *r, struct device *device, bool resume,
                               struct err *err);
void trainer_destroy(struct trainer *t); // NULL is fine

// Call it before the first step. From then on this process computes micro-batches rank, rank +
// size, … of each step, and all processes update with the sum of their gradients; weights, moments
// and the step number become those of rank 0, the only one that needs a checkpoint to resume from.
// The group is kept by the caller; NULL: nothing changes. ERR_INPUT if a step has fewer
// micro-batches than there are processes. Afterwards all processes must take the same steps. If a
// step's micro-batches fail in one process, that one returns the error, the others return
// ERR_CANCELLED, and none updates.
bool trainer_join(struct trainer *t, const struct group *group, struct err *err);
// Checks that all processes have bit-identical weights, as they must; ERR_DEVICE if not.
bool trainer_in_sync(struct trainer *t, struct err *err);

bool trainer_step(struct trainer *t, struct trainer_step *result, struct err *err);
int64_t trainer_done(const struct trainer *t); // steps done
const char *trainer_describe(const struct trainer *t); // memory and FLOPs, one line; the trainer's

// Writes the checkpoint (engine/train/state.h), whole or not at all; the previous one is kept as
// checkpoint.previous.safetensors.
bool trainer_save(struct trainer *t, struct err *err);

// Writes the averaged weights as a model folder in bf16, with configs and tokenizer; in stage
// `lora` with the adapters merged.
bool trainer_export(struct trainer *t, const char *folder, struct err *err);

// Writes the adapters of stage `lora` as a file (engine/train/adapters.h); in other stages writes
// nothing.
bool trainer_export_adapters(struct trainer *t, const char *path, struct err *err);

// The mean loss of `count` held-out examples at fixed noise and timesteps, with the averaged
// weights: comparable between checkpoints.
bool trainer_validate(struct trainer *t, int count, double *loss, struct err *err);

#endif
