// SPDX-License-Identifier: MIT
// limn models get: downloads a model, or a file of one, from a hub.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/cli/commands.h"
#include "app/hub/get.h"
#include "app/hub/http.h"
#include "engine/base/clock.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/base/xdg.h"

struct options {
    const char *as, *sha256;
    int timeout;
};

// --- What is said on the way

struct meter {
    bool terminal;
    double start, shown;
    int64_t first;  // bytes that were there already; -1: not known yet
    int64_t tenth;
};

// "7.75 GB", "864 kB".
static const char *
format_bytes(int64_t bytes, char out[24])
{
    double n = (double)bytes;
    snprintf(out, 24, n >= 1e9 ? "%.2f GB" : n >= 1e6 ? "%.1f MB" : "%.0f kB",
             n / (n >= 1e9 ? 1e9 : n >= 1e6 ? 1e6 : 1e3));
    return out;
}

// "40 s", "9 min", "2 h 5 min".
static const char *
format_duration(double seconds, char out[24])
{
    int minutes = (int)(seconds / 60 + 0.5);
    if (seconds < 90)
        snprintf(out, 24, "%.0f s", seconds);
    else if (minutes < 90)
        snprintf(out, 24, "%d min", minutes);
    else
        snprintf(out, 24, "%d h %d min", minutes / 60, minutes % 60);
    return out;
}

// One line that changes on a terminal, a line every tenth elsewhere.
static void
show(void *ctx, int64_t done, int64_t total, const char *why)
{
    struct meter *m = ctx;
    double now = clock_seconds();
    if (m->first < 0)
        m->first = done;
    if (why) {
        fprintf(stderr, "%slimn: %s: trying again%s\n", m->terminal ? "\r\033[K" : "", why,
                m->terminal ? "" : " where it stopped");
        return;
    }
    int64_t tenth = total > 0 ? 10 * done / total : done >> 27;
    if (m->terminal ? now - m->shown < 0.2 && done != total : tenth == m->tenth)
        return;
    m->shown = now;
    m->tenth = tenth;
    double rate = (double)(done - m->first) / (now - m->start + 1e-9);
    char all[24], here[24], left[24], rate_text[24];
    bool known = total > 0 && rate > 0;
    fprintf(stderr, "%s%s%s%s, %s/s%s%s%s", m->terminal ? "\r" : "", format_bytes(done, here),
            total > 0 ? " of " : "", total > 0 ? format_bytes(total, all) : "",
            format_bytes((int64_t)rate, rate_text), known ? ", " : "",
            known ? format_duration((double)(total - done) / rate, left) : "",
            known ? m->terminal ? " to go\033[K" : " to go\n" : m->terminal ? "\033[K" : "\n");
}

static void
end_line(const struct meter *m)
{
    if (m->terminal && m->shown > 0)
        fputc('\n', stderr);
}

static struct meter
meter(void)
{
    return (struct meter){.terminal = command_terminal(STDERR_FILENO), .start = clock_seconds(),
                          .first = -1};
}

// --- Models

static int
list_known(void)
{
    for (const struct hub_known *k = hub_known; k->name; k++)
        printf("%-20s %s\n%20s %s; %s; %.1f GB to fetch; %.1f GB of a graphics card in bf16\n",
               k->name, k->model, "", k->says, k->licence, k->gigabytes, k->memory);
    puts("any other model that limn can draw with: ORG/NAME");
    return 0;
}

static void
print_summary(const struct hub_model *m, const char *folder, int64_t missing, int64_t room)
{
    int files = 0;
    for (int i = 0; i < m->count; i++)
        files += m->files[i].needed;
    command_say(stdout, "%s, licence: %s%s", m->name, m->licence ? m->licence : "none is named",
                m->gated ? " (gated)" : "");
    char all[24], remaining[24], there[24];
    command_say(stdout, "%d files of %s, of which %s are to come, to %s (room for %s)", files,
                format_bytes(m->bytes, all), format_bytes(missing, remaining), folder,
                format_bytes(room, there));
    fflush(stdout);
}

// The folder's own name: what --as says, or what is behind the /.
static char *
folder_of(const struct options *o, const char *name, struct err *err)
{
    const char *as = o->as ? o->as : strrchr(name, '/') + 1;
    if (strchr(as, '/') || as[0] == '.' || !*as) {
        err_set(err, ERR_INPUT, "'%s' is not a name for a model", as);
        return NULL;
    }
    char *models = xdg_make(XDG_DATA, "models", err);
    char *folder = models ? file_join(models, as) : NULL;
    free(models);
    return folder;
}

