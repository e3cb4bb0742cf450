// Reads and judges an image's metadata; changes nothing.
#pragma once

#include "backend/image_file.h"
#include "backend/image_format.h"

#include <cstdint>
#include <string>
#include <vector>

namespace reflux {

// What is wrong with an image, a line each.
struct ImageFindings {
    std::vector<std::string> repairable;  // an intact copy stands in for what is damaged: nothing is lost
    std::vector<std::string> fatal;       // the image cannot be opened
    std::vector<std::string> notes;       // what is no damage, and worth a line
};

// The state of the zone table's blocks on disk; their zones are elsewhere.
struct TableState {
    std::vector<bool> newest_slot;          // of each block: 0 or 1
    std::vector<std::uint64_t> to_rewrite;  // blocks whose copies are not all as they should be
    std::uint64_t sequence = 0;             // highest of all blocks
};

struct ImageContents {
    Superblock superblock;
    ZoneTable zones;  // as saved: zones may be open
    TableState table;
    bool was_unclean = false;  // not closed properly, or a damaged superblock leaves that open
};

// All that is wrong goes to `findings`; an error is its first fatal line, or a failed read. 16 bytes a zone
// and 1 MiB are allocated.
Result<ImageContents> read_image(const ImageFile& file, ImageFindings& findings);

}  // namespace reflux
