// SPDX-License-Identifier: MIT
// A PNG as limn finds it on the web: its texts, the job in it, the sheet in it. The chunks' sums
// are put right first. An input that does not begin as a PNG becomes the text of one.
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "app/job/job.h"
#include "app/job/sweep_sheet.h"
#include "engine/base/mem.h"
#include "renderer/image/codec.h"
#include "renderer/image/png_text.h"
#include "tests/fuzz/fuzz.h"

static uint32_t
number_at(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void
mend(uint8_t *png, size_t size)
{
    for (size_t at = 8; at + 12 <= size;) {
        uint32_t length = number_at(png + at);
        if (length > size - at - 12)
            return;
        uint32_t sum = (uint32_t)crc32(0, png + at + 4, length + 4);
        for (int i = 0; i < 4; i++)
            png[at + 8 + length + (size_t)i] = (uint8_t)(sum >> (24 - 8 * i));
        at += 12 + length;
    }
}

static uint8_t *
png_with_text(const uint8_t *data, size_t size, size_t *out)
{
    static const uint8_t blank[] = {0x89, 'P', 'N', 'G', 13,  10, 26, 10,   0,    0,    0,
                                    13,   'I', 'H', 'D', 'R', 0,  0,  0,    1,    0,    0,
                                    0,    1,   8,   0,   0,   0,  0,  0x3A, 0x7E, 0x9B, 0x55};
    char *text = mem_strndup((const char *)data, size);
    const char *texts[] = {"limn", text, NULL};
    struct err err = {0};
    uint8_t *png = png_text_insert(blank, sizeof blank, texts, out, &err);
    free(text);
    return png;
}

static void
read_job(const uint8_t *png, size_t size)
{
    struct err err = {0};
    struct job j = {0};
    if (job_from_png_in(&j, png, size, "a.png", &err)) {
        job_resolve(&j);
        jv_free(job_json(&j, true));
    }
    fuzz_said("", &err);
    job_finish(&j);
}

static void
read_sheet(const uint8_t *png, size_t size)
{
    struct err err = {0};
    struct sweep_sheet s = {0};
    if (sweep_sheet_read(&s, fuzz_file("a.png", png, size), &err))
        sweep_sheet_has(&s, "seed");
    fuzz_said("", &err);
    sweep_sheet_finish(&s);
}

void
fuzz_begin(void)
{
    codec_start(NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *png;
    if (size > 8 && data[0] == 0x89) {
        png = mem_zalloc(size);
        memcpy(png, data, size);
        mend(png, size);
    } else {
        png = png_with_text(data, size, &size);
    }
    if (!png)
        return 0;
    read_job(png, size);
    read_sheet(png, size);
    char *text = png_text_find(png, size, "a.png", "Software", LIMIT_PNG_TEXT_BYTES, NULL);
    fuzz_use_text(text);
    free(text);
    free(png);
    return 0;
}
