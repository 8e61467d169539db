// SPDX-License-Identifier: MIT
// Texts in PNG files: round trips, files of other programs, damage, sizes that lie.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "engine/base/mem.h"
#include "renderer/image/codec.h"
#include "renderer/image/png_text.h"

static struct image *
two_pixels(void)
{
    struct image *a = image_create(2, 1, IMAGE_RGB8, NULL);
    memcpy(a->pixels, "\x10\x20\x30\x40\x50\x60", 6);
    return a;
}

static void
text_comes_back(void **state)
{
    static char long_text[200001];
    for (int i = 0; i < 200000; i++)
        long_text[i] = (char)('a' + i * 7919 % 26);
    const char *texts[] = {"limn", "a fox \xF0\x9F\xA6\x8A in {\"json\": \"é\"}\nsecond line",
                           "Comment", "", "long", long_text, NULL};
    struct image *a = two_pixels();
    struct err err = {0};
    size_t size;
    void *png = codec_encode_png(a, texts, &size, &err);
    assert_non_null(png);
    for (int i = 0; texts[i]; i += 2) {
        char *text = codec_png_text_in(png, size, "x.png", texts[i], &err);
        assert_non_null(text);
        assert_string_equal(text, texts[i + 1]);
        free(text);
    }
    // ASCII in the kind of chunk that more programs keep.
    assert_non_null(memmem(png, size, "zTXtlong\0\0", 10));
    assert_non_null(memmem(png, size, "iTXtlimn\0\1\0\0\0", 13));
    assert_null(codec_png_text_in(png, size, "x.png", "lim", &err)); // a prefix is another word
    assert_null(codec_png_text_in(png, size, "x.png", "limn2", &err));
    assert_int_equal(err.code, ERR_NONE);
    struct image *b = codec_decode(png, size, "x.png", NULL, &err);
    assert_non_null(b);
    assert_memory_equal(a->pixels, b->pixels, 6);
    image_unref(a);
    image_unref(b);
    free(png);
}

// --- files by hand

struct bytes {
    unsigned char data[4096];
    size_t size;
};

static void
put(struct bytes *b, const void *data, size_t size)
{
    assert_true(b->size + size <= sizeof b->data);
    memcpy(b->data + b->size, data, size);
    b->size += size;
}

static void
put32(struct bytes *b, uint32_t v)
{
    unsigned char p[4] = {(unsigned char)(v >> 24), (unsigned char)(v >> 16),
                          (unsigned char)(v >> 8), (unsigned char)v};
    put(b, p, 4);
}

static void
put_chunk(struct bytes *b, const char *type, const void *data, size_t size)
{
    put32(b, (uint32_t)size);
    size_t at = b->size;
    put(b, type, 4);
    put(b, data, size);
    put32(b, (uint32_t)crc32(0, b->data + at, (uInt)(4 + size)));
}

static void
put_head(struct bytes *b)
{
    b->size = 0;
    put(b, "\x89PNG\r\n\x1A\n", 8);
    put_chunk(b, "IHDR", "\0\0\0\1\0\0\0\1\x08\0\0\0\0", 13);
}

static char *
find(const struct bytes *b, struct err *err)
{
    err_clear(err);
    return png_text_find(b->data, b->size, "x.png", "limn", 1 << 20, err);
}

static void
other_programs_chunks_are_read(void **state)
{
    struct err err = {0};
    struct bytes b;
    put_head(&b);
    put_chunk(&b, "tEXt", "Software\0Something", 18);
    put_chunk(&b, "tEXt", "limn\0plain", 10);
    put_chunk(&b, "IEND", "", 0);
    char *text = find(&b, &err);
    assert_string_equal(text, "plain");
    free(text);

    put_head(&b); // Latin-1 becomes UTF-8
    put_chunk(&b, "tEXt", "limn\0caf\xE9", 9);
    text = find(&b, &err);
    assert_string_equal(text, "caf\xC3\xA9");
    free(text);

    unsigned char packed[100] = "limn\0";
    uLongf n = sizeof packed - 6;
    assert_int_equal(compress(packed + 6, &n, (const Bytef *)"squeezed", 8), Z_OK);
    put_head(&b);
    put_chunk(&b, "zTXt", packed, 6 + n);
    text = find(&b, &err);
    assert_string_equal(text, "squeezed");
    free(text);

    put_head(&b); // iTXt, not compressed, language and translated keyword given
    put_chunk(&b, "iTXt", "limn\0\0\0en\0Limn\0h\xC3\xA9", 18);
    text = find(&b, &err);
    assert_string_equal(text, "h\xC3\xA9");
    free(text);
    assert_int_equal(err.code, ERR_NONE);
}

