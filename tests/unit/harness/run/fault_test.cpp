// Faults that are signals, on a real process; those of refluxd are tried in tests/integration.
#include "harness/run/fault.h"

#include "backend/base/child.h"
#include "backend/base/kernel_file.h"
#include "backend/base/task_stat.h"

#include <chrono>
#include <csignal>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::run {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class FaultInjectorTest : public testing::Test {
  protected:
    FaultInjectorTest() {
        auto child = spawn({"sleep", "60"});
        EXPECT_TRUE(child);
        stack_.daemon = std::move(*child);
    }
    ~FaultInjectorTest() override {
        EXPECT_TRUE(send_signal(stack_.daemon, SIGKILL));
        EXPECT_TRUE(wait_for(stack_.daemon, Seconds(20)));
    }
    FaultInjectorTest(const FaultInjectorTest&) = delete;
    FaultInjectorTest& operator=(const FaultInjectorTest&) = delete;
    FaultInjectorTest(FaultInjectorTest&&) = delete;
    FaultInjectorTest& operator=(FaultInjectorTest&&) = delete;

    [[nodiscard]] bool comes_to(char state) const {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (std::chrono::steady_clock::now() < end) {
            const auto text = read_file(fmt::format("/proc/{}/stat", stack_.daemon.pid));
            if (text && text->find(fmt::format(") {} ", state)) != std::string::npos) {
                return true;
            }
        }
        return false;
    }
    [[nodiscard]] FaultInjector injector() { return {wanted_, stack_, record_}; }

    scenario::Fault wanted_{.kind = "stop", .after = mebibytes(8)};
    stack::Stack stack_;
    std::vector<evidence::Fault> record_;
};

TEST_F(FaultInjectorTest, NoFaultLeavesNoRecord) {
    wanted_.kind = "none";
    auto fault = injector();
    EXPECT_TRUE(fault.check());
    EXPECT_EQ(fault.tick(gibibytes(1), 5).value(), "");
    fault.lift(6);
    EXPECT_THAT(record_, IsEmpty());
}

TEST_F(FaultInjectorTest, StopsWhenEnoughIsWrittenAndLetsGoOn) {
    auto fault = injector();
    EXPECT_TRUE(fault.check());
    EXPECT_EQ(fault.tick(mebibytes(7), 1).value(), "");
    ASSERT_EQ(record_.size(), 1U);
    EXPECT_FALSE(record_[0].at_s);
    EXPECT_THAT(record_[0].detail, HasSubstr("ended before the workload had written 8MiB"));
    EXPECT_TRUE(comes_to('S'));

    EXPECT_THAT(fault.tick(mebibytes(8), 2).value(), HasSubstr("stop, SIGSTOP to refluxd"));
    EXPECT_EQ(record_[0].at_s, 2.0);
    EXPECT_TRUE(comes_to('T'));
    EXPECT_EQ(fault.tick(mebibytes(100), 100).value(), "") << "it stays, and is injected once";
    EXPECT_TRUE(comes_to('T'));

    fault.lift(101);
    EXPECT_EQ(record_[0].lifted_s, 101.0);
    EXPECT_TRUE(comes_to('S'));
    fault.lift(102);
    EXPECT_EQ(record_[0].lifted_s, 101.0);
    EXPECT_EQ(record_.size(), 1U);
}

TEST_F(FaultInjectorTest, IsLiftedWhenItsTimeIsOver) {
    wanted_.time = Seconds(3);
    auto fault = injector();
    EXPECT_TRUE(fault.tick(mebibytes(8), 2));
    EXPECT_EQ(fault.tick(mebibytes(9), 4.9).value(), "");
    EXPECT_TRUE(comes_to('T'));
    EXPECT_EQ(fault.tick(mebibytes(9), 5).value(), "stop lifted");
    EXPECT_EQ(record_[0].lifted_s, 5.0);
    EXPECT_TRUE(comes_to('S'));
    EXPECT_EQ(fault.tick(mebibytes(9), 9).value(), "") << "once";
}

TEST_F(FaultInjectorTest, WhatIsKilledStaysKilled) {
    wanted_.kind = "kill";
    auto fault = injector();
    EXPECT_THAT(fault.tick(mebibytes(8), 2).value(), HasSubstr("kill, SIGKILL to refluxd"));
    EXPECT_TRUE(comes_to('Z'));
    fault.lift(3);
    EXPECT_FALSE(record_[0].lifted_s);
}

TEST_F(FaultInjectorTest, ADaemonThatCannotBeAskedIsAnError) {
    wanted_ = {.kind = "delay", .options = {"time=1s"}};
    stack_.control_socket = "/nonexistent/socket";
    auto fault = injector();
    const auto checked = fault.check();
    ASSERT_FALSE(checked);
    EXPECT_THAT(checked.error().message, HasSubstr("fault check delay time=1s"));
    EXPECT_FALSE(fault.tick(gibibytes(1), 1));
    EXPECT_FALSE(record_[0].at_s);
}

}  // namespace
}  // namespace reflux::run
