// SPDX-License-Identifier: MIT
// The table of messages: what docs/worker.md says of it, each field at its edges, and texts that
// would control a terminal. usage: t_protocol WORKER.md
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/base/text.h"
#include "app/worker/protocol.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"

static const char *manual;

// --- the manual's table

static void
put_fields(FILE *out, const struct protocol_message *m, const struct protocol_field *f,
           const char *before)
{
    for (; f->kind != PROTOCOL_END; f++) {
        char rule[80], name[80];
        protocol_rule(f, rule, sizeof rule);
        snprintf(name, sizeof name, "%s%s%s", before, f->name,
                 f->kind == PROTOCOL_LIST ? "[]" : "");
        fprintf(out, "| %s `%s` | `%s` | %s | %s |\n",
                m->from == PROTOCOL_FROM_LIMN ? "limn" : "worker", m->type, name, rule,
                f->needed ? "yes" : "");
        if (f->inside) {
            char inside[90];
            snprintf(inside, sizeof inside, "%s.", name);
            put_fields(out, m, f->inside, inside);
        }
    }
}

static char *
table(void)
{
    static const char *const payloads[] = {"nothing", "bytes", "a PNG", "pixels"};
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    fputs("| message | field | what it is | needed |\n|---|---|---|---|\n", out);
    for (const struct protocol_message *m = protocol_messages; m->type; m++) {
        fprintf(out, "| %s `%s` |  | followed by %s", m->from ? "worker" : "limn", m->type,
                payloads[m->payload]);
        if (m->max_payload)
            fprintf(out, ", at most %zu bytes", m->max_payload);
        fprintf(out, "%s | |\n", m->ends ? "; ends the connection if refused" : "");
        put_fields(out, m, m->fields, "");
    }
    fclose(out);
    return text;
}

static void
the_manual_has_it(void **state)
{
    (void)state;
    static const char begin[] = "<!-- messages -->\n", end[] = "<!-- /messages -->\n";
    size_t size = 0;
    char *want = table(), *have = file_read(manual, 1 << 20, &size, NULL);
    assert_non_null(have);
    char *from = strstr(have, begin), *to = strstr(have, end);
    bool same = from && to && strncmp(from + strlen(begin), want, strlen(want)) == 0 &&
                from + strlen(begin) + strlen(want) == to;
    if (!same)
        printf("docs/worker.md is to have this between its two marks:\n%s", want);
    assert_true(same);
    free(want);
    free(have);
}

// --- checks

static enum protocol_verdict
check(const char *json, const void *payload, size_t size, struct jv **head)
{
    struct err err = {0};
    struct wire_message m = {.head = jv_parse(json, strlen(json), "test", &err), .size = size};
    assert_non_null(m.head);
    m.type = jv_string(jv_get(m.head, "type"), "");
    m.payload = size ? mem_alloc(size) : NULL;
    if (size)
        memcpy(m.payload, payload, size);
    enum protocol_verdict v = protocol_check(PROTOCOL_FROM_WORKER, &m, &err);
    assert_int_equal(err.code != ERR_NONE && v == PROTOCOL_TAKEN, false);
    if (head && v == PROTOCOL_TAKEN) {
        *head = m.head;
        m.head = NULL;
    }
    wire_message_free(&m);
    return v;
}

