// refluxd while an I/O thread of it is truly stuck in the kernel. Needs root, /dev/fuse, loop devices,
// mkfs.ext4.
#include "backend/base/task_stat.h"
#include "tests/integration/support/frozen_filesystem.h"
#include "tests/integration/support/inventory.h"
#include "tests/integration/support/refluxd_fixture.h"

#include <csignal>
#include <filesystem>
#include <optional>

#include <gtest/gtest.h>

namespace reflux::test {
namespace {

// A lower ext4 of the test's own, frozen under a refluxd that serves an image on it.
class FrozenLower : public RefluxdEngines {
  protected:
    void SetUp() override {
        RefluxdEngines::SetUp();
        if (IsSkipped()) {
            return;
        }
        before_ = take_inventory();
        lower_ = folder_ / "lower";
        const std::string backing = folder_ / "lower.img";
        std::filesystem::create_directory(lower_);
        run_tool({"truncate", "-s", "64M", backing});
        run_tool({"mkfs.ext4", "-q", backing});
        run_tool({"mount", "-o", "loop", backing, lower_});
        image_ = lower_ + "/image";
        format(image_);
    }
    // Also where a test failed in the middle: thawed first, because nothing that waits for it ends before.
    void TearDown() override {
        frozen_.reset();
        if (process_ && process_->pid() > 0) {
            EXPECT_TRUE(process_->signal(SIGTERM));
            EXPECT_EQ(process_->wait(), 0) << process_->errors();
        }
        process_.reset();
        if (writer_) {
            end_writer();
        }
        RefluxdEngines::TearDown();
        if (!lower_.empty()) {
            detach_mount(lower_);
            EXPECT_EQ(left_behind(before_), "");
        }
    }
    void serve_and_freeze() {
        auto served = serve({"--engine", GetParam()});
        ASSERT_TRUE(served) << served.error().message;
        process_.emplace(std::move(*served));
        auto frozen = FrozenFilesystem::freeze(lower_);
        ASSERT_TRUE(frozen) << frozen.error().message;
        frozen_.emplace(std::move(*frozen));
    }
    void thaw() {
        const auto thawed = frozen_->thaw();
        ASSERT_TRUE(thawed) << thawed.error().message;
    }
    // Starts a write to the disk in a child and waits until an I/O thread of refluxd sleeps in it.
    void get_stuck() {
        auto writer = fork_call([this]() -> Status {
            const std::string data = pattern(4096, 9);
            REFLUX_TRY(const auto fd, open_file(disk(), O_WRONLY));
            return ::pwrite(fd.get(), data.data(), data.size(), 8192) == 4096 ? Status{}
                                                                              : Status(fail_errno("pwrite"));
        });
        ASSERT_TRUE(writer) << writer.error().message;
        writer_.emplace(std::move(*writer));
        ASSERT_TRUE(comes_true([&] {
            const auto reported = status();
            if (!reported.is_object() || reported["in_flight"].size() != 1) {
                return false;
            }
            stuck_ = reported["in_flight"][0];
            // Of engine uring it is a worker, which status lists.
            for (const auto& thread : reported["threads"]) {
                const auto stat = read_task_stat(
                    fmt::format("/proc/{}/task/{}/stat", process_->pid(), thread["tid"].get<int>()));
                const bool does_io = thread["tid"] == stuck_["tid"] || thread["role"] == "io_worker";
                if (does_io && stat && stat->state == 'D') {
                    return true;
                }
            }
            return false;
        })) << "no I/O thread sleeps in the write";
    }
    // The write was answered, and well; within 20 s.
    bool end_writer() {
        const auto ended = wait_for(*writer_, Seconds(20));
        writer_.reset();
        return ended && *ended && (*ended)->ok();
    }

    Inventory before_;
    std::string lower_;
    std::optional<FrozenFilesystem> frozen_;
    std::optional<RefluxdProcess> process_;
    std::optional<Child> writer_;
    nlohmann::json stuck_;  // entry of the request that sleeps, as status gives it
};
INSTANTIATE_TEST_SUITE_P(All, FrozenLower, testing::Values("sync", "threads", "uring"));

TEST_P(FrozenLower, StatusAnswersWhileAnIoThreadIsStuck) {
    ASSERT_NO_FATAL_FAILURE(serve_and_freeze());
    ASSERT_NO_FATAL_FAILURE(get_stuck());
    EXPECT_EQ(stuck_["op"], "write");
    EXPECT_EQ(stuck_["offset"], 8192);
    EXPECT_EQ(stuck_["length"], 4096);
    auto later = status();
    ASSERT_TRUE(later.is_object());
    ASSERT_EQ(later["in_flight"].size(), 1U);
    EXPECT_EQ(later["in_flight"][0]["id"], stuck_["id"]);
    EXPECT_GE(later["in_flight"][0]["age_s"], stuck_["age_s"]);
    EXPECT_EQ(ask_control(socket_, "zones", Seconds(10)).size(), 16U) << "the table is not locked";
    ASSERT_NO_FATAL_FAILURE(thaw());
    EXPECT_TRUE(end_writer());
    EXPECT_TRUE(read_disk(disk(), 8192, 4096) == pattern(4096, 9));
    EXPECT_TRUE(status()["in_flight"].empty());
    end_well(*process_);
}

TEST_P(FrozenLower, AStopWaitsForWhatIsInFlight) {
    ASSERT_NO_FATAL_FAILURE(serve_and_freeze());
    ASSERT_NO_FATAL_FAILURE(get_stuck());
    ASSERT_TRUE(process_->signal(SIGTERM));
    EXPECT_EQ(status()["in_flight"][0]["id"], stuck_["id"])
        << "it neither drops the request nor stops answering";
    ASSERT_NO_FATAL_FAILURE(thaw());
    EXPECT_EQ(process_->wait(), 0) << process_->errors();
    EXPECT_TRUE(end_writer()) << "it was answered";
}

}  // namespace
}  // namespace reflux::test
