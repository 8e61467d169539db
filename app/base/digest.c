// SPDX-License-Identifier: MIT
// Alone in its file: GLib's headers bring macros of their own.
#include "app/base/digest.h"

#include <glib.h>
#include <stdio.h>

struct digest *
digest_begin(enum digest_kind kind)
{
    return (struct digest *)g_checksum_new(kind == DIGEST_SHA1 ? G_CHECKSUM_SHA1
                                                               : G_CHECKSUM_SHA256);
}

void
digest_add(struct digest *d, const void *data, size_t size)
{
    g_checksum_update((GChecksum *)d, data, (gssize)size);
}

void
digest_end(struct digest *d, char out[DIGEST_TEXT])
{
    if (out)
        snprintf(out, DIGEST_TEXT, "%s", g_checksum_get_string((GChecksum *)d));
    g_checksum_free((GChecksum *)d);
}
