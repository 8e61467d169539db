// SPDX-License-Identifier: MIT
#include "engine/draw/pipeline_check.h"

#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "engine/draw/references.h"
#include "engine/draw/resize.h"
#include "engine/draw/start.h"

static bool
is_side(const struct pipeline_info *i, int side)
{
    return side >= PIPELINE_SIDE_MIN && side <= PIPELINE_SIDE_MAX && side % i->grain == 0;
}

static bool
check_size(const struct pipeline_info *i, int width, int height, struct err *err)
{
    bool one = width == height && (width == i->size || width == i->final_size);
    bool ok = (!width && !height) ||
              (i->grain ? is_side(i, width) && is_side(i, height) : one);
    if (!ok && i->grain)
        return err_set(err, ERR_INPUT, "%s draws pictures of %d to %d pixels a side that are "
                       "multiples of %d, not %d x %d", i->name, PIPELINE_SIDE_MIN,
                       PIPELINE_SIDE_MAX, i->grain, width, height);
    if (!ok && i->size != i->final_size)
        return err_set(err, ERR_INPUT, "%s draws pictures of %d x %d or, enlarged, of %d x %d "
                       "pixels, not %d x %d", i->name, i->size, i->size, i->final_size,
                       i->final_size, width, height);
    return ok || err_set(err, ERR_INPUT, "%s draws pictures of %d x %d pixels, not %d x %d",
                         i->name, i->size, i->size, width, height);
}

// Refuses what families that draw any size do not support.
static bool
check_any_size(const struct pipeline_info *i, const struct pipeline_request *r, struct err *err)
{
    if (r->weight_count)
        return err_set(err, ERR_UNSUPPORTED, "%s cannot weigh references", i->name);
    if (r->negative && r->negative->reference_count)
        return err_set(err, ERR_UNSUPPORTED, "%s cannot steer away from pictures", i->name);
    return references_check(r->instruction, err);
}

static bool
check_instruction(const struct pipeline_info *i, const struct instruction *n, struct err *err)
{
    if (n->reference_count > i->reference_max)
        return err_set(err, ERR_INPUT,
                       i->reference_max ? "%d references, %s takes at most %d"
                                        : "%d references, but %s draws from text alone (%d)",
                       n->reference_count, i->name, i->reference_max);
    for (int k = 0; k < n->reference_count; k++) {
        if (n->references[k].marker > i->marker_max)
            return err_set(err, ERR_INPUT, "[ref#%d] is too large a number for %s, which knows "
                           "markers up to %d", n->references[k].marker, i->name, i->marker_max);
        if (!n->references[k].rgb)
            return err_set(err, ERR_INPUT, "[ref#%d] has no picture", n->references[k].marker);
    }
    return true;
}

static bool
check_start(const struct pipeline_request *r, struct err *err)
{
    if (r->strength > 1)
        return err_set(err, ERR_INPUT, "the strength is %g, but must be in 0..1", r->strength);
    if (!r->start && r->mask)
        return err_set(err, ERR_INPUT, "a mask needs a picture to start from");
    return !r->start || start_check(r->start, r->mask, err);
}

static bool
check_weights(const struct pipeline_request *r, struct err *err)
{
    for (int i = 0; i < r->weight_count; i++) {
        const struct pipeline_weight *w = &r->weights[i];
        bool found = false;
        for (int k = 0; k < r->instruction->reference_count; k++)
            found = found || r->instruction->references[k].marker == w->marker;
        if (!found)
            return err_set(err, ERR_INPUT, "a weight is given for [ref#%d], but there is no such "
                                           "reference",
                           w->marker);
        if (!(w->weight >= 0 && w->from >= 0 && w->from < w->to && w->to <= 1))
            return err_set(err, ERR_INPUT, "[ref#%d] has the weight %g from %g to %g of the "
                                           "steps: the weight must be at least 0, the steps "
                                           "within 0 to 1", w->marker, w->weight, w->from,
                           w->to);
    }
    return true;
}

bool
pipeline_check(const struct pipeline_info *i, const struct pipeline_request *r, struct err *err)
{
    if (r->count < 0 || r->count > LIMIT_JOB_PICTURES)
        return err_set(err, ERR_INPUT, "%d pictures at once: at most %d are possible", r->count,
                       LIMIT_JOB_PICTURES);
    if (r->steps < 0 || r->steps > 1000)
        return err_set(err, ERR_INPUT, "steps is %d, but must be in 1..1000", r->steps);
    return check_size(i, r->width, r->height, err) && check_instruction(i, r->instruction, err) &&
           (!r->negative || check_instruction(i, r->negative, err)) && check_start(r, err) &&
           check_weights(r, err) && (!i->grain || check_any_size(i, r, err));
}

// A picture's size, fitted as a reference's is and limited to what can be drawn.
static struct picture_size
size_like(int grain, int width, int height)
{
    struct picture_size s;
    int least = (PIPELINE_SIDE_MIN + grain - 1) / grain * grain;
    int most = PIPELINE_SIDE_MAX / grain * grain;
    resize_within(width, height, REFERENCE_PIXELS, grain, &s.width, &s.height);
    return (struct picture_size){MIN(MAX(s.height, least), most), MIN(MAX(s.width, least), most)};
}

struct picture_size
pipeline_picture_size(const struct pipeline_info *i, const struct pipeline_request *r)
{
    const struct instruction *n = r->instruction;
    if (r->width)
        return (struct picture_size){r->height, r->width};
    if (i->grain && r->start)
        return size_like(i->grain, r->start->width, r->start->height);
    for (int k = 0; i->grain && k < n->reference_count; k++)
        if (instruction_rank(n, n->references[k].marker) == 0)
            return size_like(i->grain, n->references[k].width, n->references[k].height);
    return (struct picture_size){i->final_size, i->final_size};
}
