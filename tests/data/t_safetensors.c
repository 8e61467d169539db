// SPDX-License-Identifier: MIT
// Safetensors: what is written is an input, and every kind of lying file is an error. The
// files are made here byte by byte from the format's description, not by the writer under test.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "engine/tensor/safetensors.h"

static char folder[] = "/tmp/limn-safetensors-XXXXXX";

static char *
in_folder(const char *name)
{
    return file_join(folder, name);
}

// A file of a header (its length stated as `claimed`, or truly when that is 0) and n zero bytes.
static char *
put_raw(const char *name, const char *header, size_t header_size, uint64_t claimed, size_t n)
{
    char *path = in_folder(name);
    uint64_t length = claimed ? claimed : header_size;
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    for (int i = 0; i < 8; i++)
        fputc((int)(length >> (8 * i) & 255), f);
    fwrite(header, 1, header_size, f);
    for (size_t i = 0; i < n; i++)
        fputc(0, f);
    fclose(f);
    return path;
}

static void
refuses_path(char *path, enum err_code code, const char *word)
{
    struct err err = {0};
    struct safetensors *st = safetensors_open(path, &err);
    if (st)
        print_message("accepted: %s\n", path);
    else if (err.code != code || !strstr(err.text, word))
        print_message("wanted '%s': %s\n", word, err.text);
    assert_null(st);
    assert_int_equal(err.code, code);
    assert_non_null(strstr(err.text, word));
    unlink(path);
    free(path);
}

static void
refuses(const char *header, size_t data, const char *word)
{
    refuses_path(put_raw("lie.safetensors", header, strlen(header), 0, data), ERR_INPUT, word);
}

static void
test_round_trip(void **state)
{
    (void)state;
    float a[6] = {1, -2, 3.5f, 0, 1e-30f, 6e20f};
    uint16_t b[3] = {0x3F80, 0xC000, 0x7F80};
    uint8_t c[5] = {1, 2, 3, 254, 255};
    int64_t d = -5;
    struct tensor_view tensors[] = {
        {.name = "a", .dtype = DTYPE_F32, .shape = SHAPE(2, 3), .data = a},
        {.name = "b.weight", .dtype = DTYPE_BF16, .shape = SHAPE(3), .data = b},
        {.name = "empty", .dtype = DTYPE_F32, .shape = SHAPE(0, 4), .data = a},
        {.name = "u", .dtype = DTYPE_U8, .shape = SHAPE(5), .data = c},
        {.name = "scalar", .dtype = DTYPE_I64, .shape = SHAPE_SCALAR, .data = &d},
    };
    const char *metadata[] = {"format", "pt", "who", "f\xc3\xb6x \"quoted\"", NULL};
    char *path = in_folder("round.safetensors");
    struct err err = {0};
    assert_true(safetensors_write(path, tensors, COUNT_OF(tensors), metadata, &err));
    struct safetensors *st = safetensors_open(path, &err);
    assert_non_null(st);
    assert_int_equal(safetensors_count(st), COUNT_OF(tensors));
    size_t sizes[] = {24, 6, 0, 5, 8};
    for (size_t i = 0; i < COUNT_OF(tensors); i++) {
        const struct tensor_view *v = safetensors_find(st, tensors[i].name);
        assert_non_null(v);
        assert_int_equal(v->dtype, tensors[i].dtype);
        assert_true(shape_equal(&v->shape, &tensors[i].shape));
        assert_int_equal(v->size, sizes[i]);
        assert_memory_equal(v->data, tensors[i].data, sizes[i]);
    }
    assert_int_equal((uintptr_t)safetensors_at(st, 0)->data % 64, 0);
    assert_null(safetensors_find(st, "c"));
    assert_null(safetensors_at(st, COUNT_OF(tensors)));
    assert_string_equal(safetensors_metadata(st, "who"), metadata[3]);
    assert_null(safetensors_metadata(st, "whose"));
    assert_int_equal(safetensors_metadata_count(st), 2);
    const char *value;
    assert_string_equal(safetensors_metadata_at(st, 0, &value), "format");
    assert_string_equal(value, "pt");
    safetensors_close(st);
    unlink(path);
    free(path);
}

// The bytes of a file as the format's own description gives them.
static void
test_known_file(void **state)
{
    (void)state;
    const char *header = "{\"t\":{\"dtype\":\"U8\",\"shape\":[1,2],\"data_offsets\":[0,2]}}";
    char *path = put_raw("known.safetensors", header, strlen(header), 0, 0);
    FILE *f = fopen(path, "ab");
    fputs("\x07\x09", f);
    fclose(f);
    struct err err = {0};
    struct safetensors *st = safetensors_open(path, &err);
    assert_non_null(st);
    const struct tensor_view *v = safetensors_find(st, "t");
    assert_int_equal(v->shape.rank, 2);
    assert_memory_equal(v->data, "\x07\x09", 2);
    assert_null(safetensors_metadata(st, "format"));
    safetensors_close(st);
    unlink(path);
    free(path);
}

