#include "backend/base/mountinfo.h"

#include "backend/base/kernel_file.h"

#include <algorithm>

namespace reflux {
namespace {

bool is_octal(char digit) {
    return digit >= '0' && digit <= '7';
}

// The kernel writes blank, tab, newline and backslash of a path as "\040" and the like.
std::string unescaped(std::string_view text) {
    std::string path;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 3 < text.size() && is_octal(text[i + 1]) && is_octal(text[i + 2]) &&
            is_octal(text[i + 3])) {
            path +=
                static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
            i += 3;
        } else {
            path += text[i];
        }
    }
    return path;
}

}  // namespace

std::vector<Mount> parse_mountinfo(std::string_view text) {
    std::vector<Mount> found;
    for (const auto& line : lines_of(text)) {
        // "ID PARENT MAJ:MIN ROOT MOUNT_POINT OPTIONS [TAGS…] - FILESYSTEM SOURCE SUPER_OPTIONS"
        const auto fields = split(line, ' ');
        const auto dash = std::find(fields.begin(), fields.end(), "-");
        if (dash - fields.begin() >= 6 && fields.end() - dash >= 4) {
            found.push_back({.device = fields[2],
                             .mount_point = unescaped(fields[4]),
                             .filesystem = *(dash + 1),
                             .super_options = *(dash + 3),
                             .id = fields[0]});
        }
    }
    return found;
}

Result<std::vector<Mount>> mounts() {
    REFLUX_TRY(const auto text, read_file("/proc/self/mountinfo"));
    return parse_mountinfo(text);
}

}  // namespace reflux
