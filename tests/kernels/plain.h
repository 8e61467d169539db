// SPDX-License-Identifier: MIT
// One node, computed by the fast kernels of every instruction set and by the plain kernel, which is
// its definition. What differs fails the test.
#ifndef LIMN_TESTS_KERNELS_PLAIN_H
#define LIMN_TESTS_KERNELS_PLAIN_H

#include "engine/device/cpu/cpu.h"

enum { ISAS = 4, DTYPES = 3 };
extern const char *const isas[ISAS];    // as LIMN_CPU_ISA names them
extern const enum dtype dtypes[DTYPES]; // those with fast kernels
extern struct cpu_table tables[ISAS];   // what each offers on this processor
extern int taken;                       // kernels that have run

void fill_tables(void); // before the first test

// How random sources are spread: uniformly in centre - spread .. centre + spread.
extern double centre, spread;
// Sets them to 0 and 1, before each test: one that failed may have left others.
int usual_values(void **state);

// Memory between guards. guarded_free() takes NULL.
char *guarded(size_t size);
bool guards_intact(const char *p, size_t size);
void guarded_free(const void *p);

// Guarded data for n from a seed; whole numbers in 0 .. ids - 1.
char *random_tensor(const struct node *n, uint64_t seed, int32_t ids);

// The largest absolute difference between two tensors of n's shape, in the types of n and `like`.
// *largest: the largest magnitude of the truth.
double difference(const struct node *n, const void *got, const struct node *like, const void *truth,
                  double *largest);

// Runs every kernel that takes n twice, over the same random sources: equal bits both times,
// nothing written outside its memory, and within the tolerance of the op's row (and half a unit in
// the last place of n's type) of the definition, which is computed in f64. An instruction set
// without a kernel for n fails.
void check(struct graph *g, const struct node *n);

#endif