static void
test_no_tensors(void **state)
{
    (void)state;
    char *path = put_raw("none.safetensors", "{}", 2, 0, 0);
    struct err err = {0};
    struct safetensors *st = safetensors_open(path, &err);
    assert_non_null(st);
    assert_int_equal(safetensors_count(st), 0);
    assert_null(safetensors_find(st, "a"));
    safetensors_close(st);
    unlink(path);
    free(path);
}

static void
test_writer_counts_bytes(void **state)
{
    (void)state;
    struct tensor_view t = {.name = "t", .dtype = DTYPE_F32, .shape = SHAPE(3)};
    char *path = in_folder("pieces.safetensors");
    float data[4] = {1, 2, 3, 4};
    struct err err = {0};
    struct safetensors_writer *w = safetensors_writer_open(path, &t, 1, NULL, &err);
    assert_non_null(w);
    assert_true(safetensors_writer_put(w, data, 5, &err)); // pieces may cut an element
    assert_true(safetensors_writer_put(w, (char *)data + 5, 7, &err));
    assert_true(safetensors_writer_commit(w, &err));
    struct safetensors *st = safetensors_open(path, &err);
    assert_memory_equal(safetensors_at(st, 0)->data, data, 12);
    safetensors_close(st);
    unlink(path);
    for (size_t size = 8; size <= 16; size += 8) { // too few, too many
        w = safetensors_writer_open(path, &t, 1, NULL, &err);
        bool ok = safetensors_writer_put(w, data, size, &err);
        if (ok)
            assert_false(safetensors_writer_commit(w, &err));
        else
            safetensors_writer_abort(w);
        assert_int_equal(ok, size == 8);
        assert_int_not_equal(err.code, ERR_NONE);
        assert_false(file_exists(path));
        err_clear(&err);
    }
    free(path);
}

static void
test_truncated(void **state)
{
    (void)state;
    const char *header = "{\"t\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}";
    size_t n = strlen(header);
    char *path = put_raw("whole.safetensors", header, n, 0, 16);
    for (size_t size = 0; size < 8 + n + 16; size++) { // every shorter file is refused
        assert_int_equal(truncate(path, (off_t)(8 + n + 16)), 0);
        assert_int_equal(truncate(path, (off_t)size), 0);
        struct err err = {0};
        assert_null(safetensors_open(path, &err));
        assert_int_equal(err.code, ERR_INPUT);
        assert_int_equal(truncate(path, (off_t)(8 + n + 16)), 0);
        unlink(path);
        free(path);
        path = put_raw("whole.safetensors", header, n, 0, 16);
    }
    struct err err = {0};
    struct safetensors *st = safetensors_open(path, &err);
    assert_non_null(st);
    safetensors_close(st);
    unlink(path);
    free(path);
    refuses_path(in_folder("missing.safetensors"), ERR_INPUT, "No such file");
}

