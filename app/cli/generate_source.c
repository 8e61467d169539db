// SPDX-License-Identifier: MIT
#include "app/cli/generate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/cli/commands.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "renderer/image/codec.h"

// "K=REST": the number and what follows; false on anything else.
static bool
parse_numbered(const char *text, const char *name, int *marker, const char **rest, struct err *err)
{
    char *end;
    long k = strtol(text, &end, 10);
    if (end == text || *end != '=' || k < 1 || k > LIMIT_INSTRUCTION_MARKER || !end[1])
        return err_set(err, ERR_INPUT, "%s is '%.60s', but must be K=… with K as in [ref#K]", name,
                       text);
    *marker = (int)k;
    *rest = end + 1;
    return true;
}

// A JPEG or the like in place of a template or a PNG.
static bool
check_not_picture(const char *path, struct err *err)
{
    struct err ignored = {0};
    size_t size = 0;
    char *data = file_read(path, LIMIT_PICTURE_BYTES, &size, &ignored);
    bool picture = data && codec_recognise(data, size, path, &ignored);
    free(data);
    return !picture ||
           err_set(err, ERR_INPUT, "%s is a picture, but no PNG: only a PNG holds an instruction",
                   path);
}

bool
generate_template(const struct generate *g, struct template *t, struct err *err)
{
    char *path = check_not_picture(g->source, err) ? template_locate(g->source, err) : NULL;
    bool ok = path && template_read(t, path, err);
    for (int i = 0; ok && i < g->sets.count; i++) {
        const char *equals = strchr(g->sets.items[i], '=');
        char *name =
            equals ? mem_strndup(g->sets.items[i], (size_t)(equals - g->sets.items[i])) : NULL;
        ok = name ? template_set(t, name, equals + 1, err)
                  : err_set(err, ERR_INPUT, "--set is '%.60s', but must be NAME=VALUE",
                            g->sets.items[i]);
        free(name);
    }
    for (int i = 0; ok && i < g->refs.count; i++) {
        int marker = 0;
        const char *image = NULL;
        ok = parse_numbered(g->refs.items[i], "--ref", &marker, &image, err);
        bool found = false;
        for (int k = 0; ok && k < t->reference_count; k++)
            if (t->references[k].use == JOB_REFERENCE && t->references[k].marker == marker) {
                found = true;
                free(t->references[k].image);
                t->references[k].image = realpath(image, NULL);
                t->references[k].typed = true;
                if (!t->references[k].image)
                    ok = err_errno(err, ERR_INPUT, "%s", image);
            }
        if (ok && !found)
            ok = err_set(err, ERR_INPUT, "%s has no reference %d", path, marker);
    }
    free(path);
    return ok;
}

// IMAGE[@LOADER[:KEY=VALUE,…]]; an existing file with an @ in its name is taken as it is.
static bool
read_picture(struct job_reference *r, const char *text, struct err *err)
{
    r->file = mem_strdup(text);
    char *at = file_exists(r->file) ? NULL : strrchr(r->file, '@');
    bool ok = true;
    if (at) {
        *at++ = 0;
        char *list = strchr(at, ':'), *left = NULL;
        if (list)
            *list++ = 0;
        r->loader = *at ? mem_strdup(at) : NULL;
        for (char *one = list ? strtok_r(list, ",", &left) : NULL; ok && one;
             one = strtok_r(NULL, ",", &left)) {
            ok = r->setting_count < LIMIT_TEMPLATE_SETTINGS ||
                 err_set(err, ERR_INPUT, "too many settings for the loader of %s", r->file);
            if (ok)
                r->settings[r->setting_count++] = mem_strdup(one);
        }
    }
    return ok;
}

static bool
add_reference(struct job *j, const char *text, struct err *err)
{
    int marker = 0;
    const char *rest = NULL;
    if (!parse_numbered(text, "--ref", &marker, &rest, err))
        return false;
    struct job_reference *r = job_add(j, marker);
    if (!r)
        return err_set(err, ERR_INPUT, "more than %d references", LIMIT_INSTRUCTION_REFERENCES);
    return read_picture(r, rest, err);
}

// In place of the one that there is.
static bool
set_picture(struct job *j, enum job_use use, int marker, const char *text, struct err *err)
{
    for (int i = j->reference_count - 1; i >= 0; i--)
        if (j->references[i].use == use && j->references[i].marker == marker)
            job_remove(j, i);
    struct job_reference *r = job_add_for(j, use, marker);
    if (!r)
        return err_set(err, ERR_INPUT, "more than %d pictures to steer away from", LIMIT_JOB_AWAY);
    return read_picture(r, text, err);
}

