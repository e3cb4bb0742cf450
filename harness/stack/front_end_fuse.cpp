// A file that a FUSE daemon serves, and a loop device on it.
#include "harness/journal/undo.h"
#include "harness/stack/front_end.h"
#include "harness/stack/loop_device.h"
#include "harness/stack/mounts.h"

namespace reflux::stack {
namespace {

Status make_image(Building& building) {
    REFLUX_CHECK(make_directory(building.stack.fuse_mount, building.journal));
    return make_daemon_image(building);
}

// A foreign daemon may mount on the folder, or on the very file that it serves.
Status up(Building& building) {
    Stack& stack = building.stack;
    if (const auto& foreign = building.plan.foreign) {
        const auto file = filled(foreign->serves, building);
        REFLUX_CHECK(building.journal.intend(journal::Kind::file, file));
        REFLUX_CHECK(building.journal.intend(journal::Kind::mount, file));
    }
    REFLUX_CHECK(building.journal.intend(journal::Kind::mount, stack.fuse_mount));
    REFLUX_TRY(const auto started, daemon_up(building, {stack.fuse_mount}));
    auto connection = journal::fuse_connection_at(stack.fuse_mount);
    if (!connection && !started.serves.empty()) {
        connection = journal::fuse_connection_at(started.serves);
    }
    REFLUX_TRY(stack.fuse_connection, std::move(connection));
    if (!stack.fusectl.empty()) {
        stack.abort =
            Abort{.what = "connection",
                  .writes = {{fmt::format("{}/{}/abort", stack.fusectl, *stack.fuse_connection), "1"}}};
    }
    const auto file = started.serves.empty() ? stack.fuse_mount + "/disk" : started.serves;
    REFLUX_TRY(stack.served_device, attach_loop(file, building.journal));
    return {};
}

}  // namespace

FrontEnd fuse_front_end() {
    return {.name = "fuse", .modules = {}, .make_image = make_image, .up = up};
}

}  // namespace reflux::stack
