// SPDX-License-Identifier: MIT
// Sweeps over the composer's instruction, saved as a template in a temporary folder, which is
// removed when limn exits. A {{word}} becomes a variable whose value is its name.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/job/parameters.h"
#include "app/ui/session.h"
#include "app/ui/templates.h"
#include "app/ui/ui.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"

static void
free_entry(struct template_entry *e)
{
    if (e->path)
        template_finish(&e->template);
    free(e->path);
    free(e->stem);
    *e = (struct template_entry){0};
}

struct template_entry *
templates_swept(const struct ui *ui)
{
    struct templates_own *own = templates_own_of(ui);
    return own->composed.path ? &own->composed : templates_chosen(ui);
}

void
templates_free_composed(struct ui *ui)
{
    free_entry(&templates_own_of(ui)->composed);
}

static bool
make_folder(struct templates_own *own, struct err *err)
{
    char path[] = "/tmp/limn-sweep-XXXXXX";
    if (own->folder)
        return true;
    if (!mkdtemp(path))
        return err_errno(err, ERR_IO, "cannot create a folder for the sweep in /tmp");
    own->folder = mem_strdup(path);
    return true;
}

static bool
write_composed(struct ui *ui, struct templates_own *own, struct err *err)
{
    struct job j = JOB_EMPTY;
    struct template_entry *e = &own->composed;
    char name[40];
    snprintf(name, sizeof name, "instruction-%d", ++own->written);
    session_job(ui, &j);
    bool ok = *j.instruction || err_set(err, ERR_INPUT, "write an instruction first: i");
    ok = ok && make_folder(own, err) && template_save(&j, own->folder, name, "in hand", err);
    if (ok) {
        e->path = mem_printf("%s/%s.yaml", own->folder, name);
        e->stem = mem_strdup("the instruction");
        ok = template_read(&e->template, e->path, err);
    }
    job_finish(&j);
    return ok;
}

void
templates_sweep_composed(struct ui *ui)
{
    struct templates_own *own = templates_own_of(ui);
    struct err err = {0};
    free_entry(&own->composed);
    if (write_composed(ui, own, &err)) {
        templates_open_sweep(ui, &own->composed);
        return;
    }
    free_entry(&own->composed);
    ui_say(ui, ROLE_ERROR, "%s", err.text);
}

void
templates_complete(const struct ui *ui, struct job *j)
{
    const char *from = session_of(ui)->job.template;
    free(j->template); // the temporary file's name
    j->template = from ? mem_strdup(from) : NULL;
    for (const struct parameter *p = parameters; p->name; p++) {
        char *text = p->where & PARAMETER_TEMPLATE ? NULL
                                                   : parameter_text(p, &session_of(ui)->job);
        if (text && *text)
            parameter_read(p, j, p->name, text, NULL);
        free(text);
    }
    session_enable_retrieval(ui, j);
}

// Removes a folder with its files and, `depth` levels deep, its folders.
static void
remove_folder(const char *folder, int depth)
{
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, NULL, NULL);
    for (int i = 0; i < n; i++) {
        char *path = file_join(folder, entries[i]->d_name);
        bool dots = strcmp(entries[i]->d_name, ".") == 0 || strcmp(entries[i]->d_name, "..") == 0;
        if (!dots && unlink(path) != 0 && depth)
            remove_folder(path, depth - 1);
        free(path);
        free(entries[i]);
    }
    free(entries);
    rmdir(folder);
}

void
templates_remove_composed(struct ui *ui)
{
    struct templates_own *own = templates_own_of(ui);
    free_entry(&own->composed);
    if (own->folder)
        remove_folder(own->folder, 1);
    free(own->folder);
    own->folder = NULL;
}
