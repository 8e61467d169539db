// SPDX-License-Identifier: MIT
// From a template to the job it describes, and from a job to a template that describes it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/job/parameters.h"
#include "app/job/template_parts.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"

static bool
add_reference(struct job *j, const struct template *t, const struct template_reference *ref,
              struct err *err)
{
    struct job_reference *r = job_add_for(j, ref->use, ref->marker);
    r->file = template_image(t, ref, err);
    if (r->file && !template_image_typed(t, ref))
        r->within = mem_strdup(t->folder);
    r->words = r->file ? template_fill(t, ref->text, ref->line, ref->column, err) : NULL;
    bool ok = r->words != NULL;
    if (ok && ref->loader) {
        r->loader = template_fill(t, ref->loader, ref->line, ref->column, err);
        ok = r->loader != NULL;
    }
    for (int i = 0; ok && i < ref->setting_count; i++) {
        char *setting = template_fill(t, ref->settings[i], ref->line, ref->column, err);
        ok = setting != NULL;
        if (ok)
            r->settings[r->setting_count++] = setting;
    }
    if (r->words && !*r->words) {
        free(r->words);
        r->words = NULL;
    }
    r->where = mem_printf("%s:%d:%d", t->path, ref->line, ref->column);
    return ok;
}

bool
template_job(const struct template *t, struct job *j, struct err *err)
{
    *j = JOB_EMPTY;
    for (const struct parameter *p = parameters; p->name; p++)
        parameter_copy(p, j, &t->parameters);
    j->template = template_stem(t->path);
    j->instruction = template_fill(t, t->text, t->text_line, t->text_column, err);
    bool ok = j->instruction != NULL;
    for (int i = 0; ok && i < t->reference_count; i++)
        ok = add_reference(j, t, &t->references[i], err);
    struct err fault = {0};
    if (ok && !job_check(j, &fault))
        ok = err_set(err, ERR_INPUT, "%s:%d:%d: %s", t->path, t->text_line, t->text_column,
                     fault.text);
    return ok;
}

// --- writing

// A scalar in YAML's double quotes.
static void
put_scalar(FILE *out, const char *text)
{
    fputc('"', out);
    for (const char *p = text; *p; p++) {
        if (*p == '"' || *p == '\\')
            fprintf(out, "\\%c", *p);
        else if ((unsigned char)*p < 32)
            fprintf(out, "\\x%02x", *p);
        else
            fputc(*p, out);
    }
    fputc('"', out);
}

// A template may only name files below its own folder, so a saved one takes its pictures with it:
// NAME/1.png beside NAME.yaml. A picture that came out of another is saved as it was there. Freed
// with free().
static char *
kept_name(const char *name, const struct job_reference *r)
{
    const char *dot = r->file && !r->processed ? strrchr(r->file, '.') : ".png";
    size_t n = dot ? strspn(dot + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") : 0;
    bool suffix = n > 0 && n < 6 && !dot[1 + n];
    char key[JOB_KEY_TEXT];
    job_reference_key(r, key);
    return mem_printf("%s/%s%s", name, key, suffix ? dot : "");
}

static bool
keep_pictures(const char *folder, const char *name, struct job *j, struct err *err)
{
    char *own = mem_printf("%s/%s", folder, name);
    bool ok = job_read(j, err) && (!j->reference_count || file_make_folders(own, err));
    for (int i = 0; ok && i < j->reference_count; i++) {
        struct job_reference *r = &j->references[i];
        char *kept = kept_name(name, r), *path = file_join(folder, kept);
        ok = file_write(path, r->data, r->size, err);
        free(path);
        free(kept);
    }
    free(own);
    return ok;
}

static void
put_reference(FILE *out, const char *name, const struct job_reference *r)
{
    char *kept = kept_name(name, r), key[JOB_KEY_TEXT];
    job_reference_key(r, key);
    fprintf(out, "  %s:\n    image: ", key);
    put_scalar(out, kept);
    free(kept);
    if (r->words) {
        fputs("\n    text: ", out);
        put_scalar(out, r->words);
    }
    bool runs = r->loader && !r->processed; // one that has run is part of the picture
    if (runs) {
        fputs("\n    loader:\n      name: ", out);
        put_scalar(out, r->loader);
    }
    for (int i = 0; runs && i < r->setting_count; i++) {
        const char *equals = strchr(r->settings[i], '=');
        if (!equals)
            continue;
        char *setting = mem_strndup(r->settings[i], (size_t)(equals - r->settings[i]));
        fputs("\n      ", out);
        put_scalar(out, setting); // it may come from a stranger's picture
        fputs(": ", out);
        put_scalar(out, equals + 1);
        free(setting);
    }
    fputc('\n', out);
}

static void
put_parameters(FILE *out, const struct job *j)
{
    bool first = true;
    for (const struct parameter *p = parameters; p->name; p++) {
        char *text = p->where & PARAMETER_TEMPLATE ? parameter_text(p, j) : NULL;
        if (!text)
            continue;
        fprintf(out, "%s  %s: ", first ? "parameters:\n" : "", p->name);
        put_scalar(out, text);
        fputc('\n', out);
        first = false;
        free(text);
    }
}

// The name of a {{variable}} that begins at `text`; its length, 0: none does.
static size_t
variable_at(const char *text, const char **name)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    if (strncmp(text, "{{", 2) != 0)
        return 0;
    *name = text + 2 + strspn(text + 2, " ");
    size_t n = strspn(*name, letters);
    const char *end = *name + n + strspn(*name + n, " ");
    return n && strncmp(end, "}}", 2) == 0 ? n : 0;
}

