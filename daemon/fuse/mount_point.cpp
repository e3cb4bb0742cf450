#include "daemon/fuse/mount_point.h"

#include "backend/base/kernel_file.h"
#include "backend/base/mountinfo.h"

#include <filesystem>

#include <sys/stat.h>

namespace reflux::fuse {
namespace {

tl::unexpected<Error> not_usable(const std::string& path, std::string_view why) {
    return fail(ErrorKind::invalid_input, fmt::format("mount point {} {}", path, why));
}

// Resolves all but the last name, so that nothing asks a filesystem that may be mounted on it.
Result<std::string> resolve(const std::string& path) {
    namespace fs = std::filesystem;
    std::error_code error;
    auto absolute = fs::absolute(path, error).lexically_normal();
    if (!absolute.has_filename()) {
        absolute = absolute.parent_path();  // "folder/" and "/"
    }
    if (error || absolute == absolute.root_path()) {
        return not_usable(path, "cannot be used; name an empty directory");
    }
    const auto folder = fs::canonical(absolute.parent_path(), error);
    if (error) {
        return not_usable(path, "does not exist; make the directory first");
    }
    return (folder / absolute.filename()).string();
}

}  // namespace

std::optional<MountEntry> find_mount(std::string_view mountinfo, const std::string& path) {
    std::optional<MountEntry> top;
    for (const auto& mount : parse_mountinfo(mountinfo)) {
        if (mount.mount_point == path) {  // later ones are mounted over earlier ones
            top = MountEntry{.id = mount.id, .device = mount.device, .type = mount.filesystem};
        }
    }
    return top;
}

Result<std::optional<MountEntry>> find_mount(const std::string& path) {
    REFLUX_TRY(const auto mountinfo, read_file("/proc/self/mountinfo"));
    return find_mount(mountinfo, path);
}

Result<std::string> check_mount_point(const std::string& path) {
    REFLUX_TRY(const auto absolute, resolve(path));
    REFLUX_TRY(const auto mounted, find_mount(absolute));
    if (mounted) {
        return not_usable(absolute,
                          fmt::format("is busy: a filesystem of type {} is mounted on it; end what serves "
                                      "it, or run: umount {}",
                                      mounted->type, absolute));
    }
    struct stat status {};
    if (::lstat(absolute.c_str(), &status) != 0) {
        return errno == ENOENT ? not_usable(absolute, "does not exist; make the directory first")
                               : fail_errno("lstat " + absolute);
    }
    if (S_ISLNK(status.st_mode)) {
        return not_usable(absolute, "is a symbolic link; name the directory itself");
    }
    if (!S_ISDIR(status.st_mode)) {
        return not_usable(absolute, "is not a directory");
    }
    return absolute;
}

}  // namespace reflux::fuse
