// SPDX-License-Identifier: MIT
// What there is on the worker's machine, in JSON, for forms and lists.
#ifndef LIMN_APP_WORKER_DESCRIBE_H
#define LIMN_APP_WORKER_DESCRIBE_H

#include "engine/base/jv.h"
#include "loaders/host.h"

// [{name, role, summary, params: [{name, help, kind, minimum, maximum, fallback, choices: []}]}],
// and for what was refused {refused: "PATH: reason"}.
struct jv *describe_loaders(const struct loader_host *host);
// A "described" message: {devices: [{name, text, reason, memory, available, types, matrix}],
// models: [{name, folder, size, parameters}]}. Opens drivers: takes its time.
struct jv *describe_machine(void);

#endif
