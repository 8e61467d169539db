// SPDX-License-Identifier: MIT
#include "app/ui/reading.h"

#include <stdlib.h>
#include <string.h>

#include "app/job/job_retrieve.h"
#include "app/library/library.h"
#include "app/ui/form.h"
#include "app/ui/ui.h"
#include "engine/base/mem.h"

static void
release(struct work *w)
{
    struct reading *r = (struct reading *)w;
    for (int i = 0; i < r->count; i++) {
        job_finish(&r->jobs[i]);
        jv_free(r->sweeps[i]);
    }
    free(r->jobs);
    free(r->sweeps);
    free(r->subject);
    free(r->notices);
    free(r);
}

// --- on the thread

static void
add_notice(void *ctx, const char *text)
{
    struct reading *r = ctx;
    char *longer = mem_printf("%s%s%s", r->notices ? r->notices : "", r->notices ? "\n" : "", text);
    free(r->notices);
    r->notices = longer;
}

static void
run(struct work *w, struct library *library, const atomic_int *stopping)
{
    struct reading *r = (struct reading *)w;
    if (r->idle && atomic_load(stopping)) {
        err_set(&r->err, ERR_CANCELLED, "stopped");
        return;
    }
    // Two limn processes started together both offer interrupted jobs; the first claim wins.
    r->claimed = *r->owner && !(library && library_job_claim(library, r->jobs[0].id, r->owner));
    for (int i = 0; !r->claimed && i < r->count && r->err.code == ERR_NONE; i++) {
        struct job *j = &r->jobs[i];
        if (job_retrieve_here(j, add_notice, r, &r->err))
            job_read(j, &r->err);
    }
}

// --- for the UI

static void
done(struct ui *ui, struct work *w)
{
    struct reading *r = (struct reading *)w;
    char *left = NULL;
    for (char *line = r->notices ? strtok_r(r->notices, "\n", &left) : NULL; line;
         line = strtok_r(NULL, "\n", &left))
        ui_say(ui, ROLE_WARNING, "%s", line);
    r->then(ui, r);
}

struct reading *
reading_new(int count, void (*then)(struct ui *ui, struct reading *r))
{
    struct reading *r = mem_zalloc(sizeof *r);
    r->work = (struct work){.run = run, .done = done, .release = release};
    r->jobs = mem_zalloc((size_t)MAX(count, 1) * sizeof *r->jobs);
    r->sweeps = mem_zalloc((size_t)MAX(count, 1) * sizeof *r->sweeps);
    r->count = count;
    r->then = then;
    for (int i = 0; i < count; i++)
        r->jobs[i] = JOB_EMPTY;
    return r;
}

void
reading_put(struct ui *ui, struct reading *r)
{
    r->keys = ui_keys(ui);
    background_put(ui_chores(ui), &r->work);
}

bool
reading_is_current(const struct ui *ui, const struct reading *r)
{
    return r->keys == ui_keys(ui);
}

bool
reading_closes_form(struct ui *ui, const struct reading *r)
{
    bool open = form_serial(ui) == r->form;
    if (open && r->form)
        form_close(ui, false);
    return open || !r->form;
}
