// SPDX-License-Identifier: MIT
#include "app/hub/http.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/base/mem.h"

#ifdef LIMN_HAVE_CURL
#include <curl/curl.h>

enum { REDIRECTIONS = 8, CONNECT_SECONDS = 30, REFUSAL_BYTES = 1 << 20 };

// One address on the way of a request.
struct hop {
    const struct http_request *r;
    struct http_answer *answer;
    CURL *curl;
    struct err err; // of `take`
    int64_t begins; // where the body begins, by its Content-Range
    int64_t at;     // of the next piece; -1: none has come
    size_t ignored; // bytes of a refusal
};

char *
http_host(const char *url)
{
    static const char scheme[] = "https://";
    size_t n = sizeof scheme - 1;
    if (strncasecmp(url, scheme, n) != 0 || !url[n])
        return NULL;
    return mem_strndup(url, n + strcspn(url + n, "/?#"));
}

// The value of a header line of that name, trimmed; NULL: it is another.
static char *
header_value(const char *line, size_t n, const char *name)
{
    size_t k = strlen(name);
    if (n <= k || strncasecmp(line, name, k) != 0 || line[k] != ':')
        return NULL;
    const char *from = line + k + 1, *to = line + n;
    while (from < to && (*from == ' ' || *from == '\t'))
        from++;
    while (to > from && strchr(" \t\r\n", to[-1]))
        to--;
    return mem_strndup(from, (size_t)(to - from));
}

// A place in a file, or its size, as a server says it; -1: it cannot be.
static int64_t
valid_size(int64_t bytes)
{
    return bytes >= 0 && bytes <= (int64_t)1 << 53 ? bytes : -1;
}

static void
set_range(struct hop *h, const char *text)
{
    int64_t begins = -1, size = -1;
    sscanf(text, "bytes %" SCNd64 "-%*[0-9]/%" SCNd64, &begins, &size);
    h->begins = valid_size(begins);
    h->answer->size = valid_size(size);
}

// The hub names what it links to by its SHA-256, in quotes.
static void
set_sha256(struct http_answer *a, const char *text)
{
    const char *hex = text + (*text == '"');
    if (strspn(hex, "0123456789abcdef") == 64)
        snprintf(a->sha256, sizeof a->sha256, "%.64s", hex);
}

static size_t
on_header(char *line, size_t one, size_t n, void *ctx)
{
    struct hop *h = ctx;
    char *value;
    (void)one;
    if ((value = header_value(line, n, "content-range")))
        set_range(h, value);
    else if ((value = header_value(line, n, "x-linked-etag")))
        set_sha256(h->answer, value);
    else if ((value = header_value(line, n, "x-linked-size")))
        h->answer->size = valid_size(strtoll(value, NULL, 10));
    else if ((value = header_value(line, n, "retry-after")))
        h->answer->retry_after = atoi(value);
    free(value);
    return n;
}

static size_t
on_body(char *bytes, size_t one, size_t n, void *ctx)
{
    struct hop *h = ctx;
    long status = 0;
    curl_off_t length = -1;
    (void)one;
    curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200 && status != 206) // what a refusal says is for browsers
        return (h->ignored += n) <= REFUSAL_BYTES ? n : 0;
    curl_easy_getinfo(h->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (status == 200 && h->answer->size < 0)
        h->answer->size = length;
    if (h->at < 0)
        h->at = status == 206 ? MAX(h->begins, 0) : 0;
    bool ok = h->r->take(h->r->ctx, h->at, bytes, n, &h->err);
    h->at += (int64_t)n;
    return ok ? n : 0;
}

static int
on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct hop *h = ctx;
    (void)a, (void)b, (void)c, (void)d;
    return h->r->cancel && atomic_load(h->r->cancel);
}

static void
set_options(struct hop *h, const char *url, const char *token)
{
    CURL *c = h->curl;
    const char *authorities = getenv("SSL_CERT_FILE");
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(c, CURLOPT_USERAGENT, "limn/" LIMN_VERSION);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)MIN(CONNECT_SECONDS, h->r->timeout));
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)h->r->timeout);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, h);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, h);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, h);
    if (authorities && *authorities)
        curl_easy_setopt(c, CURLOPT_CAINFO, authorities);
    // Not CURLOPT_RESUME_FROM: it takes no whole answer of a server that knows no parts.
    char range[32];
    snprintf(range, sizeof range, "%" PRId64 "-", h->r->from);
    if (h->r->from > 0)
        curl_easy_setopt(c, CURLOPT_RANGE, range);
    if (token) {
        curl_easy_setopt(c, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
        curl_easy_setopt(c, CURLOPT_XOAUTH2_BEARER, token);
    }
}

