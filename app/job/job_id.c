// SPDX-License-Identifier: MIT
// Ids of jobs.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "app/job/job.h"

bool
job_is_hash(const char *text)
{
    return strlen(text) == JOB_HASH_TEXT - 1 &&
           strspn(text, "0123456789abcdef") == JOB_HASH_TEXT - 1;
}

bool
job_is_id(const char *text)
{
    size_t n = strlen(text);
    return n > 0 && n < JOB_ID_TEXT && strspn(text, "0123456789abcdefghijklmnopqrstuvwxyz-") == n;
}

void
job_name(struct job *j)
{
    uint32_t chance = 0;
    if (getrandom(&chance, sizeof chance, 0) != sizeof chance)
        chance = (uint32_t)getpid() * 2654435761u;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct tm day = {0}; // gmtime_r() fails if the clock is far off
    gmtime_r(&now.tv_sec, &day);
    char date[24];
    strftime(date, sizeof date, "%Y%m%d-%H%M%S", &day);
    snprintf(j->id, sizeof j->id, "%s-%08" PRIx32, date, chance);
}
