// SPDX-License-Identifier: MIT
// Picture files: what is read, what is refused before it is decoded, what is written.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "renderer/image/codec.h"
#include "tests/image/near.h"

static const char *data_folder;

static struct image *
codec_read(const char *path, struct err *err)
{
    size_t size;
    char *data = file_read(path, LIMIT_PICTURE_BYTES, &size, err);
    struct image *image = data ? codec_decode(data, size, path, NULL, err) : NULL;
    free(data);
    return image;
}

static struct image *
read_sample(const char *name, struct err *err)
{
    char *path = file_join(data_folder, name);
    struct image *image = codec_read(path, err);
    free(path);
    return image;
}

// --- round trips

static void
png_comes_back(void **state)
{
    for (enum image_format f = IMAGE_GRAY8; f < IMAGE_FORMAT_COUNT; f++) {
        struct image *a = image_create(37, 19, f, NULL);
        size_t n = a->stride * 19, size;
        for (size_t i = 0; i < n; i++)
            a->pixels[i] = (uint8_t)(i * 131 + 7);
        struct err err = {0};
        void *png = codec_encode_png(a, NULL, &size, &err);
        assert_non_null(png);
        struct image *b = codec_decode(png, size, "x", NULL, &err);
        assert_non_null(b);
        assert_int_equal(b->format, f == IMAGE_GRAY8 ? IMAGE_RGB8 : f);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(b->pixels[f == IMAGE_GRAY8 ? 3 * i + 2 : i], a->pixels[i]);
        image_unref(a);
        image_unref(b);
        free(png);
    }
}

static void
file_appears_whole(void **state)
{
    char folder[] = "/tmp/limn-codec-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char *path = file_join(folder, "a.png"), *bad = file_join(folder, "none/a.png");
    struct image *a = image_create(2, 2, IMAGE_RGB8, NULL);
    const char *texts[] = {"limn", "words", NULL};
    struct err err = {0};
    assert_true(codec_write_png(a, path, texts, &err));
    char *text = codec_png_text(path, "limn", &err);
    assert_string_equal(text, "words");
    assert_false(codec_write_png(a, bad, texts, &err));
    assert_non_null(strstr(err.text, bad));
    image_unref(a);
    free(text);
    unlink(path);
    assert_int_equal(rmdir(folder), 0); // nothing else was left there
    free(path);
    free(bad);
}

// --- files of the world (made by samples/make.py)

static void
formats_are_known_by_content(void **state)
{
    // Left half (220,40,30), right half (20,60,200), 16 x 8.
    static const struct {
        const char *name;
        int tolerance;
    } files[] = {
        {"two.jpg", 6}, {"two.gif", 0}, {"two.webp", 6}, {"two.tif", 0}, {"two.bmp.txt", 0}};
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        struct err err = {0};
        struct image *a = read_sample(files[i].name, &err);
        if (!a)
            fail_msg("%s", err.text);
        assert_int_equal(a->width, 16);
        assert_int_equal(a->height, 8);
        assert_int_equal(a->format, IMAGE_RGB8);
        assert_near(image_row(a, 4) + 3 * 2, 220, 40, 30, files[i].tolerance);
        assert_near(image_row(a, 4) + 3 * 13, 20, 60, 200, files[i].tolerance);
        image_unref(a);
    }
}

