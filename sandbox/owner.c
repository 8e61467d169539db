// SPDX-License-Identifier: MIT
// The owner's side of a child: what goes to it and comes from it, and its end.
#include "sandbox/owner.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/mem.h"

enum { POLL_MS = 50, STATUS_MS = 2000 };

// Waits until `events` are possible; SANDBOX_DONE: try.
static enum sandbox_state
wait_for(const struct sandbox *s, short events, const struct sandbox_wait *wait)
{
    for (;;) {
        double left = wait->deadline - clock_seconds();
        struct pollfd fd = {s->data, events, 0};
        if (wait->stop && atomic_load(wait->stop))
            return SANDBOX_STOPPED;
        if (left <= 0)
            return SANDBOX_LATE;
        int ms = left > 1000 ? 1000000 : (int)(left * 1000) + 1;
        if (poll(&fd, 1, wait->stop ? MIN(ms, POLL_MS) : ms) > 0)
            return SANDBOX_DONE;
    }
}

enum sandbox_state
sandbox_write(struct sandbox *s, const void *data, size_t size, const struct sandbox_wait *wait)
{
    for (const char *p = data; size > 0;) {
        ssize_t n = send(s->data, p, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            enum sandbox_state state = wait_for(s, POLLOUT, wait);
            if (state != SANDBOX_DONE)
                return state;
        } else if (n < 0 && errno != EINTR) {
            return SANDBOX_ENDED;
        } else if (n > 0) {
            p += n;
            size -= (size_t)n;
        }
    }
    return SANDBOX_DONE;
}

enum sandbox_state
sandbox_read(struct sandbox *s, void *data, size_t size, const struct sandbox_wait *wait)
{
    for (char *p = data; size > 0;) {
        enum sandbox_state state = wait_for(s, POLLIN, wait);
        if (state != SANDBOX_DONE)
            return state;
        ssize_t n = read(s->data, p, size);
        if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
            return SANDBOX_ENDED;
        if (n > 0) {
            p += n;
            size -= (size_t)n;
        }
    }
    return SANDBOX_DONE;
}

void
sandbox_kill(struct sandbox *s)
{
    if (!s)
        return;
    close(s->data);
    close(s->lifetime);
    free(s);
}

int
sandbox_close(struct sandbox *s)
{
    int status = -1;
    if (!s)
        return -1;
    close(s->data);
    // Half-closed, it makes the keeper end the child, if it still runs, and send its status.
    struct pollfd fd = {s->lifetime, POLLIN, 0};
    shutdown(s->lifetime, SHUT_WR);
    double until = clock_seconds() + STATUS_MS / 1000.0;
    int ready;
    do
        ready = poll(&fd, 1, (int)MAX(0, (until - clock_seconds()) * 1000));
    while (ready < 0 && errno == EINTR);
    if (ready <= 0 || recv(s->lifetime, &status, sizeof status, MSG_DONTWAIT) != sizeof status)
        status = -1;
    close(s->lifetime);
    free(s);
    return status;
}
