// A folder of its own with files as the kernel would show them; gone with the object.
#pragma once

#include "tests/support/temporary_folder.h"

#include <fstream>
#include <string>

namespace reflux::observe {

class TemporaryTree {
  public:
    [[nodiscard]] std::string path(const std::string& name = {}) const {
        return name.empty() ? folder_.path() : folder_ / name;
    }
    void file(const std::string& name, const std::string& text) const { folder_.write(name, text); }

  private:
    test::TemporaryFolder folder_;
};

inline std::string fixture(const std::string& name) {
    std::ifstream file(std::string(REFLUX_FIXTURES) + "/observe/" + name);
    return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace reflux::observe
