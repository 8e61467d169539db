// SPDX-License-Identifier: MIT
#include "engine/draw/references.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/draw/resize.h"

// The limits of FLUX.2's pipeline.
enum { SIDE_MIN = 64, LONGER_SIDE_MAX = 8 };

bool
references_check(const struct instruction *n, struct err *err)
{
    for (int i = 0; i < n->reference_count; i++) {
        const struct instruction_reference *r = &n->references[i];
        int least = MIN(r->width, r->height), most = MAX(r->width, r->height);
        if (least < SIDE_MIN || most / LONGER_SIDE_MAX > least)
            return err_set(err, ERR_INPUT,
                           "[ref#%d] has %dx%d pixels: sides of at least %d, the "
                           "longer at most %d times the shorter, are needed",
                           r->marker, r->width, r->height, SIDE_MIN, LONGER_SIDE_MAX);
    }
    return true;
}

static bool
encode_one(struct references *r, struct stages *s, const struct instruction_reference *from,
           int rank, struct err *err)
{
    const struct model_folder *m = s->folder;
    char before[32];
    int columns, rows;
    snprintf(before, sizeof before, "reference.%d.", rank);
    resize_within(from->width, from->height, REFERENCE_PIXELS, m->family->grain(&m->parts),
                  &columns, &rows);
    r->size[rank] = (struct picture_size){rows, columns};
    struct stage_key key = {.kind = STAGE_REFERENCES, .references = 1, .size = r->size[rank]};
    struct stage *stage = stages_get(s, &key, err);
    float *image = mem_try_calloc(3 * (size_t)rows * (size_t)columns, sizeof *image, "a reference",
                                  err);
    bool ok = stage && image &&
               resize_cropped(from->rgb, from->width, from->height, REFERENCE_PIXELS, columns,
                              rows, image, err);
    ok = ok && stage_write(stage, "image", image, err) && plan_run(stage->plan, err) &&
         port_set_read(&r->values, before, stage, err);
    free(image);
    stage_release(stage);
    return ok;
}

bool
references_encode(struct references *r, struct stages *s, const struct instruction *n,
                  struct err *err)
{
    for (int i = 0; i < n->reference_count; i++)
        if (!encode_one(r, s, &n->references[i], instruction_rank(n, n->references[i].marker), err))
            return false;
    r->count = n->reference_count;
    return true;
}

void
references_finish(struct references *r)
{
    port_set_finish(&r->values);
    r->count = 0;
}
