#include "harness/stack/front_end.h"

#include "backend/base/kernel_file.h"
#include "harness/journal/undo.h"

#include <algorithm>
#include <array>

namespace reflux::stack {
namespace {

const std::vector<FrontEnd>& front_ends() {
    static const std::vector<FrontEnd> list{fuse_front_end(),     loop_front_end(),      tcmu_front_end(),
                                            ublk_front_end(),     nbd_front_end(),       block_front_end(),
                                            null_blk_front_end(), scsi_debug_front_end()};
    return list;
}

}  // namespace

const FrontEnd* find_front_end(std::string_view name) {
    const auto found = std::ranges::find(front_ends(), name, &FrontEnd::name);
    return found == front_ends().end() ? nullptr : &*found;
}

std::vector<std::string> front_end_names() {
    std::vector<std::string> names;
    std::ranges::transform(front_ends(), std::back_inserter(names),
                           [](const FrontEnd& row) { return std::string(row.name); });
    return names;
}

Status check_zones(const BlockDevice& device, const Plan& plan) {
    const auto queue = fmt::format("/sys/class/block/{}/queue/", device.name);
    REFLUX_TRY(const auto model, read_file(queue + "zoned"));
    const bool is_managed = plan.zone_model == "host-managed";
    const std::string_view wanted = is_managed ? "host-managed" : "none";
    if (trimmed(model) != wanted) {
        return fail(ErrorKind::system, fmt::format("{} is zoned: '{}', not '{}' as was asked for",
                                                   device.path, trimmed(model), wanted));
    }
    if (!is_managed) {
        return {};
    }
    REFLUX_TRY(const auto sectors, read_number(queue + "chunk_sectors"));
    constexpr std::uint64_t sector_size = 512;
    return sectors * sector_size == plan.zone_size.value
               ? Status{}
               : fail(ErrorKind::system,
                      fmt::format("{} has zones of {} sectors, not of {} bytes as was asked for", device.path,
                                  sectors, plan.zone_size.value));
}

Result<BlockDevice> await_block_device(const std::string& what, Seconds time,
                                       const std::function<std::string()>& name) {
    std::string found;
    const bool there = journal::wait_until(time, [&] {
        found = name();
        return !found.empty() && read_number(fmt::format("/sys/block/{}/size", found)).value_or(0) > 0;
    });
    return there ? block_device(found)
                 : fail(ErrorKind::timed_out,
                        fmt::format("{} did not come up within {}", what, to_string(time)));
}

}  // namespace reflux::stack
