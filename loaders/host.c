// SPDX-License-Identifier: MIT
#include "loaders/host.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "engine/base/clock.h"
#include "engine/base/file.h"
#include "engine/base/install.h"
#include "engine/base/limits.h"
#include "engine/base/log.h"
#include "engine/base/mem.h"
#include "engine/base/xdg.h"
#include "loaders/inside.h"
#include "loaders/place.h"

struct module {
    struct loader_entry entry;
    char *path, *file;
    struct limn_loader loader;
    struct limn_param params[LIMIT_LOADER_PARAMS];
    struct inside_description description; // what `loader` and `params` point into
};

struct loader_host {
    struct module **modules;
    int count, capacity;
    char **refusals;
    int refusal_count, refusal_capacity;
};

static void
refuse(struct loader_host *h, const char *path, const char *reason)
{
    size_t n = strlen(path);
    if (strncmp(reason, path, n) == 0 && strncmp(reason + n, ": ", 2) == 0)
        reason += n + 2;
    char *line = mem_printf("%s: %s", path, reason);
    inside_sanitise(line);
    log_line(LOG_WARN, "loaders", "%s", line);
    ARRAY_PUSH(h->refusals, h->refusal_count, h->refusal_capacity, line);
}

// --- checking

static bool
is_elf(const char *path, struct err *err)
{
    unsigned char head[SELFMAG] = {0};
    FILE *m = file_stream(path, "r", err);
    size_t n = m ? fread(head, 1, SELFMAG, m) : 0;
    if (m)
        fclose(m);
    return m && ((n == SELFMAG && memcmp(head, ELFMAG, SELFMAG) == 0) ||
                 err_set(err, ERR_INPUT, "not a shared object"));
}

// Takes a child's description: its texts get an end and become harmless, and all is checked once
// more.
static bool
accept_description(struct module *m, struct err *err)
{
    struct inside_description *c = &m->description;
    char *const texts[] = {c->name, c->role, c->summary};
    const size_t sizes[] = {sizeof c->name, sizeof c->role, sizeof c->summary};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        texts[i][sizes[i] - 1] = 0;
        inside_sanitise(texts[i]);
    }
    m->loader = (struct limn_loader){.size = sizeof m->loader, .name = c->name, .role = c->role,
                                     .summary = c->summary, .params = m->params,
                                     .param_count = c->param_count};
    for (uint32_t i = 0; i < c->param_count && i < LIMIT_LOADER_PARAMS; i++) {
        c->params[i].name[sizeof c->params[i].name - 1] = 0;
        c->params[i].help[sizeof c->params[i].help - 1] = 0;
        c->params[i].choices[sizeof c->params[i].choices - 1] = 0;
        inside_sanitise(c->params[i].help);
        inside_sanitise(c->params[i].choices);
        m->params[i] = (struct limn_param){
            .name = c->params[i].name, .help = c->params[i].help, .kind = c->params[i].kind,
            .minimum = c->params[i].minimum, .maximum = c->params[i].maximum,
            .fallback = c->params[i].fallback,
            .choices = c->params[i].kind == LIMN_PARAM_CHOICE ? c->params[i].choices : NULL};
    }
    const char *fault = loader_check(&m->loader);
    return !fault || err_set(err, ERR_INPUT, "%s", fault);
}

// Loads the file in a child and reads its description. An error says why the file is refused.
static bool
read_description(struct module *m, struct err *err)
{
    char *paths[INSIDE_READABLE_MAX + 1] = {0};
    const double seconds = LIMIT_LOADER_LOAD_MS / 1000.0;
    const struct inside_request r = {.type = INSIDE_DESCRIBE,
                                     .file = inside_readable(m->file, paths)};
    const struct sandbox_params params = {.readable = (const char *const *)paths,
                                          .megabytes = LIMIT_LOADER_MEGABYTES,
                                          .processor_seconds = seconds};
    const struct sandbox_wait wait = {clock_seconds() + seconds, NULL};
    struct inside_answer a = {0};
    enum sandbox_state state = SANDBOX_ENDED;
    struct sandbox *s = look_start(err) ? sandbox_open(&params, err) : NULL;
    inside_free_readable(paths);
    if (!s)
        return err_prefix(err, "it cannot be tried");
    state = inside_ask(s, &r, NULL, &a, &wait);
    if (state == SANDBOX_DONE && !a.refused)
        state = sandbox_read(s, &m->description, sizeof m->description, &wait);
    int status = state == SANDBOX_ENDED ? sandbox_close(s) : -1;
    int code = status >= 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    if (state != SANDBOX_ENDED)
        sandbox_kill(s);
    if (state == SANDBOX_LATE)
        return err_set(err, ERR_INPUT, "it hangs while loading");
    if (code == SANDBOX_UNCONFINED || code == SANDBOX_NO_MEMORY)
        return err_set(err, ERR_IO, "it cannot be tried: too little memory, too few descriptors or "
                       "processes, or the kernel refuses the sandbox");
    if (state != SANDBOX_DONE)
        return err_set(err, ERR_INPUT, "it crashes while loading");
    if (a.refused)
        return err_set(err, ERR_INPUT, "%s", a.text);
    return accept_description(m, err);
}

