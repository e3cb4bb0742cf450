// A zone's state in one word, which is stored whole: bits 0 to 3 the condition, 4 non-sequential, 5 reset
// recommended, from bit 8 on the sectors written. The type is not in it. Pure.
#pragma once

#include "backend/zone/zone.h"

namespace reflux {

constexpr std::uint64_t word_of_zone(const Zone& zone) {
    return static_cast<std::uint64_t>(zone.condition) | (zone.non_sequential ? 1U << 4U : 0U) |
           (zone.reset_recommended ? 1U << 5U : 0U) | zone.written.value / sector_size << 8U;
}

constexpr Zone zone_of_word(std::uint64_t word, ZoneType type) {
    return {.written = bytes_of(Sector{word >> 8U}),
            .type = type,
            .condition = static_cast<ZoneCondition>(word & 0xfU),
            .non_sequential = (word >> 4U & 1U) != 0,
            .reset_recommended = (word >> 5U & 1U) != 0};
}

}  // namespace reflux