static void
edges(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        enum protocol_verdict verdict;
    } cases[] = {
        {"{\"type\":\"progress\",\"job\":\"a\",\"step\":1000000,\"total\":1000000}",
         PROTOCOL_TAKEN},
        {"{\"type\":\"progress\",\"job\":\"a\",\"step\":0,\"total\":1000001}", PROTOCOL_REFUSED},
        {"{\"type\":\"progress\",\"job\":\"a\",\"step\":2,\"total\":1}", PROTOCOL_REFUSED},
        {"{\"type\":\"progress\",\"job\":\"a\",\"step\":-1,\"total\":1}", PROTOCOL_REFUSED},
        {"{\"type\":\"progress\",\"job\":\"a\",\"step\":536870912,\"total\":-1}", PROTOCOL_REFUSED},
        {"{\"type\":\"progress\",\"job\":\"a\",\"step\":1.0,\"total\":2}", PROTOCOL_REFUSED},
        {"{\"type\":\"progress\",\"job\":\"../a\",\"step\":1,\"total\":2}", PROTOCOL_REFUSED},
        {"{\"type\":\"progress\",\"job\":\"\",\"step\":1,\"total\":2}", PROTOCOL_REFUSED},
        {"{\"type\":\"progress\",\"step\":1,\"total\":2}", PROTOCOL_REFUSED},
        {"{\"type\":\"progress\",\"job\":\"a\",\"seconds\":1e10}", PROTOCOL_REFUSED},
        {"{\"type\":\"progress\",\"job\":\"a\",\"seconds\":null}", PROTOCOL_TAKEN},
        {"{\"type\":\"ended\",\"id\":\"a\",\"code\":255}", PROTOCOL_TAKEN},
        {"{\"type\":\"ended\",\"id\":\"a\",\"code\":256}", PROTOCOL_BROKEN},
        {"{\"type\":\"result\",\"job\":\"a\",\"index\":0}", PROTOCOL_BROKEN}, // without a picture
        {"{\"type\":\"later\",\"job\":5}", PROTOCOL_UNKNOWN},
        {"{\"type\":\"submit\",\"job\":{}}", PROTOCOL_UNKNOWN}, // the other direction's
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (check(cases[i].json, NULL, 0, NULL) != cases[i].verdict)
            fail_msg("%s", cases[i].json);
}

// A message that keeps to the table, with one entry in each list, and one of its numbers as it is
// given.
static struct jv *
right(const struct protocol_field *f, const struct protocol_field *which, double value)
{
    struct jv *o = jv_object();
    for (; f->kind != PROTOCOL_END; f++) {
        struct jv *v = NULL;
        double number = f == which ? value : f->low;
        if (f->kind == PROTOCOL_ID || f->kind == PROTOCOL_LINE)
            v = jv_from_string("a");
        else if (f->kind == PROTOCOL_HASH)
            v = jv_from_string("0000000000000000000000000000000000000000000000000000000000000000");
        else if (f->kind == PROTOCOL_INTEGER)
            v = jv_from_integer((int64_t)number);
        else if (f->kind == PROTOCOL_NUMBER)
            v = jv_from_number(number);
        else if (f->kind == PROTOCOL_OBJECT)
            v = right(f->inside, which, value);
        else if (f->kind == PROTOCOL_LIST && (v = jv_array()))
            jv_append(v, right(f->inside, which, value));
        if (v)
            jv_set(o, f->name, v);
    }
    return o;
}