static bool
check_module(const struct loader_host *h, struct module *m, enum place_kind kind, struct err *err)
{
    struct stat st;
    if (stat(m->path, &st) != 0 || !S_ISREG(st.st_mode))
        return err_set(err, ERR_INPUT, "not a regular file");
    m->file = place_resolve(m->path, kind, err);
    if (!m->file)
        return false;
    if (!is_elf(m->file, err) || !read_description(m, err))
        return false;
    return !loader_host_find(h, m->loader.name) ||
           err_set(err, ERR_INPUT, "another loader of that name was found first");
}

static void
module_free(struct module *m)
{
    free(m->path);
    free(m->file);
    free(m);
}

static void
add_module(struct loader_host *h, const char *path, enum place_kind kind)
{
    struct err err = {0};
    struct module *m = mem_zalloc(sizeof *m);
    m->path = mem_strdup(path);
    if (!check_module(h, m, kind, &err)) {
        refuse(h, path, err.text);
        module_free(m);
        return;
    }
    m->entry = (struct loader_entry){.loader = &m->loader, .path = m->path, .file = m->file};
    ARRAY_PUSH(h->modules, h->count, h->capacity, m);
}

// --- searching

static int
compare_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// The folder's *.so files, sorted by name.
static char **
list_folder(struct loader_host *h, const char *folder, int *count)
{
    DIR *d = opendir(folder);
    if (!d && errno != ENOENT && errno != ENOTDIR)
        refuse(h, folder, strerror(errno));
    char **paths = NULL;
    int capacity = 0;
    *count = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        size_t n = strlen(e->d_name);
        if (n > 3 && strcmp(e->d_name + n - 3, ".so") == 0)
            ARRAY_PUSH(paths, *count, capacity, file_join(folder, e->d_name));
    }
    if (d)
        closedir(d);
    if (*count)
        qsort(paths, (size_t)*count, sizeof *paths, compare_text);
    return paths;
}

// A missing folder is no fault.
static void
search_folder(struct loader_host *h, const char *folder, enum place_kind kind)
{
    struct err err = {0};
    int count;
    char *real = place_resolve(folder, kind, &err);
    if (!real && err.code != ERR_IO)
        refuse(h, folder, err.text);
    if (!real)
        return;
    free(real);
    char **paths = list_folder(h, folder, &count);
    for (int i = 0; i < count; i++) {
        add_module(h, paths[i], kind);
        free(paths[i]);
    }
    free(paths);
}

static void
search_path(struct loader_host *h, const char *path)
{
    while (path && *path) {
        size_t n = strcspn(path, ":");
        char *folder = mem_strndup(path, n);
        if (*folder)
            search_folder(h, folder, PLACE_OWN);
        free(folder);
        path += n + (path[n] == ':');
    }
}

static void
search_home(struct loader_host *h)
{
    char *folder = xdg_path(XDG_DATA, "loaders");
    search_folder(h, folder, PLACE_OWN);
    free(folder);
}

// limn's own loaders.
static void
search_builtin(struct loader_host *h)
{
    const char *build = install_build_folder();
    char *folder = build ? mem_printf("%s/loaders", build) : mem_strdup(LIMN_LOADER_DIR);
    search_folder(h, folder, PLACE_BUILT);
    free(folder);
}

static int
compare_names(const void *a, const void *b)
{
    const struct module *const *x = a, *const *y = b;
    return strcmp((*x)->loader.name, (*y)->loader.name);
}

struct loader_host *
loader_host_open(void)
{
    struct loader_host *h = mem_zalloc(sizeof *h);
    search_path(h, getenv("LIMN_LOADER_PATH"));
    search_home(h);
    search_builtin(h);
    if (h->count)
        qsort(h->modules, (size_t)h->count, sizeof *h->modules, compare_names);
    return h;
}

void
loader_host_close(struct loader_host *h)
{
    if (!h)
        return;
    for (int i = 0; i < h->count; i++)
        module_free(h->modules[i]);
    for (int i = 0; i < h->refusal_count; i++)
        free(h->refusals[i]);
    free(h->modules);
    free(h->refusals);
    free(h);
}

int
loader_host_count(const struct loader_host *h)
{
    return h->count;
}

const struct loader_entry *
loader_host_at(const struct loader_host *h, int i)
{
    return i >= 0 && i < h->count ? &h->modules[i]->entry : NULL;
}

