// SPDX-License-Identifier: MIT
// What the worker's machine has (loaders, devices, models), as JSON for forms and lists.
#ifndef LIMN_APP_WORKER_DESCRIBE_H
#define LIMN_APP_WORKER_DESCRIBE_H

#include "engine/base/jv.h"
#include "engine/draw/pipeline.h"
#include "loaders/host.h"

// [{name, role, summary, params: [{name, help, kind, minimum, maximum, fallback, choices: []}]}],
// and for what was refused {refused: "PATH: reason"}.
struct jv *describe_loaders(const struct loader_host *host);
// A "described" message: {devices: [{name, text, reason, memory, available, types, matrix}],
// models: [{name, folder, size, final, grain, memory, bytes}], model: the name of the one that
// draws if none is named}. Opens drivers, which may take seconds.
struct jv *describe_machine(void);
// Reports, through `say`, how much memory a drawing will take, for models that plan it; allocates
// nothing. false: the request is wrong.
bool describe_need(struct pipeline *p, const struct pipeline_request *r,
                   void (*say)(void *ctx, const char *text), void *ctx, struct err *err);

#endif
