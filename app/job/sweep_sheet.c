// SPDX-License-Identifier: MIT
#include "app/job/sweep_sheet.h"

#include <stdlib.h>
#include <string.h>

#include "app/job/contact_sheet.h"
#include "engine/base/base64.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "renderer/image/codec.h"

enum { TILE = 128 };

void
sweep_sheet_begin(struct sweep_sheet *s, int count, int columns)
{
    *s = (struct sweep_sheet){.count = count, .columns = columns};
    s->cells = mem_zalloc((size_t)MAX(count, 1) * sizeof *s->cells);
    for (int i = 0; i < count; i++)
        s->cells[i].job = JOB_EMPTY;
}

void
sweep_sheet_finish(struct sweep_sheet *s)
{
    for (int i = 0; i < s->count; i++) {
        job_finish(&s->cells[i].job);
        free(s->cells[i].label);
        image_unref(s->cells[i].image);
    }
    free(s->cells);
    jv_free(s->about);
    free(s->asked);
    *s = (struct sweep_sheet){0};
}

bool
sweep_sheet_has(const struct sweep_sheet *s, const char *name)
{
    const struct jv *axes = jv_get(s->about, "axes");
    for (size_t i = 0; i < jv_size(axes); i++)
        if (strcmp(jv_string(jv_get(jv_at(axes, i), "name"), ""), name) == 0)
            return true;
    return false;
}

// --- writing

static bool
add_pictures(struct jv *pictures, const struct job *j)
{
    for (int i = 0; i < j->reference_count; i++) {
        const struct job_reference *r = &j->references[i];
        if (!r->data || jv_get(pictures, r->hash))
            continue;
        char *text = base64_encode(r->data, r->size, NULL);
        if (!text)
            return false;
        jv_set(pictures, r->hash, jv_from_string(text));
        free(text);
    }
    return true;
}

// Leaves out what depends on when and where it was drawn: the same sweep gives the same sheet.
static struct jv *
cell_json(const struct sheet_cell *c)
{
    struct job j;
    job_copy(&j, &c->job);
    j.id[0] = 0;
    for (int i = 0; i < j.reference_count; i++) {
        free(j.references[i].where);
        j.references[i].where = NULL;
    }
    struct jv *out = jv_object();
    jv_set(out, "label", jv_from_string(c->label ? c->label : ""));
    jv_set(out, "job", job_json(&j, false));
    job_finish(&j);
    return out;
}

static bool
has_all_data(const struct sweep_sheet *s)
{
    for (int i = 0; i < s->count; i++)
        for (int k = 0; k < s->cells[i].job.reference_count; k++)
            if (!s->cells[i].job.references[k].data)
                return false;
    return true;
}

static char *
sheet_text(const struct sweep_sheet *s)
{
    bool ok = true;
    struct jv *root = jv_object(), *sweep = s->about ? jv_copy(s->about) : jv_object();
    struct jv *cells = jv_array(), *pictures = jv_object();
    for (int i = 0; i < s->count; i++) {
        jv_append(cells, cell_json(&s->cells[i]));
        ok = ok && add_pictures(pictures, &s->cells[i].job);
    }
    jv_set(sweep, "columns", jv_from_integer(s->columns));
    jv_set(sweep, "cells", cells);
    jv_set(sweep, "pictures", pictures);
    jv_set(root, "limn", jv_from_string(LIMN_VERSION));
    jv_set(root, "format", jv_from_integer(1));
    jv_set(root, "sweep", sweep);
    char *text = ok ? jv_text(root, 0) : NULL;
    jv_free(root);
    return text;
}

// "style=blob" for each value of an axis, from sweep_json(); freed with free_heads().
static char **
axis_heads(const struct jv *axis)
{
    const struct jv *values = jv_get(axis, "values");
    char **heads = mem_zalloc((jv_size(values) + 1) * sizeof *heads);
    for (size_t i = 0; i < jv_size(values); i++)
        heads[i] = mem_printf("%s=%s", jv_string(jv_get(axis, "name"), ""),
                              jv_string(jv_at(values, i), ""));
    return heads;
}

static void
free_heads(char **heads)
{
    for (int i = 0; heads && heads[i]; i++)
        free(heads[i]);
    free(heads);
}

// For a whole grid over two axes, the second goes across and the first down, and their values are
// written once, above and beside the tiles. Otherwise each tile has its label.
static struct image *
draw_sheet(const struct sweep_sheet *s, struct contact_cell *cells, struct err *err)
{
    const struct jv *axes = jv_get(s->about, "axes");
    size_t down = jv_size(jv_get(jv_at(axes, 0), "values"));
    size_t across = jv_size(jv_get(jv_at(axes, 1), "values"));
    bool grid = jv_size(axes) == 2 && across == (size_t)s->columns &&
                down * across == (size_t)s->count && !jv_get(s->about, "lots");
    char **columns = grid ? axis_heads(jv_at(axes, 1)) : NULL;
    char **rows = grid ? axis_heads(jv_at(axes, 0)) : NULL;
    for (int i = 0; grid && i < s->count; i++)
        cells[i].label = NULL;
    const struct contact_heads heads = {(const char *const *)columns, (const char *const *)rows};
    struct image *sheet = contact_sheet(cells, s->count, s->columns, TILE, &heads, err);
    free_heads(columns);
    free_heads(rows);
    return sheet;
}

