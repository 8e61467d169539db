// SPDX-License-Identifier: MIT
// Files: read whole, map read-only, write under a temporary name and rename.
#ifndef LIMN_ENGINE_BASE_FILE_H
#define LIMN_ENGINE_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/err.h"

// The whole file with a 0 byte after it; *size (may be NULL) without that byte. Refuses files over
// `limit` bytes and anything that is not a regular file. Freed with free().
char *file_read(const char *path, size_t limit, size_t *size, struct err *err);

// The same of a file that is open; the descriptor is closed. `name` starts errors.
char *file_read_open(int fd, const char *name, size_t limit, size_t *size, struct err *err);

// A read-only mapping of a regular file. file_unmap() takes NULL.
struct file_map {
    const unsigned char *data; // NULL when size is 0
    size_t size;               // bytes
};
bool file_map(struct file_map *map, const char *path, struct err *err);
void file_unmap(struct file_map *map);

// A file that appears whole or not at all: written to "PATH.XXXXXX" beside it, synced, renamed by
// file_out_commit(). file_out_abort() (also after a failed commit) removes the temporary name.
struct file_out {
    char *path, *temporary;
    int fd; // -1 when closed
};
bool file_out_open(struct file_out *out, const char *path, struct err *err);
bool file_out_write(struct file_out *out, const void *data, size_t size, struct err *err);
bool file_out_commit(struct file_out *out, struct err *err);
void file_out_abort(struct file_out *out);

// The three calls above in one.
bool file_write(const char *path, const void *data, size_t size, struct err *err);

// Removes the temporary names of all files being written. Async-signal-safe.
void file_out_abort_all(void);

bool file_exists(const char *path);
bool file_make_folders(const char *path, struct err *err); // as mkdir -p

// "folder/name", or name alone when it is absolute or folder is empty. Freed with free().
char *file_join(const char *folder, const char *name);

#endif
