#include "daemon/image_verbs.h"

#include "backend/base/kernel_file.h"
#include "backend/image.h"
#include "daemon/base/log.h"
#include "daemon/base/zone_json.h"

#include <array>
#include <iterator>

#include <unistd.h>

#include <nlohmann/json.hpp>

namespace reflux {
namespace {

// What is printed at once.
constexpr std::size_t output_portion = 65536;

Status print(std::string& text, bool all) {
    if (!all && text.size() < output_portion) {
        return {};
    }
    REFLUX_CHECK(write_all(STDOUT_FILENO, text, "stdout"));
    text.clear();
    return {};
}

// Calls tell(text, zone, is_first) for all zones, and prints what it appends.
template <class Tell>
Status print_zones(const ZoneTable& zones, std::string text, Tell tell, std::string_view end) {
    std::array<ZoneDescriptor, 512> portion;
    std::uint64_t next = 0;
    while (const std::size_t count = zones.report({next}, portion)) {
        for (std::size_t i = 0; i < count; ++i) {
            tell(text, portion[i], next + i == 0);
            REFLUX_CHECK(print(text, false));
        }
        next += count;
    }
    text += end;
    return print(text, true);
}

std::string uuid_text(const Superblock& superblock) {
    std::string text;
    for (const auto byte : superblock.uuid) {
        fmt::format_to(std::back_inserter(text), "{:02x}", byte);
    }
    return text;
}

Status print_json(const std::string& path, const ImageContents& image) {
    const ZonedShape& shape = image.superblock.geometry.shape();
    std::string text = nlohmann::json({{"image", path},
                                       {"format_version", image_format_version},
                                       {"uuid", uuid_text(image.superblock)},
                                       {"created_unix_s", image.superblock.created_unix_s},
                                       {"clean", !image.was_unclean},
                                       {"data_offset", image.superblock.data_offset.value},
                                       {"size", shape.size.value},
                                       {"model", to_string(shape.model)},
                                       {"zone_count", image.superblock.geometry.zone_count()},
                                       {"zone_size", shape.zone_size.value},
                                       {"zone_capacity", shape.zone_capacity.value},
                                       {"conventional", shape.conventional},
                                       {"logical_block_size", shape.logical_block_size},
                                       {"max_open", shape.max_open},
                                       {"max_active", shape.max_active},
                                       {"unrestricted_reads", shape.unrestricted_reads}})
                           .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    text.back() = ',';  // the object goes on with its zones
    text += "\"zones\":[";
    const auto tell = [](std::string& out, const ZoneDescriptor& zone, bool is_first) {
        out += is_first ? "" : ",";
        append_json(out, zone);
    };
    return print_zones(image.zones, std::move(text), tell, "]}\n");
}

std::string limit_text(std::uint32_t limit) {
    return limit == 0 ? "any number" : fmt::to_string(limit);
}

Status print_text(const std::string& path, const ImageContents& image) {
    const ZonedShape& shape = image.superblock.geometry.shape();
    std::string text = fmt::format(
        "{}: {} disk of {}, logical blocks of {} bytes, {}\n"
        "{} zones of {} (capacity {}), {} of them conventional; open at once: {}, active: {}; reads beyond "
        "the "
        "write pointer: {}\n"
        "{:>8} {:>16} {:>12} {:>12} {:>16}  {:<26} {}\n",
        path, to_string(shape.model), to_string(shape.size), shape.logical_block_size,
        image.was_unclean ? "not closed properly" : "closed properly", image.superblock.geometry.zone_count(),
        to_string(shape.zone_size), to_string(shape.zone_capacity), shape.conventional,
        limit_text(shape.max_open), limit_text(shape.max_active),
        shape.unrestricted_reads ? "allowed" : "refused", "zone", "start", "length", "capacity",
        "write pointer", "type", "condition");
    std::uint64_t id = 0;
    const auto tell = [&id](std::string& out, const ZoneDescriptor& zone, bool /*is_first*/) {
        fmt::format_to(std::back_inserter(out), "{:>8} {:>16} {:>12} {:>12} {:>16}  {:<26} {}{}{}\n", id++,
                       zone.start.value, zone.length.value, zone.capacity.value,
                       zone.has_write_pointer ? fmt::to_string(zone.write_pointer.value) : "-",
                       to_string(zone.type), to_string(zone.condition),
                       zone.non_sequential ? ", non_sequential" : "",
                       zone.reset_recommended ? ", reset_recommended" : "");
    };
    return print_zones(image.zones, std::move(text), tell, "");
}

}  // namespace

Status report_image(const ReportOptions& options) {
    REFLUX_TRY(auto inspected, inspect_image(options.image));
    for (const auto& finding : inspected.findings.repairable) {
        log_line(fmt::format("{}: {}", options.image, finding));
    }
    REFLUX_TRY(auto image, std::move(inspected.contents));
    image.zones.power_cycle();
    return options.json ? print_json(options.image, image) : print_text(options.image, image);
}

Result<int> check_image(const FsckOptions& options) {
    const std::string& path = options.image;
    REFLUX_TRY(const auto inspected, inspect_image(path));
    std::string text;
    for (const auto* findings : {&inspected.findings.fatal, &inspected.findings.repairable}) {
        for (const auto& finding : *findings) {
            text += fmt::format("{}: {}\n", path, finding);
        }
    }
    const std::size_t fatal = inspected.findings.fatal.size();
    const std::size_t repairable = inspected.findings.repairable.size();
    if (!inspected.contents && fatal == 0) {
        return fail(inspected.contents.error());  // a failed read
    }
    const auto conclude = [&](std::string_view result, int status) -> Result<int> {
        text += fmt::format("{}: {}\n", path, result);
        REFLUX_CHECK(print(text, true));
        return status;
    };
    constexpr int cannot_be_opened = 2;
    if (fatal > 0) {
        return conclude("cannot be opened", cannot_be_opened);
    }
    if (repairable > 0 && !options.repair) {
        return conclude("intact copies stand in for what is damaged; refluxd fsck --repair writes it anew",
                        1);
    }
    if (repairable > 0) {
        REFLUX_CHECK(repair_image(path));
        return conclude("repaired", 0);
    }
    return conclude(
        fmt::format("nothing is wrong: {} zones, {}", inspected.contents->superblock.geometry.zone_count(),
                    inspected.contents->was_unclean ? "not closed properly" : "closed properly"),
        0);
}

}  // namespace reflux
