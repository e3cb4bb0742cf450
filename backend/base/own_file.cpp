#include "backend/base/own_file.h"

#include "backend/base/kernel_file.h"
#include "backend/base/unique_fd.h"

#include <cstdio>
#include <filesystem>
#include <optional>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace reflux {
namespace {

constexpr mode_t permissions = 0777;
constexpr mode_t usual_mode = 0644;

// What the file takes the place of; nullopt: of none.
std::optional<struct stat> regular_file(const std::string& path) {
    struct stat there {};
    return ::lstat(path.c_str(), &there) == 0 && S_ISREG(there.st_mode) ? std::optional(there) : std::nullopt;
}

// The first name that is free. O_EXCL: it follows no link, and nobody else writes to it.
Result<UniqueFd> open_beside(const std::string& path, mode_t mode, std::string& name) {
    for (unsigned i = 0;; ++i) {
        name = fmt::format("{}.{}.new", path, i);
        auto file = open_file(name, O_WRONLY | O_CREAT | O_EXCL, mode);
        if (file || file.error().errnum != EEXIST) {
            return file;
        }
    }
}

Status synced(int fd, const std::string& name) {
    return ::fsync(fd) == 0 ? Status{} : fail_errno("fsync " + name);
}

// A name is in its folder, which is written by itself.
Status sync_folder_of(const std::string& path) {
    const auto parent = std::filesystem::path(path).parent_path().string();
    const std::string folder = parent.empty() ? "." : parent;
    REFLUX_TRY(const auto fd, open_file(folder, O_RDONLY | O_DIRECTORY));
    return synced(fd.get(), folder);
}

// The whole text in a new file beside `path`; its name. The caller names it `path` or removes it.
Result<std::string> write_beside(const std::string& path, std::string_view text, Durable durable) {
    const auto there = regular_file(path);
    const mode_t mode = there ? there->st_mode & permissions : usual_mode;
    std::string name;
    REFLUX_TRY(const auto file, open_beside(path, mode, name));
    auto written = write_all(file.get(), text, name);
    if (written && there) {
        // Only root may give it away.
        [[maybe_unused]] const int given = ::fchown(file.get(), there->st_uid, there->st_gid);
        written = ::fchmod(file.get(), mode) == 0 ? Status{} : fail_errno("chmod " + name);
    }
    if (written && durable == Durable::yes) {
        written = synced(file.get(), name);
    }
    if (!written) {
        ::unlink(name.c_str());
        return fail(written.error());
    }
    return name;
}

}  // namespace

Status put_file(const std::string& path, std::string_view text, Durable durable) {
    REFLUX_TRY(const auto name, write_beside(path, text, durable));
    if (std::rename(name.c_str(), path.c_str()) != 0) {
        auto failed = fail_errno(fmt::format("rename {} to {}", name, path));
        ::unlink(name.c_str());
        return failed;
    }
    return durable == Durable::yes ? sync_folder_of(path) : Status{};
}

Result<bool> make_file(const std::string& path, std::string_view text) {
    REFLUX_TRY(const auto name, write_beside(path, text, Durable::yes));
    // Of two link() calls one finds the name taken.
    const bool made = ::link(name.c_str(), path.c_str()) == 0;
    Status linked = made || errno == EEXIST ? Status{} : fail_errno(fmt::format("link {} {}", name, path));
    ::unlink(name.c_str());
    REFLUX_CHECK(linked);
    REFLUX_CHECK(sync_folder_of(path));
    return made;
}

}  // namespace reflux
