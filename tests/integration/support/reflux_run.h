// The reflux of this build, run as a person runs it.
#pragma once

#include "backend/base/units.h"
#include "tests/integration/support/inventory.h"
#include "tests/support/seed.h"
#include "tests/support/temporary_folder.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace reflux::test {

struct Ran {
    int code = -1;       // exit status; -1: it did not end in its time
    std::string output;  // stdout
    std::string errors;  // stderr
    // The only element of the array that --json printed; null when there is none.
    [[nodiscard]] nlohmann::json verdict() const;
};

// A string without its quotes; other values as JSON.
std::string text_of(const nlohmann::json& value);
// The evidence.json of the run that a verdict is of.
nlohmann::json evidence_of(const nlohmann::json& verdict);

// The kernel that guests boot: 6.1, or what REFLUX_VM_KERNEL names.
std::string vm_kernel();

// Runs a shell command in which "$REFLUX" is the program; at most `time`.
Ran run_shell(const std::string& script, Seconds time = Seconds(150));
Ran run_reflux(const std::string& arguments, Seconds time = Seconds(150));

// First line of a test that takes long and that a shorter one beside it mostly covers.
#define REFLUX_LONG_TEST()        \
    if (!reflux::test::is_long()) \
    GTEST_SKIP() << "takes a minute or more: scripts/test --long (REFLUX_LONG=1) runs it"

// Tests that need root and FUSE; each is followed by a comparison of the machine before and after. The run
// folders of one that failed are kept below the build folder, in failed/.
class RefluxTest : public testing::Test {
  protected:
    void SetUp() override;
    void TearDown() override;

    // Writes a scenario file into the test's folder.
    [[nodiscard]] std::string scenario(const std::string& name, const std::string& text) const;
    [[nodiscard]] std::string out() const { return folder_ / "out"; }
    // Runs a shell command in a guest; what happened there, with what it printed. A run is how a command
    // comes into a guest, as vm.setup: of the run itself as little as can be. No single quotes in `command`;
    // when it fails, so does the test.
    [[nodiscard]] std::string events_in_guest(const std::string& command, Seconds time,
                                              const std::string& kernel = vm_kernel()) const;

    TemporaryFolder folder_;

  private:
    void keep_run_folders() const;

    Inventory before_;
};

}  // namespace reflux::test
