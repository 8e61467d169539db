// SPDX-License-Identifier: MIT
// The loop: what is waited for, what a key means, and the order in which a screen comes about.
#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "app/cli/commands.h"
#include "app/job/parameters.h"
#include "app/ui/ui.h"
#include "app/ui/view.h"
#include "engine/base/mem.h"

enum { RESTARTS_MAX = 5, ANSWER_KEY = KEY_MAX + 1, FOCUS_KEY, BLUR_KEY, PASTE_KEY,
       PASTED_KEY, FLUSH_MS = 8,
       MESSAGE_SECONDS = 4 };

const struct view *const views[VIEW_COUNT] = {
#define VIEW(id, variable, request) &variable,
#include "app/ui/views.def"
#undef VIEW
};

double
ui_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// --- messages

void
ui_log(struct ui *ui, enum role role, const char *text)
{
    if (ui->log_count == UI_LOG_MAX) {
        free(ui->log[0].text);
        memmove(ui->log, ui->log + 1, (UI_LOG_MAX - 1) * sizeof *ui->log);
        ui->log_count--;
    }
    ui->log[ui->log_count++] = (struct log_entry){role, mem_strdup(text)};
}

void
ui_say(struct ui *ui, enum role role, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(ui->message, sizeof ui->message, format, args);
    va_end(args);
    ui->message_role = role;
    ui->message_said = ui_now();
    ui->dirty = true;
    if (role == ROLE_ERROR || role == ROLE_WARNING)
        ui_log(ui, role, ui->message);
}

void
ui_prompt(struct ui *ui, const char *label, const char *text,
          void (*done)(struct ui *ui, const char *text))
{
    snprintf(ui->prompt_label, sizeof ui->prompt_label, "%s", label);
    ui->prompt.limit = 1024;
    field_set(&ui->prompt, text);
    ui->prompt_done = done;
    ui->prompting = ui->dirty = true;
}

void
ui_ask(struct ui *ui, const char *question, const char *answers,
       void (*answered)(struct ui *ui, char answer))
{
    snprintf(ui->question, sizeof ui->question, "%s", question);
    snprintf(ui->answers, sizeof ui->answers, "%s", answers);
    ui->answered = answered;
    ui->asking = ui->dirty = true;
}

// --- the terminal

static struct termios first_mode;
static bool mode_known;
static volatile sig_atomic_t stop_asked, hung_up;

// Whatever ends the process, the terminal is as it was. Only what may be called in a signal handler.
static void
on_crash(int number)
{
    static const char restore[] =
        "\033[?2026l\033[?1000l\033[?1002l\033[?1004l\033[?1006l\033[?2004l\033[?1049l"
        "\033[0m\033[?25h\033[?1l\033>\r\n";
    if (write(STDOUT_FILENO, restore, sizeof restore - 1) < 0) {
        // Nobody is there to see it.
    }
    if (mode_known)
        tcsetattr(STDIN_FILENO, TCSANOW, &first_mode);
    signal(number, SIG_DFL);
    raise(number);
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
    for (size_t i = 0; i < COUNT_OF(crashes); i++) {
        struct sigaction a = {.sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND};
        sigaction(crashes[i], &a, NULL);
    }
    struct sigaction stop = {.sa_handler = on_stop}, gone = {.sa_handler = on_hangup};
    sigaction(SIGTSTP, &stop, NULL); // instead of curses' own, which knows nothing of pictures
    sigaction(SIGHUP, &gone, NULL);
}

static void
start_canvas(struct ui *ui, const char *preview)
{
    static const struct {
        const char *name;
        enum canvas_kind kind;
    } kinds[] = {{"auto", CANVAS_AUTO}, {"kitty", CANVAS_KITTY}, {"sixel", CANVAS_SIXEL},
                 {"cells", CANVAS_CELLS}, {"none", CANVAS_NONE}};
    struct canvas_params p = {.fd = STDOUT_FILENO, .term = &ui->term, .mono = ui->mono,
                              .ascii = !ui->unicode, .background = theme_background(&ui->theme),
                              .answers = ui->term.answered};
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (preview && strcmp(preview, kinds[i].name) == 0)
            p.kind = kinds[i].kind;
    struct err err = {0};
    ui->canvas = canvas_create(&p, &err);
    if (!ui->canvas) {
        ui_say(ui, ROLE_WARNING, "%s", err.text);
        p.kind = CANVAS_NONE;
        ui->canvas = canvas_create(&p, NULL);
    }
}

