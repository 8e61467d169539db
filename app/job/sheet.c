// SPDX-License-Identifier: MIT
#include "app/job/sheet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/cli/commands.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/draw/alpha.h"
#include "engine/draw/pipeline.h"
#include "engine/train/tasks.h"
#include "renderer/image/codec.h"

enum { GAP = 8, TILES = 4 };

struct sheet {
    const struct sheet_params *params;
    struct pack *pack;
    struct tasks *tasks;
    struct pipeline *pipeline;
    struct image *image;
    FILE *texts;
    int side;
};

static void
put_tile(struct sheet *s, const uint8_t *rgb, int x, int y)
{
    struct image tile = {.width = s->side, .height = s->side, .format = IMAGE_RGB8,
                         .stride = (size_t)s->side * 3, .pixels = (uint8_t *)(uintptr_t)rgb,
                         .references = 1};
    image_paste(s->image, &tile, x, y);
}

static void
compose_on_white(const struct pipeline_pictures *p)
{
    alpha_lay_on_white(p->pixels, (size_t)p->width * (size_t)p->height, p->channels, p->pixels);
}

static bool
draw_example(struct sheet *s, const struct example *e, int x, int y, struct err *err)
{
    struct instruction n = {.text = mem_strdup(e->text)};
    bool ok = true;
    for (int i = 0; ok && i < e->ref_count; i++) {
        ok = instruction_add(&n, e->refs[i].marker, e->refs[i].text, s->side, s->side,
                             e->refs[i].image, err);
        put_tile(s, e->refs[i].image, x + i * s->side, y);
    }
    struct pipeline_request request = {.instruction = &n, .seed = s->params->seed, .count = 1,
                                       .steps = s->params->steps, .width = s->side,
                                       .height = s->side,
                                       .guidance = s->params->guidance,
                                       .scale = s->params->scale > 0 ? s->params->scale : -1,
                                       .context_scale = -1, .cancel = &command_interrupted};
    struct pipeline_result result = {0};
    ok = ok && pipeline_run(s->pipeline, &request, &result, err);
    if (ok) {
        compose_on_white(&result.pictures);
        put_tile(s, result.pictures.pixels, x + 2 * s->side, y);
        put_tile(s, e->target, x + 3 * s->side, y);
        if (s->texts)
            fprintf(s->texts, "%s\t%s\n", tasks_name(s->tasks, e->task), e->text);
    }
    free(result.pictures.pixels);
    instruction_finish(&n);
    return ok;
}

static bool
has_held_out(const struct sheet *s, int task)
{
    int count = 0;
    for (int split = PACK_TRAIN + 1; split < PACK_SPLIT_COUNT; split++)
        count += tasks_heldout_of(s->tasks, task, (enum pack_split)split, 0, NULL);
    return count > 0;
}

// The i-th training example of a task, for tasks that have nothing held out.
static bool
training_example(const struct sheet *s, int task, int i, struct example *e)
{
    enum { TRIES = 1000 };
    int seen = 0;
    for (uint64_t k = 0; k < TRIES; k++)
        for (int n = 0; n <= EXAMPLE_REFERENCE_MAX; n++)
            if (tasks_share(s->tasks, n) > 0 &&
                tasks_draw(s->tasks, s->params->seed, k, n, e, NULL) && e->task == task &&
                !e->text_dropped && !e->context_dropped && seen++ == i)
                return true;
    return false;
}

static bool
draw_row(struct sheet *s, int task, int y, struct err *err)
{
    static const enum pack_split order[] = {PACK_HELDOUT_PAIR, PACK_HELDOUT_SUBJECT,
                                            PACK_HELDOUT_STYLE};
    int splits = s->params->styles ? 3 : 2;
    for (int i = 0; i < s->params->columns; i++) {
        struct example *e = mem_zalloc(sizeof *e);
        int index = s->params->first + i / splits * 7 + task;
        bool found = tasks_heldout_of(s->tasks, task, order[i % splits], index, e) ||
                     (!has_held_out(s, task) && training_example(s, task, i, e));
        bool ok = !found ||
                  draw_example(s, e, GAP + i * (TILES * s->side + GAP), y, err);
        free(e);
        if (!ok)
            return false;
    }
    return true;
}

bool
sheet_can_draw(void)
{
    return true;
}

bool
sheet_draw(const struct sheet_params *p, struct err *err)
{
    struct sheet s = {.params = p};
    struct pipeline_info info;
    s.pack = pack_open(p->pack, err);
    s.tasks = s.pack ? tasks_create(s.pack, p->tasks, false, err) : NULL;
    s.pipeline = s.tasks ? pipeline_open(p->model, p->device, DTYPE_NONE, err) : NULL;
    bool ok = s.pipeline != NULL;
    if (ok) {
        pipeline_info(s.pipeline, &info);
        s.side = info.size;
        if (s.side != pack_size(s.pack))
            ok = err_set(err, ERR_INPUT, "the model draws %d pixels, the pack holds %d", info.size,
                         pack_size(s.pack));
    }
    int rows = 0, row = 0;
    for (int k = 0; ok && k < tasks_count(s.tasks); k++)
        rows += !p->only_task || strcmp(p->only_task, tasks_name(s.tasks, k)) == 0;
    if (ok && rows == 0)
        ok = err_set(err, ERR_INPUT, "there is no task '%s'", p->only_task);
    if (ok)
        s.image = image_create(GAP + p->columns * (TILES * s.side + GAP),
                               GAP + rows * (s.side + GAP), IMAGE_RGB8, err);
    ok = ok && s.image;
    if (ok)
        memset(s.image->pixels, 0xD8, s.image->stride * (size_t)s.image->height);
    if (ok && p->texts_path)
        ok = (s.texts = file_stream(p->texts_path, "w", err)) != NULL;
    for (int k = 0; ok && k < tasks_count(s.tasks); k++)
        if (!p->only_task || strcmp(p->only_task, tasks_name(s.tasks, k)) == 0)
            ok = draw_row(&s, k, GAP + row++ * (s.side + GAP), err);
    ok = ok && pack_check(s.pack, err) && codec_write_png(s.image, p->path, NULL, err);
    if (s.texts && fclose(s.texts) != 0 && ok)
        ok = err_errno(err, ERR_IO, "%s", p->texts_path);
    image_unref(s.image);
    pipeline_close(s.pipeline);
    tasks_destroy(s.tasks);
    pack_close(s.pack);
    return ok;
}
