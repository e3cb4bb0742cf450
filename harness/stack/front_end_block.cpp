// A block device that a foreign daemon makes by its own means.
#include "harness/stack/front_end.h"

#include <filesystem>

namespace reflux::stack {
namespace {

Status up(Building& building) {
    REFLUX_TRY(const auto started, daemon_up(building, {}));
    std::error_code error;
    const auto real = std::filesystem::canonical(started.serves, error);
    if (error || !std::filesystem::is_block_file(real, error)) {
        return fail(ErrorKind::invalid_input, started.serves + " is no block device");
    }
    REFLUX_TRY(building.stack.served_device, block_device(real.filename().string()));
    return {};
}

}  // namespace

FrontEnd block_front_end() {
    return {.name = "block", .modules = {}, .make_image = make_daemon_image, .up = up};
}

}  // namespace reflux::stack
