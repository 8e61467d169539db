// SPDX-License-Identifier: MIT
// Files that another file names: a template its pictures, a recipe its tasks. Such a file may come
// from a stranger, so a name in it leads to its own folder and below, wherever symbolic links
// point, and never to hidden files. A path that a person typed needs none of this: file.h.
#ifndef LIMN_ENGINE_BASE_BENEATH_H
#define LIMN_ENGINE_BASE_BENEATH_H

#include <stddef.h>

#include "engine/base/err.h"

// `folder`: of the file that names the other one; "": the current one. `name`: relative to it,
// without ".." and without a part that begins with a dot. ERR_INPUT says what is wrong with the
// name, which starts the sentence; how to allow it is the caller's to add. Any thread.

// "folder/name", freed with free(): what exists of it lies below the folder. The file itself need
// not exist.
char *beneath_path(const char *folder, const char *name, struct err *err);

// As file_read(): the file is looked up and opened in one step, so that it is the one that was
// checked.
char *beneath_read(const char *folder, const char *name, size_t limit, size_t *size,
                   struct err *err);

// Opens `name` below the folder `root` with the flags of open(2), link by link; -1 and errno,
// EXDEV where it leads out. What stands in for openat2() on kernels before 5.6 and where it is
// forbidden; for tests.
int beneath_walk(int root, const char *name, int flags);

#endif
