#include "daemon/image_verbs.h"

#include "backend/base/kernel_file.h"
#include "backend/image.h"
#include "backend/zone_memory.h"
#include "daemon/base/disk_report.h"
#include "daemon/base/log.h"

#include <array>
#include <span>

#include <unistd.h>

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

Status print_report(const DiskReport& report, const ZoneTable& zones) {
    std::string text = report.head();
    std::array<ZoneDescriptor, 512> portion;
    ZoneId next{0};
    while (const std::size_t count = zones.report(next, portion)) {
        for (const auto& zone : std::span(portion).first(count)) {
            report.append_zone(text, next, zone);
            ++next.value;
            REFLUX_CHECK(print(text, false));
        }
    }
    text += report.end();
    return print(text, true);
}

// Repaired, the image would be another one than that which its killed daemon's zones are of.
Status check_no_zones_kept(const std::string& path, const Superblock& superblock) {
    const auto kept = kept_zones_of(superblock, zone_memory_folder());
    return kept.empty()
               ? Status{}
               : fail(ErrorKind::invalid_input,
                      fmt::format("{}: its daemon was killed, and what it knew of the zones is in {}: "
                                  "serve the image, which repairs it, too; or remove that file, and "
                                  "write pointers are those of the last flush",
                                  path, kept));
}

}  // namespace

Status report_image(const ReportOptions& options) {
    REFLUX_TRY(auto inspected, inspect_image(options.image));
    for (const auto& finding : inspected.findings.repairable) {
        log_line(fmt::format("{}: {}", options.image, finding));
    }
    REFLUX_TRY(auto image, std::move(inspected.contents));
    image.zones.power_cycle();
    const DiskReport report(
        options.json ? ReportFormat::json : ReportFormat::text,
        {.image = options.image, .superblock = image.superblock, .was_unclean = image.was_unclean});
    return print_report(report, image.zones);
}

Result<int> check_image(const FsckOptions& options) {
    const std::string& path = options.image;
    REFLUX_TRY(const auto inspected, inspect_image(path, true));
    std::string text;
    for (const auto* findings :
         {&inspected.findings.fatal, &inspected.findings.repairable, &inspected.findings.notes}) {
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
    if (options.repair && (repairable > 0 || !inspected.findings.notes.empty())) {
        REFLUX_CHECK(check_no_zones_kept(path, inspected.contents->superblock));
        REFLUX_CHECK(repair_image(path));
        return conclude("repaired", 0);
    }
    return conclude(
        fmt::format("nothing is wrong: {} zones, {}", inspected.contents->superblock.geometry.zone_count(),
                    inspected.contents->was_unclean ? "not closed properly" : "closed properly"),
        0);
}

}  // namespace reflux
