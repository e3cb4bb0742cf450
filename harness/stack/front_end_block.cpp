// A block device that a foreign daemon makes by its own means.
#include "harness/journal/undo_devices.h"
#include "harness/stack/front_end.h"

#include <filesystem>

namespace reflux::stack {
namespace {

// How such a device is removed is known to its daemon alone, which may be killed. So before: a link or a node
// to it in the run's folder, and a loop device on the image, which are undone by what they are; and the
// device itself, of which the end is looked at.
Result<journal::ObjectId> journal_device(Building& building) {
    auto& journal = building.journal;
    const auto serves = filled(building.plan.foreign->serves, building);
    REFLUX_TRY(const auto device, journal.intend(journal::Kind::foreign_device, serves));
    REFLUX_CHECK(journal.intend(journal::Kind::loop, building.image()));
    if (serves.starts_with(journal.folder() + "/")) {
        REFLUX_CHECK(journal.intend(journal::Kind::file, serves));
    }
    return device;
}

Status up(Building& building) {
    REFLUX_TRY(const auto id, journal_device(building));
    REFLUX_TRY(const auto started, daemon_up(building, {}));
    std::error_code error;
    const auto real = std::filesystem::canonical(started.serves, error);
    if (error || !std::filesystem::is_block_file(real, error)) {
        return fail(ErrorKind::invalid_input, started.serves + " is no block device");
    }
    const auto name = real.filename().string();
    REFLUX_CHECK(building.journal.note(id, journal::foreign_device_note(name)));
    REFLUX_TRY(building.stack.served_device, block_device(name));
    return {};
}

}  // namespace

FrontEnd block_front_end() {
    return {.name = "block", .modules = {}, .make_image = make_daemon_image, .up = up};
}

}  // namespace reflux::stack
