#include "daemon/tcmu/lio_device.h"

#include "backend/base/kernel_file.h"

#include <charconv>

namespace reflux::tcmu {
namespace {

constexpr std::string_view prefix = "tcm-user/";

// "0x100000", or without 0x.
std::optional<std::uint64_t> parse_hexadecimal(std::string_view text) {
    if (text.starts_with("0x")) {
        text.remove_prefix(2);
    }
    std::uint64_t value = 0;
    const auto [stopped, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    return error == std::errc{} && stopped == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

std::optional<std::uint32_t> minor_of(std::string_view uio) {
    constexpr std::string_view name = "uio";
    std::uint32_t minor = 0;
    if (!uio.starts_with(name)) {
        return std::nullopt;
    }
    uio.remove_prefix(name.size());
    const auto [stopped, error] = std::from_chars(uio.data(), uio.data() + uio.size(), minor);
    return error == std::errc{} && stopped == uio.data() + uio.size() ? std::optional(minor) : std::nullopt;
}

// The text before the next slash, which goes with it.
std::optional<std::string> take_part(std::string_view& text) {
    const auto slash = text.find('/');
    if (slash == std::string_view::npos || slash == 0) {
        return std::nullopt;
    }
    std::string part(text.substr(0, slash));
    text.remove_prefix(slash + 1);
    return part;
}

}  // namespace

std::optional<DeviceName> parse_device_name(std::string_view text) {
    if (!text.starts_with(prefix)) {
        return std::nullopt;
    }
    text.remove_prefix(prefix.size());
    const auto hba = take_part(text);
    const auto name = hba ? take_part(text) : std::nullopt;
    if (!name || text.empty()) {
        return std::nullopt;
    }
    return DeviceName{.hba = *hba, .name = *name, .config = std::string(text)};
}

std::vector<FoundDevice> list_devices(const std::string& sys_class_uio) {
    std::vector<FoundDevice> found;
    for (const std::string& uio : list_directory(sys_class_uio).value_or(std::vector<std::string>{})) {
        const auto minor = minor_of(uio);
        const auto text = read_file(sys_class_uio + "/" + uio + "/name");  // gone: removed meanwhile
        auto name = text ? parse_device_name(trimmed(*text)) : std::nullopt;
        if (minor && name) {
            found.push_back({.minor = *minor, .name = *std::move(name)});
        }
    }
    return found;
}

ConfigfsDevice::ConfigfsDevice(const DeviceName& name, const std::string& core)
    : folder_(fmt::format("{}/user_{}/{}", core, name.hba, name.name)) {}

std::string ConfigfsDevice::serial() const {
    const std::string text = trimmed(read_file(folder_ + "/wwn/vpd_unit_serial").value_or(""));
    const auto colon = text.rfind(": ");
    return colon == std::string::npos ? text : text.substr(colon + 2);
}

std::optional<std::uint32_t> ConfigfsDevice::max_sectors() const {
    const auto number = read_number(folder_ + "/attrib/hw_max_sectors");
    return number && *number > 0 && *number <= 0xffffffff ? std::optional(static_cast<std::uint32_t>(*number))
                                                          : std::nullopt;
}

std::optional<std::uint64_t> ConfigfsDevice::size() const {
    const auto number = read_number(folder_ + "/attrib/dev_size");
    return number ? std::optional<std::uint64_t>(*number) : std::nullopt;
}

std::string ConfigfsDevice::alias() const {
    return trimmed(read_file(folder_ + "/alias").value_or(""));
}

Status ConfigfsDevice::set_alias(const std::string& text) const {
    return write_file(folder_ + "/alias", text);
}

Status ConfigfsDevice::begin_afresh() const {
    REFLUX_CHECK(write_file(folder_ + "/action/block_dev", "1"));
    return write_file(folder_ + "/action/reset_ring", "1");
}

Status ConfigfsDevice::unblock() const {
    return write_file(folder_ + "/action/block_dev", "0");
}

Result<UioDevice> UioDevice::open(std::uint32_t minor) {
    const std::string size_path = fmt::format("/sys/class/uio/uio{}/maps/map0/size", minor);
    REFLUX_TRY(const auto text, read_file(size_path));
    const auto size = parse_hexadecimal(trimmed(text));
    if (!size || *size == 0) {
        return fail(ErrorKind::system, fmt::format("{} says '{}'", size_path, trimmed(text)));
    }
    const std::string path = fmt::format("/dev/uio{}", minor);
    // Its reads take what is there; poll is what waits.
    REFLUX_TRY(auto fd, open_file(path, O_RDWR | O_NONBLOCK));
    void* address = ::mmap(nullptr, *size, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
    if (address == MAP_FAILED) {
        return fail_errno("mmap " + path);
    }
    return UioDevice(std::move(fd), Mapping({.address = address, .length = *size}));
}

}  // namespace reflux::tcmu
