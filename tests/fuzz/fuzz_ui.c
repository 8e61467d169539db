// SPDX-License-Identifier: MIT
// The UI from its start to its end, with a worker that has said hello: keys, the mouse, pasted
// text, windows of any size. A byte is a key; 255 begins something else (special()). No process is
// started, no picture decoded; what is drawn goes nowhere.
#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/cli/commands.h"
#include "app/ui/screen.h"
#include "engine/base/mem.h"
#include "loaders/look.h"
#include "renderer/term_query.h"
#include "tests/fuzz/frames.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/host.h"

enum { SPECIAL = 255, KEYS_MOST = 2000, ROWS_MOST = 60, COLUMNS_MOST = 200 };

// The linker gives limn these instead.
int __wrap_wgetch(WINDOW *w);
int __wrap_getmouse(MEVENT *m);
bool __wrap_screen_gone(void);
SCREEN *__wrap_newterm(const char *term, FILE *out, FILE *in);
SCREEN *__real_newterm(const char *term, FILE *out, FILE *in);
int __wrap_isatty(int fd);
bool __wrap_term_query(int fd, int ms, struct term_info *info);
void __wrap_term_drain(int fd, struct term_info *info, int more);
int __wrap_system(const char *command);
struct image *__wrap_look_decode_file(const char *path, const struct look_options *options,
                                      struct err *err);
bool __wrap_look_check(const char *path, const atomic_int *stop, struct err *err);

static const uint8_t *keys;
static size_t left;
static int pressed;
static MEVENT mouse;

static int
take(void)
{
    if (!left)
        return 0;
    left--;
    return *keys++;
}

// What is no character: the screen's turn, a key of curses', the mouse, another window, a pasted
// text.
static int
special(void)
{
    int kind = take() % 7, x, y;
    switch (kind) {
    case 0: return ERR;
    case 1: return KEY_MIN + (take() << 8 | take()) % (KEY_MAX - KEY_MIN);
    case 2:
        mouse = (MEVENT){.y = take(), .x = take()};
        mouse.bstate = (mmask_t)(1u << take() % 28);
        return KEY_MOUSE;
    case 3:
        y = 1 + take() % ROWS_MOST;
        x = 1 + take() % COLUMNS_MOST;
        resizeterm(y, x);
        return KEY_RESIZE;
    case 4: return PASTE_KEY;
    case 5: return PASTED_KEY;
    default: return ANSWER_KEY + take() % 3;
    }
}

int
__wrap_wgetch(WINDOW *w)
{
    (void)w;
    if (!left || ++pressed > KEYS_MOST)
        return ERR;
    int key = take();
    return key == SPECIAL ? special() : key;
}

int
__wrap_getmouse(MEVENT *m)
{
    *m = mouse;
    return OK;
}

// The window is closed when the input is over.
bool
__wrap_screen_gone(void)
{
    return !left || pressed > KEYS_MOST;
}

SCREEN *
__wrap_newterm(const char *term, FILE *out, FILE *in)
{
    static SCREEN *only;
    if (!only)
        only = __real_newterm(term, out, in);
    resizeterm(40, 120);
    return only;
}

int
__wrap_isatty(int fd)
{
    return fd <= STDOUT_FILENO;
}

bool
__wrap_term_query(int fd, int ms, struct term_info *info)
{
    (void)fd, (void)ms;
    *info = (struct term_info){.columns = 120, .rows = 40, .cell_width = 10, .cell_height = 20,
                               .colours = 256};
    return true;
}

void
__wrap_term_drain(int fd, struct term_info *info, int more)
{
    (void)fd, (void)info, (void)more;
}

int
__wrap_system(const char *command)
{
    fuzz_use_text(command);
    return 0;
}

struct image *
__wrap_look_decode_file(const char *path, const struct look_options *options, struct err *err)
{
    (void)path, (void)options;
    return image_create(8, 8, IMAGE_RGB8, err);
}

bool
__wrap_look_check(const char *path, const atomic_int *stop, struct err *err)
{
    (void)path, (void)stop, (void)err;
    return true;
}

void
fuzz_begin(void)
{
    // Where libFuzzer and the driver say how it goes is standard error.
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    setenv("TERM", "xterm-256color", 1);
    setenv("EDITOR", "true", 1);
    if (!setlocale(LC_CTYPE, "C.UTF-8") || dup2(nowhere, STDIN_FILENO) < 0 ||
        dup2(nowhere, STDOUT_FILENO) < 0 || chdir(fuzz_path("")) != 0)
        abort();
    fuzz_file("a.png", "", 0);
    fuzz_file("b.png", "", 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char worker[] =
        "@{\"type\":\"hello\",\"protocol\":1,\"version\":\"0\",\"host\":\"h\",\"pid\":1,\"jobs\":[]"
        ","
        "\"results\":[],\"commands\":[\"train\",\"models\",\"devices\",\"data\",\"bench\"]}\n"
        "{\"type\":\"loaders\",\"loaders\":[{\"name\":\"edge\",\"role\":\"edge "
        "map\",\"summary\":\"s\","
        "\"params\":[{\"name\":\"n\",\"help\":\"n\",\"kind\":\"int\",\"minimum\":0,\"maximum\":9,"
        "\"fallback\":1},"
        "{\"name\":\"c\",\"help\":\"c\",\"kind\":\"choice\",\"choices\":[\"x\",\"y\"],\"fallback\":"
        "0}]}]}\n"
        "{\"type\":\"described\",\"devices\":[{\"name\":\"cpu\",\"text\":\"x\",\"available\":true}]"
        ","
        "\"models\":[{\"name\":\"m\",\"folder\":\"/m\",\"size\":64,\"parameters\":1}]}";
    size_t count = 0;
    uint8_t *frames =
        frames_of("limn-worker\n", (const uint8_t *)worker + 1, sizeof worker - 2, &count);
    // As if it were the first time.
    for (size_t i = 0; i < 3; i++)
        unlink(fuzz_path(
            (const char *[]){"limn/library.db", "limn/library.db-wal", "limn/library.db-shm"}[i]));
    keys = data;
    left = size;
    pressed = 0;
    host_says(frames, count);
    const struct ui_params p = {.theme = LIMN_SOURCE "/themes/dark.theme", .preview = "none"};
    ui_run(&p);
    host_says(NULL, 0);
    free(frames);
    return 0;
}
