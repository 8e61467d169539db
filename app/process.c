// SPDX-License-Identifier: MIT
#include "app/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Of this machine, and of its boot.
static void
machine(char host[65], char boot[40])
{
    snprintf(host, 65, "localhost");
    gethostname(host, 64);
    host[64] = 0;
    for (char *c = host; *c; c++)
        if (*c == ' ')
            *c = '-';
    snprintf(boot, 40, "-");
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (f && fscanf(f, "%36s", boot) != 1)
        snprintf(boot, 40, "-");
    if (f)
        fclose(f);
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
    char host[65], boot[40];
    unsigned long long start = start_of(pid);
    machine(host, boot);
    out[0] = 0;
    if (start)
        snprintf(out, PROCESS_NAME_MAX, "%s %s %d %llu", host, boot, (int)pid, start);
}

enum process_state
process_state(const char *name, pid_t *pid)
{
    char host[65], boot[40], its_host[65], its_boot[40];
    int number = 0;
    unsigned long long start = 0;
    if (sscanf(name, "%64s %39s %d %llu", its_host, its_boot, &number, &start) != 4 || number < 1)
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
