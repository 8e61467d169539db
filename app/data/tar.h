// SPDX-License-Identifier: MIT
// Tar archives (ustar, GNU long names, pax names), mapped; entries point into the mapping.
#ifndef LIMN_APP_DATA_TAR_H
#define LIMN_APP_DATA_TAR_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/file.h"

struct data_tar_entry {
    char *name; // as stored, without a leading "./"
    const unsigned char *data;
    size_t size; // bytes
};

struct data_tar {
    struct file_map map;
    struct data_tar_entry *entries; // regular files, in the archive's order
    size_t count, capacity;
    const struct data_tar_entry **by_name; // NULL until one is looked for
};

// Every header's checksum and size is checked; an archive that ends early is an error. `most`:
// files in it, LIMIT_TAR_ENTRIES (tests give less); one more is an error.
bool data_tar_open(struct data_tar *tar, const char *path, size_t most, struct err *err);
void data_tar_close(struct data_tar *tar); // zeroed is fine
// NULL: none. If several have the name, one of them.
const struct data_tar_entry *data_tar_find(struct data_tar *tar, const char *name);

#endif
