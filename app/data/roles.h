// SPDX-License-Identifier: MIT
// The loaders that make a pack's role pictures, and their settings, as written on the command line:
// "edge:thickness=8..20:detail=0.3..0.7,mask,sketch". A setting with two values is drawn between
// them for each record (the same in every run), so that a model learns lines of any width; other
// settings have the loader's defaults.
#ifndef LIMN_APP_DATA_ROLES_H
#define LIMN_APP_DATA_ROLES_H

#include "engine/base/limits.h"
#include "loaders/look.h"

struct data_role {
    const struct loader_entry *entry;
    struct loader_values low, high; // equal where nothing is drawn
    char *described;                // "edge:thickness=8..20"
};

struct data_roles {
    struct loader_host *host;
    struct data_role roles[LIMIT_PACK_ROLES];
    int count;
};

#define DATA_ROLES_DEFAULT "edge:thickness=8..20:detail=0.35..0.65,mask,sketch:smooth=8..14"

// `text` NULL: the default; "": no roles. ERR_INPUT names the loader and setting that are wrong.
bool data_roles_open(struct data_roles *r, const char *text, struct err *err);
void data_roles_close(struct data_roles *r); // zeroed is fine

// The picture as loader `role` sees it, RGB8. `record` decides drawn settings. `look_child` was
// opened with the roles' loaders. One thread at a time.
struct image *data_roles_run(struct data_roles *r, struct look_child *look_child, int role,
                             const struct image *in, uint64_t record, struct err *err);

#endif