// What is sniffed without libvips is what libvips reads in the sandbox, and nothing else.
static void
what_is_recognised_can_be_read(void **state)
{
    static const char *const samples[] = {
        "cmyk.jpg", "frames.gif", "grey16-alpha.png", "linear.png", "two.bmp.txt",
        "two.gif",  "two.jpg",    "two.tif",          "two.webp",   "upright.jpg"};
    static const char *const made[] = {
        "P1\n1 1\n0\n", "P3\n1 1\n9\n1 2 3\n", "P5 1 1 255 a", "P6 1 1 255 abc",
        "<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/>"};
    static const char *const others[] = {"",
                                         "P",
                                         "P7\nWIDTH 1\n",
                                         "P5: a name",
                                         "BMW: a car, and more of it",
                                         "P0 1 1",
                                         "GIF",
                                         "RIFF0000WAVEfmt ",
                                         "%PDF-1.4",
                                         "#?RADIANCE\n",
                                         "instruction: a cat",
                                         "\x76\x2f\x31\x01 EXR",
                                         "0000ftypqt  ",
                                         "\x89PNG",
                                         "II"};
    for (size_t i = 0; i < COUNT_OF(samples); i++) {
        size_t size;
        char *path = file_join(data_folder, samples[i]),
             *data = file_read(path, 1 << 20, &size, NULL);
        if (!codec_recognise(data, size, path, NULL) || !codec_check_in(data, size, path, NULL))
            fail_msg("%s", path);
        free(data);
        free(path);
    }
    for (size_t i = 0; i < COUNT_OF(made); i++)
        if (!codec_recognise(made[i], strlen(made[i]), "x", NULL) ||
            !codec_check_in(made[i], strlen(made[i]), "x", NULL))
            fail_msg("%s", made[i]);
    for (size_t i = 0; i < COUNT_OF(others); i++)
        if (codec_recognise(others[i], strlen(others[i]), "x", NULL) ||
            codec_check_in(others[i], strlen(others[i]), "x", NULL))
            fail_msg("%s", others[i]);
}

