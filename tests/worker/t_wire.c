// SPDX-License-Identifier: MIT
// Frames against bytes written by hand from docs/worker.md, in every way they can be cut.
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/worker/wire.h"

// {"type":"x","n":7} with the payload "abc", and after it {"type":"y"} without.
static const uint8_t two[] = "LMN1\x12\0\0\0\x03\0\0\0\0\0\0\0{\"type\":\"x\",\"n\":7}abc"
                             "LMN1\x0c\0\0\0\0\0\0\0\0\0\0\0{\"type\":\"y\"}";
enum { TWO_SIZE = sizeof two - 1 };

struct ends {
    int in[2], out[2];
    struct wire *wire;
};

static void
open_ends(struct ends *e)
{
    assert_int_equal(pipe(e->in), 0);
    assert_int_equal(pipe(e->out), 0);
    e->wire = wire_open(e->in[0], e->out[1]);
}

static void
close_ends(struct ends *e)
{
    wire_close(e->wire);
    close(e->in[0]);
    close(e->in[1]);
    close(e->out[0]);
    close(e->out[1]);
}

static void
check_two(struct wire *w, int *taken)
{
    struct wire_message m;
    struct err err = {0};
    while (wire_take(w, &m, &err)) {
        if (*taken == 0) {
            assert_string_equal(m.type, "x");
            assert_int_equal(jv_integer(jv_get(m.head, "n"), 0), 7);
            assert_int_equal(m.size, 3);
            assert_memory_equal(m.payload, "abc", 3);
        } else {
            assert_string_equal(m.type, "y");
            assert_int_equal(m.size, 0);
        }
        ++*taken;
        wire_message_free(&m);
    }
    assert_int_equal(err.code, ERR_NONE);
}

static void
take_all(struct wire *w, int *taken)
{
    enum wire_state state;
    do {
        state = wire_receive(w, NULL);
        check_two(w, taken);
    } while (state == WIRE_OK);
    assert_int_equal(state, WIRE_IDLE);
    assert_false(wire_has_buffered(w));
}

static void
cut_anywhere(void **state)
{
    (void)state;
    for (int cut = 0; cut <= TWO_SIZE; cut++) {
        struct ends e;
        open_ends(&e);
        int taken = 0;
        assert_int_equal(write(e.in[1], two, (size_t)cut), cut);
        take_all(e.wire, &taken);
        assert_int_equal(write(e.in[1], two + cut, (size_t)(TWO_SIZE - cut)), TWO_SIZE - cut);
        take_all(e.wire, &taken);
        assert_int_equal(taken, 2);
        close_ends(&e);
    }
}

static void
greeting_after_noise(void **state)
{
    (void)state;
    struct ends e;
    open_ends(&e);
    wire_expect_greeting(e.wire);
    int taken = 0;
    static const char noise[] = "Welcome to gpu!\nlimn-work is fun\n" WIRE_GREETING;
    for (size_t i = 0; i < sizeof noise - 1; i++) {
        assert_int_equal(write(e.in[1], noise + i, 1), 1);
        assert_int_equal(wire_receive(e.wire, NULL), WIRE_OK);
    }
    assert_int_equal(write(e.in[1], two, TWO_SIZE), TWO_SIZE);
    assert_int_equal(wire_receive(e.wire, NULL), WIRE_OK);
    check_two(e.wire, &taken);
    assert_int_equal(taken, 2);
    assert_string_equal(wire_noise(e.wire), "Welcome to gpu!\nlimn-work is fun\n");
    close_ends(&e);
}

