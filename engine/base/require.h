// SPDX-License-Identifier: MIT
// require(): a fact the programmer, not the world, is responsible for. A broken one is a bug: it
// is reported with expression, file and line, and the process stops, in every build: going on with
// a broken graph would draw garbage. Never use it on input.
#ifndef LIMN_ENGINE_BASE_REQUIRE_H
#define LIMN_ENGINE_BASE_REQUIRE_H

_Noreturn void require_failed(const char *expression, const char *file, int line);

#define require(expression)                                                                        \
    ((expression) ? (void)0 : require_failed(#expression, __FILE__, __LINE__))
#define unreachable_here() require_failed("unreachable", __FILE__, __LINE__)

#endif
