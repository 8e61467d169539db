// SPDX-License-Identifier: MIT
#include "loaders/host.h"

#include <dirent.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/log.h"
#include "engine/base/mem.h"
#include "engine/base/xdg.h"

enum {
    TRY_MS = 5000,     // for a file to be loaded
    VERDICT_MAX = 240, // bytes, less than a pipe takes at once
};

struct found {
    struct loader_entry entry;
    char *path;
    void *handle;
};

struct loader_host {
    struct found *found;
    int count, capacity;
    char **refusals;
    int refusal_count, refusal_capacity;
};

static void
refuse(struct loader_host *h, const char *path, const char *reason)
{
    size_t n = strlen(path);
    if (strncmp(reason, path, n) == 0 && strncmp(reason + n, ": ", 2) == 0)
        reason += n + 2; // the linker's sentences start with the path
    char *line = mem_printf("%s: %s", path, reason);
    log_line(LOG_WARN, "loaders", "%s", line);
    ARRAY_PUSH(h->refusals, h->refusal_count, h->refusal_capacity, line);
}

static int64_t
milliseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

// --- checking

static bool
is_elf(const char *path)
{
    unsigned char head[SELFMAG] = {0};
    FILE *f = file_stream(path, "r", NULL);
    size_t n = f ? fread(head, 1, SELFMAG, f) : 0;
    if (f)
        fclose(f);
    return n == SELFMAG && memcmp(head, ELFMAG, SELFMAG) == 0;
}

static bool
is_name(const char *name, size_t limit)
{
    size_t n = name ? strnlen(name, limit + 1) : 0;
    return n > 0 && n <= limit && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

static int
choice_count(const char *choices)
{
    int n = choices && *choices ? 1 : 0;
    for (const char *p = choices; p && *p; p++)
        n += *p == '|';
    return n;
}

static const char *
check_param(const struct limn_param *p)
{
    if (!is_name(p->name, 31) || !p->help)
        return "a parameter without a proper name or help";
    switch (p->kind) {
    case LIMN_PARAM_INT:
    case LIMN_PARAM_FLOAT:
        if (p->minimum <= p->fallback && p->fallback <= p->maximum && isfinite(p->minimum) &&
            isfinite(p->maximum))
            return NULL;
        return "a parameter whose default lies outside its range";
    case LIMN_PARAM_BOOL:
        return p->fallback == 0 || p->fallback == 1 ? NULL : "a switch that is neither on nor off";
    case LIMN_PARAM_CHOICE:
        return choice_count(p->choices) > 0 && p->fallback >= 0 &&
                       p->fallback < choice_count(p->choices)
                   ? NULL
                   : "a choice without its choices";
    default:
        return "a parameter of unknown kind";
    }
}

// NULL: fit for use.
static const char *
check_loader(const struct limn_loader *l)
{
    if (l->size < sizeof *l || l->size > 4096)
        return "its description has an impossible size; it needs to be rebuilt";
    if (!is_name(l->name, 31))
        return "it has no proper name";
    if (!l->role || !*l->role || !l->summary)
        return "it does not say what it makes";
    if (!l->run || !l->release)
        return "it lacks the function run or release";
    if (l->param_count > LIMIT_LOADER_PARAMS || (l->param_count && !l->params))
        return "its table of parameters is broken";
    for (uint32_t i = 0; i < l->param_count; i++) {
        const char *fault = check_param(&l->params[i]);
        if (fault)
            return fault;
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(l->params[i].name, l->params[k].name) == 0)
                return "it has two parameters of one name";
    }
    return NULL;
}

// The symbol as the file declares it, checked against what it says of itself. NULL: fit for use.
static const char *
check_handle(void *handle, const struct limn_loader **loader)
{
    const struct limn_loader *l = dlsym(handle, LIMN_LOADER_SYMBOL);
    Dl_info info;
    ElfW(Sym) *symbol = NULL;
    if (!l)
        return "no " LIMN_LOADER_SYMBOL ": not a loader, or built for another version of limn";
    // Reading past the end of a short description would read whatever follows it.
    if (dladdr1(l, &info, (void **)&symbol, RTLD_DL_SYMENT) && symbol &&
        (symbol->st_size < sizeof l->size || l->size > symbol->st_size))
        return "its description is smaller than it says; it needs to be rebuilt";
    *loader = l;
    return check_loader(l);
}

// In the child: what is wrong with the file, as text on fd; "" for nothing. A loader's constructor
// may print, read, or end the process; none of that reaches the parent.
_Noreturn static void
try_here(const char *path, int fd)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGINT, SIGTERM};
    for (size_t i = 0; i < COUNT_OF(signals); i++)
        signal(signals[i], SIG_DFL);
    int nowhere = open("/dev/null", O_RDWR);
    for (int i = 0; nowhere >= 0 && i < 3; i++)
        if (i != fd)
            dup2(nowhere, i);
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    const struct limn_loader *l;
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const char *fault = handle ? check_handle(handle, &l) : dlerror();
    char text[VERDICT_MAX] = "ok";
    if (fault)
        snprintf(text, sizeof text, "%.*s", VERDICT_MAX - 1, fault);
    _exit(write(fd, text, sizeof text) == sizeof text ? 0 : 1);
}