// tmux forgets pictures while another of its windows is seen, and says when ours is again, where it
// was told to (focus-events on).
static void
watch_focus(const struct ui *ui, bool on)
{
    if (!ui->term.multiplexer || !ui->term.sixel)
        return;
    if (on) {
        define_key("\033[I", FOCUS_KEY);
        define_key("\033[O", BLUR_KEY);
    }
    fputs(on ? "\033[?1004h" : "\033[?1004l", stdout);
    fflush(stdout);
}

// Pasted text comes between two sequences of its own.
static void
watch_pastes(bool on)
{
    if (on) {
        define_key("\033[200~", PASTE_KEY);
        define_key("\033[201~", PASTED_KEY);
    }
    fputs(on ? "\033[?2004h" : "\033[?2004l", stdout);
    fflush(stdout);
}

static bool
start_screen(struct ui *ui, const char *preview, struct err *err)
{
    const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return err_set(err, ERR_INPUT, "the UI needs a terminal; from scripts use limn generate");
    if (!term || !*term || strcmp(term, "dumb") == 0)
        return err_set(err, ERR_INPUT,
                       "the terminal '%s' cannot place a cursor: use limn generate, or "
                       "set TERM to what it is",
                       term ? term : "");
    mode_known = tcgetattr(STDIN_FILENO, &first_mode) == 0;
    int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    term_query(fd >= 0 ? fd : STDIN_FILENO, TERM_QUERY_MS, &ui->term);
    if (fd >= 0)
        close(fd);
    ui->unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    ui->mono = no_colour && *no_colour;
    unsetenv("COLUMNS"); // the terminal knows its own size, now and later
    unsetenv("LINES");
    if (!newterm(NULL, stdout, stdin))
        return err_set(err, ERR_INPUT,
                       "the terminal '%s' is not known here: set TERM to one that is", term);
    watch_signals();
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    set_escdelay(40);
    define_key(CANVAS_ANSWER, ANSWER_KEY);
    mousemask(BUTTON1_CLICKED | BUTTON1_DOUBLE_CLICKED | BUTTON1_PRESSED | BUTTON4_PRESSED |
                  BUTTON5_PRESSED,
              NULL);
    mouseinterval(0);
    if (has_colors()) {
        start_color();
        use_default_colors();
    }
    theme_apply(&ui->theme, ui->mono);
    for (size_t i = ui->term.typed_count; i > 0; i--)
        ungetch((unsigned char)ui->term.typed[i - 1]);
    watch_focus(ui, true);
    watch_pastes(true);
    start_canvas(ui, preview);
    return true;
}

static void
stop_screen(struct ui *ui)
{
    int questions = canvas_questions(ui->canvas);
    canvas_destroy(ui->canvas);
    ui->canvas = NULL;
    watch_focus(ui, false);
    watch_pastes(false);
    endwin();
    if (!hung_up)
        term_settle(STDIN_FILENO, &ui->term, questions);
}

// The window has another size, or what was on it is gone.
static void
screen_changed(struct ui *ui)
{
    struct winsize size = {0};
    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    canvas_invalidate(ui->canvas, COLS, LINES, size.ws_xpixel, size.ws_ypixel);
    ui->term.columns = COLS;
    ui->term.rows = LINES;
    clearok(stdscr, TRUE);
    ui->dirty = true;
}

void
ui_give_screen(struct ui *ui, void (*run)(void *ctx), void *ctx)
{
    canvas_hide(ui->canvas, true);
    canvas_flush(ui->canvas, 100, NULL);
    def_prog_mode();
    watch_focus(ui, false);
    watch_pastes(false);
    endwin();
    run(ctx);
    reset_prog_mode();
    watch_focus(ui, true);
    watch_pastes(true);
    canvas_hide(ui->canvas, false);
    screen_changed(ui);
}

// ^Z: stopped until the shell lets us go on.
static void
stop_here(void *ctx)
{
    (void)ctx;
    signal(SIGTSTP, SIG_DFL);
    raise(SIGTSTP);
    watch_signals();
}

// --- drawing

