// SPDX-License-Identifier: MIT
// What a terminal answers to limn's questions, mixed with what a person types meanwhile; and keys.
#include <stdlib.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "app/ui/keys.h"
#include "engine/base/mem.h"
#include "renderer/term_query.h"
#include "tests/fuzz/fuzz.h"

// The linker gives limn these instead of the system's: the socket below passes for a terminal.
int __wrap_tcgetattr(int fd, struct termios *mode);
int __wrap_tcsetattr(int fd, int when, const struct termios *mode);
pid_t __wrap_tcgetpgrp(int fd);

int
__wrap_tcgetattr(int fd, struct termios *mode)
{
    (void)fd;
    *mode = (struct termios){0};
    return 0;
}

int
__wrap_tcsetattr(int fd, int when, const struct termios *mode)
{
    (void)fd, (void)when, (void)mode;
    return 0;
}

pid_t
__wrap_tcgetpgrp(int fd)
{
    (void)fd;
    return getpgrp();
}

// The first byte says which terminal: others are asked other questions.
static void
answer(const uint8_t *data, size_t size)
{
    static const char *const terms[] = {"xterm-256color", "tmux-256color", "linux"};
    struct term_info info;
    int ends[2];
    setenv("TERM", terms[size ? *data % 3 : 0], 1);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0 || write(ends[0], data, size) < 0)
        abort();
    shutdown(ends[0], SHUT_WR);
    term_query(ends[1], TERM_QUERY_MS, &info);
    if (info.query_time == 0) // nothing was tried
        abort();
    if (info.typed_count > sizeof info.typed || info.cell_width < 1 || info.cell_height < 1 ||
        info.colours < 2)
        abort();
    close(ends[0]);
    close(ends[1]);
}

static void
press(const uint8_t *key)
{
    enum view_id view = (enum view_id)(key[0] % VIEW_COUNT);
    wint_t code = (wint_t)(key[1] | (key[2] & 0x7F) << 8);
    enum request r = key_request(view, code, key[2] & 0x80, key[0] & 0x80);
    if (r)
        fuzz_use_text(request_keys(view, r));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct term_info info = {0};
    char *text = mem_strndup((const char *)data, size);
    answer(data, MIN(size, 4096));
    term_answer(text, &info);
    free(text);
    for (size_t i = 0; i + 3 <= size; i += 3)
        press(data + i);
    return 0;
}
