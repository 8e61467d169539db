// SPDX-License-Identifier: MIT
#include "app/cli/output.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "app/base/streams.h"
#include "engine/base/file.h"

bool
output_is_standard(const char *path)
{
    return path && (strcmp(path, "-") == 0 || strcmp(path, "/dev/stdout") == 0);
}

static bool
check_standard(struct err *err)
{
    int flags = fcntl(STDOUT_FILENO, F_GETFL);
    if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
        return err_set(err, ERR_IO, "standard output is closed");
    return !isatty(STDOUT_FILENO) ||
           err_set(err, ERR_INPUT,
                   "standard output is a terminal, which cannot show a PNG: redirect it to a "
                   "file or another program");
}

bool
output_check(const char *path, const char *source, struct err *err)
{
    if (output_is_standard(path))
        return check_standard(err);
    if (source && file_same(path, source))
        return err_set(err, ERR_INPUT, "%s is an input: name another file to write", path);
    return file_out_check(path, err);
}

static bool
write_out(const char *data, size_t size, struct err *err)
{
    return streams_write(STDOUT_FILENO, data, size) || err_errno(err, ERR_IO, "standard output");
}

bool
output_write(const char *path, const void *data, size_t size, struct err *err)
{
    return output_is_standard(path) ? write_out(data, size, err)
                                    : file_write(path, data, size, err);
}
