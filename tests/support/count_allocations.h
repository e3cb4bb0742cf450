// Counts the allocations of the whole program: malloc and its kin are replaced, under operator new too. For
// one source of a program. Sanitizers bring a malloc of their own: there nothing is counted, and
// counts_allocations says so.
#pragma once

#include "tests/support/sanitizer.h"

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace reflux::test {

inline constexpr bool counts_allocations = !is_sanitized;
// Of all threads since the program began. No constructor: malloc is called before any has run.
inline constinit std::atomic<std::uint64_t> allocations{0};

}  // namespace reflux::test

#if !REFLUX_SANITIZED
// NOLINTBEGIN(*-reserved-identifier, *-identifier-naming): glibc's own names for what is replaced
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* memory, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

void* malloc(std::size_t size) {
    reflux::test::allocations.fetch_add(1, std::memory_order_relaxed);
    return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
    reflux::test::allocations.fetch_add(1, std::memory_order_relaxed);
    return __libc_calloc(count, size);
}
void* realloc(void* memory, std::size_t size) {
    reflux::test::allocations.fetch_add(1, std::memory_order_relaxed);
    return __libc_realloc(memory, size);
}
void* memalign(std::size_t alignment, std::size_t size) {
    reflux::test::allocations.fetch_add(1, std::memory_order_relaxed);
    return __libc_memalign(alignment, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
    return memalign(alignment, size);
}
int posix_memalign(void** memory, std::size_t alignment, std::size_t size) {
    *memory = memalign(alignment, size);
    return *memory == nullptr ? ENOMEM : 0;
}
}
// NOLINTEND(*-reserved-identifier, *-identifier-naming)
#endif
