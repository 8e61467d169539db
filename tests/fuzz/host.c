// SPDX-License-Identifier: MIT
#include "tests/fuzz/host.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { PIPES = 3, CHILD = 1 << 28, PIPE_BYTES = 1 << 20 };

int __wrap_pipe2(int ends[2], int flags);
int __real_pipe2(int ends[2], int flags);
pid_t __wrap_fork(void);
pid_t __real_fork(void);
pid_t __wrap_waitpid(pid_t pid, int *status, int options);
pid_t __real_waitpid(pid_t pid, int *status, int options);
int __wrap_kill(pid_t pid, int number);
int __real_kill(pid_t pid, int number);

static const uint8_t *said;
static size_t said_size;
static int pipes[PIPES][2]; // the last ones made: the child's input, output, error
static int kept = -1;       // the end that the child would read from

void
host_says(const uint8_t *data, size_t size)
{
    said = data;
    said_size = size;
}

int
__wrap_pipe2(int ends[2], int flags)
{
    int result = __real_pipe2(ends, flags);
    for (int i = 0; i + 1 < PIPES; i++)
        for (int k = 0; k < 2; k++)
            pipes[i][k] = pipes[i + 1][k];
    for (int k = 0; k < 2; k++)
        pipes[PIPES - 1][k] = ends[k];
    return result;
}

// What does not fit into a pipe is not said.
pid_t
__wrap_fork(void)
{
    if (!said)
        return __real_fork();
    int out = pipes[1][1];
    if (kept >= 0)
        close(kept);
    kept = fcntl(pipes[0][0], F_DUPFD_CLOEXEC, 0);
    fcntl(out, F_SETPIPE_SZ, PIPE_BYTES);
    int flags = fcntl(out, F_GETFL);
    fcntl(out, F_SETFL, flags | O_NONBLOCK);
    for (size_t at = 0; at < said_size;) {
        ssize_t n = write(out, said + at, said_size - at);
        if (n <= 0)
            break;
        at += (size_t)n;
    }
    return CHILD;
}

pid_t
__wrap_waitpid(pid_t pid, int *status, int options)
{
    if (pid != CHILD)
        return __real_waitpid(pid, status, options);
    if (status)
        *status = 0;
    return CHILD;
}

int
__wrap_kill(pid_t pid, int number)
{
    return pid == CHILD ? 0 : __real_kill(pid, number);
}
