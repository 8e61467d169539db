// SPDX-License-Identifier: MIT
#include "engine/base/xdg.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/base/mem.h"

static const struct {
    const char *variable, *fallback;
} folders[XDG_COUNT] = {
    [XDG_CONFIG] = {"XDG_CONFIG_HOME", ".config"},
    [XDG_DATA] = {"XDG_DATA_HOME", ".local/share"},
    [XDG_STATE] = {"XDG_STATE_HOME", ".local/state"},
    [XDG_CACHE] = {"XDG_CACHE_HOME", ".cache"},
    [XDG_RUNTIME] = {"XDG_RUNTIME_DIR", NULL},
};

static const char *
absolute(const char *variable)
{
    const char *value = getenv(variable);
    return value && value[0] == '/' ? value : NULL;
}

char *
xdg_home(void)
{
    const char *home = absolute("HOME");
    const struct passwd *user = home ? NULL : getpwuid(geteuid());
    if (user && user->pw_dir && user->pw_dir[0] == '/')
        home = user->pw_dir;
    return mem_strdup(home ? home : "/");
}

// FOLDER/limn.
static char *
own_folder(enum xdg kind)
{
    const char *value = absolute(folders[kind].variable);
    if (value)
        return file_join(value, "limn");
    if (!folders[kind].fallback)
        return mem_printf("/tmp/limn-%d", (int)geteuid());
    char *home = xdg_home(), *folder = file_join(home, folders[kind].fallback);
    char *own = file_join(folder, "limn");
    free(home);
    free(folder);
    return own;
}

char *
xdg_path(enum xdg kind, const char *name)
{
    char *own = own_folder(kind);
    if (!*name)
        return own;
    char *path = file_join(own, name);
    free(own);
    return path;
}

// A folder of the runtime kind lies where all may write, so that no link is followed there, and
// what it holds is reached by name alone: nobody else may look either.
static bool
is_ours(const char *folder, enum xdg kind, struct err *err)
{
    struct stat st;
    bool runtime = kind == XDG_RUNTIME;
    if ((runtime ? lstat : stat)(folder, &st) != 0)
        return err_errno(err, ERR_IO, "%s", folder);
    if (!S_ISDIR(st.st_mode))
        return err_set(err, ERR_IO, "%s is %s, but must be a folder", folder,
                       S_ISLNK(st.st_mode) ? "a link" : file_kind(st.st_mode));
    if (st.st_uid != geteuid())
        return err_set(err, ERR_IO, "%s belongs to another user (%d, this is %d): limn uses only "
                       "your own", folder, (int)st.st_uid, (int)geteuid());
    if (st.st_mode & (runtime ? 077 : 002))
        return err_set(err, ERR_IO, "%s can be %s by others: check its contents, then chmod 700",
                       folder, runtime ? "used" : "written");
    if (st.st_mode & 020) // of an earlier limn, by the umask
        chmod(folder, st.st_mode & 07755);
    return true;
}

char *
xdg_make(enum xdg kind, const char *name, struct err *err)
{
    char *own = own_folder(kind), *path = xdg_path(kind, name);
    bool ok = file_make_private(own, err) && is_ours(own, kind, err) &&
              file_make_private(path, err);
    free(own);
    if (ok)
        return path;
    free(path);
    return NULL;
}
