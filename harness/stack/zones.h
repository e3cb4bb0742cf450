// A zoned block device below: its zones asked for and reset, and blocks of metadata written to it. These
// calls block when the device does; they are made in a child with a deadline (call_bounded).
#pragma once

#include "backend/base/result.h"
#include "backend/base/units.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace reflux::stack {

// A zone as its device reports it.
struct DeviceZone {
    Sector start;
    Sector length;
    Sector capacity;
    bool conventional = false;
    bool usable = true;  // neither read-only nor offline
};

// Metadata of dm-zoned and of zonefs is laid out in blocks of 4 KiB, whatever the device's blocks are.
constexpr std::uint64_t metadata_block_size = 4096;
struct alignas(metadata_block_size) MetadataBlock {
    std::array<std::byte, metadata_block_size> bytes{};
};

// `fd` is the open `device`. BLKREPORTZONE; invalid_input when the device is not zoned.
Result<std::vector<DeviceZone>> report_zones(int fd, const std::string& device);
// Empties every sequential zone that is usable. BLKRESETZONE.
Status reset_zones(int fd, const std::string& device, const std::vector<DeviceZone>& zones);
// Makes a sequential zone full. BLKFINISHZONE.
Status finish_zone(int fd, const std::string& device, const DeviceZone& zone);

// `count` copies of `block`, from the metadata block `first` on; `fd` was opened with O_DIRECT.
Status write_blocks(int fd, const std::string& device, std::uint64_t first, std::uint64_t count,
                    const MetadataBlock& block);
Result<MetadataBlock> read_block(int fd, const std::string& device, std::uint64_t number);
Status flush(int fd, const std::string& device);

// A random UUID (RFC 9562, version 4).
Result<std::array<std::byte, 16>> make_uuid();

}  // namespace reflux::stack