// What curl's code means for who waits.
static bool
failed(struct hop *h, CURLcode code, const char *host, struct err *err)
{
    struct http_answer *a = h->answer;
    a->transient = code == CURLE_OPERATION_TIMEDOUT || code == CURLE_PARTIAL_FILE ||
                   code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR ||
                   code == CURLE_GOT_NOTHING || code == CURLE_COULDNT_CONNECT ||
                   code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_HTTP2 ||
                   code == CURLE_HTTP2_STREAM;
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return err_set(err, ERR_CANCELLED, "stopped");
    if (h->err.code != ERR_NONE)
        return err_set(err, h->err.code, "%s", h->err.text);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return err_set(err, ERR_IO, "%s: no data came for %d s", host, h->r->timeout);
    if (code == CURLE_PARTIAL_FILE)
        return err_set(err, ERR_IO, "%s closed the connection before the end of its answer", host);
    return err_set(err, ERR_IO, "%s: %s", host, curl_easy_strerror(code));
}

static bool
refused(struct http_answer *a, const char *host, struct err *err)
{
    a->transient = a->status == 408 || a->status == 425 || a->status == 429 || a->status >= 500;
    return err_set(err, ERR_IO, "%s answers %d%s", host, a->status,
                   a->status == 401 || a->status == 403 ? " (not allowed)"
                   : a->status == 404                   ? " (not found)"
                   : a->status == 416                   ? " (no such range)"
                   : a->status == 429                   ? " (too many requests)"
                   : a->status >= 500                   ? " (server error)"
                                                        : "");
}

// One address. *next: where it leads to instead; owned by the caller.
static bool
request_hop(const struct http_request *r, const char *url, const char *token,
            struct http_answer *answer, char **next, struct err *err)
{
    char *host = http_host(url);
    struct hop h = {.r = r, .answer = answer, .curl = curl_easy_init(), .at = -1};
    if (!host || !h.curl) {
        free(host);
        curl_easy_cleanup(h.curl);
        return err_set(err, ERR_INPUT, "%.200s is not an https address", url);
    }
    set_options(&h, url, token);
    CURLcode code = curl_easy_perform(h.curl);
    long status = 0;
    char *leads = NULL;
    curl_easy_getinfo(h.curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(h.curl, CURLINFO_REDIRECT_URL, &leads);
    answer->status = (int)status;
    bool moved = status >= 300 && status < 400 && leads;
    bool ok = moved || (code == CURLE_OK && (status == 200 || status == 206));
    *next = moved ? mem_strdup(leads) : NULL;
    if (!ok && status >= 400)
        refused(answer, host, err);
    else if (!ok)
        failed(&h, code, host, err);
    curl_easy_cleanup(h.curl);
    free(host);
    return ok;
}

static bool
same_host(const char *a, const char *b)
{
    char *first = http_host(a), *second = http_host(b);
    bool same = first && second && strcasecmp(first, second) == 0;
    free(first);
    free(second);
    return same;
}

bool
http_get(const struct http_request *r, struct http_answer *answer, struct err *err)
{
    char *url = mem_strdup(r->url);
    *answer = (struct http_answer){.size = -1};
    bool ok = true;
    for (int i = 0; ok && url; i++) {
        char *next = NULL;
        ok = i <= REDIRECTIONS || err_set(err, ERR_IO, "%.200s redirects too often", r->url);
        ok =
            ok && request_hop(r, url, same_host(url, r->url) ? r->token : NULL, answer, &next, err);
        free(url);
        url = next;
    }
    free(url);
    return ok;
}
#else
char *
http_host(const char *url)
{
    (void)url;
    return NULL;
}

bool
http_get(const struct http_request *r, struct http_answer *answer, struct err *err)
{
    *answer = (struct http_answer){.size = -1};
    return err_set(err, ERR_UNSUPPORTED, "%.200s cannot be fetched: this limn was built without "
                   "libcurl", r->url);
}
#endif

struct text {
    char *at;
    size_t size, limit;
};

static bool
append_text(void *ctx, int64_t from, const void *bytes, size_t size, struct err *err)
{
    struct text *t = ctx;
    (void)from;
    if (size > t->limit - t->size)
        return err_set(err, ERR_IO, "the answer is longer than %zu bytes", t->limit);
    t->at = mem_realloc(t->at, t->size + size + 1);
    memcpy(t->at + t->size, bytes, size);
    t->size += size;
    t->at[t->size] = 0;
    return true;
}

char *
http_text(const struct http_request *r, size_t limit, size_t *size, struct http_answer *answer,
          struct err *err)
{
    struct text t = {.at = mem_zalloc(1), .limit = limit};
    struct http_request own = *r;
    own.take = append_text;
    own.ctx = &t;
    own.from = 0;
    bool ok = http_get(&own, answer, err);
    *size = t.size;
    if (ok)
        return t.at;
    free(t.at);
    return NULL;
}
