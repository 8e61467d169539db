// SPDX-License-Identifier: MIT
// Byte-level BPE against the tokenizers of Hugging Face: 10,000 strings of all scripts, emoji, code
// and white space, in the chat template, from tokenizer.json, from vocab.json with merges.txt, and
// from the head of a GGUF file.
// Takes the folder of a vocabulary and perhaps another golden for it (tests/reference/bpe.py).
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "engine/base/file.h"
#include "engine/base/jv.h"
#include "engine/base/mem.h"
#include "engine/text/tokenizer.h"

static const char *folder;
static struct jv *golden;

static const char BEFORE[] = "<|im_start|>user\n";
static const char AFTER[] = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n";

enum { IDS_MAX = 4096 };

static struct tokenizer *
opened(const char *path)
{
    struct err err = {0};
    struct tokenizer *t = tokenizer_open(path, &err);
    if (!t || !tokenizer_set_frame(t, BEFORE, AFTER, &err))
        fail_msg("%s", err.text);
    return t;
}

static uint64_t
splitmix(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static size_t
put_character(char *to, uint32_t c)
{
    if (c < 0x80)
        return to[0] = (char)c, 1;
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        to[i] = (char)(0x80 | (c & 0x3F));
    to[0] = (char)((0xF00 >> n & 0xFF) | c);
    return n;
}

static void
make_string(uint64_t i, char *text)
{
    const struct jv *pieces = jv_get(golden, "pieces"), *ranges = jv_get(golden, "ranges");
    uint64_t state = i, count = splitmix(&state) % 13;
    for (; count > 0; count--) {
        size_t at = splitmix(&state) % (jv_size(pieces) + 24);
        if (at < jv_size(pieces)) {
            text = stpcpy(text, jv_string(jv_at(pieces, at), ""));
            continue;
        }
        const struct jv *r = jv_at(ranges, (at - jv_size(pieces)) % jv_size(ranges));
        uint64_t low = (uint64_t)jv_integer(jv_at(r, 0), 0);
        uint64_t high = (uint64_t)jv_integer(jv_at(r, 1), 0);
        text += put_character(text, (uint32_t)(low + splitmix(&state) % (high - low + 1)));
    }
    *text = '\0';
}

static uint64_t
add_ids(uint64_t h, const int32_t *ids, int count)
{
    for (int i = 0; i <= count; i++)
        for (int k = 0; k < 4; k++) {
            uint32_t id = i < count ? (uint32_t)ids[i] : 0xFFFFFFFFu;
            h = (h ^ (id >> 8 * k & 0xFF)) * 0x100000001B3u;
        }
    return h;
}

static void
digests_agree(const char *path)
{
    struct err err = {0};
    struct tokenizer *t = opened(path);
    int32_t ids[IDS_MAX];
    char text[1024], hex[17];
    const struct jv *digests = jv_get(golden, "digests");
    assert_int_equal(jv_size(digests), 100);
    for (uint64_t block = 0; block < 100; block++) {
        uint64_t h = 0xCBF29CE484222325u;
        for (uint64_t i = 0; i < 100; i++) {
            make_string(100 * block + i, text);
            int n = tokenizer_encode(t, text, ids, IDS_MAX, &err);
            assert_true(n > 0 && n < IDS_MAX);
            h = add_ids(h, ids, n);
        }
        snprintf(hex, sizeof hex, "%016" PRIx64, h);
        if (strcmp(hex, jv_string(jv_at(digests, block), "")) != 0)
            fail_msg("%s: strings %d00 to %d99 have other ids", path, (int)block, (int)block);
    }
    tokenizer_close(t);
}

static void
ten_thousand_strings(void **state)
{
    (void)state;
    digests_agree(folder);
}

// The same from vocab.json and merges.txt, where these are.
static void
from_two_files(void **state)
{
    (void)state;
    char *path = mem_printf("%s/vocab.json", folder);
    char *added = mem_printf("%s/added_tokens.json", folder);
    if (file_exists(path) && file_exists(added))
        digests_agree(path);
    free(path);
    free(added);
}

// The same from the head of a GGUF file, as the gguf package writes it.
static void
from_gguf(void **state)
{
    (void)state;
    char *path = mem_printf("%s/../../bpe.gguf", folder);
    bool there = file_exists(path);
    if (there)
        digests_agree(path);
    free(path);
    if (!there)
        skip(); // a vocabulary given by hand has no such file
}

static void
shown_strings(void **state)
{
    (void)state;
    struct err err = {0};
    struct tokenizer *t = opened(folder);
    const struct jv *list = jv_get(golden, "strings");
    int32_t ids[IDS_MAX];
    for (size_t i = 0; i < jv_size(list); i++) {
        const char *text = jv_string(jv_get(jv_at(list, i), "text"), NULL);
        const struct jv *want = jv_get(jv_at(list, i), "ids");
        int n = tokenizer_encode(t, text, ids, IDS_MAX, &err);
        assert_int_equal(n, jv_size(want));
        for (int k = 0; k < n; k++)
            assert_int_equal(ids[k], jv_integer(jv_at(want, (size_t)k), -1));
        assert_int_equal(ids[n], tokenizer_pad_id(t));
        char *back = tokenizer_decode(t, ids, n);
        assert_int_equal(strncmp(back, BEFORE, strlen(BEFORE)), 0);
        assert_int_equal(strncmp(back + strlen(BEFORE), text, strlen(text)), 0);
        free(back);
    }
    tokenizer_close(t);
}

// Text that is cut, text that is no text, and one long word, which must not take its square.
static void
hard_texts(void **state)
{
    (void)state;
    struct err err = {0};
    struct tokenizer *t = opened(folder);
    int32_t ids[8], all[64];
    int n = tokenizer_encode(t, "a red fox", all, 64, &err);
    assert_int_equal(tokenizer_encode(t, "a red fox", ids, 8, &err), n);
    assert_memory_equal(ids, all, sizeof ids);
    n = tokenizer_encode(t, "a\xF0\x9F\xA6 \xFF" "b", ids, 8, &err);
    assert_int_equal(tokenizer_encode(t, "a\uFFFD \uFFFDb", all, 8, &err), n);
    assert_memory_equal(ids, all, sizeof ids);
    char *word = mem_alloc(1 << 20);
    memset(word, 'a', (1 << 20) - 1);
    word[(1 << 20) - 1] = '\0';
    assert_true(tokenizer_encode(t, word, ids, 8, &err) > 8);
    free(word);
    tokenizer_close(t);
}

static void
refused(const char *from, const char *to, const char *named)
{
    struct err err = {0};
    size_t size;
    char *path = mem_printf("%s/tokenizer.json", folder);
    char *text = file_read(path, 1 << 28, &size, &err);
    char name[] = "/tmp/t_bpe_XXXXXX/tokenizer.json";
    name[17] = '\0';
    assert_non_null(mkdtemp(name));
    name[17] = '/';
    char *at = strstr(text, from);
    assert_non_null(at);
    char *changed = mem_printf("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    assert_true(file_write(name, changed, strlen(changed), &err));
    assert_null(tokenizer_open(name, &err));
    if (!strstr(err.text, named))
        fail_msg("%s", err.text);
    remove(name);
    name[17] = '\0';
    remove(name);
    free(changed);
    free(text);
    free(path);
}

static void
other_vocabularies_are_refused(void **state)
{
    (void)state;
    refused("\"NFC\"", "\"NFKC\"", "normalizer is {\"type\":\"NFKC\"}");
    refused("\"BPE\"", "\"Unigram\"", "model.type is \"Unigram\"");
    refused("\"use_regex\":false", "\"use_regex\":true", "pre_tokenizer is ");
    refused("\"byte_fallback\":false", "\"byte_fallback\":true", "byte_fallback is true");
    refused("\"!\":0", "\"!\":-1", "the id of '!'");
    refused("\"!\":0", "\"\\u4e00\":0", "not written byte by byte");
    refused("\"!\":0", "\"??\":0", "no token for byte 33");
}

// A GGUF file with `size` bytes at `from` changed, `behind` bytes behind where they are.
static void
refused_gguf(const char *from, size_t behind, const void *to, size_t size, const char *named)
{
    struct err err = {0};
    size_t whole;
    char *path = mem_printf("%s/../../bpe.gguf", folder), name[] = "/tmp/t_bpe_XXXXXX.gguf";
    char *bytes = file_exists(path) ? file_read(path, 1 << 28, &whole, &err) : NULL;
    free(path);
    if (!bytes)
        return; // another vocabulary
    int fd = mkstemps(name, 5);
    assert_true(fd >= 0);
    close(fd);
    char *at = memmem(bytes, whole, from, strlen(from));
    assert_non_null(at);
    memcpy(at + behind, to, size);
    assert_true(file_write(name, bytes, whole, &err));
    assert_null(tokenizer_open(name, &err));
    if (!strstr(err.text, named))
        fail_msg("%s", err.text);
    remove(name);
    free(bytes);
}

static void
lying_gguf_is_refused(void **state)
{
    (void)state;
    static const char tokens[] = "tokenizer.ggml.tokens", types[] = "tokenizer.ggml.token_type";
    static const char merges[] = "tokenizer.ggml.merges";
    const uint64_t huge = UINT64_C(1) << 61, large = 1 << 30, two = 2;
    // Behind a key: four bytes of type, four of the elements' type, eight of count.
    refused_gguf("qwen2", 0, "qwen9", 5, "is not Qwen's");
    refused_gguf("tokenizer.ggml.pre", 0, "tokenizer.ggml.pro", 18, "is not Qwen's");
    refused_gguf(tokens, 0, "tokenizer.ggml.tokenz", 21, "contains no tokenizer");
    refused_gguf(tokens, strlen(tokens) + 8, &huge, 8, "broken or truncated");
    refused_gguf(types, strlen(types) + 8, &huge, 8, "broken or truncated");
    refused_gguf(types, strlen(types) + 8, &large, 8, "broken or truncated");
    refused_gguf(merges, strlen(merges) + 16, &huge, 8, "broken or truncated"); // of its first
    refused_gguf(merges, strlen(merges) + 24, "\xff", 1, "is not UTF-8");
    refused_gguf(merges, strlen(merges) + 24, "\0", 1, "is not UTF-8");
    refused_gguf(types, strlen(types) + 16, &two, 4, "no token for byte");
}

int
main(int argc, char **argv)
{
    struct err err = {0};
    folder = argv[1];
    char *path = mem_printf("%s/golden.json", folder);
    golden = jv_read(argc > 2 ? argv[2] : path, &err);
    free(path);
    if (!golden)
        return fprintf(stderr, "%s\n", err.text), 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_thousand_strings),
        cmocka_unit_test(from_two_files),
        cmocka_unit_test(from_gguf),
        cmocka_unit_test(shown_strings),
        cmocka_unit_test(hard_texts),
        cmocka_unit_test(other_vocabularies_are_refused),
        cmocka_unit_test(lying_gguf_is_refused),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    jv_free(golden);
    return failed;
}
