#include "daemon/base/disk_report.h"

#include "daemon/base/zone_json.h"

#include <iterator>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace reflux {
namespace {

std::string uuid_text(const Superblock& superblock) {
    std::string text;
    for (const auto byte : superblock.uuid) {
        fmt::format_to(std::back_inserter(text), "{:02x}", byte);
    }
    return text;
}

std::string json_head(const ReportedDisk& disk) {
    const ZonedShape& shape = disk.superblock.geometry.shape();
    std::string text = nlohmann::json({{"image", disk.image},
                                       {"format_version", image_format_version},
                                       {"uuid", uuid_text(disk.superblock)},
                                       {"created_unix_s", disk.superblock.created_unix_s},
                                       {"clean", !disk.was_unclean},
                                       {"in_use", disk.in_use},
                                       {"translated", disk.superblock.translated},
                                       {"data_offset", disk.superblock.data_offset.value},
                                       {"size", shape.size.value},
                                       {"model", to_string(shape.model)},
                                       {"zone_count", disk.superblock.geometry.zone_count()},
                                       {"zone_size", shape.zone_size.value},
                                       {"zone_capacity", shape.zone_capacity.value},
                                       {"conventional", shape.conventional},
                                       {"logical_block_size", shape.logical_block_size},
                                       {"max_open", shape.max_open},
                                       {"max_active", shape.max_active},
                                       {"unrestricted_reads", shape.unrestricted_reads}})
                           .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    text.back() = ',';  // the object goes on with its zones
    return text + "\"zones\":[";
}

std::string limit_text(std::uint32_t limit) {
    return limit == 0 ? "any number" : fmt::to_string(limit);
}

std::string_view state_text(const ReportedDisk& disk) {
    if (disk.in_use) {
        return "in use";
    }
    return disk.was_unclean ? "not closed properly" : "closed properly";
}

std::string text_head(const ReportedDisk& disk) {
    const ZonedShape& shape = disk.superblock.geometry.shape();
    return fmt::format(
        "{}: {} disk of {}, logical blocks of {} bytes, {}\n"
        "{} zones of {} (capacity {}), {} of them conventional; open at once: {}, active: {}; reads beyond "
        "the write pointer: {}\n"
        "{}{:>8} {:>16} {:>12} {:>12} {:>16}  {:<26} {}\n",
        disk.image, to_string(shape.model), to_string(shape.size), shape.logical_block_size, state_text(disk),
        disk.superblock.geometry.zone_count(), to_string(shape.zone_size), to_string(shape.zone_capacity),
        shape.conventional, limit_text(shape.max_open), limit_text(shape.max_active),
        shape.unrestricted_reads ? "allowed" : "refused",
        disk.superblock.translated
            ? "translated: the disk takes writes anywhere, and the zones are the translation's own\n"
            : "",
        "zone", "start", "length", "capacity", "write pointer", "type", "condition");
}

}  // namespace

std::string DiskReport::head(ReportFormat format, const ReportedDisk& disk) {
    return format == ReportFormat::json ? json_head(disk) : text_head(disk);
}

void DiskReport::append_zone(std::string& text, ZoneId id, const ZoneDescriptor& zone) const {
    if (format_ == ReportFormat::json) {
        text += id.value == 0 ? "" : ",";
        append_json(text, zone);
        return;
    }
    fmt::format_to(std::back_inserter(text), "{:>8} {:>16} {:>12} {:>12} {:>16}  {:<26} {}{}{}\n", id.value,
                   zone.start.value, zone.length.value, zone.capacity.value,
                   zone.has_write_pointer ? fmt::to_string(zone.write_pointer.value) : "-",
                   to_string(zone.type), to_string(zone.condition),
                   zone.non_sequential ? ", non_sequential" : "",
                   zone.reset_recommended ? ", reset_recommended" : "");
}

}  // namespace reflux
