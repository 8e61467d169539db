// SPDX-License-Identifier: MIT
#include "app/base/streams.h"

#include <fcntl.h>
#include <unistd.h>

void
streams_open(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            _exit(1); // there is no way to say why
}
