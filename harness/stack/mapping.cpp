#include "harness/stack/mapping.h"

namespace reflux::stack {

Result<BlockDevice> mapping_up(const std::string& name, Seconds time,
                               const std::function<Result<journal::Target>()>& target,
                               journal::Journal& journal) {
    REFLUX_TRY(const auto id, journal.intend(journal::Kind::dm_device, name));
    const auto made = journal::make_mapping(name, time, target);
    const auto found = journal::mapping_device(name);
    if (!made) {
        if (!found) {
            REFLUX_CHECK(journal.gone(id));
        }
        return fail(made.error());
    }
    if (!found) {
        return fail(ErrorKind::system, fmt::format("the mapping {} was made and is not in /sys/block", name));
    }
    REFLUX_CHECK(journal.note(id, *found));
    return block_device(*found);
}

}  // namespace reflux::stack
