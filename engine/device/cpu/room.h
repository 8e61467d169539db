// SPDX-License-Identifier: MIT
// How much memory this process could have without swapping: what the kernel calls available, or
// less where a control group (a container, a service: memory.max and memory.high of version 2,
// memory.limit_in_bytes of version 1, each of its own group and of all above) or a limit of address
// space (ulimit -v) leaves less. What a group holds of files counts as free: it can be dropped.
#ifndef LIMN_ENGINE_DEVICE_CPU_ROOM_H
#define LIMN_ENGINE_DEVICE_CPU_ROOM_H

#include <stddef.h>

// `root` stands before /proc and /sys; "": this machine. Bytes; SIZE_MAX: not known.
size_t cpu_room_of(const char *root);

#endif