static void
draw_title(struct ui *ui)
{
    struct area bar = {0, 0, 1, COLS};
    draw_fill(&bar, ROLE_TITLE);
    int x = 1;
    for (int i = 0; i < VIEW_COUNT; i++) {
        char text[40];
        snprintf(text, sizeof text, COLS >= 78 ? " %d %s " : "%d%.3s", i + 1, views[i]->name);
        int width = text_width(text, SIZE_MAX);
        draw_text(0, x, width, (int)ui->view == i ? ROLE_TAB : ROLE_TITLE, text);
        x += width + (COLS < 78);
    }
    int unfinished = tasks_unfinished(ui);
    char right[80] = "";
    if (unfinished)
        snprintf(right, sizeof right, "%d %s ", unfinished, unfinished == 1 ? "job" : "jobs");
    else if (ui->host)
        snprintf(right, sizeof right, "%.40s ", ui->host);
    int width = text_width(right, SIZE_MAX);
    if (x + width < COLS)
        draw_text(0, COLS - width, width, ROLE_TITLE, right);
}

static void
draw_status(struct ui *ui)
{
    struct area line = {LINES - 2, 0, 1, COLS};
    draw_fill(&line, ROLE_STATUS);
    if (ui->prompting) {
        int label = text_width(ui->prompt_label, SIZE_MAX);
        draw_text(LINES - 2, 1, label, ROLE_STATUS, ui->prompt_label);
        struct area input = {LINES - 2, label + 1, 1, COLS - label - 2};
        draw_fill(&input, ROLE_INPUT);
        // The end of a long text is what is being written.
        const char *text = ui->prompt.text;
        while (text_width(text, ui->prompt.cursor - (size_t)(text - ui->prompt.text)) >
               input.columns - 2)
            text += text_char(text, NULL);
        draw_text(LINES - 2, input.x, input.columns, ROLE_INPUT, text);
        curs_set(1);
        move(LINES - 2,
             input.x + text_width(text, ui->prompt.cursor - (size_t)(text - ui->prompt.text)));
    } else if (ui->asking) {
        draw_text(LINES - 2, 1, COLS - 2, ROLE_WARNING, ui->question);
    } else if (ui->message[0]) {
        draw_text(LINES - 2, 1, COLS - 2, ui->message_role, ui->message);
    }
}

// The first of a request's keys, and its name; x of 0 only measures. Returns the columns.
static int
draw_hint(struct ui *ui, int x, enum request r)
{
    char keys[80];
    snprintf(keys, sizeof keys, "%s", request_keys(ui->view, r));
    keys[strcspn(keys, " ")] = 0;
    int width = text_width(keys, SIZE_MAX), words = text_width(request_name(r), SIZE_MAX);
    if (x > 0) {
        draw_text(LINES - 1, x, width, ROLE_KEY, keys);
        draw_text(LINES - 1, x + width + 1, words, ROLE_DIM, request_name(r));
    }
    return width + 1 + words;
}

// The way to all other keys has its place, however narrow the screen is.
static void
draw_hints(struct ui *ui)
{
    enum request last = ui->view == VIEW_HELP ? REQUEST_BACK : REQUEST_HELP;
    int x = 1, end = COLS - 1 - draw_hint(ui, 0, last);
    draw_hint(ui, MAX(end, 1), last);
    for (const enum request *h = views[ui->view]->hints; *h; h++) {
        if (*h == last)
            continue;
        int width = draw_hint(ui, 0, *h);
        if (x + width + 2 > end)
            break;
        draw_hint(ui, x, *h);
        x += width + 2;
    }
}

static void
draw_screen(struct ui *ui)
{
    werase(stdscr);
    curs_set(0);
    memset(ui->slot_used, 0, sizeof ui->slot_used);
    if (COLS < UI_COLUMNS_MIN || LINES < UI_ROWS_MIN) {
        draw_format(0, 0, COLS, ROLE_TEXT, "limn needs %d x %d", UI_COLUMNS_MIN, UI_ROWS_MIN);
        draw_format(1, 0, COLS, ROLE_TEXT, "this is %d x %d", COLS, LINES);
        return;
    }
    int y, x;
    struct area a = {1, 0, LINES - 3, COLS};
    canvas_cover(ui->canvas, NULL, 0);
    move(LINES - 1, COLS - 1);
    views[ui->view]->draw(ui, &a);
    getyx(stdscr, y, x); // where the view wants the cursor
    draw_title(ui);
    draw_hints(ui);
    if (ui->form) {
        form_draw(ui);
        getyx(stdscr, y, x);
    }
    draw_status(ui);
    if (!ui->prompting)
        move(y, x);
    pictures_turn(ui->pictures);
}

