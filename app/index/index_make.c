// SPDX-License-Identifier: MIT
#include "app/index/index_make.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/data/pack.h"
#include "app/index/index_write.h"
#include "app/index/pack_looks.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "engine/draw/pipeline.h"
#include "engine/train/pack.h"
#include "renderer/image/codec.h"
#include "renderer/image/resize.h"

enum {
    DIMENSION = PACK_LOOKS_DIMENSION,
    QUALITY = 70,
    TEXT_MAX = LIMIT_KEYWORDS_BYTES + 1
};

// A picture of the pack that may go into the index.
struct item {
    int record, entry; // entry: pictures of one name have the same
    bool out;
};

struct index_build {
    const struct index_make *m;
    struct pack *pack;
    struct device *device;
    struct pipeline *pipeline;
    struct pipeline_info info;
    struct item *items;
    size_t count, capacity;
    struct looks looks;
    int8_t *vectors; // of the items, (count,DIMENSION)
    struct index_make_report *report;
};

static bool
report_progress(const struct index_build *b, const char *what, size_t done, size_t total,
                struct err *err)
{
    if (b->m->progress)
        b->m->progress(b->m->ctx, what, done, total);
    if (b->m->cancel && atomic_load(b->m->cancel))
        return !err_set(err, ERR_CANCELLED, "stopped");
    return false;
}

// --- The pack

static void
on_packed(void *ctx, size_t done, size_t total)
{
    const struct index_build *b = ctx;
    if (b->m->progress)
        b->m->progress(b->m->ctx, "pictures read", done, total);
}

// A folder as a pack that is gone when it is closed.
static struct pack *
pack_folder(struct index_build *b, int side, struct err *err)
{
    char *path = mem_printf("%s.%ld.pack", b->m->out, (long)getpid());
    const struct data_pack_params p = {.sources = &b->m->source,
                                       .source_count = 1,
                                       .out = path,
                                       .size = side,
                                       .roles = "",
                                       .names = true,
                                       .progress = on_packed,
                                       .ctx = b,
                                       .cancel = b->m->cancel};
    struct data_pack_report report;
    struct pack *pack = data_pack_make(&p, &report, err) ? pack_open(path, err) : NULL;
    b->report->unread = report.unreadable + report.bad_captions;
    b->report->first_unread =
        report.unreadable ? report.first_unreadable : report.first_bad_caption;
    unlink(path);
    free(path);
    return pack;
}

static bool
open_all(struct index_build *b, struct err *err)
{
    // The forks of packing come before the threads of a device.
    int side = b->m->side ? b->m->side : 64;
    struct err unread = {0};
    bool packed = data_is_pack(b->m->source, &unread);
    if (unread.code != ERR_NONE)
        return err_set(err, unread.code, "%s", unread.text);
    b->pack = packed ? pack_open(b->m->source, err) : pack_folder(b, side, err);
    b->device = b->pack ? device_open(b->m->device, err) : NULL;
    b->pipeline = b->device ? pipeline_open(b->m->model, b->device, DTYPE_F32, err) : NULL;
    if (!b->pipeline)
        return false;
    pipeline_info(b->pipeline, &b->info);
    return b->info.feature_width ||
           err_set(err, ERR_INPUT, "%s takes no references: it cannot have an index", b->info.name);
}

// --- What may go in

static bool
is_wanted(const struct index_build *b, int record)
{
    int style = pack_style(b->pack, record);
    const char *name = style < 0 ? "" : pack_style_name(b->pack, style);
    for (int i = 0; i < b->m->styles.count; i++)
        if (strcmp(b->m->styles.items[i], name) == 0)
            return true;
    return b->m->styles.count == 0;
}

struct named {
    char *name;
    int item;
};

static int
by_name(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x->item > y->item) - (x->item < y->item);
}