const struct loader_entry *
loader_host_find(const struct loader_host *h, const char *name)
{
    for (int i = 0; i < h->count; i++)
        if (strcmp(h->modules[i]->entry.loader->name, name) == 0)
            return &h->modules[i]->entry;
    return NULL;
}

// Why the file that this loader should be in is refused: "PATH: reason"; if there is no such file
// and no loader at all, the first refusal. NULL: nothing was refused.
static const char *
refusal_of(const struct loader_host *h, const char *name)
{
    char *file = mem_printf("/%s.so: ", name);
    const char *line = NULL;
    for (int i = 0; !line && i < h->refusal_count; i++)
        line = strstr(h->refusals[i], file) ? h->refusals[i] : NULL;
    free(file);
    return !line && h->count == 0 && h->refusal_count ? h->refusals[0] : line;
}

const struct loader_entry *
loader_host_need(const struct loader_host *h, const char *name, struct err *err)
{
    const struct loader_entry *e = loader_host_find(h, name);
    char all[256] = "";
    for (int i = 0; !e && i < h->count; i++)
        if (strcmp(h->modules[i]->entry.loader->role, name) == 0)
            e = &h->modules[i]->entry;
    for (int i = 0; !e && i < h->count; i++) {
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "",
                 h->modules[i]->entry.loader->name);
    }
    const char *refused = e ? NULL : refusal_of(h, name);
    if (refused)
        err_set(err, ERR_INPUT, "there is no loader '%s': %s", name, refused);
    else if (!e)
        err_set(err, ERR_INPUT, "no loader is called '%s' (there are: %s)", name,
                *all ? all : "none");
    return e;
}

int
loader_host_refusal_count(const struct loader_host *h)
{
    return h->refusal_count;
}

const char *
loader_host_refusal(const struct loader_host *h, int i)
{
    return h->refusals[i];
}

// --- settings

void
loader_defaults(const struct limn_loader *l, struct loader_values *values)
{
    *values = (struct loader_values){0};
    for (uint32_t i = 0; i < l->param_count; i++)
        values->v[i] = l->params[i].fallback;
}

static bool
parse_choice(const char *choices, const char *value, double *out)
{
    int k = 0;
    for (const char *p = choices; *p; k++) {
        size_t n = strcspn(p, "|");
        if (strlen(value) == n && strncmp(p, value, n) == 0) {
            *out = k;
            return true;
        }
        p += n + (p[n] == '|');
    }
    return false;
}

static bool
parse_switch(const char *value, double *out)
{
    static const char *const words[2][4] = {{"no", "off", "false", "0"},
                                            {"yes", "on", "true", "1"}};
    for (int on = 0; on < 2; on++)
        for (int i = 0; i < 4; i++)
            if (strcmp(value, words[on][i]) == 0) {
                *out = on;
                return true;
            }
    return false;
}

bool
loader_set_value(const struct limn_loader *l, struct loader_values *values, const char *key,
                 const char *value, struct err *err)
{
    uint32_t i = 0;
    while (i < l->param_count && strcmp(l->params[i].name, key) != 0)
        i++;
    if (i == l->param_count)
        return err_set(err, ERR_INPUT, "loader %s has no parameter '%.40s' (see: limn loaders)",
                       l->name, key);
    const struct limn_param *p = &l->params[i];
    char *end = NULL;
    double v = strtod(value, &end);
    bool number = *value && !*end && isfinite(v);
    switch (p->kind) {
    case LIMN_PARAM_INT:
        number = number && v == floor(v);
        // fall through
    case LIMN_PARAM_FLOAT:
        if (!number || v < p->minimum || v > p->maximum)
            return err_set(err, ERR_INPUT,
                           "loader %s: %s is '%.40s', but must be a%s number in %g..%g", l->name,
                           key, value, p->kind == LIMN_PARAM_INT ? " whole" : "", p->minimum,
                           p->maximum);
        break;
    case LIMN_PARAM_BOOL:
        if (!parse_switch(value, &v))
            return err_set(err, ERR_INPUT, "loader %s: %s is '%.40s', but must be yes or no",
                           l->name, key, value);
        break;
    case LIMN_PARAM_CHOICE:
        if (!parse_choice(p->choices, value, &v))
            return err_set(err, ERR_INPUT, "loader %s: %s is '%.40s', but must be one of %s",
                           l->name, key, value, p->choices);
        break;
    default:
        break;
    }
    values->v[i] = v;
    return true;
}

bool
loader_set(const struct limn_loader *l, struct loader_values *values, const char *setting,
           struct err *err)
{
    const char *equals = strchr(setting, '=');
    if (!equals)
        return err_set(err, ERR_INPUT, "'%.60s' is not a setting: write KEY=VALUE", setting);
    char *key = mem_strndup(setting, (size_t)(equals - setting));
    bool ok = loader_set_value(l, values, key, equals + 1, err);
    free(key);
    return ok;
}
