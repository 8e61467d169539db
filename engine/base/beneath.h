// SPDX-License-Identifier: MIT
// Files named by another file, such as the pictures of a template or the tasks of a recipe. The
// naming file may come from a stranger, so a name in it must stay below its folder, wherever
// symbolic links point, and never reach hidden files. Paths typed by a person need no such check:
// see file.h.
#ifndef LIMN_ENGINE_BASE_BENEATH_H
#define LIMN_ENGINE_BASE_BENEATH_H

#include <stddef.h>

#include "engine/base/err.h"

// `folder`: of the naming file; "": the current one. `name`: relative to it, without ".." and
// without a part that begins with a dot. ERR_INPUT begins with the name and says what is wrong with
// it; the caller adds how to allow it. Any thread.

// Returns "folder/name", freed with free(), after checking that as much of it as exists lies below
// the folder. The file itself need not exist.
char *beneath_path(const char *folder, const char *name, struct err *err);

// Like file_read(): looks up and opens in one step, so that the file read is the one that was
// checked.
char *beneath_read(const char *folder, const char *name, size_t limit, size_t *size,
                   struct err *err);

// Opens `name` below the folder `root` with the flags of open(2), component by component; -1 and
// errno, EXDEV if it leads out. Replaces openat2() on kernels before 5.6 and where it is forbidden;
// public for tests.
int beneath_walk(int root, const char *name, int flags);

#endif
