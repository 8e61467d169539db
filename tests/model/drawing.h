// SPDX-License-Identifier: MIT
// Drawing with a small random model, for tests. What fails here fails the test.
#ifndef LIMN_TESTS_MODEL_DRAWING_H
#define LIMN_TESTS_MODEL_DRAWING_H

#include "engine/draw/pipeline.h"

enum { BASE = 16, LARGE = 32 }; // sides of what its two passes draw

extern const char *spiece; // path of a tokenizer's model; set by main() before the tests run
// Model folders: with random weights and a second pass; with context layers that do nothing yet.
extern char trained[], fresh[];
extern struct device *device;     // the CPU
extern struct pipeline *shared;   // of `trained`, in f32: plans are made once
extern uint8_t picture[20 * 30 * 3]; // what references show

int drawing_setup(void **state);
int drawing_teardown(void **state);

// With 0 to 2 references, markers 1 and 3. Owns nothing.
struct instruction instruction(int references);
// Of the first pass alone, seed 42; the rest is the model's default.
struct pipeline_request request(const struct instruction *n);
struct pipeline *open_or_fail(const char *folder, enum dtype dtype);
// The pictures' bytes, which the caller frees.
uint8_t *draw(struct pipeline *p, const struct pipeline_request *r);
// Whether any of n bytes differ by more than `by`.
bool differ(const uint8_t *a, const uint8_t *b, size_t n, int by);

#endif
