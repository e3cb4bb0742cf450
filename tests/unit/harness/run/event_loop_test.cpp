#include "harness/run/event_loop.h"

#include <csignal>

#include <gtest/gtest.h>

namespace reflux::run {
namespace {

TEST(EventLoop, ASignalInterruptsFromThenOn) {
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
        EventLoop loop;
        EXPECT_EQ(loop.next(Seconds(0)), Event::tick);
        EXPECT_EQ(loop.interrupted(), 0);
        ASSERT_EQ(::raise(number), 0);
        EXPECT_EQ(loop.next(Seconds(30)), Event::interrupted);
        EXPECT_EQ(loop.next(Seconds(30)), Event::interrupted);
        EXPECT_EQ(loop.interrupted(), number);
    }
}

TEST(EventLoop, UnderNohupALostTerminalInterruptsNothing) {
    const auto before = ::signal(SIGHUP, SIG_IGN);
    EventLoop loop;
    ASSERT_EQ(::raise(SIGHUP), 0);
    EXPECT_EQ(loop.next(Seconds(0)), Event::tick);
    EXPECT_EQ(loop.interrupted(), 0);
    ::signal(SIGHUP, before);
}

}  // namespace
}  // namespace reflux::run
