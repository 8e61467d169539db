// SPDX-License-Identifier: MIT
// Files, the one door to them: read whole, map read-only, write under a temporary name and rename.
// Only regular files are opened; a pipe, a device or a socket is an error (ERR_INPUT) and is not
// even opened, so that nothing waits and nothing is set off.
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
// The same; what is made is for this user's eyes only, whatever the umask: mode 0600.
int file_open_private(const char *path, int flags, struct err *err);
// The same as a stream: mode "r", "r+", "a" or "w". A file that may be half-written is no place for
// what must be whole: that is file_out_open()'s.
FILE *file_stream(const char *path, const char *mode, struct err *err);
// "a folder", "a pipe", "a socket", "a device" or "a regular file".
const char *file_kind(mode_t mode);

// The whole file with a 0 byte after it; *size (may be NULL) without that byte. Refuses files over
// `limit` bytes. Freed with free().
char *file_read(const char *path, size_t limit, size_t *size, struct err *err);

// The same of a file that is open; the descriptor is closed. `name` starts errors.
char *file_read_open(int fd, const char *name, size_t limit, size_t *size, struct err *err);

// A read-only mapping of a file. file_unmap() takes NULL. Where another program cuts the file
// meanwhile, what is gone reads as 0 (once file_map_guard() was called; without it reading that
// ends the process with SIGBUS), and file_map_check() is false with ERR_IO from then on: to be
// asked before anything is made of what was read.
struct file_map {
    const unsigned char *data; // NULL when size is 0
    size_t size;               // bytes
    char *path;
    dev_t device;
    ino_t inode;
    struct timespec modified, changed; // when the mapping was made; `changed` nobody can set
    unsigned slot;
};
bool file_map(struct file_map *map, const char *path, struct err *err);
bool file_map_check(const struct file_map *map, struct err *err);
void file_unmap(struct file_map *map);
// Bytes of a mapping that have been read and need not stay with the process: they are read again
// where they are wanted again.
void file_map_forget(const void *data, size_t size);
// Takes SIGBUS for this process. For programs, once, at their start.
void file_map_guard(void);

// --- writing

// A file that appears whole or not at all: written under a temporary name beside it, synced,
// renamed by file_out_commit(). file_out_abort() (also after a failed commit) removes the
// temporary name. The path may be that of a regular file that may be written, whose mode the new
// one gets, of a symbolic link to one (the link stays), or of nothing yet; all else is refused at
// once.
struct file_out {
    char *path, *temporary; // path: links followed
    int fd;                 // -1 when closed
};
bool file_out_open(struct file_out *out, const char *path, struct err *err);
bool file_out_write(struct file_out *out, const void *data, size_t size, struct err *err);
bool file_out_commit(struct file_out *out, struct err *err);
// What stood there is kept under the name `previous`, in place of what that was. At any moment
// there is a whole file at the path; on a disk that has no hard links, at the path or at
// `previous`.
bool file_out_commit_keeping(struct file_out *out, const char *previous, struct err *err);
void file_out_abort(struct file_out *out);

// Whether a file could be written there now, for work that takes long; sweeps the folder.
bool file_out_check(const char *path, struct err *err);
// Removes temporary files of this user's dead processes from a folder; returns how many.
int file_sweep(const char *folder);

// Open, write and commit in one.
bool file_write(const char *path, const void *data, size_t size, struct err *err);
// For this user's eyes only, whatever the umask: mode 0600.
bool file_write_private(const char *path, const void *data, size_t size, struct err *err);

// Removes the temporary names of all files being written. Async-signal-safe.
void file_out_abort_all(void);

// --- names

bool file_exists(const char *path);
bool file_same(const char *a, const char *b); // one file, whatever leads to it
bool file_make_folders(const char *path, struct err *err); // as mkdir -p
bool file_make_private(const char *path, struct err *err); // what is made is mode 0700

// "folder/name", or name alone when it is absolute or folder is empty. Freed with free().
char *file_join(const char *folder, const char *name);
// "a/b" of "a/b/c", "" of "c", "/" of "/c"; freed with free().
char *file_folder(const char *path);
// "c" of "a/b/c" and of "c": within `path`.
const char *file_last(const char *path);

#endif
