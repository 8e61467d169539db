// SPDX-License-Identifier: MIT
#include "app/worker/socket.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine/base/mem.h"
#include "engine/base/xdg.h"

// The folder, made if need be; NULL when it cannot be trusted.
static char *
socket_folder(struct err *err)
{
    return xdg_make(XDG_RUNTIME, "", err);
}

static bool
fill_address(struct sockaddr_un *a, const char *folder, const char *name)
{
    *a = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(a->sun_path, sizeof a->sun_path, "%s/%s", folder, name);
    return n > 0 && (size_t)n < sizeof a->sun_path;
}

int
socket_listen(char **path, struct err *err)
{
    struct sockaddr_un a;
    char name[40], *folder = socket_folder(err);
    snprintf(name, sizeof name, "worker-%d.sock", (int)getpid());
    int fd = -1;
    if (folder && !fill_address(&a, folder, name)) {
        err_set(err, ERR_IO, "%s is too long a path for a socket", folder);
    } else if (folder) {
        unlink(a.sun_path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 4) < 0) {
            err_errno(err, ERR_IO, "%s", a.sun_path);
            if (fd >= 0)
                close(fd);
            fd = -1;
        } else {
            *path = mem_strdup(a.sun_path);
        }
    }
    free(folder);
    return fd;
}

void
socket_remove(char *path)
{
    if (path)
        unlink(path);
    free(path);
}

int
socket_accept(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    struct ucred peer = {0};
    socklen_t size = sizeof peer;
    if (fd >= 0 && (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ||
                    peer.uid != getuid())) {
        close(fd);
        fd = -1;
    }
    return fd;
}

int
socket_find(void)
{
    char *folder = socket_folder(NULL);
    DIR *d = folder ? opendir(folder) : NULL;
    int found = -1;
    for (struct dirent *e = d ? readdir(d) : NULL; e && found < 0; e = readdir(d)) {
        struct sockaddr_un a;
        if (fnmatch("worker-*.sock", e->d_name, 0) != 0 || !fill_address(&a, folder, e->d_name))
            continue;
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0) {
            found = fd;
        } else {
            if (fd >= 0 && errno == ECONNREFUSED)
                unlink(a.sun_path);
            if (fd >= 0)
                close(fd);
        }
    }
    if (d)
        closedir(d);
    free(folder);
    return found;
}
