// SPDX-License-Identifier: MIT
// Whether this program runs from its build folder, told by comparing the folder it was built in
// with its own file.
#ifndef LIMN_ENGINE_BASE_INSTALL_H
#define LIMN_ENGINE_BASE_INSTALL_H

// The build folder, absolute, when the program runs from there; NULL when it is installed, or
// copied elsewhere. Never changes. Any thread after the first call.
const char *install_build_folder(void);

#endif
