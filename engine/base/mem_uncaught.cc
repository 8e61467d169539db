// SPDX-License-Identifier: MIT
#include <csignal>
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

// GLib raises it where it stands, after a line of its own, and never inside an allocator.
static void
trapped(int)
{
    mem_failed();
}

void
mem_end_uncaught(void)
{
    std::signal(SIGTRAP, trapped);
    std::set_terminate(uncaught);
}
