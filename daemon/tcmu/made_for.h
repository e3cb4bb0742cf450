// What a device was made for. Another refluxd may come to serve it (--name is all that the two have in
// common), and a host that has the disk still must not find another one behind it. The kernel keeps the
// device's `alias` in configfs for whoever likes; a refluxd that serves a device first writes its image's
// identity there. Pure.
#pragma once

#include "backend/base/result.h"
#include "backend/base/units.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace reflux::tcmu {

// An image, as a device can be compared with it.
struct ServedImage {
    std::uint64_t identity = 0;  // image_identity(): with it stand size and zones, which no image changes
    Bytes size;                  // of the disk
    std::string path;
};

// The alias of a device that was made for it.
std::string alias_for(const ServedImage& image);
// An alias that a refluxd may write over: none, or a refluxd's.
bool may_be_replaced(std::string_view alias);

// Whether the image may go on serving the device `device` (for people). Where its alias is not a refluxd's,
// the size that it was made with is compared alone (`dev_size`; nullopt: this kernel does not tell it).
// invalid_input: it was made for another.
Status check_made_for(const ServedImage& image, std::string_view alias, std::optional<std::uint64_t> dev_size,
                      const std::string& device);

}  // namespace reflux::tcmu
