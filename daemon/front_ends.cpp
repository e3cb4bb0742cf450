#include "daemon/front_ends.h"

#include "daemon/fuse/fuse_front_end.h"
#include "daemon/fuse/mount_point.h"
#include "daemon/tcmu/tcmu_front_end.h"
#include "daemon/ublk/ublk_front_end.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace reflux {
namespace {

Status prepare_fuse(ServeOptions& options) {
    REFLUX_TRY(options.mountpoint, fuse::check_mount_point(options.mountpoint));
    return {};
}

Result<std::unique_ptr<FrontEnd>> make_fuse(const ServeOptions& options, const Served& served) {
    return fuse::make_fuse_front_end(served.disk(), served.device, options.mountpoint);
}

Status prepare_tcmu(ServeOptions& options) {
    return tcmu::check_name(options.name);
}

Result<std::unique_ptr<FrontEnd>> make_tcmu(const ServeOptions& options, const Served& served) {
    return tcmu::make_tcmu_front_end(served.disk(), served.device, options.name);
}

Status prepare_ublk(ServeOptions& options) {
    return ublk::check_ublk(options.recover);
}

Result<std::unique_ptr<FrontEnd>> make_ublk(const ServeOptions& options, const Served& served) {
    return ublk::make_ublk_front_end(served.disk(), served.device, options.recover);
}

struct Row {
    std::string_view name;
    Status (*prepare)(ServeOptions& options);
    Result<std::unique_ptr<FrontEnd>> (*make)(const ServeOptions& options, const Served& served);
    bool outlives_a_kill = false;  // the kernel keeps the device, and another process may go on
};

constexpr std::array rows{Row{"fuse", prepare_fuse, make_fuse}, Row{"tcmu", prepare_tcmu, make_tcmu, true},
                          Row{"ublk", prepare_ublk, make_ublk, true}};

Result<const Row*> find_row(const std::string& name) {
    const auto* const row = std::ranges::find(rows, name, &Row::name);
    if (row == rows.end()) {
        return fail(ErrorKind::unsupported, fmt::format("this refluxd has no front end {}", name));
    }
    return row;
}

}  // namespace

Disk& Served::disk() const {
    return translation != nullptr ? static_cast<Disk&>(*translation) : device;
}

Status prepare_front_end(ServeOptions& options) {
    REFLUX_TRY(const auto* row, find_row(options.front_end));
    return row->prepare(options);
}

bool outlives_a_kill(const ServeOptions& options) {
    const auto row = find_row(options.front_end);
    return row && (*row)->outlives_a_kill;
}

Result<std::unique_ptr<FrontEnd>> make_front_end(const ServeOptions& options, const Served& served) {
    REFLUX_TRY(const auto* row, find_row(options.front_end));
    return row->make(options, served);
}

}  // namespace reflux
