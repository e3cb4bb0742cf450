#include "tests/fuzz/support/seeds.h"

#include "backend/base/kernel_file.h"

#include <algorithm>
#include <filesystem>
#include <stdexcept>

namespace reflux::fuzz {

std::vector<SeedFile> seed_files(const std::string& folder, const std::string& ending) {
    const std::string top = std::string(REFLUX_SOURCE_DIR) + "/" + folder;
    std::vector<SeedFile> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(top)) {
        if (const std::string path = entry.path().string();
            entry.is_regular_file() && path.ends_with(ending)) {
            files.push_back({path, read_file(path).value()});
        }
    }
    if (files.empty()) {
        throw std::runtime_error("no seeds: no file *" + ending + " below " + top);
    }
    std::ranges::sort(files, {}, &SeedFile::path);
    return files;
}

std::vector<std::string> seed_texts(const std::string& folder, const std::string& ending) {
    std::vector<std::string> texts;
    for (SeedFile& file : seed_files(folder, ending)) {
        texts.push_back(std::move(file.text));
    }
    return texts;
}

}  // namespace reflux::fuzz