// What a login shell says before: as much as it may, and a byte more. The greeting comes in a
// second piece.
static void
noise_has_a_limit(void **state)
{
    (void)state;
    for (int more = 0; more < 2; more++) {
        size_t size = LIMIT_WIRE_NOISE_BYTES + (size_t)more, length = strlen(WIRE_GREETING);
        char *noise = malloc(size + length);
        struct err err = {0};
        struct ends e;
        open_ends(&e);
        wire_expect_greeting(e.wire);
        fcntl(e.in[1], F_SETPIPE_SZ, 1 << 20);
        memset(noise, '.', size);
        memcpy(noise + size, WIRE_GREETING, length);
        enum wire_state s = WIRE_OK;
        const size_t cuts[] = {size + length - 1, 1};
        for (int i = 0, at = 0; i < 2; at += (int)cuts[i++]) {
            assert_int_equal(write(e.in[1], noise + at, cuts[i]), cuts[i]);
            do
                s = wire_receive(e.wire, &err);
            while (s == WIRE_OK);
            if (err.code != ERR_NONE)
                break;
        }
        assert_int_equal(err.code != ERR_NONE, more);
        assert_int_equal(strlen(wire_noise(e.wire)), more ? 0 : size);
        free(noise);
        close_ends(&e);
    }
}

// What a message announces: at its limits it is waited for, one byte more is no message.
static void
announcements_have_limits(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        bool payload = i / 2, more = i % 2;
        uint64_t n = (payload ? (uint64_t)LIMIT_WIRE_PAYLOAD_BYTES : LIMIT_WIRE_HEAD_BYTES) + more;
        uint8_t frame[16 + 12] = "LMN1";
        struct ends e;
        struct wire_message m;
        struct err err = {0};
        for (int k = 0; k < 8; k++)
            frame[payload ? 8 + k : 4 + k % 4] = (uint8_t)(n >> 8 * (payload ? k : k % 4));
        if (payload) {
            frame[4] = 12;
            memcpy(frame + 16, "{\"type\":\"x\"}", 12);
        }
        open_ends(&e);
        assert_int_equal(write(e.in[1], frame, payload ? 28 : 16), payload ? 28 : 16);
        assert_int_equal(wire_receive(e.wire, NULL), WIRE_OK);
        assert_false(wire_take(e.wire, &m, &err));
        assert_int_equal(err.code != ERR_NONE, more);
        wire_message_free(&m);
        close_ends(&e);
    }
}

static void
refuses(const void *bytes, size_t size)
{
    struct ends e;
    struct wire_message m;
    struct err err = {0};
    open_ends(&e);
    assert_int_equal(write(e.in[1], bytes, size), size);
    assert_int_equal(wire_receive(e.wire, NULL), WIRE_OK);
    assert_false(wire_take(e.wire, &m, &err));
    assert_int_not_equal(err.code, ERR_NONE);
    wire_message_free(&m);
    close_ends(&e);
}

static void
lies(void **state)
{
    (void)state;
    refuses("HTTP/1.1 400 Bad", 16);
    refuses("LMN1\xff\xff\xff\xff\0\0\0\0\0\0\0\0", 16);                // 4 GiB of JSON
    refuses("LMN1\x01\0\x40\0\0\0\0\0\0\0\0\0", 16);                    // 4 MiB and a byte
    refuses("LMN1\2\0\0\0\xff\xff\xff\xff\xff\xff\xff\x7f{}", 18);      // 2^63 bytes behind it
    refuses("LMN1\2\0\0\0\0\0\0\0\0\0\0\0{]", 18);                      // no JSON
}

// A head is cheap to parse, however it is made: at its limit it passes, one value more is refused.
static void
values(void **state)
{
    (void)state;
    for (int more = 0; more < 2; more++) {
        struct ends e;
        struct wire_message m;
        struct err err = {0};
        open_ends(&e);
        size_t n = LIMIT_WIRE_VALUES - 3 + (size_t)more, at = 0; // besides: all, type, list
        char *text = malloc(2 * n + 40);
        at += (size_t)sprintf(text, "{\"type\":\"x\",\"l\":[");
        for (size_t i = 0; i < n; i++)
            at += (size_t)sprintf(text + at, i ? ",1" : "1");
        at += (size_t)sprintf(text + at, "]}");
        uint8_t frame[16] = "LMN1";
        for (int i = 0; i < 4; i++)
            frame[4 + i] = (uint8_t)(at >> 8 * i);
        fcntl(e.in[1], F_SETPIPE_SZ, 1 << 20);
        assert_int_equal(write(e.in[1], frame, 16), 16);
        assert_int_equal(write(e.in[1], text, at), at);
        bool taken = false;
        while (!taken && err.code == ERR_NONE && wire_receive(e.wire, &err) == WIRE_OK)
            taken = wire_take(e.wire, &m, &err);
        assert_int_equal(taken, !more);
        assert_int_equal(err.code, more ? ERR_INPUT : ERR_NONE);
        if (taken)
            wire_message_free(&m);
        free(text);
        close_ends(&e);
    }
}

