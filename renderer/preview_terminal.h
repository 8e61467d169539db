// SPDX-License-Identifier: MIT
#ifndef LIMN_RENDERER_PREVIEW_TERMINAL_H
#define LIMN_RENDERER_PREVIEW_TERMINAL_H

// Waits for the terminal's answers to a driver's probe(), so that they are not left to the shell.
void preview_terminal_settle(void);

#endif
