#include "harness/vm/cpio_archive.h"

#include <utility>

#include <sys/stat.h>

#include <fmt/format.h>

namespace reflux::vm {
namespace {

constexpr std::size_t alignment = 4;

void pad(std::string& text) {
    text.resize((text.size() + alignment - 1) / alignment * alignment);
}

}  // namespace

void CpioArchive::add(std::string_view name, std::uint32_t mode, std::string_view content) {
    const unsigned links = S_ISDIR(mode) ? 2 : 1;
    // magic, inode, mode, uid, gid, links, mtime, size, device (2), special device (2), length of name with
    // its zero, checksum
    text_ +=
        fmt::format("070701{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}",
                    next_inode_++, mode, 0, 0, links, 0, content.size(), 0, 0, 0, 0, name.size() + 1, 0);
    text_ += name;
    text_ += '\0';
    pad(text_);
    text_ += content;
    pad(text_);
}

void CpioArchive::add_directory(std::string_view name) {
    add(name, S_IFDIR | 0755U, "");
}

void CpioArchive::add_file(std::string_view name, std::string_view content, bool executable) {
    add(name, S_IFREG | (executable ? 0755U : 0644U), content);
}

std::string CpioArchive::finish() {
    add("TRAILER!!!", 0, "");
    next_inode_ = 1;
    return std::exchange(text_, {});
}

}  // namespace reflux::vm
