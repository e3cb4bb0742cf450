// A folder for scenario files, and what loading them says.
#pragma once

#include "harness/scenario/load.h"
#include "tests/support/temporary_folder.h"

#include <cstdlib>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace reflux::scenario {

class LoadTest : public ::testing::Test {
  protected:
    void TearDown() override { unsetenv("REFLUX_SCENARIOS"); }

    [[nodiscard]] std::string path(const std::string& name) const { return folder_ / name; }
    std::string write(const std::string& name, const std::string& text) const {
        folder_.write(name, text);
        return path(name);
    }
    // Loads `text` as FOLDER/s.toml and gives the error with FOLDER/ taken off, or "" when it loads.
    std::string error_of(const std::string& text, const std::vector<Override>& overrides = {}) const {
        const auto loaded = load_file(write("s.toml", text), overrides);
        if (loaded) {
            return "";
        }
        EXPECT_EQ(loaded.error().kind, ErrorKind::invalid_input);
        std::string message = loaded.error().message;
        const std::string prefix = folder_.path() + "/";
        for (std::size_t at = 0; (at = message.find(prefix, at)) != std::string::npos;) {
            message.erase(at, prefix.size());
        }
        return message;
    }

    test::TemporaryFolder folder_;
};

inline const std::string question = "question = \"q\"\n";

}  // namespace reflux::scenario
