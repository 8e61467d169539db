// SPDX-License-Identifier: MIT
#include "engine/base/install.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *
install_build_folder(void)
{
    static char folder[PATH_MAX];
    static int state; // 0: not looked yet, 1: from the build folder, -1: not
    char program[PATH_MAX];
    if (state)
        return state > 0 ? folder : NULL;
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    program[n > 0 ? n : 0] = 0;
    // Links on the way to the build folder are followed, as the kernel has done for the program.
    size_t length = realpath(LIMN_BUILD, folder) ? strlen(folder) : 0;
    state = length > 1 && strncmp(program, folder, length) == 0 && program[length] == '/' ? 1 : -1;
    return state > 0 ? folder : NULL;
}
