// SPDX-License-Identifier: MIT
// Training runs small enough for tests: models with random weights, packs of three pictures, and
// recipes for them. Everything is in one folder, which runs_setup() makes and runs_teardown()
// removes. What fails here fails the test.
#ifndef LIMN_TESTS_TRAIN_TRAINING_H
#define LIMN_TESTS_TRAIN_TRAINING_H

#include "engine/train/trainer.h"

#if defined(__SANITIZE_ADDRESS__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

enum { SIDE = 16, BYTES = SIDE * SIDE * 3, RECORDS = 3 };

extern const char *spiece;    // path of a tokenizer's model; set by main() before the tests run
extern struct device *device; // the CPU
// What the pack holds: a red disc, a blue bar and a green frame on white, and the alpha of each.
extern uint8_t pictures[RECORDS][BYTES], alphas[RECORDS][SIDE * SIDE];
extern const char *const captions[RECORDS];

// Mixtures: text alone, and text beside the picture itself as a reference, so that plans without
// and with references run.
extern const char text_only[], both[];

// What differs from run to run; make_recipe() has the rest.
struct run {
    const char *output, *tasks, *dtype;
    int micro_batch, accumulate, steps;
    double lr;
    const char *model, *stage, *pack; // NULL: "model", "pictures", "pack"
};

// Folders that runs_setup() makes:
//   model            no weights yet; `whole` has random ones
//   thumbnail, heard a text thumbnail of 8 pixels a side; heard: beside references, too
//   clear-model      draws alpha
//   enlarger, hears  a second pass of 32 pixels that has no weights, without and with text
// Packs that it writes: pack and clear, the pictures without and with alpha; large and clear-large,
// the same at 32 pixels, every pixel doubled.
int runs_setup(void **state);
int runs_teardown(void **state);

void must(bool ok, const struct err *err); // fails the test with the error's text
char *in_folder(const char *name);         // its path; the caller frees it
// Gives the model folder `name`, made if missing, a U-Net of four channels without weights.
void make_clear_model(const char *name);
// A whole model with a second pass of 32 pixels that has no weights. keys: JSON that begins its
// config.
void make_enlarger(const char *name, const char *keys);

void make_recipe(struct recipe *r, const struct run *o); // recipe_finish() after use
struct trainer *start(const struct recipe *r, bool resume);
double step(struct trainer *t); // its loss
// Exports the model as the folder `name`; the bytes of a file of it, which the caller frees.
char *exported(struct trainer *t, const char *name, const char *file, size_t *size);

// Of n bytes, and of pictures of BYTES bytes: in levels, 0..255.
double mean_difference_of(const uint8_t *a, const uint8_t *b, int n);
double mean_difference(const uint8_t *a, const uint8_t *b);

#endif
