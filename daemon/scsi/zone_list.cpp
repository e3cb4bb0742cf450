#include "daemon/scsi/zone_list.h"

#include <algorithm>
#include <array>

namespace reflux::scsi {
namespace {

constexpr std::size_t header_size = 64;
constexpr std::size_t descriptor_size = 64;
constexpr std::uint64_t no_write_pointer = ~std::uint64_t{0};

using Descriptor = std::array<std::byte, descriptor_size>;

Descriptor descriptor_of(const LogicalUnit& unit, const ZoneDescriptor& zone) {
    constexpr unsigned reset = 0x01;
    constexpr unsigned non_seq = 0x02;
    Descriptor bytes{};
    const std::span<std::byte> all(bytes);
    bytes[0] = static_cast<std::byte>(zone.type);
    bytes[1] =
        static_cast<std::byte>(static_cast<unsigned>(zone.condition) << 4U |
                               (zone.non_sequential ? non_seq : 0U) | (zone.reset_recommended ? reset : 0U));
    put_be(all, 8, unit.lba_of(zone.length));
    put_be(all, 16, unit.lba_of(zone.start));
    put_be(all, 24, zone.has_write_pointer ? unit.lba_of(zone.write_pointer) : no_write_pointer);
    return bytes;
}

std::uint64_t count_from(const ZoneSource& zones, const ReportRequest& from) {
    ReportRequest request = from;
    request.partial = false;
    return zones.report(request, {}).matching;
}

// Fills `out` with descriptors of zones from `request` on; how many. `request` then begins behind the last.
std::size_t write_descriptors(const LogicalUnit& unit, const ZoneSource& zones, ReportRequest& request,
                              std::span<std::byte> out) {
    std::array<ZoneDescriptor, 32> portion;
    const std::size_t room = out.size() / descriptor_size;
    std::size_t written = 0;
    while (written < room) {
        const std::size_t asked = std::min(portion.size(), room - written);
        const std::size_t filled = zones.report(request, std::span(portion).first(asked)).filled;
        for (const ZoneDescriptor& zone : std::span(portion).first(filled)) {
            std::ranges::copy(descriptor_of(unit, zone),
                              out.subspan(written++ * descriptor_size, descriptor_size).begin());
            request.first = {zones.zone_of(zone.start).value + 1};
        }
        if (filled < asked) {
            request.first = {~std::uint64_t{0}};  // there are no more
            break;
        }
    }
    return written;
}

}  // namespace

std::optional<ZoneListRequest> parse_zone_list_request(const Cdb& cdb) {
    const std::span<const std::uint8_t> bytes(cdb);
    const auto option = to_reporting_option(static_cast<std::uint8_t>(cdb[14] & 0x3fU));
    if (!option) {
        return std::nullopt;
    }
    return ZoneListRequest{.first_lba = get_be<std::uint64_t>(bytes, 2),
                           .option = *option,
                           .partial = (cdb[14] & 0x80U) != 0,
                           .allocation = get_be<std::uint32_t>(bytes, 10)};
}

std::size_t write_zone_list(const LogicalUnit& unit, const ZoneListRequest& request, const ZoneSource& zones,
                            std::span<std::byte> out) {
    ReportRequest next{.first = zones.zone_of(unit.bytes_at(request.first_lba)), .option = request.option};
    std::size_t written = 0;
    if (out.size() > header_size) {
        written = write_descriptors(unit, zones, next, out.subspan(header_size));
    }
    const std::uint64_t matching = written + (request.partial ? 0 : count_from(zones, next));
    std::array<std::byte, header_size> header{};
    const std::span<std::byte> head(header);
    constexpr std::uint64_t most = 0xffffffff / descriptor_size * descriptor_size;
    put_be(head, 0, static_cast<std::uint32_t>(std::min(matching * descriptor_size, most)));
    put_be(head, 8, unit.blocks - 1);  // MAXIMUM LBA
    const std::size_t head_written = std::min(header_size, out.size());
    std::ranges::copy(head.first(head_written), out.begin());
    return head_written + written * descriptor_size;
}

}  // namespace reflux::scsi
