// What refluxd says of its I/O in its status or progress, as read-backs ask it. Pure.
#pragma once

#include "harness/mitigation/mitigation.h"

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

namespace reflux::mitigation {

// Its "io", or null.
nlohmann::json io_of(const Target& target);

// Its "io.calls". What is missing or of another type is 0, not in a list, not set.
struct Calls {
    bool told = false;
    nlohmann::json json;

    [[nodiscard]] std::uint64_t count(const char* key) const;
    [[nodiscard]] bool has(const char* list, const std::string& word) const;
    [[nodiscard]] bool is_set(const char* key) const;
};
Calls calls_of(const Target& target);

}  // namespace reflux::mitigation
