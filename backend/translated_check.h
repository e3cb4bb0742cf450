// fsck of a translated image: the metadata of its translation, in the image file itself, without serving it.
#pragma once

#include "backend/image_file.h"
#include "backend/image_reader.h"
#include "backend/map/map_check.h"

namespace reflux {

// What the translation has to know of the zones below it; `source` is a ZoneTable or a ZonedDevice.
map::ZoneState zone_state(const ZoneDescriptor& zone);
template <class Source>
std::vector<map::ZoneState> zone_states(const Source& source) {
    std::vector<map::ZoneState> states;
    states.reserve(source.geometry().zone_count());
    std::array<ZoneDescriptor, 512> portion;
    while (const std::size_t count = source.report({states.size()}, portion)) {
        for (const auto& zone : std::span(portion).first(count)) {
            states.push_back(zone_state(zone));
        }
    }
    return states;
}

// Both change nothing of an image that is not translated, and find nothing in it. `superblock` and `zones`
// are the file's. Adds to `findings`. Only a read that fails is an error.
Status check_translation(ImageFile& file, const Superblock& superblock, const ZoneTable& zones,
                         ImageFindings& findings);
// map::repair_map; durable when it returns.
Status repair_translation(ImageFile& file, const Superblock& superblock, const ZoneTable& zones);

}  // namespace reflux
