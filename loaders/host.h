// SPDX-License-Identifier: MIT
// Finds, checks and runs modality loaders.
//
// Searches in this order: each folder of $LIMN_LOADER_PATH (separated by colons),
// $XDG_DATA_HOME/limn/loaders (or ~/.local/share/limn/loaders), then limn's own: those of the build
// folder when it runs from there, else the installed folder. Only absolute folders, and files, that
// nobody but the user and root can change (loaders/place.h). The first loader of a name wins. Files
// that cannot be used are refused with a reason; the others are not affected.
//
// A loader's code never runs in this process. It is loaded, and its description read, in a child
// of the sandbox (sandbox/sandbox.h), and every run happens in another child; the description is
// copied and checked here.
#ifndef LIMN_LOADERS_HOST_H
#define LIMN_LOADERS_HOST_H

#include <stdatomic.h>
#include "engine/base/limits.h"
#include "loaders/loader.h"
#include "renderer/image/image.h"

struct loader_host;

struct loader_entry {
    const struct limn_loader *loader; // a copy of its description; probe, run, release are NULL
    const char *path;                 // where it was found
    const char *file;                 // the same with links resolved; this is opened
};

// Never fails: without any loaders the host is empty. Close it after the last use of any entry.
struct loader_host *loader_host_open(void);
void loader_host_close(struct loader_host *h); // NULL is fine

int loader_host_count(const struct loader_host *h);
const struct loader_entry *loader_host_at(const struct loader_host *h, int i); // by name
const struct loader_entry *loader_host_find(const struct loader_host *h, const char *name);
// By name or by role ("edge map"); ERR_INPUT lists the loaders.
const struct loader_entry *loader_host_need(const struct loader_host *h, const char *name,
                                            struct err *err);

// Why files of the search path are not loaders: "PATH: reason".
int loader_host_refusal_count(const struct loader_host *h);
const char *loader_host_refusal(const struct loader_host *h, int i);

// Settings of one run, in the order of the loader's table.
struct loader_values {
    double v[LIMIT_LOADER_PARAMS];
};
void loader_defaults(const struct limn_loader *l, struct loader_values *values);
// "key=value"; ERR_INPUT names loader, key, value and range or choices.
bool loader_set(const struct limn_loader *l, struct loader_values *values, const char *setting,
                struct err *err);
bool loader_set_value(const struct limn_loader *l, struct loader_values *values, const char *key,
                      const char *value, struct err *err);

struct loader_limits {
    double seconds;
    int megabytes; // MiB
    const atomic_int *stop; // NULL, or a flag that ends the run with ERR_CANCELLED when it is not 0
};
// The usual limits, or those of $LIMN_LOADER_SECONDS (0.1..86400) and $LIMN_LOADER_MEMORY
// (1..1000000); an invalid value is ignored with one warning.
struct loader_limits loader_limits_from_env(const atomic_int *stop);

// Runs the loader in a child of the sandbox within these limits; a crash, a hang or a result of
// impossible size is an error that names the loader. RGBA8 result.
struct image *loader_run(const struct loader_entry *e, const struct image *in,
                         const struct loader_values *values, const struct loader_limits *limits,
                         struct err *err);

#endif
