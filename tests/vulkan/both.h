// SPDX-License-Identifier: MIT
// The Vulkan device beside the plain kernels of the CPU. What differs fails the test.
#ifndef LIMN_TESTS_VULKAN_BOTH_H
#define LIMN_TESTS_VULKAN_BOTH_H

#include "engine/device/device.h"

extern struct device *cpu, *gpu; // open between open_devices() and close_devices()

// False, and why on standard output, where there is no Vulkan driver: main() then returns 77. From
// then on the validation layers watch.
bool vulkan_is_there(void);

int open_devices(void **state);
int close_devices(void **state);

// Runs g on both, with the same random inputs (positive: in 0.5 .. 2, else normal; whole numbers in
// 0..6), and compares y within the tolerance of its op's row and of its type. Bytes of the arena
// that belong to no tensor must stay as they were. g is the caller's.
void check(struct graph *g, struct node *y, bool positive);

void layers_are_silent(void **state); // the last test of a program

#endif
