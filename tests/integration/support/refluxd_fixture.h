// The place in which refluxd is tested: a folder, an image of 16 zones of 1 MiB (4 conventional), a mount
// point, a control socket. Everything is mounted in a mount namespace of the test program's own, so that
// nothing is left even when a test dies.
#pragma once

#include "tests/integration/support/refluxd_process.h"
#include "tests/integration/support/tools.h"
#include "tests/support/temporary_folder.h"

#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace reflux::test {

// Bytes that depend on seed and place.
std::string pattern(std::size_t size, unsigned seed);
// Writes and fsyncs.
void write_disk(const std::string& path, off_t offset, std::string_view data);
// What is read; short at the end of the disk or on an error.
std::string read_disk(const std::string& path, off_t offset, std::size_t size);

// Skipped without root or /dev/fuse.
class RefluxdTest : public testing::Test {
  protected:
    static void SetUpTestSuite();
    void SetUp() override;
    void TearDown() override;

    static void format(const std::string& path);
    // The test's image anew, by `refluxd format IMAGE --force` and these options.
    void format_as(std::vector<std::string> options) const;
    [[nodiscard]] Result<RefluxdProcess> serve(std::vector<std::string> more = {}) const;
    // SIGTERM, and exit 0.
    static void end_well(RefluxdProcess& process);
    // A run that prints one line with `part` on stderr, ends with `code`, and leaves no mount and no socket.
    void expect_refused(const std::vector<std::string>& arguments, int code, const std::string& part) const;

    [[nodiscard]] std::string disk() const { return mountpoint_ + "/disk"; }
    [[nodiscard]] std::string cnv(unsigned zone) const;
    [[nodiscard]] std::string seq(unsigned zone) const;
    [[nodiscard]] nlohmann::json status() const { return ask("status"); }
    [[nodiscard]] nlohmann::json ask(const std::string& command) const {
        return ask_control(socket_, command, Seconds(10));
    }
    [[nodiscard]] bool is_mounted() const;

    TemporaryFolder folder_;
    std::string mountpoint_;  // empty before SetUp, and when it skips
    std::string image_;
    std::string socket_;
};

// The same, for each engine by name.
class RefluxdEngines : public RefluxdTest, public testing::WithParamInterface<std::string> {};

}  // namespace reflux::test
