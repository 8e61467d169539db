// SPDX-License-Identifier: MIT
// Takes the terminal over at the start and restores it at the end, however limn ends.
#define NCURSES_WIDECHAR 1
#include "app/ui/screen.h"

#include <curses.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "engine/base/base64.h"
#include "app/cli/commands.h"
#include "app/ui/difference.h"
#include "app/ui/ui_parts.h"
#include "engine/base/mem.h"

static FILE *terminal; // stdout; /dev/null for an unseen screen
static struct termios first_mode;
static bool mode_known;
static volatile sig_atomic_t stop_asked, hung_up;

// Restores the terminal's state. Called in signal handlers, so only async-signal-safe functions.
static void
restore_terminal(void)
{
    static const char restore[] =
        "\033[?2026l\033[?1000l\033[?1002l\033[?1004l\033[?1006l\033[?2004l\033[?1049l"
        "\033[0m\033[?25h\033[?1l\033>\r\n";
    if (terminal == stdout && write(STDOUT_FILENO, restore, sizeof restore - 1) < 0) {
        // The terminal is gone.
    }
    if (mode_known)
        tcsetattr(STDIN_FILENO, TCSANOW, &first_mode);
}

static void
on_crash(int number)
{
    restore_terminal();
    signal(number, SIG_DFL);
    raise(number);
}

static void
end_without_memory(void)
{
    restore_terminal();
    command_end_without_memory();
}

static void
on_stop(int number)
{
    (void)number;
    stop_asked = 1;
}

static void
on_hangup(int number)
{
    (void)number;
    hung_up = 1;
}

static void
watch_signals(void)
{
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    mem_end_with(end_without_memory);
    for (size_t i = 0; i < COUNT_OF(crashes); i++) {
        struct sigaction a = {.sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND};
        sigaction(crashes[i], &a, NULL);
    }
    struct sigaction stop = {.sa_handler = on_stop}, gone = {.sa_handler = on_hangup};
    sigaction(SIGTSTP, &stop, NULL); // curses' own handler knows nothing of pictures
    sigaction(SIGHUP, &gone, NULL);
}

void
screen_canvas(struct ui *ui, const char *preview)
{
    struct canvas_params p = {.fd = fileno(terminal),
                              .term = &ui->screen.term,
                              .mono = ui->screen.mono,
                              .ascii = !draw_unicode(),
                              .background = theme_background(&ui->screen.theme),
                              .answers = ui->screen.term.answered};
    for (int i = 0; preview && i < CANVAS_KIND_COUNT; i++)
        if (strcmp(preview, canvas_kind_name((enum canvas_kind)i)) == 0)
            p.kind = (enum canvas_kind)i;
    struct err err = {0};
    ui->screen.canvas = canvas_create(&p, &err);
    if (!ui->screen.canvas) {
        ui_say(ui, ROLE_WARNING, "%s", err.text);
        p.kind = CANVAS_NONE;
        ui->screen.canvas = canvas_create(&p, NULL);
    }
}

// tmux drops pictures while another of its windows is shown. With `focus-events on` it reports when
// ours is shown again.
void
screen_watch_focus(const struct ui *ui, bool on)
{
    if (!ui->screen.term.multiplexer || !ui->screen.term.sixel)
        return;
    if (on) {
        define_key("\033[I", FOCUS_KEY);
        define_key("\033[O", BLUR_KEY);
    }
    fputs(on ? "\033[?1004h" : "\033[?1004l", terminal);
    fflush(terminal);
}

static bool tracking, dragging;

void
screen_set_mouse_drags(bool drags)
{
    dragging = drags;
}

bool
screen_mouse_drags(void)
{
    return dragging;
}

// Lets curses ask the terminal for clicks and the wheel.
static void
watch_clicks(bool moves)
{
    mmask_t clicks = BUTTON1_CLICKED | BUTTON1_DOUBLE_CLICKED | BUTTON1_PRESSED | BUTTON4_PRESSED |
                     BUTTON5_PRESSED;
    mousemask(0, NULL);
    mousemask(clicks | (moves ? REPORT_MOUSE_POSITION : 0), NULL);
}

void
screen_track_mouse(bool on)
{
    if (tracking == on)
        return;
    tracking = on;
    if (!on)
        fputs("\033[?1002l", terminal);
    watch_clicks(on);
    if (on)
        fputs("\033[?1002h", terminal);
    fflush(terminal);
}

// Bracketed paste: pasted text arrives between two sequences.
static void
watch_pastes(bool on)
{
    if (on) {
        define_key("\033[200~", PASTE_KEY);
        define_key("\033[201~", PASTED_KEY);
    }
    fputs(on ? "\033[?2004h" : "\033[?2004l", terminal);
    fflush(terminal);
}

// Setup of any screen after newterm().
static void
set_up_screen(struct ui *ui, const char *preview)
{
    watch_signals();
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    set_escdelay(40);
    define_key(CANVAS_ANSWER, ANSWER_KEY);
    watch_clicks(false);
    mouseinterval(0);
    if (has_colors()) {
        start_color();
        use_default_colors();
    }
    theme_apply(&ui->screen.theme, ui->screen.mono);
    difference_begin();
    for (size_t i = ui->screen.term.typed_count; i > 0; i--)
        ungetch((unsigned char)ui->screen.term.typed[i - 1]);
    screen_watch_focus(ui, true);
    watch_pastes(true);
    screen_canvas(ui, preview);
}

