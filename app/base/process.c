// SPDX-License-Identifier: MIT
#include "app/base/process.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool
first_word(const char *file, char out[65])
{
    FILE *f = fopen(file, "re");
    bool ok = f && fscanf(f, "%64s", out) == 1;
    if (f)
        fclose(f);
    return ok;
}

// Of this machine, and of its boot. Names of hosts change as laptops travel.
static void
machine(char host[65], char boot[65])
{
    if (!first_word("/etc/machine-id", host)) {
        snprintf(host, 65, "localhost");
        gethostname(host, 64);
        host[64] = 0;
        for (char *c = host; *c; c++)
            if (*c == ' ')
                *c = '-';
    }
    if (!first_word("/proc/sys/kernel/random/boot_id", boot))
        snprintf(boot, 65, "-");
}

// When it began, in ticks since the boot; 0: there is no such process, or only its remains.
static unsigned long long
start_of(pid_t pid)
{
    char path[40], text[1024], state = 'Z';
    unsigned long long start = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    text[n] = 0;
    if (f)
        fclose(f);
    // The name, in brackets, may hold anything.
    const char *rest = strrchr(text, ')');
    if (!rest || sscanf(rest + 1,
                        " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                        "%*s %llu",
                        &state, &start) != 2)
        return 0;
    return state == 'Z' || state == 'X' ? 0 : start;
}

void
process_name(pid_t pid, char out[PROCESS_NAME_MAX])
{
    char host[65], boot[65];
    unsigned long long start = start_of(pid);
    machine(host, boot);
    out[0] = 0;
    if (start)
        snprintf(out, PROCESS_NAME_MAX, "%s %s %d %llu", host, boot, (int)pid, start);
}

enum process_state
process_state(const char *name, pid_t *pid)
{
    char host[65], boot[65], its_host[65], its_boot[65];
    int number = 0;
    unsigned long long start = 0;
    if (sscanf(name, "%64s %64s %d %llu", its_host, its_boot, &number, &start) != 4 || number < 1)
        return PROCESS_GONE;
    machine(host, boot);
    if (strcmp(host, its_host) != 0)
        return PROCESS_ELSEWHERE;
    if (strcmp(boot, its_boot) != 0 || start_of(number) != start)
        return PROCESS_GONE;
    if (pid)
        *pid = number;
    return PROCESS_LIVES;
}
