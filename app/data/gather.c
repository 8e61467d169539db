// SPDX-License-Identifier: MIT
// Several sources as one. Styles and subjects of equal name are the same one, and what any source
// holds out is held out in all: a snail that one set keeps for measuring must not be learned from
// another set's snail.
#include <stdlib.h>
#include <string.h>

#include "app/data/source.h"
#include "engine/base/mem.h"

// Takes over everything that `from` holds.
static void
append_source(struct data_source *s, struct data_source *from)
{
    for (size_t i = 0; i < from->count; i++) {
        struct data_record r = from->records[i];
        r.style = r.style < 0 ? -1 : data_source_style(s, from->styles[r.style]);
        r.subject = r.subject < 0 ? -1 : data_source_subject(s, from->subjects[r.subject]);
        ARRAY_PUSH(s->records, s->count, s->capacity, r);
    }
    from->count = 0; // their texts are the other's now
    s->archives = mem_realloc(s->archives, (s->archive_count + from->archive_count + 1) *
                                               sizeof *s->archives);
    for (size_t i = 0; i < from->archive_count; i++)
        s->archives[s->archive_count++] = from->archives[i];
    from->archive_count = 0;
    s->without_caption += from->without_caption;
    if (!s->bad_captions)
        s->first_bad_caption = from->first_bad_caption;
    s->bad_captions += from->bad_captions;
    if (from->licence) {
        char *both = mem_printf("%s%s%s", s->licence ? s->licence : "", s->licence ? "\n" : "",
                                from->licence);
        free(s->licence);
        s->licence = both;
    }
    data_source_close(from);
}

static void
propagate_holdout(struct data_source *s)
{
    bool *subject = mem_zalloc(s->subject_count + 1), *style = mem_zalloc(s->style_count + 1);
    for (size_t i = 0; i < s->count; i++) {
        const struct data_record *r = &s->records[i];
        if (r->split == PACK_HELDOUT_SUBJECT && r->subject >= 0)
            subject[r->subject] = true;
        if (r->split == PACK_HELDOUT_STYLE && r->style >= 0)
            style[r->style] = true;
    }
    for (size_t i = 0; i < s->count; i++) {
        struct data_record *r = &s->records[i];
        if (r->style >= 0 && style[r->style])
            r->split = PACK_HELDOUT_STYLE;
        else if (r->subject >= 0 && subject[r->subject])
            r->split = PACK_HELDOUT_SUBJECT;
    }
    free(subject);
    free(style);
}

bool
data_source_gather(struct data_source *s, const char *const *paths, size_t count, bool names,
                   struct err *err)
{
    *s = (struct data_source){0};
    for (size_t i = 0; i < count; i++) {
        struct data_source one;
        if (!data_source_open(&one, paths[i], names, err)) {
            data_source_close(s);
            return false;
        }
        append_source(s, &one);
    }
    propagate_holdout(s);
    return true;
}

struct held_out {
    uint64_t pixels;
    enum pack_split split;
};

static int
compare_pixels(const void *a, const void *b)
{
    const struct held_out *x = a, *y = b;
    return (x->pixels > y->pixels) - (x->pixels < y->pixels);
}

void
data_source_hold_out_duplicates(struct data_source *s, const uint64_t *pixels)
{
    struct held_out *held = mem_alloc((s->count + 1) * sizeof *held);
    size_t count = 0;
    for (size_t i = 0; i < s->count; i++)
        if (pixels[i] && s->records[i].split != PACK_TRAIN)
            held[count++] = (struct held_out){pixels[i], s->records[i].split};
    qsort(held, count, sizeof *held, compare_pixels);
    for (size_t i = 0; i < s->count; i++) {
        struct held_out key = {.pixels = pixels[i]};
        const struct held_out *t = pixels[i] && s->records[i].split == PACK_TRAIN
                                       ? bsearch(&key, held, count, sizeof *held, compare_pixels)
                                       : NULL;
        if (t)
            s->records[i].split = t->split;
    }
    free(held);
}
