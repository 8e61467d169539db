// SPDX-License-Identifier: MIT
#include "app/base/digest.h"
#include "app/job/job.h"

void
job_hash(const void *data, size_t size, char out[JOB_HASH_TEXT])
{
    struct digest *d = digest_begin(DIGEST_SHA256);
    digest_add(d, data, size);
    digest_end(d, out);
}
