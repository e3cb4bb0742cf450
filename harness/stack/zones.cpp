#include "harness/stack/zones.h"

#include <algorithm>
#include <cstring>

#include <linux/blkzoned.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <unistd.h>

namespace reflux::stack {
namespace {

DeviceZone zone_of(const blk_zone& zone, bool has_capacity) {
    return {.start = {zone.start},
            .length = {zone.len},
            .capacity = {has_capacity ? zone.capacity : zone.len},
            .conventional = zone.type == BLK_ZONE_TYPE_CONVENTIONAL,
            .usable = zone.cond != BLK_ZONE_COND_READONLY && zone.cond != BLK_ZONE_COND_OFFLINE};
}

Status manage(int fd, unsigned long request, const char* name, const std::string& device,
              const DeviceZone& zone) {
    blk_zone_range range{.sector = zone.start.value, .nr_sectors = zone.length.value};
    return ::ioctl(fd, request, &range) == 0
               ? Status{}
               : Status(fail_errno(fmt::format("{} {} at sector {}", name, device, zone.start.value)));
}

}  // namespace

Result<std::vector<DeviceZone>> report_zones(int fd, const std::string& device) {
    constexpr unsigned at_once = 4096;
    std::uint64_t size = 0;
    if (::ioctl(fd, BLKGETSIZE64, &size) != 0) {
        return fail_errno("BLKGETSIZE64 " + device);
    }
    std::vector<DeviceZone> zones;
    std::vector<char> buffer(sizeof(blk_zone_report) + at_once * sizeof(blk_zone));
    auto* report = reinterpret_cast<blk_zone_report*>(buffer.data());
    for (std::uint64_t next = 0; next < size / sector_size;) {
        report->flags = 0;
        report->sector = next;
        report->nr_zones = at_once;
        if (::ioctl(fd, BLKREPORTZONE, report) != 0) {
            return fail_errno("BLKREPORTZONE " + device);
        }
        if (report->nr_zones == 0) {
            return fail(ErrorKind::invalid_input, device + " reports no zones: it is not a zoned device");
        }
        const bool has_capacity = (report->flags & BLK_ZONE_REP_CAPACITY) != 0;
        std::transform(report->zones, report->zones + report->nr_zones, std::back_inserter(zones),
                       [&](const blk_zone& zone) { return zone_of(zone, has_capacity); });
        next = zones.back().start.value + zones.back().length.value;
    }
    return zones;
}

Status reset_zones(int fd, const std::string& device, const std::vector<DeviceZone>& zones) {
    for (const DeviceZone& zone : zones) {
        if (!zone.conventional && zone.usable) {
            REFLUX_CHECK(manage(fd, BLKRESETZONE, "BLKRESETZONE", device, zone));
        }
    }
    return {};
}

Status finish_zone(int fd, const std::string& device, const DeviceZone& zone) {
    return manage(fd, BLKFINISHZONE, "BLKFINISHZONE", device, zone);
}

Status write_blocks(int fd, const std::string& device, std::uint64_t first, std::uint64_t count,
                    const MetadataBlock& block) {
    constexpr std::uint64_t at_once = 64;
    const std::vector<MetadataBlock> copies(std::min(count, at_once), block);
    for (std::uint64_t done = 0; done < count;) {
        const std::size_t length = std::min(count - done, at_once) * metadata_block_size;
        const auto offset = static_cast<off_t>((first + done) * metadata_block_size);
        const ssize_t wrote = ::pwrite(fd, copies.data(), length, offset);
        if (wrote < 0) {
            return fail_errno(fmt::format("write {} at byte {}", device, offset));
        }
        if (static_cast<std::size_t>(wrote) != length) {
            return fail(ErrorKind::system,
                        fmt::format("write {} at byte {}: {} of {} bytes", device, offset, wrote, length));
        }
        done += length / metadata_block_size;
    }
    return {};
}

Result<MetadataBlock> read_block(int fd, const std::string& device, std::uint64_t number) {
    MetadataBlock block;
    const auto offset = static_cast<off_t>(number * metadata_block_size);
    const ssize_t got = ::pread(fd, block.bytes.data(), block.bytes.size(), offset);
    if (got < 0) {
        return fail_errno(fmt::format("read {} at byte {}", device, offset));
    }
    if (static_cast<std::size_t>(got) != block.bytes.size()) {
        return fail(ErrorKind::system, fmt::format("read {} at byte {}: {} bytes", device, offset, got));
    }
    return block;
}

Status flush(int fd, const std::string& device) {
    return ::fsync(fd) == 0 ? Status{} : Status(fail_errno("fsync " + device));
}

Result<std::array<std::byte, 16>> make_uuid() {
    std::array<std::byte, 16> uuid{};
    if (::getrandom(uuid.data(), uuid.size(), 0) != static_cast<ssize_t>(uuid.size())) {
        return fail_errno("getrandom");
    }
    uuid[6] = (uuid[6] & std::byte{0x0f}) | std::byte{0x40};
    uuid[8] = (uuid[8] & std::byte{0x3f}) | std::byte{0x80};
    return uuid;
}

}  // namespace reflux::stack
