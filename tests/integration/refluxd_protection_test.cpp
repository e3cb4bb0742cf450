// What refluxd does around each call and to protect itself, as its status tells it.
#include "tests/integration/support/refluxd_fixture.h"
#include "tests/support/sanitizer.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace reflux::test {
namespace {

class RefluxdProtectionTest : public RefluxdTest {
  protected:
    void write_and_read_back() const {
        const std::string data = pattern(3 << 20, 5);
        write_disk(disk(), 5 << 20, data);
        EXPECT_TRUE(read_disk(disk(), 5 << 20, data.size()) == data);
    }
};

TEST_F(RefluxdProtectionTest, NothingIsOnByDefaultButPrefaultedBuffers) {
    auto process = serve();
    ASSERT_TRUE(process) << process.error().message;
    write_and_read_back();
    const auto told = status();
    const auto& calls = told["io"]["calls"];
    for (const char* count : {"sync_range", "fdatasync_every", "flagged", "fallbacks", "scoped", "bounded"}) {
        EXPECT_EQ(calls[count], 0) << count;
    }
    EXPECT_TRUE(calls["flags"].empty() && calls["scopes"].empty());
    EXPECT_EQ(told["protection"]["io_flusher"], "off");
    EXPECT_EQ(told["protection"]["locked_bytes"], 0);
    EXPECT_GT(told["protection"]["buffers"]["bytes"], 1 << 20);
    EXPECT_EQ(told["protection"]["buffers"]["bytes"], told["protection"]["buffers"]["resident_bytes"]);
    end_well(*process);
}

TEST_F(RefluxdProtectionTest, WhatIsAskedForIsDoneAndCounted) {
    REFLUX_NOT_SANITIZED();
    auto process = serve({"--engine", "threads", "--call-flag", "nowait", "--sync-range", "1MiB",
                          "--fdatasync-every", "8", "--mlock"});
    ASSERT_TRUE(process) << process.error().message;
    write_and_read_back();
    const auto told = status();
    const auto& calls = told["io"]["calls"];
    EXPECT_EQ(calls["flags"], nlohmann::json::array({"nowait"}));
    EXPECT_GT(calls["flagged"], 0);
    EXPECT_GE(calls["bounded"], 3) << "of three MiB, one each";
    EXPECT_EQ(calls["bound_failures"], 0);
    EXPECT_EQ(told["protection"]["lock_memory"], true);
    EXPECT_GT(told["protection"]["locked_bytes"], told["protection"]["buffers"]["bytes"]);
    EXPECT_LT(told["protection"]["locked_bytes"], 1 << 30);
    end_well(*process);
}

TEST_F(RefluxdProtectionTest, WhatAnEngineCannotDoIsRefused) {
    expect_refused({"serve", image_, mountpoint_, "--engine", "uring", "--call-flag", "nowait"}, 3,
                   "engines sync and threads can");
    expect_refused({"serve", image_, mountpoint_, "--call-flag", "nowhere"}, 2, "nowhere");
}

}  // namespace
}  // namespace reflux::test
