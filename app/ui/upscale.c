// SPDX-License-Identifier: MIT
// Draws a picture again, larger: the same seed keeps the composition. A model with a second pass
// draws it at that pass's size; a model that draws any size, at twice the size.
#include <stdlib.h>
#include <string.h>

#include "app/job/parameters.h"
#include "app/ui/material_parts.h"
#include "app/ui/reading.h"
#include "app/ui/session.h"
#include "app/ui/tasks.h"
#include "app/ui/ui.h"
#include "app/worker/client.h"
#include "engine/base/mem.h"

static void
start_upscale(struct ui *ui, struct reading *r)
{
    if (r->err.code != ERR_NONE)
        ui_say(ui, ROLE_ERROR, "%s", r->err.text);
    else if (task_start(ui, &r->jobs[0], NULL))
        ui_say(ui, ROLE_GOOD, "it is being drawn larger: %s shows it",
               request_keys(ui_view(ui), REQUEST_LIVE));
}

// Sets a larger size; false: there is none, which is reported.
static bool
set_larger_size(struct ui *ui, const struct jv *model, struct job *j)
{
    int side = (int)jv_integer(jv_get(model, "size"), 0);
    int whole = (int)jv_integer(jv_get(model, "final"), side);
    bool any = jv_integer(jv_get(model, "grain"), 0) > 0;
    const struct parameter *size = parameter_find("size");
    int width = j->size.width ? j->size.width : whole;
    int height = j->size.width ? j->size.height : whole;
    if (!any && MAX(width, height) >= whole) {
        ui_say(ui, ROLE_STATUS, "%s draws %d x %d at most, and this is that large already",
               jv_string(jv_get(model, "name"), "the model"), whole, whole);
        return false;
    }
    if (any && 2 * MAX(width, height) > (int)size->type.high) {
        ui_say(ui, ROLE_STATUS, "twice %d x %d is more than %d a side", width, height,
               (int)size->type.high);
        return false;
    }
    j->size = any ? (struct value_size){2 * width, 2 * height} : (struct value_size){0};
    return true;
}

static void
upscale(struct ui *ui, struct opening *o)
{
    const struct jv *model = session_model(ui);
    if (!material_has_job(ui, o))
        return;
    if (!model) {
        ui_say(ui, ROLE_ERROR, "the model '%s' is not among the worker's (5 lists them)",
               session_model_name(ui));
        return;
    }
    struct reading *r = reading_new(1, start_upscale);
    job_copy(&r->jobs[0], &o->job);
    if (session_of(ui)->job.model && !r->jobs[0].model)
        r->jobs[0].model = mem_strdup(session_of(ui)->job.model);
    r->jobs[0].id[0] = 0;
    if (!set_larger_size(ui, model, &r->jobs[0])) {
        r->work.release(&r->work);
        return;
    }
    job_resolve(&r->jobs[0]);
    reading_put(ui, r);
}

void
material_upscale(struct ui *ui, const char *file)
{
    struct material *m = material_of(ui);
    if (ui_machine(ui)) {
        opening_begin(ui, file, upscale, 0);
        return;
    }
    ARRAY_PUSH(m->to_upscale, m->to_upscale_count, m->to_upscale_room, mem_strdup(file));
    client_describe(ui_client(ui));
    ui_say(ui, ROLE_STATUS, "asking the worker what its models can do \u2026");
}

void
material_clear_upscales(struct material *m)
{
    for (int i = 0; i < m->to_upscale_count; i++)
        free(m->to_upscale[i]);
    m->to_upscale_count = 0;
}

void
material_described(struct ui *ui)
{
    struct material *m = material_of(ui);
    int count = m->to_upscale_count;
    for (int i = 0; i < count; i++)
        material_upscale(ui, m->to_upscale[i]);
    material_clear_upscales(m);
}
