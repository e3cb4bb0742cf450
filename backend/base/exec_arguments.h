#pragma once

#include <string>
#include <vector>

namespace reflux {

// As execv(3) takes them; they hold as long as `argv` does.
inline std::vector<char*> exec_arguments(const std::vector<std::string>& argv) {
    std::vector<char*> pointers;
    pointers.reserve(argv.size() + 1);
    for (const auto& argument : argv) {
        pointers.push_back(const_cast<char*>(argument.c_str()));  // NOLINT(*-const-cast): execv's signature
    }
    pointers.push_back(nullptr);
    return pointers;
}

}  // namespace reflux
