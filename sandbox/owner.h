// SPDX-License-Identifier: MIT
// What an owner has of a child of the sandbox. For the files of this folder.
#ifndef LIMN_SANDBOX_OWNER_H
#define LIMN_SANDBOX_OWNER_H

#include "sandbox/sandbox.h"

// Two sockets: what goes to the child and comes from it; what ends it, and tells its status.
struct sandbox {
    int data, lifetime;
};

#endif
