#include "harness/stack/zonefs.h"

#include "backend/base/checksum.h"
#include "backend/base/child.h"
#include "backend/base/little_endian.h"

#include <algorithm>

namespace reflux::stack {
namespace {

constexpr Seconds format_time{120};

// struct zonefs_super: offsets, all numbers little-endian. Between checksum and uuid is a label; what follows
// the uuid (features, owner, mode) is zero: the kernel's own choice.
constexpr std::uint32_t magic = 0x5A4F4653;  // "ZOFS"
constexpr std::size_t magic_at = 0;
constexpr std::size_t checksum_at = 4;
constexpr std::size_t uuid_at = 72;

Status format(const std::string& device) {
    REFLUX_TRY(const auto fd, open_file(device, O_RDWR | O_DIRECT | O_EXCL));
    REFLUX_TRY(const auto zones, report_zones(fd.get(), device));
    REFLUX_TRY(const auto uuid, make_uuid());
    REFLUX_CHECK(reset_zones(fd.get(), device, zones));
    REFLUX_CHECK(write_blocks(fd.get(), device, 0, 1, zonefs_superblock(uuid)));
    // A sequential zone that is never written again shall not count as an open one.
    if (!zones.front().conventional) {
        REFLUX_CHECK(finish_zone(fd.get(), device, zones.front()));
    }
    return flush(fd.get(), device);
}

}  // namespace

MetadataBlock zonefs_superblock(const std::array<std::byte, 16>& uuid) {
    MetadataBlock block;
    put(block.bytes, magic_at, magic);
    std::copy(uuid.begin(), uuid.end(), &block.bytes[uuid_at]);
    put(block.bytes, checksum_at, crc32_le(~0U, block.bytes));
    return block;
}

Status format_zonefs(const std::string& device, const std::string& helper_cgroup_procs) {
    SpawnOptions options;
    if (!helper_cgroup_procs.empty()) {
        options.cgroup_procs = {helper_cgroup_procs};
    }
    return call_bounded(
        "zonefs on " + device, format_time, [&] { return format(device); }, options);
}

}  // namespace reflux::stack
