// SPDX-License-Identifier: MIT
// How much memory a drawing will take: computed from the plans of its stages and the weights they
// bind, without allocating.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/draw/drawing.h"
#include "engine/draw/pipeline.h"
#include "engine/draw/pipeline_check.h"
#include "engine/draw/references.h"
#include "engine/draw/resize.h"
#include "engine/draw/stage.h"

// What the memory of a drawing depends on.
struct need_facts {
    struct picture_size size;
    int count;    // pictures
    bool starts;  // from a picture
    bool decoded; // the latents exist already
    int references;
    struct picture_size reference[LIMIT_INSTRUCTION_REFERENCES]; // sizes as encoded
};

// Text, references, the picture it starts from, steps, decoding.
enum { KEYS_MAX = LIMIT_INSTRUCTION_REFERENCES + 4 };

static struct stage_key
step_key(const struct stages *s, const struct need_facts *f)
{
    const struct model_folder *m = s->folder;
    struct stage_key key = {.kind = STAGE_STEP, .part = m->family->denoiser, .batch = f->count,
                            .tokens = m->text_tokens, .size = f->size,
                            .references = f->references};
    memcpy(key.reference, f->reference, sizeof key.reference);
    return key;
}

// The stages of a drawing, each once.
static int
keys_of(const struct stages *s, const struct need_facts *f, struct stage_key keys[KEYS_MAX])
{
    const char *denoiser = s->folder->family->denoiser;
    int n = 0;
    if (!f->decoded) {
        keys[n++] = (struct stage_key){.kind = STAGE_TEXT, .tokens = s->folder->text_tokens};
        for (int i = 0; i < f->references; i++) {
            bool seen = false;
            for (int k = 0; k < i; k++)
                seen = seen || (f->reference[k].height == f->reference[i].height &&
                                f->reference[k].width == f->reference[i].width);
            if (!seen)
                keys[n++] = (struct stage_key){.kind = STAGE_REFERENCES, .references = 1,
                                               .size = f->reference[i]};
        }
        if (f->starts)
            keys[n++] = (struct stage_key){.kind = STAGE_ENCODE, .part = denoiser, .batch = 1,
                                           .size = f->size};
        keys[n++] = step_key(s, f);
    }
    keys[n++] = (struct stage_key){.kind = STAGE_DECODE, .part = denoiser, .batch = f->count,
                                   .size = f->size};
    return n;
}

// Latents, pictures as floats and as bytes, previews, one encoded file. 0 on a device with its own
// memory, because these are in the host's.
static size_t
pictures_bytes(const struct stages *s, const struct need_facts *f)
{
    enum { BYTES_PER_PIXEL = 48 };
    if (!device_limits(s->device)->threads)
        return 0;
    return BYTES_PER_PIXEL * (size_t)f->count * drawing_pixels(f->size);
}

// The rest of this process: code, libraries, memory of other threads; and what libraries allocate
// at first use, for generated code and tables.
static size_t
own_bytes(const struct stages *s)
{
    enum { LATER = 24 << 20 };
    size_t all = device_limits(s->device)->threads ? mem_resident() : 0, held = stages_memory(s);
    return all > held ? all - held + LATER : 0;
}

// Adds the memory of one stage, beside what is shared by all.
static void
add_stage(const struct stages *s, const struct stage_need *one, struct pipeline_need *need,
          size_t beside)
{
    const struct part_weights *p = one->weights;
    size_t weights = p ? params_bytes(p->params) : 0, alone = one->plan + weights + beside;
    bool streams = device_offload(s->device) || (alone > need->room && one->streamed < weights);
    if (streams && p && device_streams(s->device)) {
        alone = one->plan + one->streamed + beside;
        need->streamed = true;
    }
    need->most += one->plan + (device_offload(s->device) ? one->streamed : 0);
    if (alone > need->least) {
        need->least = alone;
        snprintf(need->part, sizeof need->part, "%s", p ? p->part->name : "");
    }
}

// For families that draw any size.
static bool
need_of(struct stages *s, const struct need_facts *f, struct pipeline_need *need, struct err *err)
{
    struct stage_key keys[KEYS_MAX];
    struct stage_need stages[KEYS_MAX];
    int count = keys_of(s, f, keys);
    size_t own = own_bytes(s), beside = pictures_bytes(s, f) + own, room = stages_room(s);
    *need = (struct pipeline_need){.own = own, .room = room == SIZE_MAX ? room : room + own};
    for (int i = 0; i < count; i++) {
        if (!stages_need(s, &keys[i], &stages[i], err))
            return false;
        // Outputs for each text and each reference are kept until the last step.
        int times = keys[i].kind == STAGE_TEXT ? 2 : keys[i].kind == STAGE_REFERENCES;
        beside += (size_t)times * stages[i].outputs;
    }
    s->beside = beside - own;
    for (int i = 0; i < count; i++)
        add_stage(s, &stages[i], need, beside);
    need->most += beside;
    for (int i = 0; !device_offload(s->device) && i < s->weights.count; i++)
        need->most += params_bytes(s->weights.list[i].params);
    need->planned = MIN(need->most, MAX(need->least, need->room));
    return true;
}

// --- What would fit -----------------------------------------------------------------------------