// Drawings whose sizes are rounded or relative are no larger than they may be either.
static void
drawings_keep_to_their_size(void **state)
{
    static const char *const drawings[] = {
        "<svg width='9' height='3'><rect width='9' height='3'/></svg>", // without its namespace,
                                                                        // any size
        "<svg xmlns='http://www.w3.org/2000/svg' width='1e3' height='50%'><g transform='rotate(8)'>"
        "<circle r='2'/><rect width='3' height='4'/></g></svg>",
        "<svg xmlnz='http://www.w3.org/2000/svg' viewBox='0 0 9 9' width='1e3' height='50%'>"
        "<g transform='rotate(8)'><circle r='2'/><rect width='3' height='4'/></g></svg>",
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 3.4 1'><path d='M0 0h3v1z'/></svg>"};
    for (size_t i = 0; i < COUNT_OF(drawings); i++)
        for (int most = 5; most < 200; most += 39) {
            const struct codec_options want = {.vector_least = most, .vector_most = most};
            struct image *image =
                codec_decode(drawings[i], strlen(drawings[i]), "x", &want, NULL);
            if (image && MAX(image->width, image->height) > most)
                fail_msg("%zu: %d x %d, not %d", i, image->width, image->height, most);
            image_unref(image);
        }
}

// A TIFF of so many pages of one grey pixel: 9 entries a directory, each 12 bytes.
static char *
pages(int count, size_t *size)
{
    enum { ENTRIES = 9, BYTES = 2 + 12 * ENTRIES + 4, FIRST = 10 };
    static const uint16_t tags[ENTRIES] = {256, 257, 258, 259, 262, 273, 277, 278, 279};
    static const uint8_t values[ENTRIES] = {1, 1, 8, 1, 1, 8, 1, 1, 1};
    char *data = mem_zalloc(*size = FIRST + (size_t)count * BYTES);
    memcpy(data, "II*\0\x0A\0\0\0", 8);
    for (int i = 0; i < count; i++) {
        char *at = data + FIRST + (size_t)i * BYTES;
        uint32_t next = i + 1 < count ? FIRST + (uint32_t)(i + 1) * BYTES : 0;
        *at = ENTRIES;
        for (int k = 0; k < ENTRIES; k++) {
            char *e = at + 2 + 12 * k;
            memcpy(e, &tags[k], 2);
            e[2] = 3; // SHORT
            e[4] = 1;
            e[8] = (char)values[k];
        }
        memcpy(at + BYTES - 4, &next, 4);
    }
    return data;
}

static void
frames_have_a_limit(void **state)
{
    for (int more = 0; more < 2; more++) {
        struct err err = {0};
        size_t size;
        char *data = pages(LIMIT_PICTURE_FRAMES + more, &size);
        struct image *image = codec_decode(data, size, "pages", NULL, &err);
        if ((image == NULL) != (more == 1) ||
            (more && !strstr(err.text, "frames or pages, the limit is")))
            fail_msg("%d pages: %s", LIMIT_PICTURE_FRAMES + more, err.text);
        image_unref(image);
        free(data);
    }
}

static void
odd_formats_become_8_bit_srgb(void **state)
{
    struct err err = {0};
    struct image *a = read_sample("grey16-alpha.png", &err); // 0x8000 grey, alpha 0x4000
    assert_non_null(a);
    assert_int_equal(a->format, IMAGE_RGBA8);
    assert_near(a->pixels, 128, 128, 128, 1);
    assert_in_range(a->pixels[3], 63, 64);
    image_unref(a);
    a = read_sample("cmyk.jpg", &err); // no ink but cyan
    assert_non_null(a);
    assert_int_equal(a->format, IMAGE_RGB8);
    assert_in_range(a->pixels[0], 0, 80);
    assert_in_range(a->pixels[2], 180, 255);
    image_unref(a);
    a = read_sample("upright.jpg", &err); // stored 16 x 8, EXIF says: turn it clockwise
    assert_non_null(a);
    assert_int_equal(a->width, 8);
    assert_int_equal(a->height, 16);
    assert_near(image_row(a, 2) + 3 * 4, 220, 40, 30, 6);
    assert_near(image_row(a, 13) + 3 * 4, 20, 60, 200, 6);
    image_unref(a);
    a = read_sample("frames.gif", &err); // first frame red, second blue
    assert_non_null(a);
    assert_int_equal(a->height, 8);
    assert_near(a->pixels, 220, 40, 30, 0);
    image_unref(a);
    a = read_sample("linear.png", &err); // 8-bit numbers with a linear-light profile
    assert_non_null(a);
    assert_near(a->pixels, 188, 188, 188, 3); // half the light is 188 in sRGB
    image_unref(a);
}

// --- refusals

static void
cut_files_are_refused(void **state)
{
    static const char *const names[] = {"two.jpg", "two.gif", "two.webp", "noise.png", "noise.jpg"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char *path = file_join(data_folder, names[i]);
        size_t size;
        char *data = file_read(path, 1 << 20, &size, NULL);
        assert_non_null(data);
        static const double shares[] = {0, 0.05, 0.3, 0.6, 0.9};
        for (size_t k = 0; k < COUNT_OF(shares); k++) {
            struct err err = {0};
            struct image *a =
                codec_decode(data, (size_t)(shares[k] * (double)size), names[i], NULL, &err);
            if (a)
                fail_msg("%s cut at %g was accepted", names[i], shares[k]);
            assert_int_equal(err.code, ERR_INPUT);
            assert_ptr_equal(strstr(err.text, names[i]), err.text);
            assert_null(strchr(err.text, '\n'));
        }
        free(data);
        free(path);
    }
}

// A PNG whose header claims any size, with a few bytes of picture data.
static size_t
lying_png(unsigned char *out, uint32_t width, uint32_t height)
{
    static const unsigned char head[] = "\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR";
    unsigned char *p = out;
    memcpy(p, head, 16);
    for (int i = 0; i < 4; i++) {
        p[16 + i] = (unsigned char)(width >> (24 - 8 * i));
        p[20 + i] = (unsigned char)(height >> (24 - 8 * i));
    }
    memcpy(p + 24, "\x08\x06\0\0\0", 5);
    uint32_t sum = (uint32_t)crc32(0, p + 12, 17);
    for (int i = 0; i < 4; i++)
        p[29 + i] = (unsigned char)(sum >> (24 - 8 * i));
    static const unsigned char tail[] = "\0\0\0\x0BIDAT\x78\x9C\x63\0\1\0\0\5\0\1\0\0\0\0\0"
                                        "\0\0\0\0IEND\xAE\x42\x60\x82";
    memcpy(p + 33, tail, sizeof tail - 1);
    return 33 + sizeof tail - 1;
}

static void
lying_headers_cost_a_sentence(void **state)
{
    static const uint32_t sizes[][2] = {{0x7FFFFFFF, 0x7FFFFFFF}, {0x80000000u, 1}, {0, 0},
                                        {16385, 1},  {1, 16385},  {16384, 16384},  {100000, 100000},
                                        {16384, 4096}};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        unsigned char png[128];
        size_t n = lying_png(png, sizes[i][0], sizes[i][1]);
        struct err err = {0};
        assert_null(codec_decode(png, n, "liar.png", NULL, &err));
        assert_int_equal(err.code, ERR_INPUT);
        assert_ptr_equal(strstr(err.text, "liar.png: "), err.text);
    }
}

