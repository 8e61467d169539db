// SPDX-License-Identifier: MIT
// Frames as they come in, cut in two where the first byte says; jobs and commands in them. The
// second byte says whether a greeting is waited for.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/job/job.h"
#include "app/worker/order.h"
#include "app/worker/wire.h"
#include "engine/base/mem.h"
#include "tests/fuzz/fuzz.h"

static void
use(struct wire *w, const struct wire_message *m)
{
    struct err err = {0};
    struct job *j = mem_zalloc(sizeof *j);
    struct order *o = mem_zalloc(sizeof *o);
    if (job_parse(j, jv_get(m->head, "job"), "job", &err) && job_check(j, &err)) {
        job_resolve(j);
        wire_send(w, job_json(j, false), m->payload, m->size);
    }
    fuzz_said("", &err);
    err_clear(&err);
    if (order_parse(o, m->head, &err))
        jv_free(order_json(o));
    fuzz_said("", &err);
    job_finish(j);
    order_finish(o);
    free(j);
    free(o);
}

static void
take_all(struct wire *w)
{
    struct err err = {0};
    struct wire_message m;
    while (wire_take(w, &m, &err)) {
        use(w, &m);
        wire_message_free(&m);
        wire_flush(w);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { PIPE = 60000 };
    int in[2], out[2];
    if (size < 2 || size > PIPE)
        return 0;
    if (pipe(in) != 0 || pipe(out) != 0)
        abort();
    struct wire *w = wire_open(in[0], out[1]);
    if (data[1] & 1)
        wire_expect_greeting(w);
    size_t parts[2] = {(size - 2) * data[0] / 256, 0};
    parts[1] = size - 2 - parts[0];
    data += 2;
    for (int i = 0; i < 2; i++) {
        struct err err = {0};
        if (parts[i] && write(in[1], data, parts[i]) < 0)
            abort();
        data += parts[i];
        if (wire_receive(w, &err) == WIRE_BROKEN)
            break;
        take_all(w);
    }
    fuzz_use_text(wire_noise(w));
    wire_close(w);
    for (int i = 0; i < 2; i++) {
        close(in[i]);
        close(out[i]);
    }
    return 0;
}
