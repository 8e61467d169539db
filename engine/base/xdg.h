// SPDX-License-Identifier: MIT
// This user's folders as the XDG base directory specification defines them; the only place that
// looks them up. GLib's g_get_user_*_dir() knows neither owners nor modes, remembers the
// environment of its first call, and would be the engine's only need of GLib.
#ifndef LIMN_ENGINE_BASE_XDG_H
#define LIMN_ENGINE_BASE_XDG_H

#include "engine/base/err.h"

enum xdg {
    XDG_CONFIG = 0, // $XDG_CONFIG_HOME, ~/.config
    XDG_DATA,       // $XDG_DATA_HOME, ~/.local/share
    XDG_STATE,      // $XDG_STATE_HOME, ~/.local/state
    XDG_CACHE,      // $XDG_CACHE_HOME, ~/.cache
    XDG_RUNTIME,    // $XDG_RUNTIME_DIR, /tmp/limn-UID
    XDG_COUNT
};

// $HOME, or the home folder of the user database if that is unset or relative; "/" if there is
// none. Freed with free().
char *xdg_home(void);

// FOLDER/limn/NAME, or FOLDER/limn for "", whether it exists or not (without $XDG_RUNTIME_DIR the
// runtime path is /tmp/limn-UID/NAME). A variable with a relative path counts as unset. Freed with
// free().
char *xdg_path(enum xdg kind, const char *name);

// The same, and makes missing folders with mode 0700, whatever the umask. NULL and an error if that
// fails, or if FOLDER/limn belongs to another user or is writable by others, who could have planted
// files that limn trusts.
char *xdg_make(enum xdg kind, const char *name, struct err *err);

#endif
