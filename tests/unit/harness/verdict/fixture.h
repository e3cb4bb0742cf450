// Recorded and hand-made evidence: every folder of tests/fixtures/evidence with an evidence.json.
#pragma once

#include "backend/base/kernel_file.h"
#include "harness/evidence/evidence.h"
#include "harness/evidence/json.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

namespace reflux::testing {

inline std::string fixture_text(const std::string& name, const std::string& file) {
    auto text = read_file(std::string(REFLUX_FIXTURES) + "/evidence/" + name + "/" + file);
    if (!text) {
        throw std::runtime_error(text.error().message);
    }
    return *std::move(text);
}

inline evidence::Evidence fixture(const std::string& name) {
    auto loaded = evidence::from_json(fixture_text(name, "evidence.json"));
    if (!loaded) {
        throw std::runtime_error(name + ": " + loaded.error().message);
    }
    return *std::move(loaded);
}

inline std::vector<std::string> fixture_names() {
    std::vector<std::string> names;
    for (const auto& entry :
         std::filesystem::directory_iterator(std::string(REFLUX_FIXTURES) + "/evidence")) {
        if (std::filesystem::exists(entry.path() / "evidence.json")) {
            names.push_back(entry.path().filename().string());
        }
    }
    std::ranges::sort(names);
    return names;
}

// For INSTANTIATE_TEST_SUITE_P over fixture_names().
inline constexpr auto fixture_case_name = [](const auto& param) {
    std::string name = param.param;
    std::ranges::replace_if(
        name, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
    return name;
};

}  // namespace reflux::testing
