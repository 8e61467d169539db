// SPDX-License-Identifier: MIT
// Runs a loader in a child of the sandbox, which may crash, hang or use up its memory.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/base/log.h"
#include "engine/base/mem.h"
#include "loaders/host.h"
#include "loaders/inside.h"

static double
limit_from(const char *variable, double fallback, double min, double max)
{
    static atomic_int warned;
    const char *text = getenv(variable);
    if (!text || !*text)
        return fallback;
    char *end;
    double v = strtod(text, &end);
    if (!*end && v >= min && v <= max)
        return v;
    if (!atomic_exchange(&warned, 1))
        log_line(LOG_WARN, "loaders",
                 "%s is '%.40s', but must be a number in %g..%g: the limit stays %g", variable,
                 text, min, max, fallback);
    return fallback;
}

struct loader_limits
loader_limits_from_env(const atomic_int *stop)
{
    return (struct loader_limits){
        .seconds = limit_from("LIMN_LOADER_SECONDS", LIMIT_LOADER_SECONDS, 0.1, 86400),
        .megabytes = (int)limit_from("LIMN_LOADER_MEMORY", LIMIT_LOADER_MEGABYTES, 1, 1000000),
        .stop = stop};
}

// Why there is no picture.
static void
set_failure(enum sandbox_state state, int status, const struct loader_entry *e,
            const struct loader_limits *limits, struct err *err)
{
    const char *name = e->loader->name;
    int code = status >= 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    if (state == SANDBOX_LATE)
        err_set(err, ERR_INPUT, "loader %s took more than %g s and was stopped", name,
                limits->seconds);
    else if (state == SANDBOX_STOPPED)
        err_set(err, ERR_CANCELLED, "loader %s was stopped", name);
    else if (code == SANDBOX_UNCONFINED)
        err_set(err, ERR_IO, "loader %s: its sandbox could not be created: too little memory, "
                "too few descriptors or processes, or the kernel refuses it", name);
    else if (code == SANDBOX_NO_MEMORY)
        err_set(err, ERR_MEMORY, "loader %s ran out of memory", name);
    else
        err_set(err, ERR_INPUT, "loader %s crashed (%s)", name, e->path);
}

// Takes what follows an answer. *s becomes NULL if the child can no longer be used.
static struct image *
receive_image(struct sandbox **s, enum sandbox_state state, const struct inside_answer *a,
              const struct loader_entry *e, const struct loader_limits *limits,
              const struct sandbox_wait *wait, struct err *err)
{
    struct image *out = NULL;
    struct err own = {0};
    int status = -1;
    if (state == SANDBOX_DONE && !a->refused)
        state = inside_pixels(*s, a, &out, wait, &own);
    if (out && out->format != IMAGE_RGBA8) {
        image_unref(out);
        out = NULL;
        err_set(&own, ERR_INPUT, "a picture of impossible kind");
    }
    if (state != SANDBOX_DONE || own.code != ERR_NONE) {
        status = sandbox_close(*s);
        *s = NULL;
    }
    if (state != SANDBOX_DONE)
        set_failure(state, status, e, limits, err);
    else if (own.code != ERR_NONE)
        err_set(err, ERR_INPUT, "loader %s gave a picture of impossible size", e->loader->name);
    else if (a->refused)
        err_set(err, ERR_INPUT, "%s", a->text);
    return out;
}

struct image *
loader_run_in(struct sandbox **s, int file, const struct loader_entry *e, const struct image *in,
              const struct loader_values *values, const struct loader_limits *limits,
              struct err *err)
{
    struct image *rgba = image_convert(in, IMAGE_RGBA8, 0xFFFFFF, err);
    if (!rgba)
        return NULL;
    struct inside_request r = {.type = INSIDE_RUN, .file = file, .width = rgba->width,
                               .height = rgba->height, .size = rgba->stride * (size_t)rgba->height};
    struct sandbox_wait wait = {clock_seconds() + limits->seconds, limits->stop};
    struct inside_answer a = {0};
    memcpy(r.values, values->v, sizeof r.values);
    enum sandbox_state state = inside_ask(*s, &r, rgba->pixels, &a, &wait);
    image_unref(rgba);
    return receive_image(s, state, &a, e, limits, &wait, err);
}

struct image *
loader_receive_result(struct sandbox **s, const struct loader_entry *e,
                      const struct loader_limits *limits, struct err *err)
{
    const struct sandbox_wait wait = {clock_seconds() + limits->seconds, limits->stop};
    struct inside_answer a = {0};
    enum sandbox_state state = inside_receive(*s, &a, &wait);
    return receive_image(s, state, &a, e, limits, &wait, err);
}

struct image *
loader_run(const struct loader_entry *e, const struct image *in,
                   const struct loader_values *values, const struct loader_limits *limits,
                   struct err *err)
{
    char *paths[INSIDE_READABLE_MAX + 1] = {0};
    int file = inside_readable(e->file, paths);
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    const struct sandbox_params params = {
        .readable = (const char *const *)paths, .megabytes = limits->megabytes,
        .processor_seconds = limits->seconds * (double)MAX(processors, 1) + 1};
    struct image *out = NULL;
    struct sandbox *s = look_start(err) ? sandbox_open(&params, err) : NULL;
    if (s)
        out = loader_run_in(&s, file, e, in, values, limits, err);
    else
        err_prefix(err, "loader %s", e->loader->name);
    sandbox_kill(s);
    inside_free_readable(paths);
    return out;
}
