// A folder of its own with files as the kernel would show them; gone with the object.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace reflux::observe {

class TemporaryTree {
  public:
    TemporaryTree() {
        std::string name = (std::filesystem::temp_directory_path() / "reflux-observe-XXXXXX").string();
        root_ = ::mkdtemp(name.data());
    }
    TemporaryTree(const TemporaryTree&) = delete;
    TemporaryTree& operator=(const TemporaryTree&) = delete;
    TemporaryTree(TemporaryTree&&) = delete;
    TemporaryTree& operator=(TemporaryTree&&) = delete;
    ~TemporaryTree() {
        std::error_code ignored;
        std::filesystem::remove_all(root_, ignored);
    }

    [[nodiscard]] std::string path(const std::string& name = {}) const {
        return name.empty() ? root_ : root_ + "/" + name;
    }
    void file(const std::string& name, const std::string& text) const {
        std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
        std::ofstream(path(name)) << text;
    }

  private:
    std::string root_;
};

inline std::string fixture(const std::string& name) {
    std::ifstream file(std::string(REFLUX_FIXTURES) + "/observe/" + name);
    return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace reflux::observe