bool
sweep_sheet_write(const struct sweep_sheet *s, const char *file, struct err *err)
{
    struct contact_cell *cells = mem_zalloc((size_t)MAX(s->count, 1) * sizeof *cells);
    for (int i = 0; i < s->count; i++)
        cells[i] = (struct contact_cell){s->cells[i].image, s->cells[i].label};
    struct image *sheet = draw_sheet(s, cells, err);
    char *text = has_all_data(s) ? sheet_text(s) : NULL;
    const char *const texts[] = {"limn", text, "Software", "limn " LIMN_VERSION, NULL};
    // A sheet whose references do not fit, or are not known here, is still written, as a picture
    // only.
    bool fits = text && strlen(text) < LIMIT_PNG_TEXT_BYTES;
    bool ok = sheet && codec_write_png(sheet, file, fits ? texts : NULL, err);
    image_unref(sheet);
    free(text);
    free(cells);
    return ok;
}

// --- reading

static bool
decode_pictures(struct job *j, const struct jv *pictures, const char *path, struct err *err)
{
    for (int i = 0; i < j->reference_count; i++) {
        struct job_reference *r = &j->references[i];
        const char *text = jv_string(jv_get(pictures, r->hash), NULL);
        char hash[JOB_HASH_TEXT] = "";
        struct err own = {0};
        r->data = text ? base64_decode(text, &r->size, &own) : NULL;
        if (own.code == ERR_MEMORY)
            return err_set(err, own.code, "%s: %s", path, own.text);
        if (r->data)
            job_hash(r->data, r->size, hash);
        if (!r->data || strcmp(hash, r->hash) != 0)
            return err_set(err, ERR_INPUT, "%s: a reference in it is damaged", path);
        job_embed(r, path);
        if (!codec_recognise(r->data, r->size, path, err))
            return false;
    }
    return true;
}

// What it asks for that is for the user to decide, in one line.
static char *
local_settings_of(const struct job *j)
{
    const char *const pairs[][2] = {{"model", j->model},
                                    {"device", j->device},
                                    {"number type", j->dtype},
                                    {"offload", j->offload ? "on" : NULL}};
    char *text = NULL;
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        if (!pairs[i][1])
            continue;
        char *longer = mem_printf("%s%s%s %.200s", text ? text : "", text ? ", " : "", pairs[i][0],
                                  pairs[i][1]);
        free(text);
        text = longer;
    }
    return text;
}

static bool
read_cell(struct sheet_cell *c, const struct jv *v, const struct jv *pictures, const char *path,
          char **asked, struct err *err)
{
    bool ok = job_parse(&c->job, jv_get(v, "job"), path, err) &&
              decode_pictures(&c->job, pictures, path, err) &&
              (job_check(&c->job, err) || err_prefix(err, "%s", path));
    if (!*asked)
        *asked = local_settings_of(&c->job);
    job_clear_local(&c->job);
    c->label = mem_strdup(jv_string(jv_get(v, "label"), ""));
    c->job.id[0] = 0;
    c->job.count = 1;
    c->job.seed = MAX(c->job.seed, 0);
    return ok;
}

bool
sweep_sheet_read(struct sweep_sheet *s, const char *path, struct err *err)
{
    *s = (struct sweep_sheet){0};
    char *text = job_is_png(path) ? codec_png_text(path, "limn", err) : NULL;
    if (!text)
        return false;
    struct jv *root = jv_parse_within(text, strlen(text), LIMIT_PICTURE_VALUES, path, err);
    const struct jv *sweep = jv_get(root, "sweep"), *cells = jv_get(sweep, "cells");
    bool ok = sweep && job_check_format(root, path, err);
    if (ok && (jv_size(cells) < 1 || jv_size(cells) > LIMIT_SWEEP_CELLS))
        ok = err_set(err, ERR_INPUT, "%s: the sweep in it has %zu pictures; 1 to %d are allowed",
                     path, jv_size(cells), LIMIT_SWEEP_CELLS);
    if (ok)
        sweep_sheet_begin(s, (int)jv_size(cells), 1);
    for (size_t i = 0; ok && i < jv_size(cells); i++)
        ok = read_cell(&s->cells[i], jv_at(cells, i), jv_get(sweep, "pictures"), path, &s->asked,
                       err);
    if (ok) {
        s->about = jv_object();
        static const char *const keys[] = {"instruction", "axes", "lots"};
        for (size_t i = 0; i < COUNT_OF(keys); i++)
            if (jv_get(sweep, keys[i]))
                jv_set(s->about, keys[i], jv_copy(jv_get(sweep, keys[i])));
        s->columns = (int)MIN(MAX(jv_integer(jv_get(sweep, "columns"), 1), 1), LIMIT_SWEEP_CELLS);
    }
    jv_free(root);
    free(text);
    return ok;
}