// Text first, then pictures: see renderer/canvas.h.
static bool
show_screen(struct ui *ui, struct err *err)
{
    if (ui->dirty) {
        ui->dirty = false;
        ui->wake = 0;
        draw_screen(ui);
        for (int i = 0; i < CANVAS_SLOTS; i++)
            if (!ui->slot_used[i])
                canvas_remove(ui->canvas, i);
        struct canvas_lines lines[16];
        int count = canvas_damage(ui->canvas, lines, 16);
        for (int i = 0; i < count; i++)
            wredrawln(stdscr, lines[i].row, MIN(lines[i].rows, LINES - lines[i].row));
        // Where no filler keeps curses off the pictures, changed lines send them again.
        for (int y = 0; !ui->unicode && y < LINES; y++)
            if (is_linetouched(stdscr, y))
                canvas_printed(ui->canvas, y, 1);
        wnoutrefresh(stdscr);
        doupdate();
        fflush(stdout);
        if (ui->first_frame == 0)
            ui->first_frame = ui_now();
    }
    return canvas_flush(ui->canvas, FLUSH_MS, err);
}

// --- requests

void
ui_open_view(struct ui *ui, enum view_id view)
{
    if (view != ui->view && ui->view != VIEW_HELP)
        ui->view_before = ui->view;
    ui->view = view;
    if (ui->first_frame > 0) // what was said at the start stays to be read
        ui->message[0] = 0;
    if (views[view]->open)
        views[view]->open(ui);
    ui->dirty = true;
}

static void
quit_answered(struct ui *ui, char answer)
{
    if (answer == 's')
        for (int i = 0; i < ui->task_count; i++)
            task_cancel(ui, ui->tasks[i]);
    if (answer == 'f' || answer == 's')
        ui->quit = true;
}

static bool
quit(struct ui *ui)
{
    char question[200];
    int n = tasks_unfinished(ui);
    if (!n) {
        ui->quit = true;
        return true;
    }
    snprintf(question, sizeof question, "%d %s not finished. f: leave and let the worker finish   "
             "s: stop and leave   other: stay", n, n == 1 ? "job is" : "jobs are");
    ui_ask(ui, question, "fs", quit_answered);
    return true;
}

static void
command_done(struct ui *ui, const char *text)
{
    if (text && *text)
        ui_command(ui, text);
}

// Opens the window, with the steps of the job that is shown so far, or closes it.
static void
toggle_window(struct ui *ui)
{
    struct err err = {0};
    if (ui->window) {
        window_link_close(ui->window);
        ui->window = NULL;
        return;
    }
    ui->window = window_link_open(&err);
    const struct task *t = ui->task_shown < ui->task_count ? ui->tasks[ui->task_shown] : NULL;
    if (!ui->window)
        ui_say(ui, ROLE_ERROR, "%s", err.text);
    for (int i = 0; ui->window && t && i < t->frame_count; i++)
        window_link_frame(ui->window, t->frames[i], t->frame_steps[i], t->total);
}

static void
turn_window(struct ui *ui)
{
    struct err err = {0};
    if (!ui->window)
        return;
    bool open = window_link_turn(ui->window, &err);
    for (char *file; (file = window_link_dropped(ui->window)); free(file))
        session_add_picture(ui, file);
    if (open)
        return;
    if (err.code != ERR_NONE)
        ui_say(ui, ROLE_ERROR, "%s", err.text);
    window_link_close(ui->window);
    ui->window = NULL;
}

bool
ui_request(struct ui *ui, enum request request)
{
    if (views[ui->view]->request && views[ui->view]->request(ui, request))
        return true;
    static const enum request opens[VIEW_COUNT] = {
#define VIEW(id, variable, request) request,
#include "app/ui/views.def"
#include "engine/base/limits.h"
#undef VIEW
    };
    for (int i = 0; i < VIEW_COUNT; i++)
        if (opens[i] == request) {
            ui_open_view(ui, request == REQUEST_HELP && ui->view == VIEW_HELP ? ui->view_before
                                                                              : (enum view_id)i);
            return true;
        }
    switch (request) {
    case REQUEST_QUIT: return quit(ui);
    case REQUEST_BACK:
        if (ui->view != VIEW_COMPOSE)
            ui_open_view(ui, ui->view == VIEW_HELP ? ui->view_before : VIEW_COMPOSE);
        return true;
    case REQUEST_COMMAND: ui_prompt(ui, ":", "", command_done); return true;
    case REQUEST_REDRAW: screen_changed(ui); return true;
    case REQUEST_WINDOW: toggle_window(ui); return true;
    case REQUEST_DRAW:
        if (session_draw(ui))
            ui_open_view(ui, VIEW_LIVE);
        return true;
    default: return false;
    }
}

