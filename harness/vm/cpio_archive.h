// A cpio archive in the "newc" form, the form of an initramfs
// (Documentation/driver-api/early-userspace/buffer-format.rst). Pure: everything in memory.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace reflux::vm {

class CpioArchive {
  public:
    // Names are relative to the root, without a '/' at their beginning; parents first.
    void add_directory(std::string_view name);
    void add_file(std::string_view name, std::string_view content, bool executable = false);
    // The whole archive with its trailer; the object is empty afterwards.
    std::string finish();

  private:
    void add(std::string_view name, std::uint32_t mode, std::string_view content);

    std::string text_;
    std::uint32_t next_inode_ = 1;
};

}  // namespace reflux::vm
