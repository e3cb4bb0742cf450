// /proc/self/mountinfo.
#include "backend/base/mountinfo.h"

#include "tests/fuzz/support/seeds.h"
#include "tests/fuzz/support/target.h"

namespace reflux::fuzz {
namespace {

bool run(std::string_view input) {
    for (const Mount& mount : parse_mountinfo(input)) {
        require(!mount.id.empty() && !mount.device.empty() && !mount.mount_point.empty() &&
                    !mount.filesystem.empty(),
                "a mount has an id, a device, a place and a kind");
    }
    return true;
}

}  // namespace

Target make_target() {
    return {.run = run,
            .seeds = seed_texts("tests/fixtures/proc", "/mountinfo"),
            .words = {" - ", "\\040", "\\777", "\\011", "\\", "7:1", "shared:1 ", "fuse.reflux", "/", " "},
            .may_refuse = false};
}

}  // namespace reflux::fuzz