static size_t
four_bytes(const char *type)
{
    return strcmp(type, "x") == 0 ? 4 : 0;
}

// No room is made for what may not follow.
static void
room(void **state)
{
    (void)state;
    for (int more = 0; more < 2; more++) {
        struct ends e;
        struct wire_message m;
        struct err err = {0};
        open_ends(&e);
        wire_set_limit(e.wire, four_bytes);
        struct wire *w = wire_open(e.out[0], e.in[1]);
        wire_send(w, wire_head("x"), "abcde", 4 + (size_t)more);
        assert_true(wire_flush(w));
        assert_int_equal(wire_receive(e.wire, NULL), WIRE_OK);
        assert_int_equal(wire_take(e.wire, &m, &err), !more);
        assert_int_equal(err.code, more ? ERR_IO : ERR_NONE);
        wire_message_free(&m);
        wire_close(w);
        close_ends(&e);
    }
}

static void
sends_what_is_written_here(void **state)
{
    (void)state;
    struct ends e;
    open_ends(&e);
    struct jv *head = wire_head("x");
    jv_set(head, "n", jv_from_integer(7));
    wire_send(e.wire, head, "abc", 3);
    wire_send(e.wire, wire_head("y"), NULL, 0);
    assert_int_equal(wire_queued(e.wire), TWO_SIZE);
    assert_true(wire_flush(e.wire));
    assert_int_equal(wire_queued(e.wire), 0);
    uint8_t have[TWO_SIZE + 1];
    assert_int_equal(read(e.out[0], have, sizeof have), TWO_SIZE);
    assert_memory_equal(have, two, TWO_SIZE);
    close_ends(&e);
}

// A reader that takes nothing costs memory, never time; what it takes later is whole.
static void
never_waits(void **state)
{
    (void)state;
    struct ends e;
    open_ends(&e);
    enum { SIZE = 1 << 20 };
    uint8_t *big = malloc(SIZE), *have = malloc(2 * SIZE);
    for (int i = 0; i < SIZE; i++)
        big[i] = (uint8_t)(i * 7);
    wire_send(e.wire, wire_head("big"), big, SIZE);
    assert_true(wire_flush(e.wire));
    assert_true(wire_queued(e.wire) > SIZE / 2);
    fcntl(e.out[0], F_SETFL, O_NONBLOCK);
    size_t got = 0;
    for (int i = 0; i < 10000 && (wire_queued(e.wire) || i == 0); i++) {
        ssize_t n = read(e.out[0], have + got, 2 * SIZE - got);
        got += n > 0 ? (size_t)n : 0;
        assert_true(wire_flush(e.wire));
    }
    for (ssize_t n; (n = read(e.out[0], have + got, 2 * SIZE - got)) > 0;)
        got += (size_t)n;
    assert_int_equal(got, 16 + strlen("{\"type\":\"big\"}") + SIZE);
    assert_memory_equal(have + got - SIZE, big, SIZE);
    free(big);
    free(have);
    close_ends(&e);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_anywhere), cmocka_unit_test(greeting_after_noise),
        cmocka_unit_test(noise_has_a_limit), cmocka_unit_test(announcements_have_limits),
        cmocka_unit_test(lies),         cmocka_unit_test(sends_what_is_written_here),
        cmocka_unit_test(never_waits), cmocka_unit_test(values),
        cmocka_unit_test(room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