// A {{word}} in the instruction becomes a variable, whose default is its own name.
static void
put_variables(FILE *out, const char *text)
{
    bool first = true;
    for (const char *p = text; *p; p++) {
        const char *name = NULL;
        size_t n = variable_at(p, &name);
        bool known = false;
        for (const char *before = text; n && before < p; before++) {
            const char *other = NULL;
            known = known || (variable_at(before, &other) == n && strncmp(other, name, n) == 0);
        }
        if (!n || known)
            continue;
        fprintf(out, "%s  %.*s: \"%.*s\"\n", first ? "variables:\n" : "", (int)n, name, (int)n,
                name);
        first = false;
    }
}

static char *
template_text(const struct job *j, const char *name, const char *summary, size_t *size)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, size);
    if (!out)
        return NULL;
    fprintf(out, "name: %s\nsummary: ", name);
    put_scalar(out, summary);
    fputs("\ninstruction: ", out);
    put_scalar(out, j->instruction);
    fputs(j->reference_count ? "\nreferences:\n" : "\n", out);
    for (int i = 0; i < j->reference_count; i++)
        put_reference(out, name, &j->references[i]);
    put_variables(out, j->instruction);
    put_parameters(out, j);
    bool whole = !ferror(out);
    if (fclose(out) == 0 && whole)
        return text;
    free(text);
    return NULL;
}

// Reads what was written: this finds braces in a text, which would be a variable there.
bool
template_reads_back(const char *path, struct err *err)
{
    struct template t;
    struct job j = JOB_EMPTY;
    bool ok = template_read(&t, path, err) && template_job(&t, &j, err);
    template_finish(&t);
    job_finish(&j);
    return ok;
}

bool
template_name_check(const char *name, struct err *err)
{
    return (*name && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") == strlen(name)) ||
           err_set(err, ERR_INPUT,
                   "'%.40s' is not a name for a template: use lower-case letters, digits, - and _",
                   name);
}

bool
template_save(struct job *j, const char *folder, const char *name, const char *summary,
              struct err *err)
{
    char *path = mem_printf("%s/%s.yaml", folder, name), *text = NULL;
    size_t size = 0;
    bool ok = template_name_check(name, err);
    for (int i = 0; ok && i < j->reference_count; i++) {
        char what[60];
        job_reference_name(&j->references[i], what, sizeof what);
        if (!j->references[i].file && !j->references[i].data)
            ok = err_set(err, ERR_INPUT, "%s has no file", what);
    }
    ok = ok && job_check(j, err) && file_make_folders(folder, err);
    if (ok && file_exists(path))
        ok = err_set(err, ERR_INPUT, "there is a template %s already", name);
    ok = ok && keep_pictures(folder, name, j, err);
    if (ok) {
        text = template_text(j, name, summary, &size);
        ok = text ? file_write(path, text, size, err)
                  : err_set(err, ERR_MEMORY, "%s: not enough memory to write it", path);
        if (ok && !template_reads_back(path, err)) {
            unlink(path);
            ok = false;
        }
    }
    free(text);
    free(path);
    return ok;
}
