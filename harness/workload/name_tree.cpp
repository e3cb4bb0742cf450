#include "harness/workload/name_tree.h"

#include "backend/base/unique_fd.h"

#include <algorithm>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace reflux::workload {
namespace {

// As long as names of objects in a store are.
std::string name_of(std::uint32_t index) {
    return fmt::format("{:0>64}", index);
}

}  // namespace

NameTree::NameTree(int root, std::string folder, std::uint32_t names)
    : root_(root),
      folder_(std::move(folder)),
      in_each_(std::min(names, names_per_directory)),
      directories_(in_each_ == 0 ? 0 : names / in_each_) {}

std::string NameTree::path(std::uint32_t number) const {
    return fmt::format("{}/{}/n{:06}", folder_, names_folder, number);
}

Status NameTree::fill(const std::function<bool()>& made) {
    const std::string all = folder_ + "/" + names_folder;
    if (::mkdirat(root_, all.c_str(), 0700) != 0) {
        return fail_errno("mkdir " + all);
    }
    bool more = true;
    while (more && next_ < directories_) {
        REFLUX_CHECK(make(next_++, [&] { return more = made(); }));
    }
    return {};
}

Status NameTree::turn() {
    return removes_next() ? remove(oldest_++) : make(next_++, [] { return true; });
}

Status NameTree::make(std::uint32_t number, const std::function<bool()>& made) const {
    const std::string directory = path(number);
    if (::mkdirat(root_, directory.c_str(), 0700) != 0) {
        return fail_errno("mkdir " + directory);
    }
    for (std::uint32_t index = 0; index < in_each_; ++index) {
        const std::string file = directory + "/" + name_of(index);
        const UniqueFd fd(::openat(root_, file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
        if (!fd) {
            return fail_errno("open " + file);
        }
        if (!made()) {
            break;
        }
    }
    return {};
}

Status NameTree::remove(std::uint32_t number) const {
    const std::string directory = path(number);
    for (std::uint32_t index = 0; index < in_each_; ++index) {
        const std::string file = directory + "/" + name_of(index);
        if (::unlinkat(root_, file.c_str(), 0) != 0 && errno != ENOENT) {
            return fail_errno("unlink " + file);
        }
    }
    if (::unlinkat(root_, directory.c_str(), AT_REMOVEDIR) != 0) {
        return fail_errno("rmdir " + directory);
    }
    return {};
}

}  // namespace reflux::workload