static bool
command_theme(struct ui *ui, const char *name)
{
    struct theme theme;
    struct err err = {0};
    if (!theme_find(&theme, name, &err)) {
        ui_say(ui, ROLE_ERROR, "%s", err.text);
        return false;
    }
    ui->theme = theme;
    theme_apply(&ui->theme, ui->mono);
    if (ui->library)
        library_keep(ui->library, "theme", name, NULL);
    screen_changed(ui);
    return true;
}

// `seed 7`, `steps 20`; `seed` alone: a new one each time, as before it was set. False: it is no parameter.
static bool
command_set(struct ui *ui, const char *name, const char *value)
{
    struct err err = {0};
    const struct parameter *p = parameter_find(name);
    bool ok = true;
    if (!p)
        return false;
    if (*value)
        ok = parameter_read(p, &ui->compose, name, value, &err);
    else
        parameter_clear(p, &ui->compose);
    session_check(ui);
    ui_say(ui, ok ? ROLE_GOOD : ROLE_ERROR, "%s", ok ? "set" : err.text);
    return true;
}

bool
ui_command(struct ui *ui, const char *line)
{
    char name[40];
    size_t n = strcspn(line, " ");
    snprintf(name, sizeof name, "%.*s", (int)MIN(n, sizeof name - 1), line);
    const char *rest = line + n + strspn(line + n, " ");
    enum request request = request_find(name);
    struct err err = {0};
    if (strcmp(name, "theme") == 0)
        return command_theme(ui, rest);
    if (strcmp(name, "train") == 0)
        return training_command(ui, rest);
    if (command_set(ui, name, rest))
        return true;
    if (strcmp(name, "open") == 0 && *rest)
        return session_open_sheet(ui, rest, false) ||
               (session_open_picture(ui, rest) && (ui_open_view(ui, VIEW_COMPOSE), true));
    if (strcmp(name, "add") == 0 && *rest)
        return session_add_picture(ui, rest);
    if (strcmp(name, "save") == 0 && *rest) {
        if (session_save_template(ui, rest, &err))
            ui_say(ui, ROLE_GOOD, "saved as template %s", rest);
        else
            ui_say(ui, ROLE_ERROR, "%s", err.text);
        return true;
    }
    if (request && ui_request(ui, request))
        return true;
    ui_say(ui, ROLE_ERROR, "limn cannot '%s' here (8 lists what it can)", name);
    return false;
}

// --- keys

static void
prompt_key(struct ui *ui, wint_t key, bool code)
{
    ui->dirty = true;
    bool taken = !code && (key == '\r' || key == '\n');
    if (!taken && (code || key != 27)) {
        field_key(&ui->prompt, key, code);
        return;
    }
    char *text = taken ? mem_strdup(ui->prompt.text) : NULL;
    ui->prompting = false;
    ui->prompt_done(ui, text);
    free(text);
}

static void
on_mouse(struct ui *ui)
{
    MEVENT m;
    if (getmouse(&m) != OK || ui->form || ui->prompting || ui->asking)
        return;
    int turn = m.bstate & BUTTON4_PRESSED ? -1 : m.bstate & BUTTON5_PRESSED ? 1 : 0;
    ui->dirty = true;
    if (m.y == 0 && !turn) {
        int x = 1;
        for (int i = 0; i < VIEW_COUNT; i++) {
            int width = COLS >= 78 ? text_width(views[i]->name, SIZE_MAX) + 4 : 5;
            if (m.x >= x && m.x < x + width)
                ui_open_view(ui, (enum view_id)i);
            x += width;
        }
    } else if (views[ui->view]->mouse) {
        views[ui->view]->mouse(ui, m.y, m.x, turn, m.bstate & BUTTON1_DOUBLE_CLICKED);
    }
}

