// REPORT ZONES: which zones are asked for (ZBC-2 clause 5.7), and what is said of one.
#pragma once

#include "backend/zone/zone.h"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace reflux {

// REPORTING OPTIONS field.
enum class ReportingOption : std::uint8_t {
    all = 0x00,
    empty = 0x01,
    implicit_open = 0x02,
    explicit_open = 0x03,
    closed = 0x04,
    full = 0x05,
    read_only = 0x06,
    offline = 0x07,
    reset_recommended = 0x10,
    non_sequential = 0x11,
    not_gap = 0x3e,  // all, here: what lies behind a zone's capacity is no zone of its own
    not_write_pointer = 0x3f,
};

// Nothing for values that the standard reserves, or keeps for zone domains: INVALID FIELD IN CDB.
std::optional<ReportingOption> to_reporting_option(std::uint8_t field);
bool is_reported(const Zone& zone, ReportingOption option);

struct ReportRequest {
    ZoneId first;
    ReportingOption option = ReportingOption::all;
    // PARTIAL: false counts all the zones that match, also those that find no room in the answer.
    bool partial = true;
};

struct ReportAnswer {
    ZoneError error = ZoneError::none;  // out_of_range: the disk has no such first zone
    std::size_t filled = 0;             // descriptors written
    std::uint64_t matching = 0;         // what ZONE LIST LENGTH speaks of; with `partial` the same as filled
};

// One line of a zone report: struct blk_zone in bytes.
struct ZoneDescriptor {
    Bytes start;
    Bytes length;
    Bytes capacity;       // how much of it can be written
    Bytes write_pointer;  // absolute; valid where has_write_pointer
    bool has_write_pointer = false;
    ZoneType type = ZoneType::conventional;
    ZoneCondition condition = ZoneCondition::not_write_pointer;
    bool non_sequential = false;
    bool reset_recommended = false;

    bool operator==(const ZoneDescriptor&) const = default;
};

}  // namespace reflux
