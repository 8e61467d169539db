// SPDX-License-Identifier: MIT
#include "engine/draw/pipeline_check.h"

#include "engine/base/limits.h"
#include "engine/draw/references.h"
#include "engine/draw/start.h"

static bool
check_size(const struct pipeline_info *i, int size, struct err *err)
{
    enum { LEAST = 64, MOST = 2048 };
    if (!i->grain && size && size != i->size && size != i->final_size)
        return err_set(err, ERR_INPUT, "%s draws pictures of %d%s pixels a side, not %d", i->name,
                       i->size, i->size != i->final_size ? " or, enlarged, more" : "", size);
    if (i->grain && size && (size < LEAST || size > MOST || size % i->grain))
        return err_set(err, ERR_INPUT, "%s draws pictures of %d to %d pixels a side that are "
                       "multiples of %d, not %d", i->name, LEAST, MOST, i->grain, size);
    return true;
}

// What families that draw any size have no way for.
static bool
check_any_size(const struct pipeline_info *i, const struct pipeline_request *r, struct err *err)
{
    if (r->weight_count)
        return err_set(err, ERR_UNSUPPORTED, "%s cannot weigh references", i->name);
    if (r->negative && r->negative->reference_count)
        return err_set(err, ERR_UNSUPPORTED, "%s cannot keep away from pictures", i->name);
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
        return err_set(err, ERR_INPUT, "a strength of %g, 0 to 1 are possible", r->strength);
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
            return err_set(err, ERR_INPUT, "there is a weight for [ref#%d], but no such reference",
                           w->marker);
        if (!(w->weight >= 0 && w->from >= 0 && w->from < w->to && w->to <= 1))
            return err_set(err, ERR_INPUT, "[ref#%d] has the weight %g from %g to %g of the steps, "
                           "it must be at least 0, within 0 to 1", w->marker, w->weight, w->from,
                           w->to);
    }
    return true;
}

bool
pipeline_check(const struct pipeline_info *i, const struct pipeline_request *r, struct err *err)
{
    if (r->count < 0 || r->count > LIMIT_JOB_PICTURES)
        return err_set(err, ERR_INPUT, "%d pictures at once, at most %d are possible", r->count,
                       LIMIT_JOB_PICTURES);
    if (r->steps < 0 || r->steps > 1000)
        return err_set(err, ERR_INPUT, "%d steps, 1 to 1000 are possible", r->steps);
    return check_size(i, r->size, err) && check_instruction(i, r->instruction, err) &&
           (!r->negative || check_instruction(i, r->negative, err)) && check_start(r, err) &&
           check_weights(r, err) && (!i->grain || check_any_size(i, r, err));
}
