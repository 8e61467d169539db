// SPDX-License-Identifier: MIT
// A hub that lies: what it says of a model, and the model's own index behind a byte of 255; and
// any name that is asked for. http_text() answers from the input (--wrap).
#include <stdlib.h>
#include <string.h>

#include "app/hub/http.h"
#include "app/hub/hub.h"
#include "engine/base/mem.h"
#include "tests/fuzz/fuzz.h"

static const uint8_t *rest;
static size_t rest_size;

char *__wrap_http_text(const struct http_request *r, size_t limit, size_t *size,
                       struct http_answer *answer, struct err *err);
char *
__wrap_http_text(const struct http_request *r, size_t limit, size_t *size,
                 struct http_answer *answer, struct err *err)
{
    const uint8_t *end = rest_size ? memchr(rest, 255, rest_size) : NULL;
    *size = end ? (size_t)(end - rest) : rest_size;
    *answer = (struct http_answer){.status = 200, .size = -1};
    fuzz_use_text(r->url);
    if (*size > limit) {
        err_set(err, ERR_IO, "too much");
        return NULL;
    }
    char *text = mem_alloc(*size + 1);
    if (*size)
        memcpy(text, rest, *size);
    text[*size] = 0;
    size_t taken = *size + (end ? 1 : 0);
    rest += taken;
    rest_size -= taken;
    return text;
}

// What is fetched goes into a folder of the model's, by these names.
static void
check_paths(const struct hub_model *m)
{
    for (int i = 0; i < m->count; i++) {
        const char *path = m->files[i].path, *slash = strchr(path, '/');
        if (*path == '/' || *path == '.' || strstr(path, "..") == path || strstr(path, "/.") ||
            (slash && strchr(slash + 1, '/')) || m->files[i].size < 0)
            abort();
        char *url = hub_url(m, path);
        fuzz_use_text(url);
        free(url);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    struct hub_model m = {0};
    rest = data;
    rest_size = size;
    bool ok = hub_fetch_info(&m, "org/name", NULL, 1, NULL, &err);
    fuzz_said(ok ? "" : NULL, &err);
    if (ok)
        check_paths(&m);
    hub_model_finish(&m);
    char *given = mem_strndup((const char *)data, size), *name = hub_name(given);
    if (name && (strchr(name, '/') != strrchr(name, '/') || strstr(name, "/.") || *name == '.'))
        abort();
    free(name);
    free(given);
    return 0;
}