// Numbers the names, so that pictures of one name know each other.
static void
number_names(struct index_build *b)
{
    struct named *all = mem_alloc((b->count + 1) * sizeof *all);
    char text[TEXT_MAX];
    int entry = 0;
    for (size_t i = 0; i < b->count; i++)
        all[i] = (struct named){
            mem_strdup(pack_caption(b->pack, b->items[i].record, text, sizeof text)), (int)i};
    qsort(all, b->count, sizeof *all, by_name);
    for (size_t i = 0; i < b->count; i++) {
        entry += i > 0 && strcmp(all[i].name, all[i - 1].name) != 0;
        b->items[all[i].item].entry = entry;
    }
    for (size_t i = 0; i < b->count; i++)
        free(all[i].name);
    free(all);
}

static bool
choose(struct index_build *b, struct err *err)
{
    for (int i = 0; i < pack_count(b->pack); i++) {
        struct item item = {.record = i};
        if (!is_wanted(b, i))
            continue;
        if (pack_split(b->pack, i) == PACK_TRAIN)
            ARRAY_PUSH(b->items, b->count, b->capacity, item);
        else
            b->report->held_out++;
    }
    if (!b->count)
        return err_set(err, ERR_INPUT, "%s has no picture for an index%s", b->m->source,
                       b->report->held_out ? ": all of them are held out" : "");
    if (!index_count_allowed(b->m->source, (int64_t)b->count, LIMIT_INDEX_PICTURES, err))
        return false;
    number_names(b);
    return true;
}

// --- What they look like

static bool
on_progress(void *ctx, const char *what, size_t done, size_t total, struct err *err)
{
    return !report_progress(ctx, what, done, total, err);
}

static bool
compute_vectors(struct index_build *b, struct err *err)
{
    int *records = mem_alloc(b->count * sizeof *records);
    for (size_t i = 0; i < b->count; i++)
        records[i] = b->items[i].record;
    const struct pack_looks p = {b->pack, b->pipeline, records, b->count, on_progress, b};
    b->vectors = pack_looks_make(&p, &b->looks, err);
    free(records);
    return b->vectors != NULL;
}

// The later of two of one name that are alike goes.
static void
on_duplicate(void *ctx, int64_t of, const struct neighbour *n)
{
    struct index_build *b = ctx;
    const struct item *earlier = &b->items[n->row];
    struct item *item = &b->items[of];
    if (n->row < of && !earlier->out && earlier->entry == item->entry && !item->out) {
        item->out = true;
        b->report->duplicates++;
    }
}

static bool
drop_duplicates(struct index_build *b, struct err *err)
{
    const struct vectors v = {b->vectors, (int64_t)b->count, DIMENSION};
    int64_t *rows = mem_alloc(b->count * sizeof *rows);
    for (size_t i = 0; i < b->count; i++)
        rows[i] = (int64_t)i;
    bool ok =
        neighbours_within(b->device, &v, rows, v.count, b->m->duplicate, on_duplicate, b, err);
    free(rows);
    return ok;
}

// Of each name so many, in turns over the styles: the name of number n begins with style n.
static void
limit_per_name(struct index_build *b)
{
    int styles = MAX(pack_style_count(b->pack), 1), entries = 0;
    for (size_t i = 0; i < b->count; i++)
        entries = MAX(entries, b->items[i].entry + 1);
    int *counts = mem_zalloc((size_t)entries * sizeof *counts);
    bool *kept = mem_zalloc(b->count);
    for (int round = 0; round < styles && b->m->each; round++)
        for (size_t i = 0; i < b->count; i++) {
            struct item *item = &b->items[i];
            int style = MAX(pack_style(b->pack, item->record), 0);
            if (item->out || (item->entry + round) % styles != style ||
                counts[item->entry] == b->m->each)
                continue;
            counts[item->entry]++;
            kept[i] = true;
        }
    for (size_t i = 0; i < b->count && b->m->each; i++) {
        b->report->over += !b->items[i].out && !kept[i];
        b->items[i].out |= !kept[i];
    }
    free(counts);
    free(kept);
}

// --- Writing