// The terminal has said what it can do, but later than it was waited for, as over a slow line.
static void
learn_late(struct ui *ui)
{
    struct term_info was = ui->term;
    if (!term_answer(ui->sequence, &ui->term))
        return;
    bool same_cells =
        was.cell_width == ui->term.cell_width && was.cell_height == ui->term.cell_height;
    if (was.sixel == ui->term.sixel && was.kitty == ui->term.kitty && same_cells)
        return;
    canvas_destroy(ui->canvas);
    ui->canvas = NULL;
    watch_focus(ui, true);
    start_canvas(ui, ui->preview);
    screen_changed(ui);
}

static void on_key(struct ui *ui, wint_t key, bool code);

// Sequences that curses does not know (late answers, keys that the terminal's description lacks)
// are no text and no Esc followed by letters. True: the key was part of one.
static bool
part_of_sequence(struct ui *ui, wint_t key, bool code)
{
    // Seconds until the rest does not come; nobody types the beginning of an answer.
    size_t n = strlen(ui->sequence);
    bool string = ui->sequence[1] == '_', answer = string || ui->sequence[2] == '?';
    double patience = answer ? 3 : 0.5;
    if (code)
        return false; // what curses does know may come in between
    if (n && ((key == 27 && !string) || n + 1 == sizeof ui->sequence ||
              ui_now() - ui->sequence_began > patience))
        ui->sequence[n = 0] = 0;
    // Of the answers to private questions few letters are the end; another one is a key.
    if (n && answer && !string && key >= 0x40 && !(key < 128 && strchr("cSnuy", (int)key)))
        ui->sequence[n = 0] = 0;
    if (!n) {
        wint_t next = 0;
        if (key != 27)
            return false;
        int kind = input_key(ui, &next); // Esc alone has nothing right behind it
        if (kind == OK && next < 128 && strchr("[_O", (int)next)) {
            snprintf(ui->sequence, sizeof ui->sequence, "\033%c", (char)next);
            ui->sequence_began = ui_now();
            return true;
        }
        if (kind == OK)
            input_unget(ui, next);
        else if (kind == KEY_CODE_YES)
            ungetch((int)next);
        return false;
    }
    ui->sequence[n] = key < 128 ? (char)key : '?';
    ui->sequence[n + 1] = 0;
    bool whole = string ? key == '\\' && ui->sequence[n - 1] == '\033' : key >= 0x40 && key < 0x7F;
    if (whole) {
        char sequence[sizeof ui->sequence];
        snprintf(sequence, sizeof sequence, "%s", ui->sequence);
        learn_late(ui);
        ui->sequence[0] = 0;
        // A key that was pressed before curses began: what it did not read itself it does not put
        // together. Then cursor keys were still said with [.
        int known = key_defined(sequence);
        if (known <= 0 && n == 2 && sequence[1] == '[') {
            sequence[1] = 'O';
            known = key_defined(sequence);
        }
        if (known > 0)
            on_key(ui, (wint_t)known, true);
    }
    return true;
}

// True: it is of a text that is being pasted.
static bool
part_of_paste(struct ui *ui, wint_t key, bool code)
{
    if (code && key == PASTE_KEY)
        input_paste_begin(ui);
    else if (code && key == PASTED_KEY)
        input_paste_end(ui);
    else if (ui->paste && !code)
        input_paste_key(ui, key);
    else
        return ui->paste != NULL;
    return true;
}

static void
on_key(struct ui *ui, wint_t key, bool code)
{
    if (part_of_paste(ui, key, code) || part_of_sequence(ui, key, code))
        return;
    if (code && key == ANSWER_KEY) {
        canvas_answer(ui->canvas);
        return;
    }
    if (code && (key == KEY_RESIZE || key == FOCUS_KEY)) {
        screen_changed(ui);
        return;
    }
    if (code && key == BLUR_KEY)
        return;
    if (code && key == KEY_MOUSE) {
        on_mouse(ui);
        return;
    }
    const struct view *view = views[ui->view];
    bool typing = view->typing && view->typing(ui);
    enum request request = key_request(ui->view, key, code, typing);
    ui->dirty = true;
    // News is old when somebody has gone on; what is wrong stays to be read.
    if ((ui->message_role == ROLE_GOOD || ui->message_role == ROLE_STATUS) &&
        ui_now() - ui->message_said > MESSAGE_SECONDS)
        ui->message[0] = 0;
    if (ui->asking) {
        ui->asking = false;
        ui->answered(ui,
                     !code && key && key < 128 && strchr(ui->answers, (int)key) ? (char)key : 0);
    } else if (ui->prompting) {
        prompt_key(ui, key, code);
    } else if (ui->form) {
        form_key(ui, key, code, request);
    } else if (!(typing && view->key(ui, key, code)) && request) {
        ui_request(ui, request);
    }
}

