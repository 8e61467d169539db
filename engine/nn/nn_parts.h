// SPDX-License-Identifier: MIT
// Shared by the files of layers. Private to engine/nn.
#ifndef LIMN_ENGINE_NN_NN_PARTS_H
#define LIMN_ENGINE_NN_NN_PARTS_H

#include <stdarg.h>
#include <stdio.h>

#include "engine/nn/nn.h"

// `buf`: the name of a layer, formatted from `name` and the arguments behind it.
#define NN_NAME_FROM_ARGS(buf, name)                                                               \
    char buf[NN_NAME_MAX];                                                                         \
    va_list args;                                                                                  \
    va_start(args, name);                                                                          \
    vsnprintf(buf, sizeof buf, name, args);                                                        \
    va_end(args)

// The parameter NAME.SUFFIX.
struct node *nn_named(struct nn *nn, const char *name, const char *suffix, struct shape shape,
                      enum param_kind kind, struct param_init init);

#endif
