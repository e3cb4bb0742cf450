#include "backend/base/kernel_file.h"

#include "backend/base/own_file.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>

#include <dirent.h>
#include <sys/mman.h>

namespace reflux {

Result<std::string> read_all(int fd, std::string_view name) {
    std::string text;
    std::array<char, 16384> chunk{};
    for (;;) {
        const ssize_t n = ::read(fd, chunk.data(), chunk.size());
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return fail_errno(fmt::format("read {}", name));
        }
        if (n == 0) {
            return text;
        }
        text.append(chunk.data(), static_cast<std::size_t>(n));
    }
}

Status write_all(int fd, std::string_view text, std::string_view name) {
    while (!text.empty()) {
        const ssize_t n = ::write(fd, text.data(), text.size());
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return fail_errno(fmt::format("write {}", name));
        }
        text.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
}

Result<std::string> read_file(const std::string& path) {
    REFLUX_TRY(auto fd, open_file(path, O_RDONLY));
    return read_all(fd.get(), path);
}

Status write_file(const std::string& path, std::string_view text) {
    REFLUX_TRY(auto fd, open_file(path, O_WRONLY));
    ssize_t n = 0;
    do {
        n = ::write(fd.get(), text.data(), text.size());
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return fail_errno(fmt::format("write '{}' to {}", trimmed(text), path));
    }
    if (static_cast<std::size_t>(n) != text.size()) {
        return fail(ErrorKind::system, fmt::format("write '{}' to {}: short write", trimmed(text), path));
    }
    return {};
}

Status replace_file(const std::string& path, std::string_view text) {
    return put_file(path, text, Durable::no);
}

Result<UniqueFd> make_memory_file(const char* name) {
    UniqueFd file(::memfd_create(name, MFD_CLOEXEC));
    if (!file) {
        return fail_errno("memfd_create");
    }
    return file;
}

Result<std::uint64_t> read_number(const std::string& path) {
    REFLUX_TRY(const auto text, read_file(path));
    std::uint64_t number = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), number).ec != std::errc{}) {
        return fail(ErrorKind::system, fmt::format("{} holds no number: '{}'", path, trimmed(text)));
    }
    return number;
}

Result<std::vector<std::string>> list_directory(const std::string& path) {
    struct Close {
        void operator()(DIR* directory) const { ::closedir(directory); }
    };
    const std::unique_ptr<DIR, Close> directory(::opendir(path.c_str()));
    if (!directory) {
        return fail_errno("opendir " + path);
    }
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(directory.get())) {
        const std::string_view name = &entry->d_name[0];
        if (name != "." && name != "..") {
            names.emplace_back(name);
        }
    }
    std::sort(names.begin(), names.end());
    return names;
}

std::string trimmed(std::string_view text) {
    const auto end = text.find_last_not_of(" \t\r\n");
    return std::string(end == std::string_view::npos ? std::string_view{} : text.substr(0, end + 1));
}

std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> pieces;
    while (!text.empty()) {
        const auto at = text.find(separator);
        if (const auto piece = text.substr(0, at); !piece.empty()) {
            pieces.emplace_back(piece);
        }
        if (at == std::string_view::npos) {
            break;
        }
        text.remove_prefix(at + 1);
    }
    return pieces;
}

std::vector<std::string> lines_of(std::string_view text) {
    return split(text, '\n');
}

}  // namespace reflux
