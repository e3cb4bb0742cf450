// refluxd while an I/O thread of it is truly stuck in the kernel. Needs root, /dev/fuse, loop devices,
// mkfs.ext4.
#include "backend/base/kernel_file.h"
#include "backend/base/task_stat.h"
#include "tests/integration/support/refluxd_fixture.h"

#include <array>
#include <csignal>
#include <filesystem>
#include <optional>

#include <linux/fs.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::test {
namespace {

namespace files = std::filesystem;

// A lower ext4 of the test's own that a helper process freezes: whoever writes to it then sleeps in the
// kernel until it is thawed. The helper thaws when it is told to, when the test program ends, and after 60 s
// in any case.
class FrozenLower : public RefluxdEngines {
  protected:
    void SetUp() override {
        RefluxdEngines::SetUp();
        if (testing::Test::IsSkipped()) {
            return;
        }
        const std::string backing = folder_ + "/lower.img";
        lower_ = folder_ + "/lower";
        files::create_directory(lower_);
        run_tool({"truncate", "-s", "64M", backing});
        run_tool({"mkfs.ext4", "-q", backing});
        run_tool({"mount", "-o", "loop", backing, lower_});
        image_ = lower_ + "/image";
        format(image_);
    }
    void TearDown() override {
        thaw();
        if (freezer_) {
            EXPECT_TRUE(wait_for(*freezer_, Seconds(20)).value_or(std::nullopt)) << "the freezer did not end";
        }
        RefluxdEngines::TearDown();
    }
    void freeze() {
        std::array<int, 2> told{};
        std::array<int, 2> frozen{};
        ASSERT_EQ(::pipe2(told.data(), O_CLOEXEC), 0);
        ASSERT_EQ(::pipe2(frozen.data(), O_CLOEXEC), 0);
        UniqueFd told_read(told[0]);
        thaw_ = UniqueFd(told[1]);
        const UniqueFd frozen_read(frozen[0]);
        UniqueFd frozen_write(frozen[1]);
        auto child = fork_call(
            [&]() -> Status {
                thaw_.reset();
                REFLUX_TRY(const auto fd, open_file(lower_, O_RDONLY | O_DIRECTORY));
                if (::ioctl(fd.get(), FIFREEZE, 0) != 0) {
                    return fail_errno("FIFREEZE");
                }
                REFLUX_CHECK(write_all(frozen_write.get(), "!", "pipe"));
                pollfd end{.fd = told_read.get(), .events = POLLIN, .revents = 0};
                ::poll(&end, 1, 60000);
                return ::ioctl(fd.get(), FITHAW, 0) == 0 ? Status{} : Status(fail_errno("FITHAW"));
            },
            {.inherit = {told_read.get(), frozen_write.get()}, .die_with_parent = false});
        ASSERT_TRUE(child) << child.error().message;
        freezer_ = std::move(*child);
        frozen_write.reset();
        const auto answer = read_all_of_one(frozen_read.get());
        ASSERT_EQ(answer, "!") << "not frozen";
    }
    void thaw() { thaw_.reset(); }

    static std::string read_all_of_one(int fd) {
        pollfd poller{.fd = fd, .events = POLLIN, .revents = 0};
        char letter = 0;
        return ::poll(&poller, 1, 20000) == 1 && ::read(fd, &letter, 1) == 1 ? std::string(1, letter) : "";
    }
    // Starts a write to the disk in a child and waits until an I/O thread of refluxd sleeps in it; gives its
    // entry.
    nlohmann::json get_stuck(RefluxdProcess& process) {
        auto writer = fork_call([this]() -> Status {
            thaw_.reset();  // an open end here would keep the freezer waiting
            const std::string data = pattern(4096, 9);
            REFLUX_TRY(const auto fd, open_file(disk(), O_WRONLY));
            return ::pwrite(fd.get(), data.data(), data.size(), 8192) == 4096 ? Status{}
                                                                              : Status(fail_errno("pwrite"));
        });
        EXPECT_TRUE(writer);
        writer_ = std::move(*writer);
        nlohmann::json stuck;
        EXPECT_TRUE(comes_true([&] {
            const auto reported = status();
            if (!reported.is_object() || reported["in_flight"].size() != 1) {
                return false;
            }
            stuck = reported["in_flight"][0];
            const auto stat =
                read_task_stat(fmt::format("/proc/{}/task/{}/stat", process.pid(), stuck["tid"].get<int>()));
            return stat && stat->state == 'D';
        })) << "no I/O thread sleeps in the write";
        return stuck;
    }

    std::string lower_;
    UniqueFd thaw_;
    std::optional<Child> freezer_;
    Child writer_;
};
INSTANTIATE_TEST_SUITE_P(All, FrozenLower, testing::Values("sync", "threads"));

TEST_P(FrozenLower, StatusAnswersWhileAnIoThreadIsStuck) {
    auto process = serve({"--engine", GetParam()});
    ASSERT_TRUE(process) << process.error().message;
    freeze();
    const auto stuck = get_stuck(*process);
    EXPECT_EQ(stuck["op"], "write");
    EXPECT_EQ(stuck["offset"], 8192);
    EXPECT_EQ(stuck["length"], 4096);
    const auto later = status();
    ASSERT_TRUE(later.is_object());
    ASSERT_EQ(later["in_flight"].size(), 1U);
    EXPECT_EQ(later["in_flight"][0]["id"], stuck["id"]);
    EXPECT_GE(later["in_flight"][0]["age_s"], stuck["age_s"]);
    EXPECT_EQ(ask_control(socket_, "zones", Seconds(10)).size(), 16U) << "the table is not locked";
    thaw();
    const auto written = wait_for(writer_, Seconds(20));
    ASSERT_TRUE(written && *written);
    EXPECT_TRUE((*written)->ok());
    EXPECT_TRUE(read_disk(disk(), 8192, 4096) == pattern(4096, 9));
    EXPECT_TRUE(status()["in_flight"].empty());
    end_well(*process);
}

TEST_P(FrozenLower, AStopWaitsForWhatIsInFlight) {
    auto process = serve({"--engine", GetParam()});
    ASSERT_TRUE(process) << process.error().message;
    freeze();
    const auto stuck = get_stuck(*process);
    ASSERT_TRUE(process->signal(SIGTERM));
    EXPECT_EQ(status()["in_flight"][0]["id"], stuck["id"])
        << "it neither drops the request nor stops answering";
    thaw();
    EXPECT_EQ(process->wait(), 0) << process->errors();
    const auto written = wait_for(writer_, Seconds(20));
    ASSERT_TRUE(written && *written);
    EXPECT_TRUE((*written)->ok()) << "it was answered";
}

}  // namespace
}  // namespace reflux::test
