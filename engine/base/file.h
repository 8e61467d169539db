// SPDX-License-Identifier: MIT
// All access to files: read whole, map read-only, write under a temporary name and rename. Only
// regular files are opened; a pipe, a device or a socket is refused with ERR_INPUT before it is
// opened, because opening one can block or have side effects.
#ifndef LIMN_ENGINE_BASE_FILE_H
#define LIMN_ENGINE_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>

#include "engine/base/err.h"

// --- reading

// A descriptor (open(2)'s flags; closed at exec), or -1.
int file_open(const char *path, int flags, struct err *err);
// The same; a new file gets mode 0600, whatever the umask.
int file_open_private(const char *path, int flags, struct err *err);
// The same as a stream: mode "r", "r+", "a" or "w". Such a file may be left half-written; use
// file_out_open() for files that must be whole.
FILE *file_stream(const char *path, const char *mode, struct err *err);
// "a folder", "a pipe", "a socket", "a device" or "a regular file".
const char *file_kind(mode_t mode);

// The whole file followed by a 0 byte; *size (may be NULL) is set, without that byte. Refuses files
// over `limit` bytes. Freed with free().
char *file_read(const char *path, size_t limit, size_t *size, struct err *err);

// The same for an open file; closes the descriptor. `name` begins errors.
char *file_read_open(int fd, const char *name, size_t limit, size_t *size, struct err *err);

// A read-only mapping of a file. file_unmap() takes NULL. If another program truncates the file,
// the missing part reads as 0 (after file_map_guard(); without it reading ends the process with
// SIGBUS), and file_map_check() fails with ERR_IO from then on: call it before using what was read.
struct file_map {
    const unsigned char *data; // NULL when size is 0
    size_t size;               // bytes
    char *path;
    dev_t device;
    ino_t inode;
    struct timespec modified, changed; // mtime and ctime when it was mapped
    unsigned slot;
};
bool file_map(struct file_map *map, const char *path, struct err *err);
bool file_map_check(const struct file_map *map, struct err *err);
// Whether the file is unchanged since it was mapped; ERR_IO if not.
bool file_map_unchanged(const struct file_map *map, struct err *err);
void file_unmap(struct file_map *map);
// Lets the system drop these bytes of a mapping from memory; they are read again on the next
// access.
void file_map_forget(const void *data, size_t size);
// Installs a SIGBUS handler for this process. For programs, once, at startup.
void file_map_guard(void);

// --- writing

// A file that appears whole or not at all: written under a temporary name beside it, synced,
// renamed by file_out_commit(). file_out_abort() (also after a failed commit) removes the temporary
// name. The path may name a writable regular file, whose mode the new file gets, a symbolic link to
// one (the link stays), or nothing yet; anything else is refused at once.
struct file_out {
    char *path, *temporary; // path: links followed
    int fd;                 // -1 when closed
};
bool file_out_open(struct file_out *out, const char *path, struct err *err);
bool file_out_write(struct file_out *out, const void *data, size_t size, struct err *err);
bool file_out_commit(struct file_out *out, struct err *err);
// Commits, and keeps the old file as `previous`, replacing any file of that name. At any moment
// there is a whole file at the path or, on a disk without hard links, at the path or `previous`.
bool file_out_commit_keeping(struct file_out *out, const char *previous, struct err *err);
void file_out_abort(struct file_out *out);

// Checks before long work that a file could be written there; also calls file_sweep() on the
// folder.
bool file_out_check(const char *path, struct err *err);
// Whether a folder, and those in it down to `depth`, hold no symbolic link. Call it before writing
// files whose names no person typed: in a folder from elsewhere, a link could redirect them to
// other files. ERR_INPUT names the link. A folder that does not exist holds none.
bool file_no_links(const char *folder, int depth, struct err *err);
// Removes temporary files of this user's dead processes from a folder; returns how many.
int file_sweep(const char *folder);

// Open, write and commit in one.
bool file_write(const char *path, const void *data, size_t size, struct err *err);
// The same with mode 0600, whatever the umask.
bool file_write_private(const char *path, const void *data, size_t size, struct err *err);

// Removes the temporary names of all files being written. Async-signal-safe.
void file_out_abort_all(void);

// --- names

bool file_exists(const char *path);
bool file_is_taken(const char *path); // the same, also true for a dangling link
bool file_same(const char *a, const char *b); // whether both paths lead to the same file
bool file_is_below(const char *path, const char *folder);  // wherever links lead; both exist
bool file_make_folders(const char *path, struct err *err); // as mkdir -p
bool file_make_private(const char *path, struct err *err); // new folders get mode 0700

// "folder/name", or name alone when it is absolute or folder is empty. Freed with free().
char *file_join(const char *folder, const char *name);
// "a/b" of "a/b/c", "" of "c", "/" of "/c"; freed with free().
char *file_folder(const char *path);
// "c" of "a/b/c" and of "c": within `path`.
const char *file_basename(const char *path);

#endif