static void
damage_is_a_sentence(void **state)
{
    struct err err = {0};
    struct bytes b;
    put_head(&b);
    size_t at = b.size;
    put_chunk(&b, "tEXt", "limn\0plain", 10);
    b.data[at + 14] ^= 1; // the checksum no longer fits
    assert_null(find(&b, &err));
    assert_int_equal(err.code, ERR_INPUT);

    put_head(&b); // a length that leads out of the file
    put32(&b, 0xFFFFFFF0u);
    put(&b, "tEXtlimn", 8);
    assert_null(find(&b, &err));
    assert_int_equal(err.code, ERR_INPUT);

    static const char *const broken[] = {"limn", "limn\0\1\0", "limn\0\1", "limn\0\0\0en"};
    static const size_t sizes[] = {5, 7, 6, 9}; // fields missing
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        unsigned char data[16] = {0};
        memcpy(data, broken[i], sizes[i]);
        put_head(&b);
        put_chunk(&b, "iTXt", data, sizes[i]);
        assert_null(find(&b, &err));
        assert_int_equal(err.code, ERR_INPUT);
    }
}

// 40 MB of zeros pack into 40 KB: they must not be unpacked past the limit.
static void
huge_text_is_refused(void **state)
{
    size_t n = 40 << 20;
    char *zeros = calloc(n, 1);
    memset(zeros, 'x', n - 1);
    uLongf packed = compressBound(n);
    unsigned char *data = malloc(packed + 9);
    memcpy(data, "limn\0\1\0\0\0", 9);
    assert_int_equal(compress(data + 9, &packed, (const Bytef *)zeros, n - 1), Z_OK);
    size_t total = 8 + 25 + 12 + 9 + packed;
    unsigned char *png = calloc(total, 1);
    struct bytes b;
    put_head(&b);
    memcpy(png, b.data, b.size);
    unsigned char *chunk = png + b.size;
    uint32_t length = (uint32_t)(9 + packed);
    for (int i = 0; i < 4; i++)
        chunk[i] = (unsigned char)(length >> (24 - 8 * i));
    memcpy(chunk + 4, "iTXt", 4);
    memcpy(chunk + 8, data, length);
    uint32_t sum = (uint32_t)crc32(0, chunk + 4, length + 4);
    for (int i = 0; i < 4; i++)
        chunk[8 + length + (uint32_t)i] = (unsigned char)(sum >> (24 - 8 * i));
    struct err err = {0};
    assert_null(png_text_find(png, total, "x.png", "limn", 32 << 20, &err));
    assert_int_equal(err.code, ERR_INPUT);
    char *text = png_text_find(png, total, "x.png", "limn", 64 << 20, NULL);
    assert_non_null(text);
    assert_int_equal(strlen(text), n - 1);
    free(text);
    free(png);
    free(data);
    free(zeros);
}

// Every cut of a good file: no crash, and never a wrong text.
static void
cut_files(void **state)
{
    const char *texts[] = {"limn", "some text", NULL};
    struct image *a = two_pixels();
    size_t size;
    unsigned char *png = codec_encode_png(a, texts, &size, NULL);
    for (size_t n = 0; n < size; n++) {
        unsigned char *part = malloc(n + 1); // its own block, so that the sanitizer sees the end
        memcpy(part, png, n);
        char *text = png_text_find(part, n, "x.png", "limn", 1 << 20, NULL);
        assert_true(!text || strcmp(text, "some text") == 0);
        free(text);
        free(part);
    }
    image_unref(a);
    free(png);
}

// The picture alone: no byte of any text, in all three kinds of chunk, and the same pixels.
static void
texts_are_taken_out(void **state)
{
    const char *texts[] = {"limn", "secret words", "other", "caf\xC3\xA9", NULL};
    struct image *a = two_pixels();
    struct err err = {0};
    size_t size, plain_size, none_size;
    unsigned char *png = codec_encode_png(a, texts, &size, NULL);
    unsigned char *none = codec_encode_png(a, NULL, &none_size, NULL);
    unsigned char *plain = png_text_remove(png, size, &plain_size, &err);
    assert_non_null(plain);
    assert_int_equal(plain_size, none_size);
    assert_memory_equal(plain, none, none_size);
    assert_null(png_text_find(plain, plain_size, "x.png", "limn", 1 << 20, &err));
    for (size_t n = 0; n < size; n++) { // every cut of it
        size_t cut;
        unsigned char *part = malloc(n + 1);
        memcpy(part, png, n);
        void *out = png_text_remove(part, n, &cut, NULL);
        assert_true(!out || cut <= n);
        free(out);
        free(part);
    }
    image_unref(a);
    free(png);
    free(none);
    free(plain);
}

static void
not_png_has_no_text(void **state)
{
    struct err err = {0};
    assert_null(codec_png_text_in("GIF89a", 6, "x.gif", "limn", &err));
    assert_null(codec_png_text_in("", 0, "empty", "limn", &err));
    assert_int_equal(err.code, ERR_NONE);
}

int
main(int argc, char **argv)
{
    if (!codec_start(NULL))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_comes_back),      cmocka_unit_test(other_programs_chunks_are_read),
        cmocka_unit_test(damage_is_a_sentence), cmocka_unit_test(huge_text_is_refused),
        cmocka_unit_test(cut_files),            cmocka_unit_test(not_png_has_no_text),
        cmocka_unit_test(texts_are_taken_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
