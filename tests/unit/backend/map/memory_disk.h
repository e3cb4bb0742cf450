// A host-managed disk in memory that keeps the rules of its zones: a write to a sequential zone begins at the
// write pointer, one at a time; what lies beyond the pointer is never read.
#pragma once

#include "backend/map/lower_disk.h"
#include "backend/map/translated_disk.h"

#include <algorithm>
#include <cerrno>
#include <set>
#include <string>
#include <vector>

namespace reflux::map::test {

class MemoryDisk : public LowerDisk {
  public:
    explicit MemoryDisk(const ZonedGeometry& geometry)
        : geometry_(geometry), bytes_(geometry.size().value), written_(geometry.zone_count()) {}

    int read(Bytes offset, std::span<std::byte> buffer) override {
        const ZonePiece piece = geometry_.first_piece({offset, {buffer.size()}});
        const bool unwritten = !geometry_.is_conventional(piece.zone) &&
                               piece.offset_in_zone.value + buffer.size() > written_[piece.zone.value];
        if (unwritten) {
            violations.insert("read beyond the write pointer");
        }
        std::copy_n(bytes_.begin() + at(offset), buffer.size(), buffer.begin());
        return 0;
    }
    int write(Bytes offset, std::span<std::byte> buffer) override {
        if (fail_writes > 0 && --fail_writes == 0) {
            return EIO;
        }
        const ZonePiece piece = geometry_.first_piece({offset, {buffer.size()}});
        if (!geometry_.is_conventional(piece.zone)) {
            std::uint64_t& written = written_[piece.zone.value];
            if (piece.offset_in_zone.value != written || piece.length.value != buffer.size()) {
                violations.insert("write off the write pointer, or across a border");
                return EIO;
            }
            written += buffer.size();
        }
        std::ranges::copy(buffer, bytes_.begin() + at(offset));
        return 0;
    }
    int flush() override {
        ++flushes;
        return fail_flushes > 0 && --fail_flushes == 0 ? EIO : 0;
    }
    int reset(Bytes zone_start) override {
        const ZoneId zone = geometry_.zone_of(zone_start);
        written_[zone.value] = 0;
        std::fill_n(bytes_.begin() + at(zone_start), geometry_.zone_size().value, std::byte{0xee});
        return 0;
    }

    [[nodiscard]] std::vector<ZoneState> states() const {
        std::vector<ZoneState> states;
        for (const std::uint64_t written : written_) {
            states.push_back({.written = written / block_size});
        }
        return states;
    }
    std::vector<std::byte>& bytes() { return bytes_; }

    std::set<std::string> violations;
    int flushes = 0;
    int fail_writes = 0;  // the so manieth from now on; 0: none
    int fail_flushes = 0;

  private:
    static std::ptrdiff_t at(Bytes offset) { return static_cast<std::ptrdiff_t>(offset.value); }

    ZonedGeometry geometry_;
    std::vector<std::byte> bytes_;
    std::vector<std::uint64_t> written_;  // write pointers, bytes from the zone's start
};

inline ZonedGeometry geometry_of(std::uint64_t zones, std::uint64_t conventional,
                                 Bytes zone_size = kibibytes(64)) {
    return ZonedGeometry::make({.size = {zones * zone_size.value},
                                .zone_size = zone_size,
                                .conventional = conventional,
                                .model = ZoneModel::host_managed})
        .value();
}

}  // namespace reflux::map::test
