// SPDX-License-Identifier: MIT
#include "app/hub/hub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/hub/http.h"
#include "engine/base/jv.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "engine/families/family.h"
#include "engine/text/tokenizer.h"

char *
hub_url(const struct hub_model *m, const char *path)
{
    char *endpoint = hub_endpoint();
    char *out = mem_printf("%s/%s/resolve/%s/%s", endpoint, m->name, m->commit, path);
    free(endpoint);
    return out;
}

// --- What a model has

static bool
is_digest(const char *text, size_t digits)
{
    return strlen(text) == digits && strspn(text, "0123456789abcdef") == digits;
}

// A file in no folder or in one; anything else is none that limn would read.
static bool
is_path(const char *path)
{
    size_t n = strcspn(path, "/");
    return hub_plain(path, n) && (!path[n] || hub_plain(path + n + 1, strlen(path + n + 1)));
}

static void
add_file(struct hub_model *m, const struct jv *v)
{
    const struct jv *lfs = jv_get(v, "lfs");
    const char *path = jv_string(jv_get(v, "rfilename"), "");
    const char *digest = jv_string(jv_get(lfs ? lfs : v, lfs ? "sha256" : "blobId"), "");
    struct hub_file f = {.size = jv_integer(jv_get(lfs ? lfs : v, "size"), -1)};
    if (!is_path(path) || f.size < 0 || f.size > (int64_t)LIMIT_HUB_FILE_MEGABYTES << 20)
        return;
    if (is_digest(digest, 64) || (!lfs && is_digest(digest, 40)))
        snprintf(f.digest, sizeof f.digest, "%s", digest);
    f.path = mem_strdup(path);
    m->files[m->count++] = f;
}

static char *
licence_of(const struct jv *card)
{
    const char *name = jv_string(jv_get(card, "license"), NULL);
    const char *own = jv_string(jv_get(card, "license_name"), NULL);
    const char *link = jv_string(jv_get(card, "license_link"), NULL);
    if (name && strcmp(name, "other") == 0 && own)
        name = own;
    return name ? mem_printf("%.100s%s%.200s", name, link ? ", " : "", link ? link : "") : NULL;
}

static bool
parse_model(struct hub_model *m, const struct jv *json, struct err *err)
{
    const struct jv *files = jv_get(json, "siblings"), *gated = jv_get(json, "gated");
    const char *commit = jv_string(jv_get(json, "sha"), "");
    if (!is_digest(commit, 40) || !jv_is_array(files))
        return err_set(err, ERR_IO, "the hub's answer about %s is not understood", m->name);
    m->commit = mem_strdup(commit);
    m->licence = licence_of(jv_get(json, "cardData"));
    m->gated = jv_is_string(gated) || jv_bool(gated, false);
    m->files = mem_zalloc((jv_size(files) + 1) * sizeof *m->files);
    for (size_t i = 0; i < jv_size(files); i++)
        add_file(m, jv_at(files, i));
    return true;
}

static struct hub_file *
find_file(const struct hub_model *m, const char *path)
{
    for (int i = 0; i < m->count; i++)
        if (strcmp(m->files[i].path, path) == 0)
            return &m->files[i];
    return NULL;
}

static bool
mark_needed(struct hub_model *m, const char *folder, const char *name)
{
    char *path = *folder ? mem_printf("%s/%s", folder, name) : mem_strdup(name);
    struct hub_file *f = find_file(m, path);
    if (f)
        f->needed = true;
    free(path);
    return f;
}

// The shards that belong to an index: STEM-00001-of-00004ENDING, STEM.fp16-….
static void
mark_shards(struct hub_model *m, const char *folder, const char *stem)
{
    size_t n = strlen(folder), k = strlen(stem);
    for (int i = 0; i < m->count; i++) {
        const char *path = m->files[i].path, *name = path + n + 1, *of;
        if (strncmp(path, folder, n) != 0 || path[n] != '/' || strncmp(name, stem, k) != 0 ||
            name[k] != '-')
            continue;
        of = strstr(name + k, "-of-");
        m->files[i].needed = m->files[i].needed || (of && strstr(of, ".safetensors"));
    }
}

