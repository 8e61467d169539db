// SPDX-License-Identifier: MIT
#include "loaders/place.h"

#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/mem.h"

// Whether it is the user's private group: it has the user's name, is the primary one, and has no
// other members.
static bool
is_private(gid_t group, uid_t user)
{
    char text[4096], more[4096];
    struct passwd p, *found = NULL;
    struct group g, *primary = NULL;
    if (getpwuid_r(user, &p, text, sizeof text, &found) != 0 || !found || p.pw_gid != group ||
        getgrgid_r(group, &g, more, sizeof more, &primary) != 0 || !primary ||
        strcmp(g.gr_name, p.pw_name) != 0)
        return false;
    for (char **m = g.gr_mem; *m; m++)
        if (strcmp(*m, p.pw_name) != 0)
            return false;
    return true;
}

static bool
is_trusted(uid_t owner, enum place_kind kind)
{
    struct stat limn;
    return owner == 0 || owner == geteuid() ||
           (kind == PLACE_BUILT && stat("/proc/self/exe", &limn) == 0 && owner == limn.st_uid);
}

// `above`: a folder on the way, of which only what it contains of the path must stay as it is.
static bool
check(const char *path, enum place_kind kind, bool above, struct err *err)
{
    // Groups with lower numbers are the system's, and root chooses their members.
    enum { SYSTEM_GROUPS = 1000 };
    struct stat st;
    if (stat(path, &st) != 0)
        return err_errno(err, ERR_IO, "%s", path);
    const char *what = above ? "the folder above it, " : S_ISDIR(st.st_mode) ? "the folder " : "";
    if (!is_trusted(st.st_uid, kind))
        return err_set(err, ERR_INPUT, "%s%s belongs to user %u, but must be yours or root's", what,
                       path, (unsigned)st.st_uid);
    if (above && st.st_mode & S_ISVTX)
        return true;
    bool group = st.st_mode & S_IWGRP && !is_private(st.st_gid, st.st_uid) &&
                 !(above && st.st_uid == 0 && st.st_gid < SYSTEM_GROUPS);
    if (group || st.st_mode & S_IWOTH)
        return err_set(err, ERR_INPUT, "%s%s can be written by others (chmod go-w prevents that)",
                       what, path);
    return true;
}

char *
place_resolve(const char *path, enum place_kind kind, struct err *err)
{
    char real[PATH_MAX];
    if (path[0] != '/') {
        err_set(err, ERR_INPUT, "not an absolute path");
        return NULL;
    }
    if (!realpath(path, real)) {
        err_errno(err, ERR_IO, "%s", path);
        return NULL;
    }
    bool ok = check(real, kind, false, err);
    char *end = real + strlen(real), *result = mem_strdup(real);
    while (ok && kind == PLACE_OWN && end > real + 1) {
        while (*--end != '/')
            ;
        *(end == real ? end + 1 : end) = 0;
        ok = check(real, kind, true, err);
        if (end == real)
            break;
    }
    if (ok)
        return result;
    free(result);
    return NULL;
}
