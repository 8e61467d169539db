// SPDX-License-Identifier: MIT
#include "app/window/window_link.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/worker/wire.h"
#include "engine/base/install.h"
#include "engine/base/mem.h"
#include "renderer/image/mask.h"

enum { QUEUE_MAX = 8 << 20, DROPS_MAX = 16, CLOSE_TURNS = 100 }; // bytes; files; of 10 ms each

struct window_link {
    pid_t pid;
    int fd, errors;
    struct wire *wire;
    char *drops[DROPS_MAX];
    int drop_count;
    struct image *painted; // the newest mask not yet taken; NULL: none
    bool ended;
};

// In the build folder if limn runs from there, else where it was installed.
static char *
find_program(void)
{
    const char *build = install_build_folder();
    return build ? mem_printf("%s/app/limn-window", build)
                 : mem_strdup(LIMN_LIBEXEC "/limn-window");
}

struct window_link *
window_link_open(struct err *err)
{
    char *program = find_program();
    int ends[2] = {-1, -1}, errors[2] = {-1, -1};
    const char *x11 = getenv("DISPLAY"), *wayland = getenv("WAYLAND_DISPLAY"),
               *driver = getenv("SDL_VIDEODRIVER");
    if (!(x11 && *x11) && !(wayland && *wayland) && !(driver && *driver)) {
        err_set(err, ERR_UNSUPPORTED,
                "a window needs a display, and neither DISPLAY nor WAYLAND_DISPLAY is set");
    } else if (access(program, X_OK) != 0) {
        err_set(err, ERR_UNSUPPORTED, "%s is missing: this limn was built without SDL2", program);
    } else if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0 ||
               pipe2(errors, O_CLOEXEC) < 0) {
        err_errno(err, ERR_IO, "no socket for a window");
    }
    struct window_link *l = NULL;
    pid_t pid = err->code == ERR_NONE ? fork() : -1;
    if (err->code == ERR_NONE && pid < 0)
        err_errno(err, ERR_IO, "no process for a window");
    if (pid >= 0) {
        if (pid == 0) {
            dup2(ends[1], STDIN_FILENO);
            dup2(ends[1], STDOUT_FILENO);
            dup2(errors[1], STDERR_FILENO);
            setsid();
            execl(program, "limn-window", (char *)NULL);
            _exit(127);
        }
        l = mem_zalloc(sizeof *l);
        l->pid = pid;
        l->fd = ends[0];
        l->errors = errors[0];
        fcntl(l->errors, F_SETFL, O_NONBLOCK);
        l->wire = wire_open(l->fd, l->fd);
    }
    const int done[] = {ends[1], errors[1], l ? -1 : ends[0], l ? -1 : errors[0]};
    for (size_t i = 0; i < COUNT_OF(done); i++)
        if (done[i] >= 0)
            close(done[i]);
    free(program);
    return l;
}

void
window_link_close(struct window_link *l)
{
    if (!l)
        return;
    wire_close(l->wire);
    close(l->fd); // it exits by itself
    close(l->errors);
    for (int i = 0; l->pid > 0 && waitpid(l->pid, NULL, WNOHANG) == 0; i++) {
        if (i == CLOSE_TURNS)
            kill(l->pid, SIGKILL); // a hung display must not hold up limn
        usleep(10000);
    }
    while (l->drop_count)
        free(l->drops[--l->drop_count]);
    image_unref(l->painted);
    free(l);
}

void
window_link_detach(struct window_link *l)
{
    struct err err = {0};
    while (l && window_link_turn(l, &err))
        usleep(20000);
    window_link_close(l);
}

void
window_link_frame(struct window_link *l, const struct image *image, int step, int total)
{
    if (wire_queued(l->wire) > QUEUE_MAX && step < total)
        return;
    struct image *rgb = image_shown(image, IMAGE_SQUARE, NULL);
    if (!rgb)
        return;
    struct jv *head = wire_head("frame");
    jv_set(head, "step", jv_from_integer(step));
    jv_set(head, "total", jv_from_integer(total));
    jv_set(head, "width", jv_from_integer(rgb->width));
    jv_set(head, "height", jv_from_integer(rgb->height));
    wire_send(l->wire, head, rgb->pixels, rgb->stride * (size_t)rgb->height);
    wire_flush(l->wire);
    image_unref(rgb);
}

void
window_link_paint(struct window_link *l, const struct image *picture, const struct image *white)
{
    struct image *rgb = picture ? image_shown(picture, IMAGE_SQUARE, NULL) : NULL;
    struct jv *head = wire_head("paint");
    size_t size = rgb ? rgb->stride * (size_t)rgb->height : 0;
    size_t grey = rgb && white ? white->stride * (size_t)white->height : 0;
    uint8_t *bytes = mem_alloc(size + grey + 1);
    if (rgb && white) {
        jv_set(head, "width", jv_from_integer(rgb->width));
        jv_set(head, "height", jv_from_integer(rgb->height));
        jv_set(head, "mask_width", jv_from_integer(white->width));
        jv_set(head, "mask_height", jv_from_integer(white->height));
        memcpy(bytes, rgb->pixels, size);
        memcpy(bytes + size, white->pixels, grey);
    }
    wire_send(l->wire, head, bytes, grey ? size + grey : 0);
    wire_flush(l->wire);
    free(bytes);
    image_unref(rgb);
}

// Keeps only the newest mask.
static void
on_painted(struct window_link *l, const struct wire_message *m)
{
    int64_t width = jv_integer(jv_get(m->head, "width"), 0),
            height = jv_integer(jv_get(m->head, "height"), 0);
    l->ended = l->ended || jv_bool(jv_get(m->head, "ended"), false);
    if (width < 1 || height < 1 || width > MASK_SIDE || height > MASK_SIDE ||
        m->size != (size_t)(width * height))
        return;
    image_unref(l->painted);
    l->painted = image_create((int)width, (int)height, IMAGE_GRAY8, NULL);
    if (l->painted)
        memcpy(l->painted->pixels, m->payload, m->size);
}

struct image *
window_link_painted(struct window_link *l, bool *ended)
{
    struct image *painted = l->painted;
    *ended = l->ended;
    l->painted = NULL;
    l->ended = false;
    return painted;
}

int
window_link_fd(const struct window_link *l)
{
    return l->fd;
}

bool
window_link_turn(struct window_link *l, struct err *err)
{
    struct err own = {0};
    struct wire_message m;
    enum wire_state state = wire_receive(l->wire, &own);
    while (wire_take(l->wire, &m, &own)) {
        const char *file = jv_string(jv_get(m.head, "file"), NULL);
        if (strcmp(m.type, "dropped") == 0 && file && l->drop_count < DROPS_MAX)
            l->drops[l->drop_count++] = mem_strdup(file);
        if (strcmp(m.type, "painted") == 0)
            on_painted(l, &m);
        wire_message_free(&m);
    }
    if (state <= WIRE_IDLE && own.code == ERR_NONE && wire_flush(l->wire))
        return true;
    char message[300] = "";
    ssize_t n = read(l->errors, message, sizeof message - 1);
    message[n > 0 ? n : 0] = 0;
    message[strcspn(message, "\n")] = 0;
    if (*message)
        err_set(err, ERR_UNSUPPORTED, "%s",
                strncmp(message, "limn: ", 6) == 0 ? message + 6 : message);
    return false;
}

char *
window_link_dropped(struct window_link *l)
{
    if (!l->drop_count)
        return NULL;
    char *file = l->drops[0];
    memmove(l->drops, l->drops + 1, (size_t)--l->drop_count * sizeof *l->drops);
    return file;
}
