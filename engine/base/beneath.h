// SPDX-License-Identifier: MIT
// Files that another file names: a template its pictures, a recipe its tasks. Such a file may come
// from a stranger, so a name in it must stay below its own folder, wherever symbolic links point,
// and never reaches hidden files. Paths that a person typed need no such check: file.h.
#ifndef LIMN_ENGINE_BASE_BENEATH_H
#define LIMN_ENGINE_BASE_BENEATH_H

#include <stddef.h>

#include "engine/base/err.h"

// `folder`: of the file that names the other one; "": the current one. `name`: relative to it,
// without ".." and without a part that begins with a dot. ERR_INPUT begins with the name and says
// what is wrong with it; the caller adds how to allow it. Any thread.

// "folder/name", freed with free(), once what exists of it is known to be below the folder. The
// file itself need not exist.
char *beneath_path(const char *folder, const char *name, struct err *err);

// Like file_read(): looks up and opens in one step, so that the file read is the one that was
// checked.
char *beneath_read(const char *folder, const char *name, size_t limit, size_t *size,
                   struct err *err);

// Opens `name` below the folder `root` with the flags of open(2), link by link; -1 and errno, EXDEV
// if it leads out. The replacement for openat2() on kernels before 5.6 and where it is forbidden;
// public for tests.
int beneath_walk(int root, const char *name, int flags);

#endif
