// SPDX-License-Identifier: MIT
// Alone in its file: GLib's headers bring macros of their own.
#include <glib.h>
#include <stdio.h>

#include "app/job/job.h"

void
job_hash(const void *data, size_t size, char out[JOB_HASH_TEXT])
{
    char *text = g_compute_checksum_for_data(G_CHECKSUM_SHA256, data, size);
    snprintf(out, JOB_HASH_TEXT, "%s", text);
    g_free(text);
}
