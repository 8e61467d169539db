// SPDX-License-Identifier: MIT
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/err.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);

static char folder[] = "/dev/shm/limn-fuzz-XXXXXX", fallback[] = "/tmp/limn-fuzz-XXXXXX";
static volatile uint64_t sink;

__attribute__((weak)) void
fuzz_begin(void)
{
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    return remove(path);
}

static char *home;

static void
remove_home(void)
{
    if (chdir("/") == 0)
        nftw(home, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

// Paths given to libFuzzer are relative to where it was started: the folder is entered with the
// first input, when they have been read.
static void
enter_home(void)
{
    static const char *const places[] = {"HOME",           "XDG_DATA_HOME",
                                         "XDG_STATE_HOME", "XDG_CONFIG_HOME",
                                         "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"};
    home = mkdtemp(folder);
    if (!home)
        home = mkdtemp(fallback);
    if (!home) {
        perror("no folder for files");
        exit(1);
    }
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        setenv(places[i], home, 1);
    atexit(remove_home);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    enter_home();
    signal(SIGPIPE, SIG_IGN);
    fuzz_begin();
    return 0;
}

static void
write_whole(int fd, const void *data, size_t size)
{
    const char *p = data;
    while (size) {
        ssize_t n = write(fd, p, size);
        if (n <= 0)
            abort();
        p += n;
        size -= (size_t)n;
    }
}

const char *
fuzz_path(const char *name)
{
    static char path[4][256];
    static int next;
    char *p = path[next++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", home, name);
    return p;
}

const char *
fuzz_file(const char *name, const void *data, size_t size)
{
    const char *path = fuzz_path(name);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0)
        abort();
    write_whole(fd, data, size);
    close(fd);
    return path;
}

int
fuzz_pipe(const void *data, size_t size)
{
    // A file in memory takes any number of bytes without a thread to write them.
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0)
        abort();
    write_whole(fd, data, size);
    lseek(fd, 0, SEEK_SET);
    return fd;
}

void
fuzz_use(const void *data, size_t size)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < size; i++)
        sink += p[i];
}

void
fuzz_use_text(const char *text)
{
    if (text)
        fuzz_use(text, strlen(text));
}

void
fuzz_said(const void *made, const struct err *err)
{
    if (!made && err->code == ERR_NONE) {
        fprintf(stderr, "a reader failed without a sentence\n");
        abort();
    }
    if (strpbrk(err->text, "\n")) {
        fprintf(stderr, "more than one line: %s\n", err->text);
        abort();
    }
}
