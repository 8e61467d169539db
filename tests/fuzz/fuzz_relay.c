// SPDX-License-Identifier: MIT
// The relay between a limn and a worker that waits behind a socket: the input goes through it in
// both directions, whole or with a side that goes away in the middle (first byte).
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/worker/relay.h"
#include "app/worker/wire.h"
#include "engine/base/mem.h"
#include "tests/fuzz/fuzz.h"

struct relayed {
    int in, out, socket;
};

static void *
run(void *ctx)
{
    struct relayed *r = ctx;
    relay(r->in, r->out, r->socket);
    close(r->out);
    return NULL;
}

// What comes out, to its end or to `most` bytes.
static size_t
drain(int fd, uint8_t *bytes, size_t most)
{
    size_t size = 0;
    while (size < most) {
        ssize_t n = read(fd, bytes + size, most - size);
        if (n < 0 && errno == EINTR) // libFuzzer's clock
            continue;
        if (n <= 0)
            break;
        size += (size_t)n;
    }
    return size;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { MOST = 60000 };
    static uint8_t back[MOST + sizeof WIRE_GREETING];
    size_t greeting = strlen(WIRE_GREETING);
    int in[2], out[2], ends[2];
    pthread_t thread;
    if (size < 2 || size > MOST)
        return 0;
    if (pipe(in) != 0 || pipe(out) != 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        abort();
    struct relayed r = {in[0], out[1], ends[0]};
    if (pthread_create(&thread, NULL, run, &r) != 0)
        abort();
    bool here = data[0] & 1;
    size_t part = size - 1;
    if (write(here ? in[1] : ends[1], data + 1, part) != (ssize_t)part)
        abort();
    // What went in at one side comes out at the other, whole; then a side goes, and the relay with
    // it.
    size_t wanted = here ? part : greeting + part;
    size_t got = drain(here ? ends[1] : out[0], back, wanted);
    if (got != wanted || memcmp(here ? back : back + greeting, data + 1, part) != 0)
        abort();
    close(data[0] & 2 ? in[1] : ends[1]);
    pthread_join(thread, NULL);
    close(data[0] & 2 ? ends[1] : in[1]);
    close(in[0]);
    close(out[0]);
    return 0;
}
