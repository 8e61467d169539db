// SPDX-License-Identifier: MIT
// Encodes texts and references for the denoiser, and computes features of pictures.
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/draw/pipeline_parts.h"
#include "engine/draw/resize.h"

// Runs the text stage on `text` and returns it, held; NULL: error.
static struct stage *
encode(struct pipeline *p, const char *text, int tokens, struct err *err)
{
    struct stage_key key = {.kind = STAGE_TEXT, .tokens = tokens};
    struct stage *s = stages_get(&p->stages, &key, err);
    int32_t *ids = mem_zalloc((size_t)tokens * sizeof *ids);
    float *mask = mem_zalloc((size_t)tokens * sizeof *mask);
    bool ok = s && tokenizer_read(p->tokenizer, text, ids, tokens, err) &&
              plan_write(s->plan, ports_find_input(&s->ports, "ids"), ids, err);
    for (int i = 0; i < tokens; i++)
        mask[i] = ids[i] != tokenizer_pad_id(p->tokenizer);
    ok = ok && (!stage_has_input(s, "mask") || stage_write(s, "mask", mask, err)) &&
         plan_run(s->plan, err);
    free(mask);
    free(ids);
    if (ok)
        return s;
    stage_release(s);
    return NULL;
}

// Encodes `text`, padded to `tokens` ids, and takes the outputs into `set`.
static bool
encode_into(struct pipeline *p, const char *text, int tokens, struct port_set *set, struct err *err)
{
    struct stage *s = encode(p, text, tokens, err);
    bool ok = s && port_set_read(set, "", s, err);
    stage_release(s);
    if (!ok)
        port_set_finish(set);
    return ok;
}

bool
pipeline_encode_text(struct pipeline *p, const char *text, struct port_set *set, struct err *err)
{
    return encode_into(p, text, p->folder->text_tokens, set, err);
}

bool
pipeline_condition_text(struct pipeline *p, struct port_set *set, struct err *err)
{
    const struct model_folder *m = p->folder;
    struct stage_key key = {.kind = STAGE_CONDITION, .tokens = m->text_tokens};
    if (!set->count || !m->family->has(&m->parts, STAGE_CONDITION))
        return true;
    struct stage *s = stages_get(&p->stages, &key, err);
    bool ok = s && port_set_write(set, "", s, err) && plan_run(s->plan, err) &&
              port_set_read(set, "", s, err);
    stage_release(s);
    if (!ok)
        port_set_finish(set);
    return ok;
}

bool
pipeline_encode_reference_texts(struct pipeline *p, const struct instruction *n,
                                struct port_set *texts, struct err *err)
{
    bool ok = true;
    for (int i = 0; ok && i < n->reference_count; i++)
        ok = encode_into(p, n->references[i].text, p->folder->reference_tokens, &texts[i], err);
    return ok;
}

// The references' texts, each a row of the stage's input.
static bool
write_reference_texts(const struct port_set *texts, int count, struct stage *to, struct err *err)
{
    bool ok = true;
    for (int i = 0; ok && i < count; i++)
        ok = port_set_write_row(&texts[i], "reference.", i, to, err);
    return ok;
}

static bool
write_reference_images(struct pipeline *p, const struct instruction *n, struct stage *to,
                       struct err *err)
{
    size_t side = (size_t)p->info.size, pixels = 3 * side * side;
    float *image = mem_try_calloc((size_t)n->reference_count * pixels, sizeof *image,
                                  "references", err);
    bool ok = image != NULL;
    for (int i = 0; ok && i < n->reference_count; i++) {
        const struct instruction_reference *ref = &n->references[i];
        ok = resize_square(ref->rgb, ref->width, ref->height, (int)side,
                           image + (size_t)i * pixels, err);
    }
    ok = ok && stage_write(to, "image", image, err);
    free(image);
    return ok;
}

struct stage *
pipeline_encode_references(struct pipeline *p, const struct instruction *n,
                           const struct port_set *texts, bool weighted, struct err *err)
{
    struct stage_key key = {.kind = STAGE_REFERENCES, .references = n->reference_count,
                            .tokens = p->folder->reference_tokens, .weighted = weighted};
    struct stage *s = stages_get(&p->stages, &key, err);
    if (s && write_reference_texts(texts, n->reference_count, s, err) &&
        write_reference_images(p, n, s, err) &&
        (!weighted || stage_fill(s, "log_weight", 0, err)) && plan_run(s->plan, err))
        return s;
    stage_release(s);
    return NULL;
}

// --- Features ---------------------------------------------------------------------------------

// The feature stage for so many pictures, each with the empty text, held.
static struct stage *
feature_stage(struct pipeline *p, int count, struct err *err)
{
    struct stage_key key = {.kind = STAGE_FEATURES, .references = count,
                            .tokens = p->folder->reference_tokens};
    struct stage *s = stages_get(&p->stages, &key, err);
    struct stage *text = s ? encode(p, "", p->folder->reference_tokens, err) : NULL;
    bool ok = text != NULL;
    for (int i = 0; ok && i < count; i++)
        ok = stage_join_row(s, i, "reference.", text, err);
    stage_release(text);
    if (ok)
        return s;
    stage_release(s);
    return NULL;
}

bool
pipeline_features(struct pipeline *p, const uint8_t *rgb, int count, int side, float *out,
                  struct err *err)
{
    enum { TOGETHER = 16 };
    size_t width = (size_t)p->info.feature_width, size = (size_t)p->info.size;
    if (!width)
        return err_set(err, ERR_INPUT, "%s takes no references and cannot compare pictures",
                       p->info.name);
    struct stage *s = feature_stage(p, MIN(count, TOGETHER), err);
    int n = s ? s->key.references : 0;
    float *image = s ? mem_try_calloc((size_t)n * 3 * size * size, sizeof *image, "pictures", err)
                     : NULL;
    float *vectors = image ? mem_try_calloc((size_t)n * width, sizeof *vectors, "vectors", err)
                           : NULL;
    bool ok = vectors != NULL;
    for (int first = 0; ok && first < count; first += n) {
        int these = MIN(count - first, n);
        for (int i = 0; ok && i < these; i++)
            ok = resize_square(rgb + (size_t)(first + i) * 3 * (size_t)side * (size_t)side, side,
                               side, (int)size, image + (size_t)i * 3 * size * size, err);
        ok = ok && stage_write(s, "image", image, err) && plan_run(s->plan, err) &&
             stage_read(s, "features", vectors, err);
        if (ok)
            memcpy(out + (size_t)first * width, vectors, (size_t)these * width * sizeof *out);
    }
    free(image);
    free(vectors);
    stage_release(s);
    return ok;
}
