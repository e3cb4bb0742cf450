// A TCM-User device as LIO has it: its UIO device, and its folder in configfs.
#pragma once

#include "backend/base/mapping.h"
#include "backend/base/result.h"
#include "backend/base/unique_fd.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace reflux::tcmu {

// The name of a UIO device, "tcm-user/HBA/NAME/CONFIG" (tcmu_update_uio_info), which also events tell.
struct DeviceName {
    std::string hba;     // a number: the folder is core/user_HBA
    std::string name;    // core/user_HBA/NAME
    std::string config;  // dev_config as it was given, slashes and all

    bool operator==(const DeviceName&) const = default;
};
std::optional<DeviceName> parse_device_name(std::string_view text);

struct FoundDevice {
    std::uint32_t minor = 0;  // of /dev/uioN
    DeviceName name;
};
// Those that there are, by the names below `sys_class_uio`; none when that is not there.
std::vector<FoundDevice> list_devices(const std::string& sys_class_uio = "/sys/class/uio");

// The folder of a device in configfs. What cannot be read is nothing: all of it has a default.
class ConfigfsDevice {
  public:
    explicit ConfigfsDevice(const DeviceName& name,
                            const std::string& core = "/sys/kernel/config/target/core");

    // wwn/vpd_unit_serial: what udev names the disk by.
    [[nodiscard]] std::string serial() const;
    // attrib/hw_max_sectors, in blocks of the disk.
    [[nodiscard]] std::optional<std::uint32_t> max_sectors() const;

    // attrib/dev_size: bytes that its maker gave it.
    [[nodiscard]] std::optional<std::uint64_t> size() const;
    // A text for whoever likes (made_for.h); empty: nobody has written one.
    [[nodiscard]] std::string alias() const;
    [[nodiscard]] Status set_alias(const std::string& text) const;

    // Of a daemon that died: keeps new commands out, and has the kernel end those in the ring by BUSY, on
    // which the initiator sends them again (tcmu_block_dev, tcmu_reset_ring). To be called before the ring is
    // looked at; unblock() when it is served.
    [[nodiscard]] Status begin_afresh() const;
    [[nodiscard]] Status unblock() const;

  private:
    std::string folder_;
};

// /dev/uioN, open and mapped. One process at a time can have it.
class UioDevice {
  public:
    static Result<UioDevice> open(std::uint32_t minor);

    [[nodiscard]] int fd() const { return fd_.get(); }
    [[nodiscard]] std::span<std::byte> memory() const { return bytes_of(mapping_); }

  private:
    UioDevice(UniqueFd fd, Mapping mapping) : fd_(std::move(fd)), mapping_(std::move(mapping)) {}

    UniqueFd fd_;
    Mapping mapping_;
};

}  // namespace reflux::tcmu