// The same drawing with quantised matrices.
static bool
fits_in_blocks(const struct stages *s, const struct need_facts *f, enum dtype blocks,
               struct pipeline_need *need)
{
    struct stages other;
    struct err err = {0};
    bool ok = stages_init(&other, s->folder, s->device, s->dtype, blocks, &err);
    other.memory = s->memory;
    ok = ok && need_of(&other, f, need, &err);
    size_t held = s->memory ? 0 : stages_memory(s); // can be freed
    ok = ok && need->least <= (need->room == SIZE_MAX ? SIZE_MAX : need->room + held);
    stages_finish(&other);
    return ok;
}

// A smaller size of about the same aspect ratio; false: none fits.
static bool
smaller_fits(struct stages *s, const struct need_facts *f, struct need_facts *smaller,
             struct pipeline_need *need)
{
    static const int eighths[] = {6, 4, 3, 2};
    struct err err = {0};
    int grain = s->folder->family->grain(&s->folder->parts);
    for (size_t i = 0; i < COUNT_OF(eighths); i++) {
        *smaller = *f;
        smaller->size.height = f->size.height * eighths[i] / 8 / grain * grain;
        smaller->size.width = f->size.width * eighths[i] / 8 / grain * grain;
        if (MIN(smaller->size.height, smaller->size.width) < PIPELINE_SIDE_MIN)
            return false;
        if (need_of(s, smaller, need, &err) && need->least <= need->room)
            return true;
    }
    return false;
}

static char *
what_fits(struct stages *s, const struct need_facts *f)
{
    static const enum dtype blocks[] = {DTYPE_Q8_0, DTYPE_Q4_0};
    char *out = mem_strdup(""), takes[MEM_TEXT];
    struct need_facts smaller;
    struct pipeline_need need;
    if (smaller_fits(s, f, &smaller, &need)) {
        free(out);
        out = mem_printf("--size %dx%d (%s)", smaller.size.width, smaller.size.height,
                         mem_text(need.least, takes));
    }
    for (size_t i = 0; !s->blocks && i < COUNT_OF(blocks); i++) {
        if (!fits_in_blocks(s, f, blocks[i], &need))
            continue;
        char *longer = mem_printf("%s%s--quantise %s (%s)", out, *out ? " or " : "",
                                  dtype_name(blocks[i]), mem_text(need.least, takes));
        free(out);
        out = longer;
        break;
    }
    return out;
}

// ERR_MEMORY if there is too little room: names the model and what would fit.
static bool
need_check(struct stages *s, const char *name, const struct need_facts *f,
           const struct pipeline_need *need, struct err *err)
{
    if (need->least <= need->room)
        return true;
    char *fits = what_fits(s, f), takes[MEM_TEXT], room[MEM_TEXT];
    err_set(err, ERR_MEMORY, "%s needs %s of memory for %d x %d pixels, but %s is available: %s%s",
            name, mem_text(need->least, takes), f->size.width, f->size.height,
            mem_text(need->room, room), *fits ? fits : "no smaller size and no --quantise",
            *fits ? " would fit" : " would fit either");
    free(fits);
    return false;
}

// --- The interface -------------------------------------------------------------------------------

static struct need_facts
facts_of(const struct pipeline *p, const struct pipeline_request *r)
{
    const struct model_folder *m = p->folder;
    const struct instruction *n = r->instruction;
    struct need_facts f = {.size = pipeline_picture_size(&p->info, r),
                           .count = r->count ? r->count : 1, .starts = r->start != NULL,
                           .references = n->reference_count};
    for (int i = 0; i < n->reference_count; i++) {
        struct picture_size *size = &f.reference[instruction_rank(n, n->references[i].marker)];
        resize_within(n->references[i].width, n->references[i].height, REFERENCE_PIXELS,
                      m->family->grain(&m->parts), &size->width, &size->height);
    }
    return f;
}

bool
pipeline_need(struct pipeline *p, const struct pipeline_request *r, struct pipeline_need *need,
              struct err *err)
{
    *need = (struct pipeline_need){.room = SIZE_MAX};
    if (!p->info.grain)
        return true;
    if (!pipeline_check(&p->info, r, err))
        return false;
    struct need_facts f = facts_of(p, r);
    return need_of(&p->stages, &f, need, err);
}

bool
pipeline_need_check(struct pipeline *p, const struct pipeline_request *r, bool decoded,
                    struct err *err)
{
    struct pipeline_need need;
    if (!p->info.grain)
        return true;
    struct need_facts f = facts_of(p, r);
    f.decoded = decoded;
    return need_of(&p->stages, &f, &need, err) &&
           need_check(&p->stages, p->info.name, &f, &need, err);
}

bool
pipeline_need_of(const char *folder, struct device *device, enum dtype blocks, int width,
                 int height, int references, struct pipeline_need *need, struct err *err)
{
    struct stages s = {0};
    struct need_facts f = {.size = {height, width}, .count = 1, .references = references};
    for (int i = 0; i < references; i++)
        f.reference[i] = f.size;
    *need = (struct pipeline_need){.room = SIZE_MAX};
    struct model_folder *m = model_folder_open(folder, err);
    bool plans = m && m->family->grain;
    bool ok = m && (!plans || (m->family->check(&m->parts, m->path, err) &&
                               stages_init(&s, m, device, DTYPE_NONE, blocks, err) &&
                               need_of(&s, &f, need, err)));
    if (plans)
        stages_finish(&s);
    model_folder_close(m);
    return ok;
}
