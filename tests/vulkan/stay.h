// SPDX-License-Identifier: MIT
// Drivers and layers keep memory until the process ends, and the loader unloads them before: then a
// leak checker cannot tell whose it was. Kept loaded, tests/leaks.txt can name them.
#ifndef LIMN_TESTS_VULKAN_STAY_H
#define LIMN_TESTS_VULKAN_STAY_H

#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/log.h"

static int layer_messages;
static char layer_message[400];

static inline void
count_layer_message(enum log_level level, const char *module, const char *text, void *data)
{
    (void)data;
    if (level <= LOG_WARN && strcmp(module, "vulkan") == 0 && layer_messages++ == 0)
        snprintf(layer_message, sizeof layer_message, "%s", text);
}

// From now on devices open with the validation layers, where they are installed, and what they say
// is counted in layer_messages.
static inline void
watch_layers(void)
{
    if (dlopen("libVkLayer_khronos_validation.so", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE))
        setenv("LIMN_VULKAN_VALIDATE", "1", 0);
    log_set_sink(count_layer_message, NULL, LOG_WARN);
}

static inline void
stay_loaded(void)
{
    static const char *const names[] = {"libvulkan.so.1", "libvulkan_lvp.so",
                                        "libVkLayer_khronos_validation.so"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        dlopen(names[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
}

#endif
