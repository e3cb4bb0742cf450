#include "harness/stack/configfs.h"

#include "backend/base/child.h"
#include "backend/base/kernel_file.h"
#include "harness/journal/undo.h"
#include "harness/stack/mounts.h"

#include <sys/stat.h>
#include <unistd.h>

namespace reflux::stack {
namespace {

constexpr Seconds configfs_time{30};

Status make_object(const std::string& what, const std::string& path, journal::Journal& journal,
                   const std::function<int()>& make) {
    REFLUX_TRY(const auto id, journal.intend(journal::Kind::configfs, path));
    auto made = call_bounded(what, configfs_time,
                             [&]() -> Status { return make() == 0 ? Status{} : Status(fail_errno(what)); });
    if (!made && made.error().errnum == EEXIST) {  // somebody else's
        REFLUX_CHECK(journal.gone(id));
    }
    return made;
}

}  // namespace

Status mount_configfs(journal::Journal& journal) {
    // systemd mounts it as soon as the module is there, which a module of ours may just have brought.
    constexpr Seconds systemd_time{5};
    if (::access("/run/systemd/system", F_OK) == 0) {
        journal::wait_until(systemd_time, [] { return journal::is_mounted(configfs_root).value_or(false); });
    }
    REFLUX_TRY(const bool mounted, journal::is_mounted(configfs_root));
    return mounted ? Status{}
                   : mount_at({.source = "configfs", .target = configfs_root, .type = "configfs"}, journal);
}

Status make_configfs_folder(const std::string& path, journal::Journal& journal) {
    return make_object("mkdir " + path, path, journal, [&] { return ::mkdir(path.c_str(), 0755); });
}

Status make_configfs_link(const std::string& target, const std::string& path, journal::Journal& journal) {
    return make_object("link " + path, path, journal,
                       [&] { return ::symlink(target.c_str(), path.c_str()); });
}

Status write_configfs(const std::string& path, const std::string& text) {
    return call_bounded(fmt::format("{} to {}", text, path), configfs_time,
                        [&] { return write_file(path, text); });
}

}  // namespace reflux::stack
