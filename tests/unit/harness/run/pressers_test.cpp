#include "harness/run/pressers.h"

#include <chrono>
#include <thread>

#include <signal.h>

#include <gtest/gtest.h>

namespace reflux::run {
namespace {

evidence::Hog counted(const std::vector<HogEnd>& ends, const evidence::Evidence& seen) {
    evidence::Hog record;
    count_ends(ends, seen, record);
    return record;
}

TEST(HogEnds, AreTheOomKillersWhereTheKernelSaysSo) {
    const std::vector<HogEnd> ends{{.pid = 7, .exit = {.signal = SIGKILL}},
                                   {.pid = 8, .exit = {.code = 12}},
                                   {.pid = 9, .exit = {.signal = SIGSEGV}}};
    evidence::Evidence seen;
    auto record = counted(ends, seen);
    EXPECT_EQ(record.oom_killed, 0U) << "somebody else may have killed it";
    EXPECT_EQ(record.failed, 3U);
    EXPECT_EQ(record.first_failure, "signal 9 (Killed)");
    seen.oom_victims = {{.pid = 7, .name = "reflux-hog", .role = "hog"}};
    record = counted(ends, seen);
    EXPECT_EQ(record.oom_killed, 1U);
    EXPECT_EQ(record.failed, 2U);
    EXPECT_EQ(record.first_failure, "exit 12");
    seen.oom_victims = {{.pid = 70, .name = "refluxd", .role = "daemon"}};
    EXPECT_EQ(counted(ends, seen).oom_killed, 0U) << "it took another";
}

TEST(HogEnds, AreCountedByTheKernelsCountersWhereThereIsNoLog) {
    const std::vector<HogEnd> ends(3, {.pid = 7, .exit = {.signal = SIGKILL}});
    evidence::Evidence seen;
    seen.cost.emplace().oom_kills = 2;
    EXPECT_EQ(counted(ends, seen).oom_killed, 2U);
    EXPECT_EQ(counted(ends, seen).failed, 1U);
}

class PressersOf : public ::testing::Test {
  protected:
    PressersOf() {
        memcg_.workload_procs = "/dev/null";
        wanted_.hog = mebibytes(4);
        wanted_.after = mebibytes(1);
    }
    // Ticks until `done` holds; false: it did not within 10 s.
    template <class Done>
    bool tick_until(Pressers& pressers, Done done) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (!done(kept(pressers)) && std::chrono::steady_clock::now() < end) {
            EXPECT_TRUE(pressers.tick(mebibytes(2), 1.5));
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        return done(kept(pressers));
    }
    static evidence::Hog kept(Pressers& pressers) {
        evidence::Evidence evidence;
        pressers.keep(evidence);
        return evidence.hog.value_or(evidence::Hog{});
    }
    scenario::Pressure wanted_;
    stack::Stack stack_;
    pressure::Memcg memcg_;
};

TEST_F(PressersOf, TellThatAHogWasNotDue) {
    Pressers pressers(wanted_, stack_, memcg_);
    ASSERT_TRUE(pressers.tick(kibibytes(4), 1.5));
    const auto hog = kept(pressers);
    EXPECT_FALSE(hog.began_s);
    EXPECT_EQ(hog.asked_bytes, mebibytes(4).value);
    EXPECT_FALSE(hog.at_work);
}

TEST_F(PressersOf, TellWhatAHogTook) {
    Pressers pressers(wanted_, stack_, memcg_);
    EXPECT_TRUE(tick_until(pressers, [](const auto& hog) { return hog.most_taken_bytes == 4U << 20U; }));
    const auto hog = kept(pressers);
    EXPECT_EQ(hog.began_s, 1.5);
    EXPECT_EQ(hog.started, 1U);
    EXPECT_TRUE(hog.at_work);
    EXPECT_FALSE(hog.syncs);
    pressers.stop();
}

// No machine maps that much: it ends by itself, and is not tried again and again.
TEST_F(PressersOf, TellOfAHogThatCannotTakeIt) {
    wanted_.hog = Bytes{std::uint64_t{1} << 60U};
    Pressers pressers(wanted_, stack_, memcg_);
    EXPECT_TRUE(tick_until(pressers, [](const auto& hog) { return hog.failed > 0; }));
    ASSERT_TRUE(pressers.tick(mebibytes(2), 3));
    const auto hog = kept(pressers);
    EXPECT_EQ(hog.started, 1U);
    EXPECT_EQ(hog.failed, 1U);
    EXPECT_EQ(hog.first_failure, "exit 12");
    EXPECT_EQ(hog.most_taken_bytes, 0U);
    EXPECT_FALSE(hog.at_work);
}

}  // namespace
}  // namespace reflux::run