static void
other_files_are_refused(void **state)
{
    // Also what only libvips' untrusted readers, or ImageMagick's, would take.
    static const char *const texts[] = {
        "", "hello", "GIF89a", "\xFF\xD8\xFF", "<html></html>", "%PDF-1.4\n", "%!PS-Adobe-3.0\n",
        "push graphic-context\nimage over 0,0 0,0 'label:@/etc/passwd'\n", "#?RADIANCE\n",
        "SIMPLE  =                    T", "/* XPM */\n", "8BPS"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct err err = {0};
        assert_null(codec_decode(texts[i], strlen(texts[i]), "a.png", NULL, &err));
        assert_int_equal(err.code, ERR_INPUT);
        // In limn's words: none of libvips' readers has been asked.
        if (i >= 4)
            assert_string_equal(err.text, "a.png: not a picture in a supported format");
    }
    struct err err = {0};
    assert_null(codec_read("/nonexistent/a.png", &err));
    assert_non_null(strstr(err.text, "/nonexistent/a.png"));
    err_clear(&err);
    assert_null(codec_read("/tmp", &err));
    assert_true(err.code != ERR_NONE);
}

// One pixel of YCbCr, in the given byte order and compression.
static size_t
ycbcr(unsigned char *out, bool big_endian, unsigned compression)
{
    const unsigned tags[][2] = {{256, 1}, {257, 1}, {258, 8}, {259, compression}, {262, 6},
                                {273, 200}, {277, 3}, {278, 1}, {279, 3}, {530, 1}};
    size_t n = 0;
    memset(out, 0, 256);
    memcpy(out, big_endian ? "MM\0*\0\0\0\x08" : "II*\0\x08\0\0\0", 8);
    n = 8;
#define PUT16(v) (out[n] = (unsigned char)(big_endian ? (v) >> 8 : (v)), \
                  out[n + 1] = (unsigned char)(big_endian ? (v) : (v) >> 8), n += 2)
    PUT16(COUNT_OF(tags));
    for (size_t i = 0; i < COUNT_OF(tags); i++) {
        PUT16(tags[i][0]);
        PUT16(3u); // short
        if (big_endian)
            PUT16(0u);
        PUT16(1u);
        if (!big_endian)
            PUT16(0u);
        PUT16(tags[i][1]);
        n += 2;
    }
#undef PUT16
    return 256;
}

// libvips takes such numbers for RGB.
static void
ycbcr_tiff_is_refused(void **state)
{
    unsigned char tiff[256];
    for (int big = 0; big <= 1; big++) {
        struct err err = {0}, other = {0};
        size_t n = ycbcr(tiff, big, 1);
        assert_null(codec_decode(tiff, n, "a.tif", NULL, &err));
        assert_non_null(strstr(err.text, "a.tif: a TIFF in YCbCr colours"));
        n = ycbcr(tiff, big, 7); // as JPEG: left to the decoder, which finds none in here
        assert_null(codec_decode(tiff, n, "a.tif", NULL, &other));
        assert_null(strstr(other.text, "YCbCr"));
    }
}

