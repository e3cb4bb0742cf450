// refluxd's own ublk device, which it adds, starts and deletes itself.
#include "harness/stack/front_end.h"

namespace reflux::stack {
namespace {

Status up(Building& building) {
    // Found again by its image: its number is refluxd's choice.
    REFLUX_TRY(const auto id, building.journal.intend(journal::Kind::ublk_device, building.image()));
    REFLUX_CHECK(building.journal.note(id, building.plan.refluxd));
    REFLUX_TRY(auto arguments, zone_memory_arguments(building));
    arguments.insert(arguments.end(), {"--front-end", "ublk"});
    REFLUX_TRY(const auto started, daemon_up(building, arguments));
    constexpr std::string_view prefix = "/dev/ublkb";
    if (!started.device.starts_with(prefix)) {
        return fail(ErrorKind::system, "refluxd names no ublk device in its ready line");
    }
    const auto number = started.device.substr(prefix.size());
    building.stack.abort =
        Abort{.what = "device", .command = {building.plan.refluxd, "ublk", "delete", number}};
    REFLUX_TRY(building.stack.served_device, block_device("ublkb" + number));
    return {};
}

}  // namespace

FrontEnd ublk_front_end() {
    return {.name = "ublk", .modules = {"ublk_drv"}, .make_image = make_daemon_image, .up = up};
}

}  // namespace reflux::stack
