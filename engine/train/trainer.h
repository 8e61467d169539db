// SPDX-License-Identifier: MIT
// Training: a recipe and a pack to weights.
//
// One optimiser step is `accumulate` micro-batches and one update. All examples of a micro-batch
// have the same number of references, drawn for each micro-batch from the mixture, so shapes are
// static and nothing is padded. Every random choice is a function of (seed, step), so a run that
// was stopped goes on exactly as if it had not been: state is the weights, both moments, the
// averaged weights and the step number.
//
// Several processes may share the micro-batches of each step (trainer_join). Since every example is
// a function of (seed, step) and its place in the step, they see together what one would see alone.
//
// Thread: one; trainer_step() takes seconds.
#ifndef LIMN_ENGINE_TRAIN_TRAINER_H
#define LIMN_ENGINE_TRAIN_TRAINER_H

#include "engine/device/device.h"
#include "engine/train/group.h"
#include "engine/train/recipe.h"

struct trainer;

struct trainer_step {
    int64_t step;    // that was done, from 1
    double loss;     // mean over its examples, those of all processes, of the (weighted) loss
    double lr, grad_norm;
    double seconds;  // of the step
    int examples;
    // Unweighted loss by task, mean over the examples of the step; count 0: none of that task.
    int task_count;
    const char *task_name[16];
    double task_loss[16];
    int task_examples[16];
};

// Opens model, pack and tokenizer, initialises or loads the weights, builds the plans. With
// `resume`, goes on from OUTPUT/checkpoint.safetensors, an error if it is missing or of another
// model.
struct trainer *trainer_create(const struct recipe *r, struct device *device, bool resume,
                               struct err *err);
void trainer_destroy(struct trainer *t); // NULL is fine

// Before the first step: from now on this process does micro-batches rank, rank + size, … of each
// step, and all update with the sum of their gradients; weights, moments and the step number become
// those of rank 0, which alone needs a checkpoint to go on from. The group is kept by the caller;
// NULL: nothing changes. ERR_INPUT where a step has fewer micro-batches than there are processes.
// Afterwards all processes are to take the same steps. Where one fails, it has the sentence, the
// others ERR_CANCELLED, and none has updated.
bool trainer_join(struct trainer *t, const struct group *group, struct err *err);
// Whether all processes have the same weights, bit for bit, as they must: ERR_DEVICE.
bool trainer_agrees(struct trainer *t, struct err *err);

bool trainer_step(struct trainer *t, struct trainer_step *result, struct err *err);
int64_t trainer_done(const struct trainer *t); // steps done
const char *trainer_describe(const struct trainer *t); // memory and FLOPs, one line, owned

// Everything needed to go on bit for bit. Written whole or not at all; the checkpoint before it is
// kept as checkpoint.previous.safetensors.
bool trainer_save(struct trainer *t, struct err *err);

// The averaged weights as a model folder in bf16, with configs and tokenizer; of the stage `lora`
// with the adapters merged.
bool trainer_export(struct trainer *t, const char *folder, struct err *err);

// The adapters of the stage `lora` as a file (engine/train/adapters.h); without that stage none is
// written.
bool trainer_export_adapters(struct trainer *t, const char *path, struct err *err);

// The loss of `count` held-out examples at fixed noise and timesteps, with the averaged weights:
// a number that can be compared between checkpoints.
bool trainer_validate(struct trainer *t, int count, double *loss, struct err *err);

#endif
