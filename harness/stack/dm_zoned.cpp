#include "harness/stack/dm_zoned.h"

#include "backend/base/child.h"
#include "backend/base/kernel_file.h"
#include "harness/stack/mapping.h"

#include <algorithm>

namespace reflux::stack {
namespace {

constexpr Seconds format_time{120};  // a reset for each zone, each of which a daemon may have to serve
constexpr Seconds map_time{60};      // the kernel reads all of the metadata

// Where the kernel looks for the first superblock.
Result<std::uint64_t> first_superblock(const std::vector<DeviceZone>& zones, const std::string& device) {
    const auto first = std::find_if(zones.begin(), zones.end(),
                                    [](const DeviceZone& zone) { return zone.conventional && zone.usable; });
    if (first == zones.end()) {
        return fail(ErrorKind::invalid_input, device + " has no conventional zones");
    }
    return bytes_of(first->start).value / metadata_block_size;
}

// Without superblocks until all the rest is on the disk: a torn format is none.
Status write_metadata(int fd, const std::string& device, const DmZonedLayout& layout,
                      const DmZonedIdentity& identity) {
    for (unsigned set = 0; set < 2; ++set) {
        REFLUX_CHECK(write_blocks(fd, device, layout.set_block(set), 1, {}));
    }
    REFLUX_CHECK(flush(fd, device));
    for (unsigned set = 0; set < 2; ++set) {
        const std::uint64_t map = layout.set_block(set) + 1;
        REFLUX_CHECK(write_blocks(fd, device, map, layout.map_blocks, dm_zoned_unmapped()));
        REFLUX_CHECK(write_blocks(fd, device, map + layout.map_blocks, layout.bitmap_blocks, {}));
    }
    REFLUX_CHECK(flush(fd, device));
    for (unsigned set = 0; set < 2; ++set) {
        REFLUX_TRY(const auto superblock, dm_zoned_superblock(layout, identity, set));
        REFLUX_CHECK(write_blocks(fd, device, layout.set_block(set), 1, superblock));
    }
    return flush(fd, device);
}

Status format(const std::string& device, const DmZonedOptions& options) {
    REFLUX_TRY(const auto fd, open_file(device, O_RDWR | O_DIRECT | O_EXCL));
    REFLUX_TRY(const auto zones, report_zones(fd.get(), device));
    REFLUX_TRY(const auto layout, dm_zoned_layout(zones, options));
    DmZonedIdentity identity{.label = options.label};
    REFLUX_TRY(identity.uuid, make_uuid());
    REFLUX_TRY(identity.device_uuid, make_uuid());
    REFLUX_CHECK(reset_zones(fd.get(), device, zones));
    return write_metadata(fd.get(), device, layout, identity);
}

// The table of a formatted device: the kernel itself takes the number of chunks from the superblock.
Result<journal::Target> target_on(const std::string& device) {
    REFLUX_TRY(const auto fd, open_file(device, O_RDONLY | O_DIRECT));
    REFLUX_TRY(const auto zones, report_zones(fd.get(), device));
    REFLUX_TRY(const auto at, first_superblock(zones, device));
    REFLUX_TRY(const auto superblock, read_block(fd.get(), device, at));
    const auto chunks = dm_zoned_chunks(superblock);
    if (!chunks) {
        return fail(chunks.error().within(device));
    }
    return journal::Target{
        .length = {*chunks * zones.front().length.value}, .type = "zoned", .parameters = device};
}

}  // namespace

Status format_dm_zoned(const std::string& device, const DmZonedOptions& options) {
    return call_bounded("formatting " + device, format_time, [&] { return format(device, options); });
}

Result<BlockDevice> dm_zoned_up(const std::string& device, const std::string& name,
                                journal::Journal& journal) {
    return mapping_up(
        name, map_time, [&] { return target_on(device); }, journal);
}

}  // namespace reflux::stack
