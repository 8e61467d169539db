// SPDX-License-Identifier: MIT
// What the worker's machine has, as JSON, for forms and lists.
#ifndef LIMN_APP_WORKER_DESCRIBE_H
#define LIMN_APP_WORKER_DESCRIBE_H

#include "engine/base/jv.h"
#include "engine/draw/pipeline.h"
#include "loaders/host.h"

// [{name, role, summary, params: [{name, help, kind, minimum, maximum, fallback, choices: []}]}],
// and for what was refused {refused: "PATH: reason"}.
struct jv *describe_loaders(const struct loader_host *host);
// A "described" message: {devices: [{name, text, reason, memory, available, types, matrix}],
// models: [{name, folder, size, final, grain, memory, bytes}]}. Opens drivers: takes its time.
struct jv *describe_machine(void);
// Says how much memory a drawing will take, of models that plan it; nothing is taken yet. false:
// the request is wrong.
bool describe_need(struct pipeline *p, const struct pipeline_request *r,
                   void (*say)(void *ctx, const char *text), void *ctx, struct err *err);

#endif
