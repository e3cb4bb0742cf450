// The zones of a disk as they lie in memory: packed, so that those of a large disk stay in the processor's
// caches; for a zone that is nowhere but in memory a request waits longer than all its checks take. 4 bytes a
// zone of up to 2^20 logical blocks (512 MiB, or 4 GiB with blocks of 4096), 8 bytes a larger one. No
// allocation after construction. Not thread-safe.
#pragma once

#include "backend/zone/zoned_geometry.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

namespace reflux {

class ZoneStore {
  public:
    // As many zones as the disk has, not set yet.
    explicit ZoneStore(const ZonedGeometry& geometry)
        : count_(geometry.zone_count()),
          conventional_(geometry.conventional_count()),
          sequential_type_(geometry.sequential_type()),
          block_shift_(static_cast<unsigned>(std::countr_zero(geometry.shape().logical_block_size))),
          is_small_(geometry.zone_size().value >> block_shift_ <= most_small_blocks),
          written_at_(is_small_ ? small_written_at : large_written_at),
          most_in_flight_((std::uint64_t{1} << (written_at_ - in_flight_at)) - 1),
          small_(is_small_ ? count_ : 0),
          large_(is_small_ ? 0 : count_) {}

    [[nodiscard]] std::uint64_t size() const { return count_; }

    [[nodiscard]] Zone get(ZoneId id) const {
        const std::uint64_t word = is_small_ ? small_[id.value] : large_[id.value];
        return {.written = {word >> written_at_ << block_shift_},
                .type = id.value < conventional_ ? ZoneType::conventional : sequential_type_,
                .condition = condition_of(word & condition_mask),
                .non_sequential = (word & non_sequential) != 0,
                .reset_recommended = (word & reset_recommended) != 0,
                .writes_in_flight = static_cast<std::uint32_t>(word >> in_flight_at & most_in_flight_)};
    }
    // The zone has the type that it has in the geometry, and a write pointer of whole logical blocks.
    // Writes in flight are kept up to 63 in a zone of 4 bytes: with more, it is taken for one without a
    // little early. Nothing but the choice of a zone to be closed hangs on that, for where a zone with one is
    // counted as active, in sequential-write-required ones, there is one at most.
    void set(ZoneId id, const Zone& zone) {
        const std::uint64_t word = zone.written.value >> block_shift_ << written_at_ |
                                   std::min<std::uint64_t>(zone.writes_in_flight, most_in_flight_)
                                       << in_flight_at |
                                   (zone.reset_recommended ? reset_recommended : 0U) |
                                   (zone.non_sequential ? non_sequential : 0U) | code_of(zone.condition);
        if (is_small_) {
            small_[id.value] = static_cast<std::uint32_t>(word);
        } else {
            large_[id.value] = word;
        }
    }

  private:
    // A word, from its lowest bit on: condition, flags, writes in flight, write pointer in blocks. The type
    // follows from the geometry.
    static constexpr std::uint64_t condition_mask = 7;
    static constexpr std::uint64_t non_sequential = 8;
    static constexpr std::uint64_t reset_recommended = 16;
    static constexpr unsigned in_flight_at = 5;
    static constexpr unsigned small_written_at = 11;  // leaves 21 bits
    static constexpr unsigned large_written_at = 24;  // leaves 40
    static constexpr std::uint64_t most_small_blocks = 1U << 20U;
    static_assert(ZonedGeometry::largest_zone.value / sector_size < std::uint64_t{1} << 40U);

    // The eight conditions are 0 to 4 and 0xd to 0xf.
    static std::uint64_t code_of(ZoneCondition condition) {
        const auto value = static_cast<std::uint64_t>(condition);
        return value - (value & 8U);
    }
    static ZoneCondition condition_of(std::uint64_t code) {
        return static_cast<ZoneCondition>(code + (code > 4 ? 8U : 0U));
    }

    std::uint64_t count_;
    std::uint64_t conventional_;
    ZoneType sequential_type_;
    unsigned block_shift_;
    bool is_small_;
    unsigned written_at_;
    std::uint64_t most_in_flight_;
    std::vector<std::uint32_t> small_;  // one of the two is empty
    std::vector<std::uint64_t> large_;

  public:
    static constexpr std::size_t most_bytes_a_zone = sizeof(std::uint64_t);
};

}  // namespace reflux