static bool
read_keys(struct ui *ui)
{
    for (int i = 0; i < 256 && !ui->quit; i++) { // then the screen's turn, however fast they come
        wint_t key = 0;
        int kind = input_key(ui, &key);
        if (kind == ERR)
            break;
        on_key(ui, key, kind == KEY_CODE_YES);
    }
    return true;
}

// --- the worker

static void
on_lost(struct ui *ui, const char *how)
{
    ui->worker_lost = true;
    ui->worker_failures++;
    ui->worker_restart =
        ui_now() + (ui->worker_failures > 1 ? MIN(1 << ui->worker_failures, 30) : 0.2);
    if (ui->worker_failures > RESTARTS_MAX) {
        ui->worker_restart = 1e300;
        ui_say(ui, ROLE_ERROR,
               "%s; it will not be started again: leave limn and come back", how);
    } else {
        ui_say(ui, ROLE_ERROR, "%s; it is started again%s", how,
               tasks_unfinished(ui) ? ", and its jobs are offered to it" : "");
    }
}

static void
restart_worker(struct ui *ui)
{
    struct err err = {0};
    if (!ui->worker_lost || ui_now() < ui->worker_restart)
        return;
    ui->worker_lost = false;
    if (client_restart(ui->client, &err))
        task_offer_again(ui);
    else
        on_lost(ui, err.text);
}

static void
on_event(struct ui *ui, struct client_event *e)
{
    ui->dirty = true;
    task_event(ui, e);
    if (e->type == CLIENT_LOADERS || e->type == CLIENT_DESCRIBED) {
        bool loaders = e->type == CLIENT_LOADERS;
        struct jv **keep = loaders ? &ui->loaders : &ui->machine;
        jv_free(*keep);
        *keep = jv_copy(loaders ? jv_get(e->data, "loaders") : e->data);
    }
    if (e->type == CLIENT_LOG) {
        const char *level = jv_string(jv_get(e->data, "level"), "");
        ui_log(ui, strcmp(level, "error") == 0 ? ROLE_ERROR : ROLE_DIM,
               jv_string(jv_get(e->data, "text"), ""));
    }
    if (e->type == CLIENT_DONE)
        ui->worker_failures = 0;
    if (e->type == CLIENT_LOST)
        on_lost(ui, e->err.text);
    for (int i = 0; i < VIEW_COUNT; i++)
        if (views[i]->event && ui->state[i])
            views[i]->event(ui, e);
}

// --- the loop

static int
timeout_of(const struct ui *ui)
{
    double wait = 3600;
    int canvas = canvas_wait(ui->canvas);
    if (canvas >= 0)
        wait = canvas * 1e-3;
    if (ui->session_dirty || ui->paste)
        wait = MIN(wait, 1);
    if (ui->worker_lost)
        wait = MIN(wait, MAX(ui->worker_restart - ui_now(), 0));
    if (ui->wake > 0)
        wait = MIN(wait, MAX(ui->wake - ui_now(), 0));
    return wait > 3000 ? -1 : (int)(wait * 1e3 + 0.999);
}

static bool
wait_for_something(struct ui *ui)
{
    struct pollfd fds[2 + CLIENT_FDS + 2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                                             {.fd = pictures_fd(ui->pictures), .events = POLLIN}};
    int count = 2 + client_fds(ui->client, fds + 2);
    if (ui->window)
        fds[count++] = (struct pollfd){.fd = window_link_fd(ui->window), .events = POLLIN};
    bool now = ui->dirty || client_holds(ui->client);
    if (poll(fds, (nfds_t)count, now ? 0 : timeout_of(ui)) < 0)
        return true; // a signal: the loop looks what it meant
    if (fds[1].revents) {
        pictures_ready(ui->pictures);
        ui->dirty = true;
    }
    return !(fds[0].revents & (POLLHUP | POLLERR));
}

