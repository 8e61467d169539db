// SPDX-License-Identifier: MIT
// How much more memory this process can use without swapping: the kernel's MemAvailable, or less if
// a control group (of a container or service: memory.max and memory.high of version 2,
// memory.limit_in_bytes of version 1, of its own group and all above it) or a limit of address
// space (ulimit -v) leaves less. File pages charged to a group count as free, because they can be
// dropped.
#ifndef LIMN_ENGINE_DEVICE_CPU_ROOM_H
#define LIMN_ENGINE_DEVICE_CPU_ROOM_H

#include <stddef.h>

// `root`: prefix of /proc and /sys, for tests; "": this machine. Returns bytes; SIZE_MAX: unknown.
size_t cpu_room_of(const char *root);

#endif
