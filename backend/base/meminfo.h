// A field of /proc/meminfo.
#pragma once

#include "backend/base/units.h"

#include <optional>
#include <string_view>

namespace reflux {

// `text` is the file's, `key` a name without its colon: "MemAvailable". nullopt: it is not there.
std::optional<Bytes> meminfo_field(std::string_view text, std::string_view key);

}  // namespace reflux
