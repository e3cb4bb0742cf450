#include "harness/stack/dm_integrity.h"

#include "backend/base/child.h"
#include "harness/journal/undo.h"
#include "harness/stack/mapping.h"
#include "harness/stack/zones.h"

#include <cstring>

namespace reflux::stack {
namespace {

constexpr Seconds map_time{60};
constexpr Seconds wipe_time{300};
constexpr std::string_view magic = "integrt";  // with the 0 behind it
constexpr std::size_t size_at = 16;            // of the mapping, in sectors, little-endian: struct superblock
                                               // in drivers/md/dm-integrity.c
constexpr Sector least{metadata_block_size / sector_size};

// Direct writes, which leave the journal out: what is in the way of a write is then dm-bufio alone.
journal::Target target_of(const std::string& device, Sector length) {
    return {.length = length,
            .type = "integrity",
            .parameters =
                fmt::format("{} 0 - D 2 internal_hash:crc32c block_size:{}", device, metadata_block_size)};
}

Result<Sector> formatted_size(const std::string& device) {
    REFLUX_TRY(const auto fd, open_file(device, O_RDONLY | O_DIRECT));
    REFLUX_TRY(const auto superblock, read_block(fd.get(), device, 0));
    if (std::memcmp(superblock.bytes.data(), magic.data(), magic.size() + 1) != 0) {
        return fail(ErrorKind::invalid_input, device + " has no superblock of dm-integrity");
    }
    Sector size{};
    std::memcpy(&size.value, superblock.bytes.data() + size_at, sizeof size.value);
    return size;
}

Status wipe(const std::string& device, std::uint64_t blocks) {
    REFLUX_TRY(const auto fd, open_file(device, O_RDWR | O_DIRECT | O_EXCL));
    REFLUX_CHECK(write_blocks(fd.get(), device, 0, blocks, {}));
    return flush(fd.get(), device);
}

}  // namespace

Status format_dm_integrity(const std::string& device, const std::string& name, journal::Journal& journal) {
    // The kernel formats what begins with zeros, and tells the size only then.
    REFLUX_CHECK(call_bounded("clearing " + device, map_time, [&] { return wipe(device, 1); }));
    REFLUX_CHECK(mapping_up(
        name, map_time, [&] { return Result<journal::Target>(target_of(device, least)); }, journal));
    REFLUX_CHECK(journal::undo_one(journal, journal::Kind::dm_device, name));
    REFLUX_TRY(const auto mapping, dm_integrity_up(device, name, journal));
    REFLUX_TRY(const auto size, size_of(mapping));
    REFLUX_CHECK(call_bounded("wiping " + mapping.path, wipe_time,
                              [&] { return wipe(mapping.path, size.value / metadata_block_size); }));
    return journal::undo_one(journal, journal::Kind::dm_device, name);
}

Result<BlockDevice> dm_integrity_up(const std::string& device, const std::string& name,
                                    journal::Journal& journal) {
    return mapping_up(
        name, map_time,
        [&]() -> Result<journal::Target> {
            REFLUX_TRY(const auto size, formatted_size(device));
            return target_of(device, size);
        },
        journal);
}

}  // namespace reflux::stack
