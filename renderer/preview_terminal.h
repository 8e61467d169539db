// SPDX-License-Identifier: MIT
#ifndef LIMN_RENDERER_PREVIEW_TERMINAL_H
#define LIMN_RENDERER_PREVIEW_TERMINAL_H

// Answers to questions that a driver's probe() asked the terminal are not left to the shell.
void preview_terminal_settle(void);

#endif
