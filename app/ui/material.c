// SPDX-License-Identifier: MIT
#include "app/ui/material.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/base/places.h"
#include "app/ui/material_parts.h"
#include "app/ui/painter.h"
#include "app/ui/reading.h"
#include "app/ui/screen.h"
#include "app/ui/session.h"
#include "app/ui/tasks.h"
#include "app/ui/ui_parts.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "renderer/image/png_text.h"

struct material *
material_of(const struct ui *ui)
{
    return ui->material;
}

struct material *
material_new(void)
{
    return mem_zalloc(sizeof(struct material));
}

void
material_free(struct material *m)
{
    if (!m)
        return;
    material_clear_upscales(m);
    free(m->to_upscale);
    free(m->file);
    free(m);
}

static void
set_picture(struct ui *ui, const char *file, int64_t seed)
{
    free(ui->material->file);
    ui->material->file = mem_strdup(file);
    ui->material->seed = seed;
}

bool
material_has_job(struct ui *ui, const struct opening *o)
{
    if (o->has_job)
        return true;
    ui_say(ui, ROLE_ERROR, "%s",
           o->err.code ? o->err.text
                       : "it is a sheet, or limn did not make it: it has no single instruction");
    return false;
}

// --- drawing from a picture

// If `number`, a mask is painted first, and its white part drawn from pure noise.
static void
start_from(struct ui *ui, struct opening *o)
{
    struct job *j = &o->job;
    if (!material_has_job(ui, o))
        return;
    for (int i = j->reference_count - 1; i >= 0; i--) // its own start and mask are dropped
        if (j->references[i].use == JOB_START || j->references[i].use == JOB_MASK)
            job_remove(j, i);
    struct job_reference *r = job_add_for(j, JOB_START, 0);
    if (!r)
        return;
    r->file = mem_strdup(o->file);
    j->strength = o->number ? -1 : MATERIAL_STRENGTH;
    j->seed = -1;
    session_set(ui, j);
    ui_open_view(ui, VIEW_COMPOSE);
    if (o->number) {
        painter_open(ui);
        return;
    }
    ui_say(ui, ROLE_GOOD,
           "starts from this picture, strength %g: i changes the words, F9 draws; u undoes this",
           MATERIAL_STRENGTH);
}

static void
begin_variation(struct ui *ui, struct reading *r)
{
    if (r->err.code != ERR_NONE)
        ui_say(ui, ROLE_ERROR, "%s", r->err.text);
    else if (task_start(ui, &r->jobs[0], NULL))
        ui_say(ui, ROLE_GOOD, "a variation of it is being drawn: %s shows it",
               request_keys(ui_view(ui), REQUEST_LIVE));
}

// Starts at once: the same seed, with some of another one's noise. Leaves the composer unchanged.
static void
vary(struct ui *ui, struct opening *o)
{
    struct job other = JOB_EMPTY;
    if (!material_has_job(ui, o))
        return;
    struct reading *r = reading_new(1, begin_variation);
    struct job *j = &r->jobs[0];
    job_copy(j, &o->job);
    job_resolve(&other); // a new seed
    free(j->variation);
    j->variation = mem_printf("%" PRId64 ":%g", other.seed, MATERIAL_VARIATION);
    j->id[0] = 0;
    job_resolve(j);
    reading_put(ui, r);
}

static void
lock_seed(struct ui *ui, int64_t seed)
{
    struct job *j = &session_of(ui)->job;
    bool unlock = j->seed == seed;
    j->seed = unlock ? -1 : seed;
    session_check(ui);
    if (unlock)
        ui_say(ui, ROLE_GOOD, "the next drawing has a new seed");
    else
        ui_say(ui, ROLE_GOOD,
               "the next drawing has this seed, %" PRId64 "; press again to release it", seed);
}

// --- for other programs

static void
copy(struct ui *ui, const char *text)
{
    screen_copy(text);
    ui_say(ui, ROLE_GOOD, "copied: %s", text);
}

static void
copy_instruction(struct ui *ui, struct opening *o)
{
    if (material_has_job(ui, o))
        copy(ui, o->job.instruction ? o->job.instruction : "");
}

static void
copy_answered(struct ui *ui, char answer)
{
    const struct material *m = ui->material;
    char *seed = mem_printf("%" PRId64, m->seed);
    if (answer == 'i')
        opening_begin(ui, m->file, copy_instruction, 0);
    else if (answer)
        copy(ui, answer == 's' ? seed : m->file);
    free(seed);
}

struct exporting {
    struct work work;
    char *from, *to;
    struct err err; // ERR_NONE: it was written
};