// Whether a number, at one of its edges, is still there when its message was looked at.
static bool
passes(const struct protocol_message *m, const struct protocol_field *f, double value)
{
    static const uint8_t png[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0CRC."
                                 "\0\0\0\3IDATxyzCRC.\0\0\0\0IENDCRC.";
    struct jv *head = right(m->fields, f, value);
    jv_set(head, "type", jv_from_string(m->type));
    if (strcmp(m->type, "progress") == 0 && strcmp(f->name, "step") == 0)
        jv_set(head, "total", jv_from_integer(LIMIT_HOST_STEPS)); // a step is none behind the last
    struct wire_message w = {.head = head, .type = jv_string(jv_get(head, "type"), "")};
    if (m->payload == PAYLOAD_PNG) {
        w.size = sizeof png - 1;
        w.payload = mem_alloc(w.size);
        memcpy(w.payload, png, w.size);
    }
    struct err err = {0};
    bool taken = protocol_check(m->from, &w, &err) == PROTOCOL_TAKEN && err.code == ERR_NONE;
    wire_message_free(&w);
    return taken;
}

static void
try_numbers(const struct protocol_message *m, const struct protocol_field *f, int *tried)
{
    for (; f->kind != PROTOCOL_END; f++) {
        if (f->inside)
            try_numbers(m, f->inside, tried);
        if (f->kind != PROTOCOL_INTEGER)
            continue;
        ++*tried;
        if (!passes(m, f, f->low) || !passes(m, f, f->high) || passes(m, f, f->low - 1) ||
            (f->high < 9e15 && passes(m, f, f->high + 1)))
            fail_msg("%s.%s: %g..%g", m->type, f->name, f->low, f->high);
    }
}

// Every whole number of every message of a worker: LIMIT_HOST_STEPS, LIMIT_JOB_PICTURES and others.
static void
numbers(void **state)
{
    (void)state;
    int tried = 0;
    for (const struct protocol_message *m = protocol_messages; m->type; m++)
        if (m->from == PROTOCOL_FROM_WORKER)
            try_numbers(m, m->fields, &tried);
    assert_in_range(tried, 20, 1000);
}

// What follows a message at most; that wire_set_limit() is obeyed t_wire shows.
static void
rooms(void **state)
{
    (void)state;
    assert_int_equal(protocol_payload_limit_of_worker("result"), LIMIT_HOST_PICTURE_BYTES);
    assert_int_equal(protocol_payload_limit_of_worker("loaded"), LIMIT_HOST_PICTURE_BYTES);
    assert_int_equal(protocol_payload_limit_of_worker("progress"), LIMIT_HOST_PREVIEW_BYTES);
    assert_int_equal(protocol_payload_limit_of_worker("piece"), LIMIT_HOST_PIECE_BYTES);
    assert_int_equal(protocol_payload_limit_of_worker("output"), LIMIT_HOST_PIECE_BYTES);
    assert_int_equal(protocol_payload_limit_of_worker("file"), LIMIT_ORDER_RESULT_BYTES);
    assert_int_equal(protocol_payload_limit_of_worker("log"), 0);
}

// Of a list as many entries as there may be; those behind are left out.
static void
long_lists(void **state)
{
    (void)state;
    for (int more = -1; more < 2; more++) {
        struct jv *head = jv_object(), *results = jv_array();
        struct err err = {0};
        for (int i = 0; i < LIMIT_HOST_LIST + more; i++) {
            struct jv *o = jv_object();
            jv_set(o, "job", jv_from_string("a"));
            jv_set(o, "index", jv_from_integer(0));
            jv_append(results, o);
        }
        jv_set(head, "type", jv_from_string("hello"));
        jv_set(head, "protocol", jv_from_integer(1));
        jv_set(head, "results", results);
        struct wire_message m = {.head = head, .type = "hello"};
        assert_int_equal(protocol_check(PROTOCOL_FROM_WORKER, &m, &err), PROTOCOL_TAKEN);
        assert_int_equal(jv_size(jv_get(m.head, "results")), LIMIT_HOST_LIST + MIN(more, 0));
        wire_message_free(&m);
    }
}

static void
previews(void **state)
{
    (void)state;
    static const char two[] =
        "{\"type\":\"progress\",\"job\":\"a\",\"width\":5,\"height\":4,\"count\":2}";
    uint8_t rgb[5 * 4 * 3 * 2 + 1] = {0};
    assert_int_equal(check(two, rgb, sizeof rgb - 1, NULL), PROTOCOL_TAKEN);
    assert_int_equal(check(two, rgb, sizeof rgb, NULL), PROTOCOL_REFUSED);
    assert_int_equal(check(two, rgb, sizeof rgb - 2, NULL), PROTOCOL_REFUSED);
    assert_int_equal(check(two, NULL, 0, NULL), PROTOCOL_TAKEN);
}

// A line at its limit passes, one byte more does not; what would control a terminal is '?'.
static void
lines(void **state)
{
    (void)state;
    for (int more = 0; more < 2; more++) {
        char *text = mem_alloc(LIMIT_HOST_LINE_BYTES + 2);
        memset(text, 'x', LIMIT_HOST_LINE_BYTES + 1);
        text[LIMIT_HOST_LINE_BYTES + more] = 0;
        char *json = mem_printf("{\"type\":\"log\",\"text\":\"%s\"}", text);
        assert_int_equal(check(json, NULL, 0, NULL), more ? PROTOCOL_REFUSED : PROTOCOL_TAKEN);
        free(json);
        free(text);
    }
    struct jv *head = NULL;
    assert_int_equal(
        check("{\"type\":\"log\",\"more\":1,\"text\":\"a\\u001b]0;b\\u0007\\n\\t\\r\\u007f"
              "\\u009b1m\\u0085\\u202ec\\u2066\\u2028é日\"}",
              NULL, 0, &head),
        PROTOCOL_TAKEN);
    assert_string_equal(jv_string(jv_get(head, "text"), ""), "a?]0;b??????1m??c??é日");
    assert_null(jv_get(head, "more")); // no fields but those of the table
    assert_null(jv_get(head, "type"));
    jv_free(head);
}

// What is wrong in a list is left out, and the rest is there; the one behind the last is not.
static void
lists(void **state)
{
    (void)state;
    static const char json[] = "{\"type\":\"hello\",\"protocol\":1,\"results\":["
                               "{\"job\":\"a\",\"index\":0},{\"job\":\"../b\",\"index\":0},5,"
                               "{\"job\":\"c\",\"index\":-1},{\"job\":\"d\",\"index\":3}]}";
    struct err err = {0};
    struct wire_message m = {.head = jv_parse(json, strlen(json), "test", NULL), .type = "hello"};
    assert_int_equal(protocol_check(PROTOCOL_FROM_WORKER, &m, &err), PROTOCOL_TAKEN);
    assert_int_not_equal(err.code, ERR_NONE);
    assert_int_equal(jv_size(jv_get(m.head, "results")), 2);
    wire_message_free(&m);
}

static void
pngs(void **state)
{
    (void)state;
    static const uint8_t png[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0CRC."
                                 "\0\0\0\3IDATxyzCRC.\0\0\0\0IENDCRC.";
    size_t size = sizeof png - 1;
    assert_true(protocol_is_png(png, size));
    for (size_t n = 0; n < size; n++) // in no way cut
        assert_false(protocol_is_png(png, n));
    assert_false(protocol_is_png("<svg xmlns='http://www.w3.org/2000/svg'/>                ", 50));
    uint8_t more[sizeof png + 1];
    memcpy(more, png, size);
    memcpy(more + size, "x", 1);
    assert_false(protocol_is_png(more, size + 1));
}

// --- streams (app/base/text.h), cut anywhere

static void
streams(void **state)
{
    (void)state;
    static const char in[] =
        "12\r\033[K34\t\033[31m\033]0;x\007 é日\xc2\x9b\x9b\xe9 \xe2\x80\xae\x7f\n";
    static const char out[] = "12\r\033[K34\t?[31m?]0;x? é日???" " ??\n";
    for (size_t cut = 0; cut < sizeof in; cut++) {
        struct text_stream s = {0};
        char have[sizeof in + 16];
        size_t n = text_stream(&s, in, cut, false, have);
        n += text_stream(&s, in + cut, sizeof in - 1 - cut, false, have + n);
        n += text_stream_end(&s, false, have + n);
        have[n] = 0;
        assert_string_equal(have, out);
    }
}

int
main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    manual = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_manual_has_it), cmocka_unit_test(edges), cmocka_unit_test(numbers),
        cmocka_unit_test(rooms), cmocka_unit_test(long_lists), cmocka_unit_test(previews),
        cmocka_unit_test(lines), cmocka_unit_test(lists), cmocka_unit_test(pngs),
        cmocka_unit_test(streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