// One copy of a part's weights: whole or in shards, and of smaller numbers only where there is no
// other.
static bool
mark_weights(struct hub_model *m, const char *folder)
{
    static const char *const stems[] = {"diffusion_pytorch_model", "model"};
    static const char *const variants[] = {"", ".bf16", ".fp16"};
    for (size_t v = 0; v < COUNT_OF(variants); v++)
        for (int s = 0; s < 2; s++) {
            char stem[64], whole[96], index[96], older[96];
            snprintf(stem, sizeof stem, "%s%s", stems[s], variants[v]);
            snprintf(whole, sizeof whole, "%s.safetensors", stem);
            snprintf(index, sizeof index, "%s.safetensors.index.json", stem);
            snprintf(older, sizeof older, "%s.safetensors.index%s.json", stems[s], variants[v]);
            if (mark_needed(m, folder, whole))
                return true;
            if (mark_needed(m, folder, index) || mark_needed(m, folder, older)) {
                mark_shards(m, folder, stem);
                return true;
            }
        }
    return false;
}

// What tokenizer.json says, too.
static bool
is_in_tokenizer_json(const char *name)
{
    static const char *const names[] = {"vocab.json", "merges.txt", "added_tokens.json",
                                        "special_tokens_map.json", "chat_template.jinja"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static void
mark_tokenizer(struct hub_model *m)
{
    bool whole = mark_needed(m, "tokenizer", "tokenizer.json");
    const char *name;
    for (int i = 0; (name = tokenizer_file(i)); i++)
        if (!whole || !is_in_tokenizer_json(name))
            mark_needed(m, "tokenizer", name);
}

static bool
mark_files(struct hub_model *m, const struct jv *index, struct err *err)
{
    const struct family *family = family_of(index, m->name, err);
    if (!family)
        return false;
    mark_needed(m, "", "model_index.json");
    mark_needed(m, "scheduler", "scheduler_config.json");
    mark_tokenizer(m);
    for (const struct family_part *p = family->parts; p->name; p++)
        if (mark_needed(m, p->name, "config.json") && !mark_weights(m, p->name))
            return err_set(err, ERR_INPUT, "%s has no weights of its %s as safetensors", m->name,
                           p->name);
    mark_needed(m, "", "README.md"); // its card, which says the licence
    if (!mark_needed(m, "", "LICENSE.md"))
        mark_needed(m, "", "LICENSE");
    for (int i = 0; i < m->count; i++)
        m->bytes += m->files[i].needed ? m->files[i].size : 0;
    return true;
}

// --- Asking

static bool
set_refusal(const struct hub_model *m, const struct http_answer *a, const char *token,
            struct err *err)
{
    char *endpoint = hub_endpoint();
    if (a->status == 401 || a->status == 403) {
        err_clear(err);
        err_set(err, ERR_IO, "%s needs permission: accept its terms at %s/%s and %s", m->name,
                endpoint, m->name,
                token ? "check that your token may read it"
                      : "put your token into $HF_TOKEN");
    } else if (a->status == 404) {
        err_clear(err);
        err_set(err, ERR_INPUT, "%s has no model %s", endpoint, m->name);
    }
    free(endpoint);
    return false;
}

static struct jv *
fetch_json(const struct hub_model *m, const char *url, const char *token, int timeout,
           const atomic_int *cancel, struct err *err)
{
    struct http_request r = {.url = url, .token = token, .timeout = timeout, .cancel = cancel};
    struct http_answer a;
    size_t size;
    char *text = http_text(&r, LIMIT_HUB_BYTES, &size, &a, err);
    if (!text) {
        set_refusal(m, &a, token, err);
        return NULL;
    }
    struct jv *json = jv_parse_within(text, size, LIMIT_PICTURE_VALUES, url, err);
    free(text);
    return json;
}

bool
hub_fetch_info(struct hub_model *m, const char *name, const char *token, int timeout,
               const atomic_int *cancel, struct err *err)
{
    *m = (struct hub_model){.name = mem_strdup(name)};
    char *endpoint = hub_endpoint();
    char *url = mem_printf("%s/api/models/%s?blobs=true", endpoint, name);
    struct jv *json = fetch_json(m, url, token, timeout, cancel, err), *index = NULL;
    bool ok = json && parse_model(m, json, err);
    free(url);
    free(endpoint);
    if (ok && !find_file(m, "model_index.json"))
        ok = err_set(err, ERR_INPUT, "%s is not a complete model (it has no model_index.json): "
                                     "download its files by address and combine them with limn "
                                     "models add", name);
    if (ok) {
        url = hub_url(m, "model_index.json");
        index = fetch_json(m, url, token, timeout, cancel, err);
        free(url);
    }
    ok = ok && index && mark_files(m, index, err);
    jv_free(index);
    jv_free(json);
    return ok;
}

void
hub_model_finish(struct hub_model *m)
{
    for (int i = 0; i < m->count; i++)
        free(m->files[i].path);
    free(m->files);
    free(m->name);
    free(m->commit);
    free(m->licence);
    *m = (struct hub_model){0};
}
