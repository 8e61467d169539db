// SPDX-License-Identifier: MIT
#include <cstdlib>
#include <exception>
#include <new>

extern "C" {
__attribute__((noreturn)) void mem_failed(void);
void mem_end_uncaught(void);
}

static void
uncaught()
{
    try {
        if (std::exception_ptr thrown = std::current_exception())
            std::rethrow_exception(thrown);
    } catch (const std::bad_alloc &) {
        mem_failed();
    } catch (...) {
    }
    std::abort();
}

void
mem_end_uncaught(void)
{
    std::set_terminate(uncaught);
}
