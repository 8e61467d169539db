// SPDX-License-Identifier: MIT
// require(): a condition that the code itself guarantees, whatever the input. If it is false there
// is a bug: expression, file and line are reported and the process stops, in every build, because
// continuing with a broken graph would draw garbage. Never use it on input.
#ifndef LIMN_ENGINE_BASE_REQUIRE_H
#define LIMN_ENGINE_BASE_REQUIRE_H

_Noreturn void require_failed(const char *expression, const char *file, int line);

#define require(expression)                                                                        \
    ((expression) ? (void)0 : require_failed(#expression, __FILE__, __LINE__))
#define unreachable_here() require_failed("unreachable", __FILE__, __LINE__)

#endif