// curses reports an unreadable terminfo entry like an unknown name. Opening a file here finds out
// whether descriptors are lacking.
static bool
unknown_terminal(const char *term, struct err *err)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, ERR_IO, "the description of the terminal '%s' cannot be read", term);
    close(fd);
    return err_set(err, ERR_INPUT, "the terminal '%s' is unknown: set TERM to a known one", term);
}

// Tries twice, as screen_terminal_known() does.
static bool
create_screen(const char *term, FILE *out, FILE *in, struct err *err)
{
    for (int i = 0; i < 2; i++) {
        errno = 0;
        if (newterm(term, out, in))
            return true;
        if (errno == ENOMEM)
            return err_set(err, ERR_MEMORY, "not enough memory for the screen");
    }
    return unknown_terminal(term, err);
}

// A script's screen without a terminal: curses writes to /dev/null, and gets no keys.
static bool
start_headless(struct ui *ui, struct err *err)
{
    int columns, rows;
    char text[16];
    script_size(ui->script, &columns, &rows);
    snprintf(text, sizeof text, "%d", columns);
    setenv("COLUMNS", text, 1);
    snprintf(text, sizeof text, "%d", rows);
    setenv("LINES", text, 1);
    ui->screen.term.cell_width = 10; // as in most fonts
    ui->screen.term.cell_height = 20;
    terminal = fopen("/dev/null", "r+e");
    if (!terminal)
        return err_errno(err, ERR_IO, "/dev/null");
    if (!create_screen("xterm-256color", terminal, terminal, err))
        return false;
    ui->screen.term.columns = COLS;
    ui->screen.term.rows = LINES;
    set_up_screen(ui, "none");
    return true;
}

bool
screen_match_background(struct ui *ui)
{
    bool other = ui->screen.theme_automatic && ui->screen.term.light;
    if (other)
        theme_find(&ui->screen.theme, "light", NULL);
    ui->screen.theme_automatic = ui->screen.theme_automatic && !other;
    return other;
}

bool
screen_start(struct ui *ui, const char *preview, struct err *err)
{
    if (script_is_headless(ui->script))
        return start_headless(ui, err);
    terminal = stdout;
    const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return err_set(err, ERR_INPUT, "the UI needs a terminal; from scripts use limn generate");
    if (!term || !*term || strcmp(term, "dumb") == 0)
        return err_set(err, ERR_INPUT,
                       "the terminal '%s' cannot place the cursor: use limn generate, or set TERM "
                       "to what it is",
                       term ? term : "");
    if (!screen_terminal_known(term))
        return unknown_terminal(term, err);
    mode_known = tcgetattr(STDIN_FILENO, &first_mode) == 0;
    int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    term_query(fd >= 0 ? fd : STDIN_FILENO, TERM_QUERY_MS, &ui->screen.term);
    if (fd >= 0)
        close(fd);
    screen_match_background(ui);
    ui->screen.mono = no_colour && *no_colour;
    unsetenv("COLUMNS"); // else curses would not follow the terminal's size
    unsetenv("LINES");
    if (!create_screen(term, stdout, stdin, err))
        return false;
    set_up_screen(ui, preview);
    return true;
}

void
screen_stop(struct ui *ui)
{
    int questions = canvas_queries(ui->screen.canvas);
    canvas_destroy(ui->screen.canvas);
    ui->screen.canvas = NULL;
    screen_watch_focus(ui, false);
    watch_pastes(false);
    endwin();
    if (!hung_up && terminal == stdout)
        term_drain(STDIN_FILENO, &ui->screen.term, questions);
}

void
screen_copy(const char *text)
{
    char *coded = base64_encode(text, strlen(text), NULL);
    if (coded)
        fprintf(terminal, "\033]52;c;%s\033\\", coded);
    fflush(terminal);
    free(coded);
}

void
screen_ring(void)
{
    fputc('\a', terminal);
    fflush(terminal);
}

void
screen_update(bool scroll, bool cursor)
{
    difference_send(terminal, scroll, cursor);
    fflush(terminal);
}

void
screen_resized(struct ui *ui)
{
    struct winsize size = {0};
    ioctl(fileno(terminal), TIOCGWINSZ, &size);
    canvas_invalidate(ui->screen.canvas, COLS, LINES, size.ws_xpixel, size.ws_ypixel);
    ui->screen.term.columns = COLS;
    ui->screen.term.rows = LINES;
    clearok(stdscr, TRUE);
    ui->dirty = true;
}

void
ui_suspend(struct ui *ui, void (*run)(void *ctx), void *ctx)
{
    canvas_hide(ui->screen.canvas, true);
    canvas_flush(ui->screen.canvas, 100, NULL);
    def_prog_mode();
    screen_watch_focus(ui, false);
    watch_pastes(false);
    endwin();
    run(ctx);
    reset_prog_mode();
    screen_watch_focus(ui, true);
    watch_pastes(true);
    canvas_hide(ui->screen.canvas, false);
    screen_resized(ui);
}

// ^Z: stops until the shell continues the process.
static void
stop_process(void *ctx)
{
    (void)ctx;
    signal(SIGTSTP, SIG_DFL);
    raise(SIGTSTP);
    watch_signals();
}

bool
screen_gone(void)
{
    return hung_up;
}

void
screen_suspend_if_requested(struct ui *ui)
{
    if (!stop_asked)
        return;
    stop_asked = 0;
    ui_suspend(ui, stop_process, NULL);
}
