// Seeds out of the source tree.
#pragma once

#include <string>
#include <vector>

namespace reflux::fuzz {

struct SeedFile {
    std::string path;
    std::string text;
};
// Every file below `folder` (of the source tree) whose name ends in `ending`, sorted by path. Throws when
// there is none.
std::vector<SeedFile> seed_files(const std::string& folder, const std::string& ending);
std::vector<std::string> seed_texts(const std::string& folder, const std::string& ending);

}  // namespace reflux::fuzz