// libvips and the libraries under it may say what they like: stderr belongs to the program.
static void
nothing_is_printed(void **state)
{
    char path[] = "/tmp/limn-stderr-XXXXXX";
    int fd = mkstemp(path), saved = dup(2);
    dup2(fd, 2);
    cut_files_are_refused(NULL);
    lying_headers_cost_a_sentence(NULL);
    fflush(stderr);
    dup2(saved, 2);
    close(saved);
    off_t n = lseek(fd, 0, SEEK_END);
    close(fd);
    unlink(path);
    assert_int_equal(n, 0);
}

// A small WebP is a header, one chunk and nothing else, and shows what went in.
static void
webp(void **state)
{
    (void)state;
    struct err err = {0};
    struct image *in = image_create(64, 48, IMAGE_RGB8, &err);
    for (int y = 0; y < 48; y++)
        for (int x = 0; x < 64; x++)
            memcpy(image_row(in, y) + 3 * x, (uint8_t[]){(uint8_t)(4 * x), (uint8_t)(5 * y), 90},
                   3);
    size_t size = 0;
    uint8_t *data = codec_encode_webp(in, 90, &size, &err);
    assert_non_null(data);
    assert_memory_equal(data, "RIFF", 4);
    assert_memory_equal(data + 8, "WEBPVP8 ", 8);
    size_t riff = data[4] | (size_t)data[5] << 8, chunk = data[16] | (size_t)data[17] << 8;
    assert_int_equal(riff + 8, size);
    assert_int_equal(20 + chunk + chunk % 2, size);
    struct image *out = codec_decode(data, size, "webp", NULL, &err);
    assert_non_null(out);
    assert_int_equal(out->width, 64);
    assert_int_equal(out->height, 48);
    double sum = 0;
    for (int y = 0; y < 48; y++)
        for (int i = 0; i < 3 * 64; i++)
            sum += abs(image_row(out, y)[i] - image_row(in, y)[i]);
    assert_true(sum / (64 * 48 * 3) < 4);
    image_unref(out);
    free(data);
    image_unref(in);
    in = image_create(8, 8, IMAGE_RGBA8, &err);
    assert_null(codec_encode_webp(in, 90, &size, &err));
    assert_int_not_equal(err.code, ERR_NONE);
    image_unref(in);
}

// A cell holds its own character alone, whatever the font's width is: nothing at the sides of a
// point, and a line from side to side.
static void
letters_fill_their_cells(void **state)
{
    (void)state;
    for (int width = 6; width <= 14; width++) {
        int height = 2 * width, reached = 0;
        bool drawn = false;
        struct image *point = codec_glyph(".", width, height, false, NULL),
                     *line = codec_glyph("\u2500", width, height, false, NULL);
        assert_true(point && line && point->width == width && line->height == height);
        for (int y = 0; y < height; y++) {
            const uint8_t *row = image_row(line, y);
            drawn |= row[width / 2] > 0;
            assert_in_range(image_row(point, y)[0], 0, 8); // what reducing spreads
            assert_in_range(image_row(point, y)[width - 1], 0, 8);
            reached = MAX(reached, MIN(row[0], row[width - 1]));
            for (int x = 0; x < width; x++)
                assert_true(row[x] >= row[width / 2] / 2);
        }
        assert_true(reached > 60 || !drawn); // a system without fonts draws nothing
        image_unref(point);
        image_unref(line);
    }
}

int
main(int argc, char **argv)
{
    data_folder = argc > 1 ? argv[1] : "samples";
    if (!codec_start(NULL))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_fill_their_cells),
        cmocka_unit_test(png_comes_back),
        cmocka_unit_test(file_appears_whole),
        cmocka_unit_test(formats_are_known_by_content),
        cmocka_unit_test(what_is_recognised_can_be_read),
        cmocka_unit_test(frames_have_a_limit),
        cmocka_unit_test(drawings_keep_to_their_size),
        cmocka_unit_test(odd_formats_become_8_bit_srgb),
        cmocka_unit_test(cut_files_are_refused),
        cmocka_unit_test(lying_headers_cost_a_sentence),
        cmocka_unit_test(other_files_are_refused),
        cmocka_unit_test(ycbcr_tiff_is_refused),
        cmocka_unit_test(nothing_is_printed),
        cmocka_unit_test(webp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