static bool
fetch_model(const struct options *o, const char *name, const char *token, struct err *err)
{
    struct hub_model m = {0};
    int64_t missing = 0, room = 0;
    struct meter line = meter();
    char *folder = folder_of(o, name, err);
    bool ok = folder && hub_fetch_info(&m, name, token, o->timeout, &command_interrupted, err);
    if (ok) {
        missing = get_missing(folder, &m);
        ok = get_check_space(folder, missing, &room, err);
    }
    if (ok)
        print_summary(&m, folder, missing, room);
    struct get g = {.folder = folder, .token = token, .timeout = o->timeout,
                    .cancel = &command_interrupted, .progress = show, .ctx = &line};
    ok = ok && get_model(&g, &m, err);
    end_line(&line);
    if (ok)
        command_say(stdout, "it is already there: --model %s", strrchr(folder, '/') + 1);
    hub_model_finish(&m);
    free(folder);
    return ok;
}

// --- One file

// The token is for the hub, not for any address that somebody types.
static bool
is_of_hub(const char *url)
{
    char *endpoint = hub_endpoint(), *host = http_host(url);
    bool is = host && strcmp(host, endpoint) == 0;
    free(host);
    free(endpoint);
    return is;
}

static bool
fetch_file(const struct options *o, const char *url, const char *token, struct err *err)
{
    struct meter line = meter();
    char *folder = xdg_make(XDG_DATA, "files", err), *path = NULL;
    struct get g = {.folder = folder, .token = is_of_hub(url) ? token : NULL,
                    .timeout = o->timeout, .cancel = &command_interrupted, .progress = show,
                    .ctx = &line};
    bool ok = folder && get_file(&g, url, o->sha256, &path, err);
    end_line(&line);
    if (ok)
        command_say(stdout, "%s", path);
    free(path);
    free(folder);
    return ok;
}

static int
run_get(const struct command_line *line)
{
    const struct options *o = line->values;
    struct err err = {0};
    if (!line->word_count)
        return list_known();
    const char *given = line->words[0];
    char *name = hub_name(given), *token = hub_token();
    bool ok = true;
    if (o->sha256 && (strlen(o->sha256) != 64 || strspn(o->sha256, "0123456789abcdef") != 64))
        ok = err_set(&err, ERR_INPUT, "--sha256 takes 64 hexadecimal digits in lower case");
    else if (name)
        ok = fetch_model(o, name, token, &err);
    else if (strstr(given, "://"))
        ok = fetch_file(o, given, token, &err);
    else
        ok = err_set(&err, ERR_INPUT,
                     "'%.100s' is neither a model that limn knows (see limn models get) nor "
                     "ORG/NAME nor an https address",
                     given);
    free(token);
    free(name);
    return ok ? 0 : command_failed(&err);
}

static const struct option get_options[] = {
    {OPTION_TEXT("as", "NAME", struct options, as, "what the model's folder is called here")},
    {OPTION_TEXT("sha256", "HEX", struct options, sha256,
                 "the checksum that a single file must have")},
    {OPTION_WHOLE("timeout", "SECONDS", 1, 3600, struct options, timeout,
                  "give up after this long without data"),
     .fallback = "60"},
    {0},
};

static const struct argument get_words[] = {
    {"MODEL", "a name from limn's own list, ORG/NAME, or an https address", COMPLETE_NOTHING, true},
    {0},
};

const struct command command_models_get = {
    .name = "get",
    .summary = "fetch a model",
    .about = "Fetch a model from a hub (Hugging Face's, or the one of $HF_ENDPOINT) into "
             "$XDG_DATA_HOME/limn/models: only the files that limn reads, checked by size and "
             "checksum. An interrupted download continues where it stopped. For a gated model, "
             "accept its terms at the hub and put a token into $HF_TOKEN, or log in with the "
             "hub's own program. A single file, given by its https address, goes to "
             "$XDG_DATA_HOME/limn/files. Without MODEL, list the models that limn knows by name.",
    .options = get_options,
    .arguments = get_words,
    .size = sizeof(struct options),
    .run = run_get,
    .computes = true,
    .away = "that machine fetches the model and keeps it",
};
