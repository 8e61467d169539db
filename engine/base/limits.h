// SPDX-License-Identifier: MIT
// Every limit that limn sets to what comes from outside, in one place: a file, a host, a terminal, the
// environment. Each is tested at its edge; docs/security.md says what happens beyond it.
// A name says what is limited and in which unit.
#ifndef LIMN_ENGINE_BASE_LIMITS_H
#define LIMN_ENGINE_BASE_LIMITS_H

#endif