static bool
export_to(const char *from, const char *to, struct err *err)
{
    size_t size = 0, plain = 0;
    if (file_is_taken(to))
        return err_set(err, ERR_INPUT, "%s already exists: choose another name", to);
    char *png = file_read(from, LIMIT_PICTURE_BYTES, &size, err);
    void *out = png ? png_text_remove(png, size, &plain, err) : NULL;
    bool ok = out && file_write(to, out, plain, err);
    free(out);
    free(png);
    return ok;
}

static void
run_export(struct work *w, struct library *library, const atomic_int *stopping)
{
    struct exporting *e = (struct exporting *)w;
    (void)library, (void)stopping;
    export_to(e->from, e->to, &e->err);
}

static void
exported(struct ui *ui, struct work *w)
{
    const struct exporting *e = (struct exporting *)w;
    if (e->err.code == ERR_NONE)
        ui_say(ui, ROLE_GOOD, "%s has the picture alone, without instruction and references",
               e->to);
    else
        ui_say(ui, ROLE_ERROR, "%s", e->err.text);
}

static void
release_export(struct work *w)
{
    struct exporting *e = (struct exporting *)w;
    free(e->from);
    free(e->to);
    free(e);
}

static void
export_done(struct ui *ui, const char *text)
{
    if (!text || !*text)
        return;
    struct exporting *e = mem_zalloc(sizeof *e);
    e->work = (struct work){.run = run_export, .done = exported, .release = release_export};
    e->from = mem_strdup(ui->material->file);
    e->to = places_expand(text);
    background_put(ui->chores, &e->work);
}

static void
export(struct ui *ui)
{
    const char *slash = strrchr(ui->material->file, '/');
    const char *name = slash ? slash + 1 : ui->material->file;
    char *text = mem_printf("%.*s-plain.png", (int)strcspn(name, "."), name);
    ui_prompt(ui, "the picture alone, as: ", text, export_done);
    free(text);
}

// Runs it as a grandchild, without a terminal: no one has to wait for it, and it outlives limn.
static void
run_viewer(const char *viewer, const char *file)
{
    pid_t child = fork();
    if (child == 0) {
        int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (setsid() < 0 || fork() != 0)
            _exit(0);
        for (int fd = 0; fd < 3; fd++)
            dup2(null_fd, fd);
        signal(SIGTSTP, SIG_DFL);
        execlp(viewer, viewer, file, (char *)NULL);
        _exit(127);
    }
    if (child > 0)
        waitpid(child, NULL, 0);
}

static bool
is_on_path(const char *program)
{
    char *path = mem_strdup(getenv("PATH") ? getenv("PATH") : ""), *next = path;
    bool found = strchr(program, '/') && access(program, X_OK) == 0;
    for (char *folder; !found && (folder = strsep(&next, ":"));) {
        char *whole = file_join(folder, program);
        found = access(whole, X_OK) == 0;
        free(whole);
    }
    free(path);
    return found;
}

static void
open_viewer(struct ui *ui, const char *file)
{
    const char *own = getenv("LIMN_VIEWER"), *viewer = own && *own ? own : "xdg-open";
    if (!is_on_path(viewer)) {
        ui_say(ui, ROLE_ERROR, "%s is not installed: set LIMN_VIEWER to another program", viewer);
        return;
    }
    run_viewer(viewer, file);
    ui_say(ui, ROLE_GOOD, "%s has %s", viewer, file);
}

static bool
is_material_request(enum request request)
{
    return request == REQUEST_ADD || request == REQUEST_START || request == REQUEST_MASK ||
           request == REQUEST_VARY || request == REQUEST_UPSCALE ||
           request == REQUEST_LOCK || request == REQUEST_COPY || request == REQUEST_EXPORT ||
           request == REQUEST_VIEWER;
}

bool
material_request(struct ui *ui, enum request request, const char *file, int64_t seed)
{
    if (!is_material_request(request))
        return false;
    if (!file) {
        ui_say(ui, ROLE_STATUS, "there is no picture yet");
        return true;
    }
    set_picture(ui, file, seed);
    switch (request) {
    case REQUEST_ADD: session_add_picture(ui, file); break;
    case REQUEST_START: opening_begin(ui, file, start_from, 0); break;
    case REQUEST_MASK: opening_begin(ui, file, start_from, 1); break;
    case REQUEST_UPSCALE: material_upscale(ui, file); break;
    case REQUEST_VARY: opening_begin(ui, file, vary, 0); break;
    case REQUEST_LOCK: lock_seed(ui, seed); break;
    case REQUEST_EXPORT: export(ui); break;
    case REQUEST_VIEWER: open_viewer(ui, file); break;
    default:
        ui_ask(ui, "copy: p path   s seed   i instruction", "psi", copy_answered);
        break;
    }
    return true;
}