// Opens the file and checks the whole description in a child, where a crash does no harm. True: it
// may be opened here; else `verdict` says why not.
static bool
try_in_child(const char *path, char verdict[VERDICT_MAX])
{
    int fd[2], status = 0;
    snprintf(verdict, VERDICT_MAX, "it cannot be tried (no process)");
    if (pipe2(fd, O_CLOEXEC) != 0)
        return false;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        try_here(path, fd[1]);
    close(fd[1]);
    if (child > 0) {
        struct pollfd wait = {fd[0], POLLIN, 0};
        int64_t deadline = milliseconds() + TRY_MS;
        int ready;
        do
            ready = poll(&wait, 1, (int)MAX(0, deadline - milliseconds()));
        while (ready < 0 && errno == EINTR);
        bool said = ready > 0 && read(fd[0], verdict, VERDICT_MAX) == VERDICT_MAX;
        // What it does at its end is of no interest.
        kill(child, SIGKILL);
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            ;
        verdict[VERDICT_MAX - 1] = 0;
        if (!said)
            snprintf(verdict, VERDICT_MAX, "%s",
                     ready <= 0 ? "it hangs while it is loaded" : "it crashes while it is loaded");
    }
    close(fd[0]);
    return strcmp(verdict, "ok") == 0;
}

static void
add(struct loader_host *h, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return refuse(h, path, "not a regular file");
    if (!is_elf(path))
        return refuse(h, path, "not a shared object");
    char verdict[VERDICT_MAX];
    if (!try_in_child(path, verdict))
        return refuse(h, path, verdict);
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return refuse(h, path, "it cannot be opened a second time");
    const struct limn_loader *l = NULL;
    const char *fault = check_handle(handle, &l);
    if (!fault && loader_host_find(h, l->name))
        fault = "a loader of that name was found before";
    if (fault) {
        refuse(h, path, fault);
        dlclose(handle);
        return;
    }
    struct found f = {.path = mem_strdup(path), .handle = handle};
    f.entry = (struct loader_entry){.loader = l, .path = f.path};
    ARRAY_PUSH(h->found, h->count, h->capacity, f);
}

// --- searching

static int
by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
search_folder(struct loader_host *h, const char *folder)
{
    DIR *d = opendir(folder);
    char **paths = NULL;
    int count = 0, capacity = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        size_t n = strlen(e->d_name);
        char *path = file_join(folder, e->d_name);
        if (n > 3 && strcmp(e->d_name + n - 3, ".so") == 0) {
            ARRAY_PUSH(paths, count, capacity, path);
            continue;
        }
        free(path);
    }
    if (d)
        closedir(d);
    if (count)
        qsort(paths, (size_t)count, sizeof *paths, by_text);
    for (int i = 0; i < count; i++) {
        add(h, paths[i]);
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
            search_folder(h, folder);
        free(folder);
        path += n + (path[n] == ':');
    }
}

static void
search_home(struct loader_host *h)
{
    char *folder = xdg_path(XDG_DATA, "loaders");
    search_folder(h, folder);
    free(folder);
}

// From the build folder: BUILD/app/limn has its loaders in BUILD/loaders.
static bool
search_build(struct loader_host *h)
{
    char exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (n <= 0)
        return false;
    exe[n] = 0;
    for (int up = 0; up < 3; up++) {
        char *slash = strrchr(exe, '/');
        if (!slash)
            return false;
        *slash = 0;
        char *mark = file_join(exe, "build.ninja"), *folder = file_join(exe, "loaders");
        bool here = file_exists(mark) && file_exists(folder);
        if (here)
            search_folder(h, folder);
        free(mark);
        free(folder);
        if (here)
            return true;
    }
    return false;
}

static int
by_name(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    return strcmp(x->entry.loader->name, y->entry.loader->name);
}

struct loader_host *
loader_host_open(void)
{
    struct loader_host *h = mem_zalloc(sizeof *h);
    search_path(h, getenv("LIMN_LOADER_PATH"));
    search_home(h);
    if (!search_build(h))
        search_folder(h, LIMN_LOADER_DIR);
    if (h->count)
        qsort(h->found, (size_t)h->count, sizeof *h->found, by_name);
    return h;
}

void
loader_host_close(struct loader_host *h)
{
    if (!h)
        return;
    for (int i = 0; i < h->count; i++) {
        dlclose(h->found[i].handle);
        free(h->found[i].path);
    }
    for (int i = 0; i < h->refusal_count; i++)
        free(h->refusals[i]);
    free(h->found);
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
    return i >= 0 && i < h->count ? &h->found[i].entry : NULL;
}

const struct loader_entry *
loader_host_find(const struct loader_host *h, const char *name)
{
    for (int i = 0; i < h->count; i++)
        if (strcmp(h->found[i].entry.loader->name, name) == 0)
            return &h->found[i].entry;
    return NULL;
}

const struct loader_entry *
loader_host_need(const struct loader_host *h, const char *name, struct err *err)
{
    const struct loader_entry *e = loader_host_find(h, name);
    char all[256] = "";
    for (int i = 0; !e && i < h->count; i++)
        if (strcmp(h->found[i].entry.loader->role, name) == 0)
            e = &h->found[i].entry;
    for (int i = 0; !e && i < h->count; i++) {
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "",
                 h->found[i].entry.loader->name);
    }
    if (!e)
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
                           "loader %s: %s is '%.40s', it must be a%s number in %g..%g", l->name,
                           key, value, p->kind == LIMN_PARAM_INT ? " whole" : "", p->minimum,
                           p->maximum);
        break;
    case LIMN_PARAM_BOOL:
        if (!parse_switch(value, &v))
            return err_set(err, ERR_INPUT, "loader %s: %s is '%.40s', it must be yes or no",
                           l->name, key, value);
        break;
    case LIMN_PARAM_CHOICE:
        if (!parse_choice(p->choices, value, &v))
            return err_set(err, ERR_INPUT, "loader %s: %s is '%.40s', it must be one of %s",
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
        return err_set(err, ERR_INPUT, "'%.60s' is no setting, it must be KEY=VALUE", setting);
    char *key = mem_strndup(setting, (size_t)(equals - setting));
    bool ok = loader_set_value(l, values, key, equals + 1, err);
    free(key);
    return ok;
}