static bool
loop(struct ui *ui, struct err *err)
{
    while (!ui->quit) {
        struct client_event e;
        if (!show_screen(ui, err) || !wait_for_something(ui) || hung_up)
            return false;
        read_keys(ui);
        if (input_paste_is_late(ui))
            input_paste_end(ui);
        if (stop_asked) {
            stop_asked = 0;
            ui_give_screen(ui, stop_here, NULL);
        }
        if (atomic_exchange(&command_interrupted, 0))
            ui_request(ui, REQUEST_QUIT);
        while (client_next(ui->client, &e)) {
            on_event(ui, &e);
            client_event_free(&e);
        }
        turn_window(ui);
        restart_worker(ui);
        session_keep(ui, false);
        ui->dirty = ui->dirty || (ui->wake > 0 && ui_now() >= ui->wake);
    }
    return true;
}

static void
finish(struct ui *ui)
{
    window_link_close(ui->window);
    form_free(ui->form);
    for (int i = 0; i < VIEW_COUNT; i++) {
        if (views[i]->close)
            views[i]->close(ui);
        free(ui->state[i]);
    }
    for (int i = 0; i < ui->task_count; i++)
        task_free(ui->tasks[i]);
    for (int i = 0; i < ui->log_count; i++)
        free(ui->log[i].text);
    jv_free(ui->loaders);
    jv_free(ui->machine);
    field_finish(&ui->instruction);
    field_finish(&ui->prompt);
    job_finish(&ui->compose);
    pictures_close(ui->pictures);
    library_close(ui->library);
    free(ui->paste);
    free(ui->host);
    free(ui);
}

static void
open_library(struct ui *ui)
{
    struct err err = {0};
    char *notice = NULL;
    ui->library = library_open(NULL, &notice, &err);
    if (notice || !ui->library)
        ui_say(ui, ROLE_WARNING, "%s%s", notice ? notice : err.text,
               notice ? "" : " (limn goes on without its library)");
    free(notice);
}

// An ssh that asks for a password does so before the screen is taken.
static bool
connect_worker(struct ui *ui, struct err *err)
{
    struct client_params p = {.host = ui->host};
    ui->client = client_open(&p, err);
    if (!ui->client || !ui->host)
        return ui->client != NULL;
    fprintf(stderr, "limn: connecting to %s …\n", ui->host);
    while (!client_ready(ui->client)) {
        struct client_event e;
        client_wait(ui->client, -1);
        while (client_next(ui->client, &e)) {
            bool lost = e.type == CLIENT_LOST;
            if (lost)
                err_set(err, e.err.code, "%s", e.err.text);
            else
                on_event(ui, &e);
            client_event_free(&e);
            if (lost)
                return false;
        }
        if (atomic_load(&command_interrupted))
            return err_set(err, ERR_CANCELLED, "stopped");
    }
    return true;
}

int
ui_run(const char *host, const char *theme, const char *preview)
{
    struct ui *ui = mem_zalloc(sizeof *ui);
    struct err err = {0};
    ui->started = ui_now();
    ui->preview = preview;
    ui->host = host ? mem_strdup(host) : NULL;
    ui->compose = JOB_EMPTY;
    ui->instruction.lines = true;
    ui->instruction.limit = LIMIT_INSTRUCTION_BYTES;
    for (int i = 0; i < VIEW_COUNT; i++)
        ui->state[i] = mem_zalloc(MAX(1, views[i]->state_size));
    ui->pictures = pictures_open(&err);
    open_library(ui);
    session_restore(ui);
    char *kept = ui->library ? library_kept(ui->library, "theme", NULL) : NULL;
    const char *environment = getenv("LIMN_THEME");
    const char *name = theme                         ? theme
                       : environment && *environment ? environment
                       : kept                        ? kept
                                                     : "dark";
    bool ok = ui->pictures && theme_find(&ui->theme, name, &err);
    if (!ok && ui->pictures && !theme) { // a theme that is gone must not keep limn from starting
        err_clear(&err);
        ok = theme_find(&ui->theme, "dark", &err);
    }
    free(kept);
    ok = ok && connect_worker(ui, &err) && start_screen(ui, preview, &err);
    if (ok) {
        ui_open_view(ui, VIEW_COMPOSE);
        loop(ui, &err);
        session_keep(ui, true);
        stop_screen(ui);
        if (hung_up)
            err_clear(&err);
    }
    client_close(ui->client);
    finish(ui);
    return err.code == ERR_NONE ? 0 : command_failed(&err);
}
