// SPDX-License-Identifier: MIT
// What a client hands out in a turn and in a second, and which files it keeps for a worker that
// asks: the limits at their edges. The other side is this test; the clock is its own
// (--wrap=clock_gettime).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "app/worker/client_parts.h"
#include "engine/base/mem.h"

static struct client client;
static struct wire *worker;
static int to_limn[2], to_worker[2];
static double now;

int __wrap_clock_gettime(clockid_t which, struct timespec *t);
int
__wrap_clock_gettime(clockid_t which, struct timespec *t)
{
    (void)which;
    *t = (struct timespec){(time_t)now, (long)(1e9 * (now - (double)(time_t)now))};
    return 0;
}

static int
begin(void **state)
{
    (void)state;
    if (pipe(to_limn) != 0 || pipe(to_worker) != 0)
        return -1;
    now += 1000;
    client = (struct client){.in = to_limn[0], .out = to_worker[1], .errors = -1, .ready = true};
    client.wire = wire_open(to_limn[0], to_worker[1]);
    worker = wire_open(to_worker[0], to_limn[1]);
    return 0;
}

static int
end(void **state)
{
    (void)state;
    wire_close(client.wire);
    wire_close(worker);
    for (int i = 0; i < 2; i++) {
        close(to_limn[i]);
        close(to_worker[i]);
    }
    for (int i = 0; i < LIMIT_CLIENT_BLOBS; i++)
        free(client.blobs[i].data);
    return 0;
}

static void
say(struct jv *head, int times)
{
    for (int i = 1; i < times; i++) {
        struct jv *again = wire_head(jv_string(jv_get(head, "type"), ""));
        jv_set(again, "level", jv_from_string("info"));
        jv_set(again, "text", jv_from_string(jv_string(jv_get(head, "text"), "")));
        wire_send(worker, again, NULL, 0);
    }
    wire_send(worker, head, NULL, 0);
    assert_true(wire_flush(worker));
}

static struct jv *
line(void)
{
    struct jv *head = wire_head("log");
    jv_set(head, "level", jv_from_string("info"));
    jv_set(head, "text", jv_from_string("x"));
    return head;
}

// Events of one turn, which begins as it does where people's keys are waited for.
static int
turn(char last[100])
{
    struct client_event e;
    int count = 0;
    assert_true(client_alive(&client));
    struct pollfd fds[CLIENT_FDS];
    client_fds(&client, fds);
    for (; client_next(&client, &e); count++) {
        if (last)
            snprintf(last, 100, "%s", jv_string(jv_get(e.data, "text"), ""));
        client_event_free(&e);
    }
    return count;
}

static void
a_turn(void **state)
{
    (void)state;
    const int most = LIMIT_HOST_EVENTS_A_TURN - 1; // to read them is one
    say(wire_head("changed"), most);
    assert_int_equal(turn(NULL), most);
    assert_int_equal(turn(NULL), 0);
    say(wire_head("changed"), most + 1);
    assert_int_equal(turn(NULL), most);
    assert_int_equal(turn(NULL), 1);
}

// All turns until nothing is left.
static int
shown(char last[100])
{
    int all = 0;
    for (int i = 0; i < 20; i++)
        all += turn(last);
    return all;
}

static void
a_second(void **state)
{
    (void)state;
    char last[100] = "";
    now += 3600; // as many as may come at once
    say(line(), LOG_BURST);
    assert_int_equal(shown(last), LOG_BURST);
    say(line(), 1);
    assert_int_equal(shown(last), 0);
    now += 1;
    say(line(), LIMIT_HOST_LOGS_A_SECOND);
    assert_int_equal(shown(last), LIMIT_HOST_LOGS_A_SECOND);
    now += 1;
    say(line(), LIMIT_HOST_LOGS_A_SECOND + 1);
    assert_int_equal(shown(last), LIMIT_HOST_LOGS_A_SECOND);
    now += 1;
    say(line(), 1);
    assert_int_equal(shown(last), 1);
    assert_string_equal(last, "x (1 lines before it were left out)");
}

static void
give(int i)
{
    char hash[JOB_HASH_TEXT];
    snprintf(hash, sizeof hash, "%064d", i);
    client_offer_blob(&client, hash, sizeof hash, hash);
}

// Whether it is sent to a worker that asks for it.
static bool
is_kept(int i)
{
    char hash[JOB_HASH_TEXT];
    struct wire_message m = {0};
    struct err err = {0};
    bool sent = false;
    snprintf(hash, sizeof hash, "%064d", i);
    struct jv *head = wire_head("want");
    jv_set(head, "hash", jv_from_string(hash));
    wire_send(worker, head, NULL, 0);
    assert_true(wire_flush(worker));
    turn(NULL);
    struct pollfd p = {to_worker[0], POLLIN, 0};
    while (poll(&p, 1, 0) > 0 && wire_receive(worker, &err) == WIRE_OK)
        while (wire_take(worker, &m, &err)) {
            sent = strcmp(jv_string(jv_get(m.head, "hash"), ""), hash) == 0;
            wire_message_free(&m);
        }
    return sent;
}

// LIMIT_CLIENT_BLOBS of them; with one more the one that was given longest ago goes, however long
// it is here.
static void
files(void **state)
{
    (void)state;
    for (int i = 0; i < LIMIT_CLIENT_BLOBS; i++)
        give(i);
    assert_true(is_kept(0));
    assert_true(is_kept(LIMIT_CLIENT_BLOBS - 1));
    give(0);
    give(LIMIT_CLIENT_BLOBS);
    assert_true(is_kept(0));
    assert_false(is_kept(1));
    assert_true(is_kept(2));
    assert_true(is_kept(LIMIT_CLIENT_BLOBS));
    assert_false(is_kept(0)); // once for every time
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_turn, begin, end),
        cmocka_unit_test_setup_teardown(a_second, begin, end),
        cmocka_unit_test_setup_teardown(files, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
