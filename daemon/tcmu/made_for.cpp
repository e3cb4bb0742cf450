#include "daemon/tcmu/made_for.h"

namespace reflux::tcmu {
namespace {

constexpr std::string_view alias_prefix = "refluxd image ";

Status refuse(const ServedImage& image, const std::string& device, const std::string& why) {
    return fail(ErrorKind::invalid_input,
                fmt::format("{} was made for another image than {}: {}; serve that one, or take the device "
                            "away first",
                            device, image.path, why));
}

}  // namespace

std::string alias_for(const ServedImage& image) {
    return fmt::format("{}{:016x}", alias_prefix, image.identity);
}

bool may_be_replaced(std::string_view alias) {
    return alias.empty() || alias.starts_with(alias_prefix);
}

Status check_made_for(const ServedImage& image, std::string_view alias, std::optional<std::uint64_t> dev_size,
                      const std::string& device) {
    if (alias.starts_with(alias_prefix)) {
        const std::string ours = alias_for(image);
        return alias == ours
                   ? Status{}
                   : refuse(image, device, fmt::format("its alias is '{}', this one is '{}'", alias, ours));
    }
    if (dev_size && *dev_size != image.size.value) {
        return refuse(image, device,
                      fmt::format("it has {} bytes, this one {}", *dev_size, image.size.value));
    }
    return {};
}

}  // namespace reflux::tcmu
