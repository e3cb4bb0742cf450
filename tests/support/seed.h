// How long a random test runs, and from which seed.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <random>

namespace reflux::test {

// scripts/test --long
inline bool is_long() {
    return std::getenv("REFLUX_LONG") != nullptr;
}

// REFLUX_SEED, where it is set.
inline std::uint64_t new_seed() {
    const char* given = std::getenv("REFLUX_SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
}

}  // namespace reflux::test
