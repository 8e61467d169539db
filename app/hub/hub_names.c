// SPDX-License-Identifier: MIT
// What models are called: by limn, and by the hub.
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "app/hub/hub.h"
#include "engine/base/mem.h"

#define BFL "black-forest-labs/"
const struct hub_known hub_known[] = {
    {"flux2-klein-4b", BFL "FLUX.2-klein-4B", "Apache-2.0", 16.0, 9.3,
     "edits and pictures from text, up to 10 references, 4 steps"},
    {"flux2-klein-base-4b", BFL "FLUX.2-klein-base-4B", "Apache-2.0", 16.0, 9.3,
     "the same before it was distilled: 50 steps with guidance"},
    {"flux2-klein-9b", BFL "FLUX.2-klein-9B", "FLUX non-commercial, gated", 34.9, 20.0,
     "larger and better, 4 steps"},
    {"flux2-klein-base-9b", BFL "FLUX.2-klein-base-9B", "FLUX non-commercial, gated", 34.9, 20.0,
     "the same before it was distilled: 50 steps with guidance"},
    {0},
};

char *
hub_endpoint(void)
{
    const char *given = getenv("HF_ENDPOINT");
    char *out = mem_strdup(given && *given ? given : "https://huggingface.co");
    for (size_t n = strlen(out); n && out[n - 1] == '/'; n--)
        out[n - 1] = 0;
    return out;
}

bool
hub_plain(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr("-_.", text[i]))
            return false;
    return n > 0 && text[0] != '.';
}

// "ORG/NAME" at the start of a text that goes on with nothing, "/" or "/tree/…".
static char *
leading_name(const char *text)
{
    size_t org = strcspn(text, "/");
    const char *second = text[org] ? text + org + 1 : "";
    size_t name = strcspn(second, "/?#");
    const char *rest = second + name;
    bool whole = !*rest || strcmp(rest, "/") == 0 || strncmp(rest, "/tree/main", 10) == 0;
    return whole && hub_plain(text, org) && hub_plain(second, name)
               ? mem_strndup(text, org + 1 + name)
               : NULL;
}

char *
hub_name(const char *given)
{
    for (const struct hub_known *k = hub_known; k->name; k++)
        if (strcasecmp(k->name, given) == 0)
            return mem_strdup(k->model);
    char *endpoint = hub_endpoint(), *out = NULL;
    size_t n = strlen(endpoint);
    if (strncasecmp(given, endpoint, n) == 0 && given[n] == '/')
        out = leading_name(given + n + 1);
    else if (!strstr(given, "://"))
        out = leading_name(given);
    free(endpoint);
    return out;
}
