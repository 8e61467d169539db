// SPDX-License-Identifier: MIT
// A damaged index, and any sentence. The input: a byte that says how much of a good index is kept,
// a byte that says how many changes follow, each a place (three bytes) and the byte that is put
// there; the rest is the sentence. SQLite is not instrumented.
#include <stdlib.h>
#include <string.h>

#include "app/index/index_write.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "tests/fuzz/fuzz.h"

enum { DIMENSION = 8, FEATURES = 12, COUNT = 40 };

static uint8_t *whole;
static size_t whole_size;

static bool
fill(struct index_writer *w)
{
    static const char *const names[] = {"fox", "red apple", "cat with tears of joy", "house",
                                        "moon"};
    bool ok = index_writer_style(w, "noto", "Google", NULL) &&
              index_writer_style(w, "fluent-3d", "", NULL);
    for (int i = 0; ok && i < COUNT; i++) {
        int8_t vector[DIMENSION] = {(int8_t)i, 3, 127};
        const struct index_record r = {.name = names[i % 5],
                                       .keywords = i % 2 ? "animal,nature" : "",
                                       .source = "a.png",
                                       .style = i % 3 - 1,
                                       .data = "picture",
                                       .size = 7,
                                       .vector = vector};
        ok = index_writer_add(w, &r, NULL);
    }
    return ok;
}

void
fuzz_begin(void)
{
    struct looks looks;
    if (!looks_open(&looks, FEATURES, DIMENSION, NULL))
        abort();
    looks_finish_statistics(&looks);
    const struct index_about about = {.side = 64, .model = "tiny", .hash = "0123456789abcdef"};
    struct index_writer *w = index_writer_open(&about, &looks, NULL);
    bool ok = w && fill(w) && index_writer_commit(w, fuzz_path("good.index"), NULL);
    index_writer_close(w);
    looks_close(&looks);
    whole = ok ? (uint8_t *)file_read(fuzz_path("good.index"), 1 << 24, &whole_size, NULL) : NULL;
    if (!whole)
        abort();
}

static void
use_pictures(struct index *x)
{
    struct err err = {0};
    struct vectors v;
    struct looks looks;
    for (int64_t row = 0; row < index_about(x)->pictures && row < COUNT; row++) {
        struct index_picture p;
        bool ok = index_picture(x, row, &p, &err);
        fuzz_said(ok ? "" : NULL, &err);
        if (ok) {
            fuzz_use_text(p.name);
            fuzz_use_text(p.credit);
            fuzz_use(p.data, p.size);
        }
        index_picture_finish(&p);
    }
    if (index_vectors(x, &v, NULL))
        fuzz_use(v.rows, (size_t)v.count * (size_t)v.dimension);
    index_looks(x, &looks, NULL);
    looks_close(&looks);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    uint8_t *bytes = mem_alloc(whole_size);
    memcpy(bytes, whole, whole_size);
    size_t changes = size > 1 ? MIN((size_t)data[1], (size - 2) / 4) : 0,
           end = MIN(size, 2 + 4 * changes);
    for (size_t k = 2; k + 4 <= end; k += 4)
        bytes[(data[k] | (size_t)data[k + 1] << 8 | (size_t)data[k + 2] << 16) % whole_size] =
            data[k + 3];
    size_t kept = size && data[0] ? whole_size * data[0] / 256 : whole_size;
    char *sentence = mem_strndup((const char *)data + end, size - end);
    struct index *x = index_open(fuzz_file("x.index", bytes, kept), &err);
    fuzz_said(x, &err);
    for (int count = 1; x && count <= 8; count += 7) {
        struct index_found found;
        bool ok = index_find(x, sentence, count, &found, &err);
        fuzz_said(ok ? "" : NULL, &err);
        for (int i = 0; ok && i < found.count; i++)
            if (found.items[i].row >= index_about(x)->pictures ||
                found.items[i].at > strlen(sentence))
                abort();
        if (ok)
            fuzz_use_text(found.missing);
    }
    if (x)
        use_pictures(x);
    index_close(x);
    free(sentence);
    free(bytes);
    return 0;
}
