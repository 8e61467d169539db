// SPDX-License-Identifier: MIT
// First of all in every program.
#ifndef LIMN_APP_BASE_STREAMS_H
#define LIMN_APP_BASE_STREAMS_H

// Standard input, output and error that were closed are /dev/null's from here on, so that no file or
// pipe that is opened later is taken for one of them.
void streams_open(void);

#endif
