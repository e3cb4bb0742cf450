// The configuration string of tcmu-runner's emulated zoned disk (handler file_zbc), so that a disk described
// for it is the same disk here:
//
//     zbc/[OPTION[/OPTION]...@]PATH        zbc/model-HM/zsize-64/conv-8@/path/file
//
//     model-HM, model-HA   host-managed (default), host-aware
//     lba-512, lba-4096    logical block size in bytes (512)
//     zsize-N              zone size in MiB, a power of two (256)
//     conv-N               conventional zones from the start on (1% of the zones, but at least one)
//     open-N               most open zones if host-managed, the optimal number if host-aware (128);
//                          never more than half of the sequential zones
//
// Options may stand in any order; of one that stands twice the last counts. A PATH without options begins
// with '/'. The size of the disk is not in it: tcmu-runner has it from LIO. Stricter than there: a number has
// digits, and PATH is not empty. Reads are unrestricted. Pure.
#pragma once

#include "backend/zone/zoned_geometry.h"

#include <optional>
#include <string>
#include <string_view>

namespace reflux {

struct TcmuConfig {
    std::string path;
    ZoneModel model = ZoneModel::host_managed;
    unsigned logical_block_size = sector_size;
    Bytes zone_size = mebibytes(256);
    std::optional<std::uint64_t> conventional;
    std::uint64_t open = 128;

    bool operator==(const TcmuConfig&) const = default;
};

// Refused with what was expected, and where.
Result<TcmuConfig> parse_tcmu_config(std::string_view text);

// The disk of that size. Refused, as by tcmu-runner: no sequential zone left by conv-N; ZonedGeometry::make
// refuses the rest.
Result<ZonedShape> shape_of(const TcmuConfig& config, Bytes size);

}  // namespace reflux
