// A control without a daemon: a loop device straight on a file of the lower filesystem.
#include "harness/stack/front_end.h"
#include "harness/stack/loop_device.h"

namespace reflux::stack {
namespace {

Status make_image(Building& building) {
    building.say("no daemon: upper device straight on a lower file");
    return make_plain_file(building.image(), building.plan.upper_size);
}

Status up(Building& building) {
    REFLUX_TRY(building.stack.served_device, attach_loop(building.image(), building.journal));
    return {};
}

}  // namespace

FrontEnd loop_front_end() {
    return {.name = "loop", .modules = {}, .make_image = make_image, .up = up};
}

}  // namespace reflux::stack