static void
test_header_lies(void **state)
{
    (void)state;
    uint64_t lengths[] = {3, 1000, 1u << 30, (uint64_t)1 << 63, UINT64_MAX, UINT64_MAX - 7};
    for (size_t i = 0; i < COUNT_OF(lengths); i++)
        refuses_path(put_raw("l.safetensors", "{}", 2, lengths[i], 0), ERR_INPUT, "header");
    refuses("", 0, "l");
    refuses("not json", 0, "lie.safetensors");
    refuses("{\"t\":", 0, "lie.safetensors");
    refuses("[]", 0, "table");
    refuses("5", 0, "lie.safetensors");
    refuses_path(put_raw("n.safetensors", "{}\0\0", 4, 0, 0), ERR_INPUT, "n.safetensors");
    refuses_path(put_raw("n.safetensors", "{\"a\\u0000b\":{}}", 15, 0, 0), ERR_INPUT, "n.safe");
    refuses("{\"t\xff\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "lie");
}

static void
test_tensor_lies(void **state)
{
    (void)state;
    static const struct {
        const char *entry, *word;
    } lies[] = {
        {"{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,64]}", "outside"},
        {"{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}", "outside"},
        {"{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}", "outside"},
        {"{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[9223372036854775800,"
         "9223372036854775807]}", "outside"},
        {"{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}", "outside"},
        {"{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,8]}", "outside"},
        {"{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":\"0,8\"}", "outside"},
        {"{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0.0,8.0]}", "outside"},
        {"{\"dtype\":\"F32\",\"shape\":[2]}", "outside"},
        {"{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}", "bytes"},
        {"{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,8]}", "bytes"},
        {"{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,8]}", "bytes"},
        {"{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}", "shape"},
        {"{\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]}", "shape"},
        {"{\"dtype\":\"F32\",\"shape\":[\"2\"],\"data_offsets\":[0,8]}", "shape"},
        {"{\"dtype\":\"F32\",\"shape\":2,\"data_offsets\":[0,8]}", "shape"},
        {"{\"dtype\":\"F32\",\"data_offsets\":[0,8]}", "shape"},
        {"{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,2],\"data_offsets\":[0,8]}", "dimensions"},
        // 2^62 * 4 bytes wraps to 0; 2^63 does not fit an integer; 2^32 * 2^32 wraps to 0.
        {"{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]}", "shape"},
        {"{\"dtype\":\"F32\",\"shape\":[9223372036854775808],\"data_offsets\":[0,8]}", "lie"},
        {"{\"dtype\":\"U8\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}", "shape"},
        {"{\"dtype\":\"U8\",\"shape\":[4294967296,4294967296,0],\"data_offsets\":[0,0]}", "shape"},
        {"{\"dtype\":\"Q4\",\"shape\":[2],\"data_offsets\":[0,9]}", "outside"},
        {"{\"dtype\":\"Q4\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,8]}", "shape"},
        {"{\"dtype\":7,\"shape\":[2],\"data_offsets\":[0,8]}", "no type"},
        {"[1,2]", "no type"},
        {"null", "no type"},
    };
    for (size_t i = 0; i < COUNT_OF(lies); i++) {
        char *header = mem_printf("{\"t\":%s}", lies[i].entry);
        refuses(header, 8, lies[i].word);
        free(header);
    }
}

// A tensor of a type that is not known is there, and costs the others nothing.
static void
test_types_of_others(void **state)
{
    (void)state;
    static const char header[] =
        "{\"q\":{\"dtype\":\"F8_E4M3\",\"shape\":[4],\"data_offsets\":[0,4]},"
        "\"t\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}";
    char *path = put_raw("f8.safetensors", header, sizeof header - 1, 0, 8);
    struct err err = {0};
    struct safetensors *st = safetensors_open(path, &err);
    assert_non_null(st);
    assert_int_equal(safetensors_find(st, "q")->dtype, DTYPE_NONE);
    assert_string_equal(safetensors_find(st, "q")->type, "F8_E4M3");
    assert_int_equal(safetensors_find(st, "t")->dtype, DTYPE_F32);
    safetensors_close(st);
    unlink(path);
    free(path);
}

static void
test_pointers(void **state)
{
    (void)state;
    static const char pointer[] =
        "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 18775052\n";
    char *path = in_folder("lfs.safetensors");
    struct err err = {0};
    assert_true(file_write(path, pointer, sizeof pointer - 1, &err));
    refuses_path(path, ERR_INPUT,
                 "this is a Git LFS pointer, not the weights: run 'git lfs pull' there");
}

// As many empty tensors as there may be, and one more.
static void
test_many_tensors(void **state)
{
    (void)state;
    for (size_t over = 0; over < 2; over++) {
        size_t count = LIMIT_SAFETENSORS_TENSORS + over, n = 1;
        char *header = mem_alloc(count * 64 + 2);
        header[0] = '{';
        for (size_t i = 0; i < count; i++)
            n += (size_t)sprintf(
                header + n, "%s\"t%zu\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}",
                i ? "," : "", i);
        header[n++] = '}';
        char *path = put_raw("many.safetensors", header, n, 0, 0);
        struct err err = {0};
        if (over) {
            refuses_path(path, ERR_INPUT, "100000 tensors");
        } else {
            struct safetensors *st = safetensors_open(path, &err);
            assert_int_equal(safetensors_count(st), count);
            assert_non_null(safetensors_find(st, "t99999"));
            safetensors_close(st);
            unlink(path);
            free(path);
        }
        free(header);
    }
}

static void
test_relations(void **state)
{
    (void)state;
#define T(name, first, last)                                                                       \
    "\"" name "\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[" #first "," #last "]}"
    refuses("{" T("a", 0, 4) "," T("b", 3, 7) "}", 8, "overlap");
    refuses("{" T("a", 4, 8) "," T("b", 4, 8) "}", 8, "overlap");
    refuses("{\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}," T("b", 2, 6) "}", 8,
            "overlap");
    refuses("{" T("a", 0, 4) "," T("a", 4, 8) "}", 8, "lie"); // names twice
#undef T
}

static void
put_text(const char *name, const char *text)
{
    char *path = in_folder(name);
    struct err err = {0};
    assert_true(file_write(path, text, strlen(text), &err));
    free(path);
}

static void
put_shard(const char *name, const char *tensor, float value)
{
    char *path = in_folder(name);
    struct tensor_view t = {.name = tensor, .dtype = DTYPE_F32, .shape = SHAPE(1), .data = &value};
    struct err err = {0};
    assert_true(safetensors_write(path, &t, 1, NULL, &err));
    free(path);
}

static void
test_index(void **state)
{
    (void)state;
    struct err err = {0};
    put_shard("one.safetensors", "a", 1);
    put_shard("two.safetensors", "b", 2);
    put_text("m.index.json", "{\"metadata\":{\"total_size\":8},\"weight_map\":{\"a\":"
                             "\"one.safetensors\",\"b\":\"two.safetensors\"}}");
    char *path = in_folder("m.index.json");
    struct safetensors *st = safetensors_open(path, &err);
    assert_non_null(st);
    assert_int_equal(safetensors_count(st), 2);
    assert_float_equal(*(const float *)safetensors_find(st, "a")->data, 1, 0);
    assert_float_equal(*(const float *)safetensors_find(st, "b")->data, 2, 0);
    safetensors_close(st);
    free(path);
    static const struct {
        const char *index, *word;
    } lies[] = {
        {"{\"weight_map\":{\"a\":\"../one.safetensors\"}}", "not a file of this folder"},
        {"{\"weight_map\":{\"a\":\"/etc/passwd\"}}", "not a file of this folder"},
        {"{\"weight_map\":{\"a\":\"..\"}}", "not a file of this folder"},
        {"{\"weight_map\":{\"a\":\".\"}}", "regular file"},
        {"{\"weight_map\":{\"a\":\"\"}}", "not a file of this folder"},
        {"{\"weight_map\":{\"a\":5}}", "not a file of this folder"},
        {"{\"weight_map\":{\"a\":\"three.safetensors\"}}", "No such file"},
        {"{\"weight_map\":[]}", "weight_map"},
        {"{}", "weight_map"},
        {"{\"weight_map\":", "lie.index.json"},
        // The index promises tensors that its shards do not hold, or not there.
        {"{\"weight_map\":{\"a\":\"one.safetensors\",\"z\":\"one.safetensors\"}}", "z"},
        {"{\"weight_map\":{\"a\":\"two.safetensors\",\"b\":\"two.safetensors\"}}", "a"},
    };
    for (size_t i = 0; i < COUNT_OF(lies); i++) {
        put_text("lie.index.json", lies[i].index);
        refuses_path(in_folder("lie.index.json"), ERR_INPUT, lies[i].word);
    }
    put_shard("two.safetensors", "a", 2); // the same tensor in both
    refuses_path(in_folder("m.index.json"), ERR_INPUT, "");
    for (size_t i = 0; i < 2; i++) {
        path = in_folder(i ? "one.safetensors" : "two.safetensors");
        unlink(path);
        free(path);
    }
}

static void
test_not_a_file(void **state)
{
    (void)state;
    refuses_path(mem_strdup(folder), ERR_INPUT, "regular");
    char *path = in_folder("empty.safetensors");
    struct err err = {0};
    assert_true(file_write(path, "", 0, &err));
    refuses_path(path, ERR_INPUT, "few");
}

// Random damage to a good header: an error or a view whose bytes are all inside; never a crash.
static void
test_damage(void **state)
{
    (void)state;
    const char *good = "{\"__metadata__\":{\"k\":\"v\"},"
                       "\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"
                       "\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[16,19]}}";
    size_t n = strlen(good);
    uint32_t x = 12345;
    for (int round = 0; round < 2000; round++) {
        char header[256];
        memcpy(header, good, n);
        for (int k = 0; k < 1 + round % 3; k++) {
            x = x * 1664525u + 1013904223u;
            header[(x >> 8) % n] = "0123456789[]{},:\"-.eE\\ a"[(x >> 24) % 24];
        }
        char *path = put_raw("d.safetensors", header, n, 0, 19);
        struct err err = {0};
        struct safetensors *st = safetensors_open(path, &err);
        unsigned sum = 0;
        for (size_t i = 0; st && i < safetensors_count(st); i++) {
            const struct tensor_view *v = safetensors_at(st, i);
            for (size_t k = 0; k < v->size; k++)
                sum += ((const unsigned char *)v->data)[k];
        }
        assert_int_equal(sum, 0);
        assert_true(st || err.code == ERR_INPUT);
        safetensors_close(st);
        unlink(path);
        free(path);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),  cmocka_unit_test(test_known_file),
        cmocka_unit_test(test_no_tensors),  cmocka_unit_test(test_writer_counts_bytes),
        cmocka_unit_test(test_truncated),   cmocka_unit_test(test_header_lies),
        cmocka_unit_test(test_tensor_lies), cmocka_unit_test(test_types_of_others),
        cmocka_unit_test(test_pointers),    cmocka_unit_test(test_many_tensors),
        cmocka_unit_test(test_relations),   cmocka_unit_test(test_index),
        cmocka_unit_test(test_not_a_file),  cmocka_unit_test(test_damage),
    };
    if (!mkdtemp(folder))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(folder);
    return failed;
}
