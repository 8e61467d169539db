// SPDX-License-Identifier: MIT
#include "app/worker/relay.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/worker/wire.h"
#include "engine/base/mem.h"

// One direction: bytes read from `from` and not yet written to `to`.
struct flow {
    int from, to;
    bool ended;
    size_t start, end;
    uint8_t bytes[64 << 10];
};

static bool
move_in(struct flow *f)
{
    ssize_t n = read(f->from, f->bytes, sizeof f->bytes);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    f->start = 0;
    f->end = n > 0 ? (size_t)n : 0;
    return n > 0;
}

static bool
move_out(struct flow *f)
{
    ssize_t n = write(f->to, f->bytes + f->start, f->end - f->start);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN;
    f->start += (size_t)n;
    return true;
}

int
relay(int in, int out, int socket)
{
    static struct flow flows[2];
    flows[0] = (struct flow){.from = in, .to = socket};
    flows[1] = (struct flow){.from = socket, .to = out};
    bool running = write(out, WIRE_GREETING, strlen(WIRE_GREETING)) > 0;
    while (running) {
        struct pollfd fds[2];
        for (int i = 0; i < 2; i++) {
            bool full = flows[i].end > flows[i].start;
            fds[i] = (struct pollfd){.fd = full ? flows[i].to : flows[i].from,
                                     .events = full ? POLLOUT : POLLIN};
        }
        if (poll(fds, 2, -1) < 0) {
            running = errno == EINTR;
            continue;
        }
        for (int i = 0; i < 2 && running; i++)
            if (fds[i].revents)
                running = flows[i].end > flows[i].start ? move_out(&flows[i]) : move_in(&flows[i]);
    }
    shutdown(socket, SHUT_RDWR);
    close(socket);
    return 0;
}