static void *
encode(const struct index_build *b, int record, size_t *size, struct err *err)
{
    int side = pack_size(b->pack), target = b->m->side ? b->m->side : b->info.size;
    struct image whole = {.width = side,
                          .height = side,
                          .references = 1,
                          .format = IMAGE_RGB8,
                          .stride = (size_t)side * 3,
                          .pixels = (uint8_t *)(uintptr_t)pack_image(b->pack, record)};
    if (side == target)
        return codec_encode_webp(&whole, QUALITY, size, err);
    struct image *small = image_resize(&whole, target, target, IMAGE_STRETCH, 0xFFFFFF, err);
    void *data = small ? codec_encode_webp(small, QUALITY, size, err) : NULL;
    image_unref(small);
    return data;
}

static bool
add(struct index_build *b, struct index_writer *w, size_t i, struct err *err)
{
    char name[TEXT_MAX], keywords[TEXT_MAX], source[LIMIT_INDEX_TEXT_BYTES];
    int record = b->items[i].record;
    struct index_record r = {.name = pack_caption(b->pack, record, name, LIMIT_CAPTION_BYTES),
                             .keywords = pack_keywords(b->pack, record, keywords, sizeof keywords),
                             .source = pack_source(b->pack, record, source, sizeof source),
                             .style = pack_style(b->pack, record),
                             .vector = b->vectors + i * DIMENSION};
    r.data = encode(b, record, &r.size, err);
    bool ok = r.data && index_writer_add(w, &r, err);
    free((void *)(uintptr_t)r.data);
    return ok;
}

static bool
write_index(struct index_build *b, struct err *err)
{
    struct index_about about = {.side = b->m->side ? b->m->side : b->info.size};
    snprintf(about.model, sizeof about.model, "%s", b->info.name);
    snprintf(about.hash, sizeof about.hash, "%s", b->info.hash);
    struct index_writer *w = index_writer_open(&about, &b->looks, err);
    bool ok = w != NULL;
    for (int i = 0; ok && i < pack_style_count(b->pack); i++) {
        const char *name = pack_style_name(b->pack, i);
        ok = index_writer_style(
            w, name, jv_string(jv_get(b->m->credits, name), b->m->credit ? b->m->credit : ""), err);
    }
    bool *named = mem_zalloc(b->count);
    for (size_t i = 0; ok && i < b->count; i++) {
        if (b->items[i].out)
            continue;
        ok = add(b, w, i, err) && !report_progress(b, "pictures written", i + 1, b->count, err);
        b->report->pictures++;
        b->report->entries += !named[b->items[i].entry];
        named[b->items[i].entry] = true;
    }
    free(named);
    ok = ok && pack_check(b->pack, err) && index_writer_commit(w, b->m->out, err);
    index_writer_close(w);
    return ok;
}

static bool
is_database(const char *path)
{
    char head[16] = "";
    FILE *f = file_stream(path, "r", NULL);
    size_t n = f ? fread(head, 1, sizeof head, f) : 0;
    if (f)
        fclose(f);
    return n == sizeof head && memcmp(head, "SQLite format 3", sizeof head) == 0;
}

// The source is not to be written over, nor a file in its folder that is no index of an earlier
// time.
static bool
check_output(const struct index_make *m, struct err *err)
{
    bool allowed = !file_same(m->out, m->source) &&
                   (!file_is_below(m->out, m->source) || is_database(m->out));
    return allowed || err_set(err, ERR_INPUT, "%s is an input: name another file", m->out);
}

bool
index_make(const struct index_make *m, struct index_make_report *report, struct err *err)
{
    struct index_build b = {.m = m, .report = report};
    *report = (struct index_make_report){0};
    bool ok = check_output(m, err) && file_out_check(m->out, err) && open_all(&b, err) &&
              choose(&b, err) && compute_vectors(&b, err) && drop_duplicates(&b, err);
    if (ok)
        limit_per_name(&b);
    ok = ok && write_index(&b, err);
    free(b.items);
    free(b.vectors);
    looks_close(&b.looks);
    pipeline_close(b.pipeline);
    device_close(b.device);
    pack_close(b.pack);
    return ok;
}
