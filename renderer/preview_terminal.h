// SPDX-License-Identifier: MIT
#ifndef LIMN_RENDERER_PREVIEW_TERMINAL_H
#define LIMN_RENDERER_PREVIEW_TERMINAL_H

// Waits for the terminal's outstanding answers to a driver's probe(), so that the shell does not
// read them as input.
void preview_terminal_drain(void);

#endif
