// SPDX-License-Identifier: MIT
// A damaged library.db. The input is changes to a good one: the first byte says how much of it is
// kept, every four behind it are a place (three bytes) and the byte that is put there. SQLite is
// not instrumented.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/library/library.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "renderer/image/codec.h"
#include "tests/fuzz/fuzz.h"

static uint8_t *whole;
static size_t whole_size;

static void
fill(struct library *l)
{
    struct job j = JOB_EMPTY;
    j.instruction = mem_strdup("a fox on a hill");
    job_resolve(&j);
    strcpy(j.id, "a-job");
    library_job_add(l, &j, NULL, NULL, NULL);
    for (int i = 0; i < 20; i++) {
        char file[64];
        snprintf(file, sizeof file, "/nowhere/%d.png", i);
        struct library_picture p = {.job = (char *)"a-job",
                                    .file = file,
                                    .instruction = j.instruction,
                                    .words = (char *)"fox",
                                    .tags = (char *)"",
                                    .seed = i,
                                    .created = 1000 + i,
                                    .index = i};
        int64_t id = library_picture_add(l, &p, NULL);
        library_rate(l, id, i % 5, NULL);
        library_tag(l, id, "best", i % 2, NULL);
    }
    library_put_value(l, "compose", "{}", NULL);
    job_finish(&j);
}

void
fuzz_begin(void)
{
    struct err err = {0};
    codec_start(NULL);
    struct library *l = library_open(fuzz_path("good.db"), NULL, &err);
    if (!l)
        abort();
    fill(l);
    library_close(l);
    whole = (uint8_t *)file_read(fuzz_path("good.db"), 1 << 24, &whole_size, &err);
    if (!whole)
        abort();
}

static void
each(const struct library_job *job, void *ctx)
{
    (void)ctx;
    fuzz_use_text(job->request);
    fuzz_use_text(job->id);
}

static void
query(struct library *l, const struct library_filter *filter)
{
    struct library_list list = {0};
    struct err err = {0};
    bool ok = library_query(l, filter, &list, &err);
    fuzz_said(ok ? "" : NULL, &err);
    for (int i = 0; ok && i < list.count; i++)
        fuzz_use_text(list.items[i].tags);
    if (ok)
        library_list_free(&list);
}

static void
use(struct library *l)
{
    struct job j = {0};
    struct jv *sweep = NULL;
    query(l, &(struct library_filter){0});
    query(l, &(struct library_filter){
                 .search = "fox hi'l\"l*", .tag = "best", .rating = 2, .sort = LIBRARY_RATING});
    library_job_each(l, NULL, each, NULL, NULL);
    library_job_each(l, "s", each, NULL, NULL);
    library_job_restore(l, "a-job", &j, &sweep, NULL);
    job_finish(&j);
    jv_free(sweep);
    free(library_get_value(l, "compose", NULL));
    library_rate(l, 1, 3, NULL);
    library_tag(l, 1, "t", true, NULL);
}

static void
sweep_up(void)
{
    DIR *d = opendir(fuzz_path(""));
    for (struct dirent *e; d && (e = readdir(d));)
        if (strncmp(e->d_name, "x.db", 4) == 0)
            unlink(fuzz_path(e->d_name));
    if (d)
        closedir(d);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    char *notice = NULL;
    uint8_t *bytes = mem_alloc(whole_size);
    memcpy(bytes, whole, whole_size);
    for (size_t k = 1; k + 4 <= size; k += 4)
        bytes[(data[k] | (size_t)data[k + 1] << 8 | (size_t)data[k + 2] << 16) % whole_size] =
            data[k + 3];
    size_t kept = size && data[0] ? whole_size * data[0] / 256 : whole_size;
    struct library *l = library_open(fuzz_file("x.db", bytes, kept), &notice, &err);
    fuzz_said(l, &err);
    if (l)
        use(l);
    library_close(l);
    free(notice);
    free(bytes);
    sweep_up();
    return 0;
}
