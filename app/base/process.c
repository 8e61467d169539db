// SPDX-License-Identifier: MIT
#include "app/base/process.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/mem.h"

// "": there is none. False: that cannot be known.
static bool
first_word(const char *file, char out[65])
{
    FILE *f = fopen(file, "re");
    out[0] = 0;
    if (!f)
        return errno == ENOENT || errno == EACCES;
    bool known = fscanf(f, "%64s", out) == 1 || !ferror(f);
    fclose(f);
    return known;
}

// Of this machine, and of its boot. Names of hosts change as laptops travel.
static bool
machine_and_boot(char host[65], char boot[65])
{
    if (!first_word("/etc/machine-id", host) ||
        !first_word("/proc/sys/kernel/random/boot_id", boot))
        return false;
    if (!*host) {
        snprintf(host, 65, "localhost");
        gethostname(host, 64);
        host[64] = 0;
        for (char *c = host; *c; c++)
            if (*c == ' ')
                *c = '-';
    }
    if (!*boot)
        snprintf(boot, 65, "-");
    return true;
}

// When it began, in ticks since the boot; 0: there is no such process, or only its remains. False:
// that cannot be known, for want of a descriptor, say.
static bool
start_time(pid_t pid, unsigned long long *out)
{
    char path[40], text[1024], state = 'Z';
    unsigned long long start = 0;
    *out = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return errno == ENOENT || errno == ESRCH;
    size_t n = fread(text, 1, sizeof text - 1, f);
    bool known = n > 0 || !ferror(f) || errno == ESRCH;
    text[n] = 0;
    fclose(f);
    // The name, in brackets, may hold anything.
    const char *rest = strrchr(text, ')');
    if (!rest || sscanf(rest + 1,
                        " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                        "%*s %llu",
                        &state, &start) != 2)
        return known;
    *out = state == 'Z' || state == 'X' ? 0 : start;
    return true;
}

bool
process_name(pid_t pid, char out[PROCESS_NAME_MAX])
{
    char host[65], boot[65];
    unsigned long long start;
    out[0] = 0;
    if (!start_time(pid, &start) || !machine_and_boot(host, boot))
        return false;
    if (start)
        snprintf(out, PROCESS_NAME_MAX, "%s %s %d %llu", host, boot, (int)pid, start);
    return true;
}

enum process_state
process_state(const char *name, pid_t *pid)
{
    char host[65], boot[65], name_host[65], name_boot[65];
    int number = 0;
    unsigned long long start = 0, pid_start = 0;
    if (sscanf(name, "%64s %64s %d %llu", name_host, name_boot, &number, &start) != 4 || number < 1)
        return PROCESS_GONE;
    // What cannot be known for the moment is not taken from anyone.
    if (!machine_and_boot(host, boot) || strcmp(host, name_host) != 0)
        return PROCESS_ELSEWHERE;
    if (strcmp(boot, name_boot) != 0)
        return PROCESS_GONE;
    bool known = start_time(number, &pid_start);
    if (known ? pid_start != start : kill(number, 0) != 0 && errno == ESRCH)
        return PROCESS_GONE;
    if (pid)
        *pid = number;
    return PROCESS_ALIVE;
}

// Libraries that get no memory end their process by these.
static bool
may_be_out_of_memory(int number)
{
    return number == SIGABRT || number == SIGSEGV || number == SIGBUS;
}

void
process_end_text(int number, bool here, char out[PROCESS_END_TEXT])
{
    char why[MEM_LIMITED_TEXT] = "";
    if (number == SIGKILL)
        snprintf(why, sizeof why, ", as the system does when memory runs out");
    else if (number == SIGTRAP)
        snprintf(why, sizeof why, ", as GLib does when it gets no memory");
    else if (here && may_be_out_of_memory(number))
        mem_limited(why);
    snprintf(out, PROCESS_END_TEXT, "signal %d (%s)%s", number, strsignal(number), why);
}
