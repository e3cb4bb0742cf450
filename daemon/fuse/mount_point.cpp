#include "daemon/fuse/mount_point.h"

#include "backend/base/kernel_file.h"

#include <algorithm>
#include <filesystem>

#include <sys/stat.h>

namespace reflux::fuse {
namespace {

// mountinfo writes blank, tab, newline and backslash as three octal digits.
std::string unescape(std::string_view text) {
    const auto is_digit = [](char letter) { return letter >= '0' && letter <= '7'; };
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 3 < text.size() && std::all_of(&text[i + 1], &text[i + 1] + 3, is_digit)) {
            plain +=
                static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
            i += 3;
        } else {
            plain += text[i];
        }
    }
    return plain;
}

// proc(5): id, parent, major:minor, root, mount point, options, optional fields, "-", type, source, options.
std::optional<MountEntry> parse_line(const std::string& line, const std::string& path) {
    constexpr std::size_t mount_point_field = 4;
    const auto fields = split(line, ' ');
    const auto dash = std::find(fields.begin(), fields.end(), "-");
    if (dash - fields.begin() <= static_cast<std::ptrdiff_t>(mount_point_field) || fields.end() - dash < 2 ||
        unescape(fields[mount_point_field]) != path) {
        return std::nullopt;
    }
    return MountEntry{.id = fields[0], .device = fields[2], .type = dash[1]};
}

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
    for (const auto& line : lines_of(mountinfo)) {
        if (auto entry = parse_line(line, path)) {
            top = std::move(entry);  // later lines are mounted over earlier ones
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