// --start, --mask and --negative-ref.
bool
generate_extra_pictures(const struct generate *g, struct job *j, struct err *err)
{
    bool ok = (!g->start || set_picture(j, JOB_START, 0, g->start, err)) &&
              (!g->mask || set_picture(j, JOB_MASK, 0, g->mask, err));
    for (int i = 0; ok && i < g->away.count; i++)
        ok = set_picture(j, JOB_AWAY, i + 1, g->away.items[i], err);
    return ok;
}

// What --ref-text says of references that are there.
bool
generate_ref_texts(const struct generate *g, struct job *j, struct err *err)
{
    bool ok = true;
    for (int i = 0; ok && i < g->ref_texts.count; i++) {
        int marker = 0;
        const char *words = NULL;
        ok = parse_numbered(g->ref_texts.items[i], "--ref-text", &marker, &words, err);
        struct job_reference *r = ok ? job_find(j, marker) : NULL;
        if (r) {
            free(r->words);
            r->words = mem_strdup(words);
        } else if (ok) {
            ok = err_set(err, ERR_INPUT, "--ref-text is '%.60s', but there is no reference %d",
                         g->ref_texts.items[i], marker);
        }
    }
    return ok;
}

bool
generate_instruction(const struct generate *g, struct job *j, struct err *err)
{
    j->instruction = mem_strdup(g->source);
    bool ok = true;
    for (int i = 0; ok && i < g->refs.count; i++)
        ok = add_reference(j, g->refs.items[i], err);
    return ok && job_check(j, err);
}

// What the old picture of a reference went through, the new one goes through, unless another loader
// is named ("IMAGE@": none). The loader is the picture's wish, so it is said.
static void
keep_loader(const struct generate *g, struct job_reference *r, struct job_reference *old,
            bool as_it_is)
{
    if (!r->words) {
        r->words = old->words;
        old->words = NULL;
    }
    if (r->loader || !old->loader || as_it_is)
        return;
    r->loader = old->loader;
    old->loader = NULL;
    char *all = mem_strdup("");
    for (int i = 0; i < old->setting_count; i++) {
        char *longer = mem_printf("%s %s", all, old->settings[i]);
        free(all);
        all = longer;
        r->settings[r->setting_count++] = old->settings[i];
        old->settings[i] = NULL;
    }
    if (!g->draw.quiet) {
        char *text = mem_printf("limn: reference %d goes through the loader %s%s, as %s has it",
                                r->marker, r->loader, all, g->source);
        fprintf(stderr, "%s\n", command_sanitise(text));
        free(text);
    }
    free(all);
}

// Another picture for a reference that the instruction has; it keeps its place among them.
static bool
replace_reference(const struct generate *g, struct job *j, const char *text, struct err *err)
{
    int marker = 0;
    const char *rest = NULL;
    struct job one = JOB_EMPTY;
    bool ok = parse_numbered(text, "--ref", &marker, &rest, err) && add_reference(&one, text, err);
    struct job_reference *old = ok ? job_find(j, marker) : NULL, moved;
    if (ok && !old)
        ok = err_set(err, ERR_INPUT, "%s has no reference %d", g->source, marker);
    if (ok) {
        keep_loader(g, &one.references[0], old, *rest && rest[strlen(rest) - 1] == '@');
        moved = *old;
        *old = one.references[0];
        one.references[0] = moved;
    }
    job_finish(&one);
    return ok;
}

bool
generate_picture(const struct generate *g, struct job *j, struct err *err)
{
    struct err own = {0};
    if (job_from_png(j, g->source, &own)) {
        if (g->sets.count)
            return err_set(err, ERR_INPUT,
                           "%s is a picture and has no variables for --set '%.60s': --ref and "
                           "--ref-text change its references",
                           g->source, g->sets.items[0]);
        bool ok = true;
        for (int i = 0; ok && i < g->refs.count; i++)
            ok = replace_reference(g, j, g->refs.items[i], err);
        return ok;
    }
    if (own.code != ERR_NONE)
        return err_set(err, own.code, "%s", own.text);
    return err_set(err, ERR_INPUT,
                   "%s: limn did not make this picture: it contains no instruction", g->source);
}
