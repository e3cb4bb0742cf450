// Counters that a forked child writes and its parent reads.
#pragma once

#include "backend/base/mapping.h"
#include "backend/base/result.h"

#include <new>

#include <sys/mman.h>

namespace reflux::pressure {

// `Counters` of atomics, zero at first.
template <class Counters>
Result<Mapping> make_shared_counters() {
    void* const address =
        ::mmap(nullptr, sizeof(Counters), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (address == MAP_FAILED) {
        return fail_errno("mmap");
    }
    new (address) Counters;
    return Mapping({.address = address, .length = sizeof(Counters)});
}

template <class Counters>
Counters& counters_in(const Mapping& mapping) {
    return *std::launder(static_cast<Counters*>(mapping.get().address));
}

}  // namespace reflux::pressure
