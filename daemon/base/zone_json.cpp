#include "daemon/base/zone_json.h"

#include <iterator>

#include <fmt/format.h>

namespace reflux {

void append_json(std::string& text, const ZoneDescriptor& zone) {
    fmt::format_to(
        std::back_inserter(text),
        R"({{"start":{},"length":{},"capacity":{},"write_pointer":{},"type":"{}","condition":"{}",)"
        R"("non_sequential":{},"reset_recommended":{}}})",
        zone.start.value, zone.length.value, zone.capacity.value,
        zone.has_write_pointer ? fmt::to_string(zone.write_pointer.value) : "null", to_string(zone.type),
        to_string(zone.condition), zone.non_sequential, zone.reset_recommended);
}

}  // namespace reflux
