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

struct making {
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
stopped(const struct making *k, const char *what, size_t done, size_t total, struct err *err)
{
    if (k->m->progress)
        k->m->progress(k->m->ctx, what, done, total);
    if (k->m->cancel && atomic_load(k->m->cancel))
        return !err_set(err, ERR_CANCELLED, "stopped");
    return false;
}

// --- The pack

static void
on_packed(void *ctx, size_t done, size_t total)
{
    const struct making *k = ctx;
    if (k->m->progress)
        k->m->progress(k->m->ctx, "pictures read", done, total);
}

// A folder as a pack that is gone when it is closed.
static struct pack *
pack_folder(struct making *k, int side, struct err *err)
{
    char *path = mem_printf("%s.%ld.pack", k->m->out, (long)getpid());
    const struct data_pack_params p = {.sources = &k->m->source,
                                       .source_count = 1,
                                       .out = path,
                                       .size = side,
                                       .roles = "",
                                       .names = true,
                                       .progress = on_packed,
                                       .ctx = k,
                                       .cancel = k->m->cancel};
    struct data_pack_report report;
    struct pack *pack = data_pack_make(&p, &report, err) ? pack_open(path, err) : NULL;
    k->report->unread = report.unreadable + report.bad_captions;
    k->report->first_unread =
        report.unreadable ? report.first_unreadable : report.first_bad_caption;
    unlink(path);
    free(path);
    return pack;
}

static bool
open_all(struct making *k, struct err *err)
{
    // The forks of packing come before the threads of a device.
    int side = k->m->side ? k->m->side : 64;
    struct err unread = {0};
    bool packed = data_is_pack(k->m->source, &unread);
    if (unread.code != ERR_NONE)
        return err_set(err, unread.code, "%s", unread.text);
    k->pack = packed ? pack_open(k->m->source, err) : pack_folder(k, side, err);
    k->device = k->pack ? device_open(k->m->device, err) : NULL;
    k->pipeline = k->device ? pipeline_open(k->m->model, k->device, DTYPE_F32, err) : NULL;
    if (!k->pipeline)
        return false;
    pipeline_info(k->pipeline, &k->info);
    return k->info.feature_width ||
           err_set(err, ERR_INPUT, "%s takes no references: it cannot have an index", k->info.name);
}

// --- What may go in

static bool
is_wanted(const struct making *k, int record)
{
    int style = pack_style(k->pack, record);
    const char *name = style < 0 ? "" : pack_style_name(k->pack, style);
    for (int i = 0; i < k->m->styles.count; i++)
        if (strcmp(k->m->styles.items[i], name) == 0)
            return true;
    return k->m->styles.count == 0;
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
number_names(struct making *k)
{
    struct named *all = mem_alloc((k->count + 1) * sizeof *all);
    char text[TEXT_MAX];
    int entry = 0;
    for (size_t i = 0; i < k->count; i++)
        all[i] = (struct named){
            mem_strdup(pack_caption(k->pack, k->items[i].record, text, sizeof text)), (int)i};
    qsort(all, k->count, sizeof *all, by_name);
    for (size_t i = 0; i < k->count; i++) {
        entry += i > 0 && strcmp(all[i].name, all[i - 1].name) != 0;
        k->items[all[i].item].entry = entry;
    }
    for (size_t i = 0; i < k->count; i++)
        free(all[i].name);
    free(all);
}

static bool
choose(struct making *k, struct err *err)
{
    for (int i = 0; i < pack_count(k->pack); i++) {
        struct item item = {.record = i};
        if (!is_wanted(k, i))
            continue;
        if (pack_split(k->pack, i) == PACK_TRAIN)
            ARRAY_PUSH(k->items, k->count, k->capacity, item);
        else
            k->report->held_out++;
    }
    if (!k->count)
        return err_set(err, ERR_INPUT, "%s has no picture for an index%s", k->m->source,
                       k->report->held_out ? ": all of them are held out" : "");
    if (!index_count_allowed(k->m->source, (int64_t)k->count, LIMIT_INDEX_PICTURES, err))
        return false;
    number_names(k);
    return true;
}

// --- What they look like

static bool
on_looked(void *ctx, const char *what, size_t done, size_t total, struct err *err)
{
    return !stopped(ctx, what, done, total, err);
}

static bool
look_at_all(struct making *k, struct err *err)
{
    int *records = mem_alloc(k->count * sizeof *records);
    for (size_t i = 0; i < k->count; i++)
        records[i] = k->items[i].record;
    const struct pack_looks p = {k->pack, k->pipeline, records, k->count, on_looked, k};
    k->vectors = pack_looks_make(&p, &k->looks, err);
    free(records);
    return k->vectors != NULL;
}

// The later of two of one name that are alike goes.
static void
on_alike(void *ctx, int64_t of, const struct neighbour *n)
{
    struct making *k = ctx;
    const struct item *earlier = &k->items[n->row];
    struct item *item = &k->items[of];
    if (n->row < of && !earlier->out && earlier->entry == item->entry && !item->out) {
        item->out = true;
        k->report->duplicates++;
    }
}

static bool
leave_out_duplicates(struct making *k, struct err *err)
{
    const struct vectors v = {k->vectors, (int64_t)k->count, DIMENSION};
    int64_t *rows = mem_alloc(k->count * sizeof *rows);
    for (size_t i = 0; i < k->count; i++)
        rows[i] = (int64_t)i;
    bool ok = neighbours_within(k->device, &v, rows, v.count, k->m->duplicate, on_alike, k, err);
    free(rows);
    return ok;
}

// Of each name so many, in turns over the styles: the name of number n begins with style n.
static void
leave_out_surplus(struct making *k)
{
    int styles = MAX(pack_style_count(k->pack), 1), entries = 0;
    for (size_t i = 0; i < k->count; i++)
        entries = MAX(entries, k->items[i].entry + 1);
    int *taken = mem_zalloc((size_t)entries * sizeof *taken);
    bool *kept = mem_zalloc(k->count);
    for (int turn = 0; turn < styles && k->m->each; turn++)
        for (size_t i = 0; i < k->count; i++) {
            struct item *item = &k->items[i];
            int style = MAX(pack_style(k->pack, item->record), 0);
            if (item->out || (item->entry + turn) % styles != style ||
                taken[item->entry] == k->m->each)
                continue;
            taken[item->entry]++;
            kept[i] = true;
        }
    for (size_t i = 0; i < k->count && k->m->each; i++) {
        k->report->over += !k->items[i].out && !kept[i];
        k->items[i].out |= !kept[i];
    }
    free(taken);
    free(kept);
}

// --- Writing

static void *
encode(const struct making *k, int record, size_t *size, struct err *err)
{
    int side = pack_size(k->pack), want = k->m->side ? k->m->side : k->info.size;
    struct image whole = {.width = side,
                          .height = side,
                          .references = 1,
                          .format = IMAGE_RGB8,
                          .stride = (size_t)side * 3,
                          .pixels = (uint8_t *)(uintptr_t)pack_image(k->pack, record)};
    if (side == want)
        return codec_encode_webp(&whole, QUALITY, size, err);
    struct image *small = image_resize(&whole, want, want, IMAGE_STRETCH, 0xFFFFFF, err);
    void *data = small ? codec_encode_webp(small, QUALITY, size, err) : NULL;
    image_unref(small);
    return data;
}

static bool
add(struct making *k, struct index_writer *w, size_t i, struct err *err)
{
    char name[TEXT_MAX], keywords[TEXT_MAX], source[LIMIT_INDEX_TEXT_BYTES];
    int record = k->items[i].record;
    struct index_record r = {.name = pack_caption(k->pack, record, name, LIMIT_CAPTION_BYTES),
                             .keywords = pack_keywords(k->pack, record, keywords, sizeof keywords),
                             .source = pack_source(k->pack, record, source, sizeof source),
                             .style = pack_style(k->pack, record),
                             .vector = k->vectors + i * DIMENSION};
    r.data = encode(k, record, &r.size, err);
    bool ok = r.data && index_writer_add(w, &r, err);
    free((void *)(uintptr_t)r.data);
    return ok;
}

static bool
write_index(struct making *k, struct err *err)
{
    struct index_about about = {.side = k->m->side ? k->m->side : k->info.size};
    snprintf(about.model, sizeof about.model, "%s", k->info.name);
    snprintf(about.hash, sizeof about.hash, "%s", k->info.hash);
    struct index_writer *w = index_writer_open(&about, &k->looks, err);
    bool ok = w != NULL;
    for (int i = 0; ok && i < pack_style_count(k->pack); i++) {
        const char *name = pack_style_name(k->pack, i);
        ok = index_writer_style(
            w, name, jv_string(jv_get(k->m->credits, name), k->m->credit ? k->m->credit : ""), err);
    }
    bool *named = mem_zalloc(k->count);
    for (size_t i = 0; ok && i < k->count; i++) {
        if (k->items[i].out)
            continue;
        ok = add(k, w, i, err) && !stopped(k, "pictures written", i + 1, k->count, err);
        k->report->pictures++;
        k->report->entries += !named[k->items[i].entry];
        named[k->items[i].entry] = true;
    }
    free(named);
    ok = ok && pack_check(k->pack, err) && index_writer_commit(w, k->m->out, err);
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
spares_source(const struct index_make *m, struct err *err)
{
    bool spared = !file_same(m->out, m->source) &&
                  (!file_is_below(m->out, m->source) || is_database(m->out));
    return spared || err_set(err, ERR_INPUT, "%s is an input: name another file", m->out);
}

bool
index_make(const struct index_make *m, struct index_make_report *report, struct err *err)
{
    struct making k = {.m = m, .report = report};
    *report = (struct index_make_report){0};
    bool ok = spares_source(m, err) && file_out_check(m->out, err) && open_all(&k, err) &&
              choose(&k, err) && look_at_all(&k, err) && leave_out_duplicates(&k, err);
    if (ok)
        leave_out_surplus(&k);
    ok = ok && write_index(&k, err);
    free(k.items);
    free(k.vectors);
    looks_close(&k.looks);
    pipeline_close(k.pipeline);
    device_close(k.device);
    pack_close(k.pack);
    return ok;
}
