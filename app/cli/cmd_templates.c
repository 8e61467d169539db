// SPDX-License-Identifier: MIT
// limn templates: lists templates with their variables and references.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/cli/commands.h"
#include "app/job/template.h"
#include "engine/base/mem.h"

struct list {
    bool json, broken;
    struct jv *out;
};

static struct jv *
template_json(const struct template *t, const char *stem)
{
    struct jv *o = jv_object(), *variables = jv_array(), *references = jv_array();
    jv_set(o, "name", jv_from_string(stem));
    jv_set(o, "file", jv_from_string(t->path));
    jv_set(o, "summary", jv_from_string(t->summary ? t->summary : ""));
    jv_set(o, "instruction", jv_from_string(t->text));
    if (t->parameters.family)
        jv_set(o, "family", jv_from_string(t->parameters.family));
    jv_set(o, "variables", variables);
    jv_set(o, "references", references);
    for (int i = 0; i < t->variable_count; i++) {
        struct jv *v = jv_object();
        jv_set(v, "name", jv_from_string(t->variables[i].name));
        if (t->variables[i].value)
            jv_set(v, "default", jv_from_string(t->variables[i].value));
        if (t->variables[i].help)
            jv_set(v, "help", jv_from_string(t->variables[i].help));
        jv_append(variables, v);
    }
    for (int i = 0; i < t->reference_count; i++) {
        struct jv *r = jv_object();
        if (t->references[i].use != JOB_REFERENCE)
            jv_set(r, "use", jv_from_string(job_use_name(t->references[i].use)));
        jv_set(r, "marker", jv_from_integer(t->references[i].marker));
        jv_set(r, "text", jv_from_string(t->references[i].text));
        jv_set(r, "image", jv_from_string(t->references[i].image));
        if (t->references[i].loader)
            jv_set(r, "loader", jv_from_string(t->references[i].loader));
        jv_append(references, r);
    }
    return o;
}

static void
print(const struct template *t, const char *stem)
{
    command_say(stdout, "%-16s %s", stem, t->summary ? t->summary : "");
    command_say(stdout, "%-16s   %s", "", t->text);
    if (t->parameters.family)
        command_say(stdout, "%-16s   for models of the family %s (--model)", "",
                    t->parameters.family);
    for (int i = 0; i < t->reference_count; i++) {
        const struct template_reference *r = &t->references[i];
        char label[JOB_KEY_TEXT];
        job_reference_label(&(struct job_reference){.use = r->use, .marker = r->marker}, label);
        command_say(stdout, "%-16s   %s %s%s%s", "", label, r->image, r->loader ? " through " : "",
                    r->loader ? r->loader : "");
    }
    for (int i = 0; i < t->variable_count; i++)
        command_say(stdout, "%-16s   --set %s=%s%s%s", "", t->variables[i].name,
               t->variables[i].value ? t->variables[i].value : "…",
               t->variables[i].help ? "   " : "", t->variables[i].help ? t->variables[i].help : "");
}

static bool
show(const char *path, void *ctx)
{
    struct list *l = ctx;
    struct template t;
    struct err err = {0};
    char *stem = template_stem(path);
    if (!template_read(&t, path, &err)) {
        command_say(stderr, "limn: %s", err.text);
        l->broken = true;
    } else if (l->json) {
        jv_append(l->out, template_json(&t, stem));
    } else {
        print(&t, stem);
    }
    template_finish(&t);
    free(stem);
    return true;
}

static int
run(const struct command_line *line)
{
    struct list l = {.json = ((const struct list *)line->values)->json};
    l.out = jv_array();
    template_each(show, &l);
    if (l.json) {
        char *text = jv_text(l.out, 2);
        puts(text);
        free(text);
    }
    jv_free(l.out);
    return l.broken ? 2 : 0;
}

static const struct option options[] = {
    {OPTION_SWITCH("json", struct list, json, "as JSON on standard output")},
    {0},
};

const struct command command_templates = {
    .name = "templates",
    .summary = "list the templates",
    .about = "List the templates that limn generate draws from, with their variables and "
             "references.",
    .options = options,
    .size = sizeof(struct list),
    .run = run,
};
