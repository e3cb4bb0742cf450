// What a scenario has somebody else do, with real processes and no stack.
#include "harness/run/meanwhile.h"

#include "backend/base/kernel_file.h"
#include "tests/support/temporary_folder.h"

#include <chrono>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::run {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class MeanwhileTest : public testing::Test {
  protected:
    MeanwhileTest() { std::ofstream(memcg_.helper_procs).flush(); }

    [[nodiscard]] Meanwhile make(scenario::Meanwhile wanted) {
        return {wanted, stack_, memcg_, folder_ / "meanwhile.log", record_};
    }
    // Ticks at `now_s` until `rounds` have ended.
    bool comes_to(Meanwhile& meanwhile, std::uint64_t rounds, double now_s) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (record_->rounds < rounds && std::chrono::steady_clock::now() < end) {
            EXPECT_TRUE(meanwhile.tick(now_s));
        }
        return record_->rounds == rounds;
    }
    [[nodiscard]] std::string text_of(const std::string& name) const {
        return read_file(folder_ / name).value_or("");
    }

    test::TemporaryFolder folder_;
    stack::Stack stack_;
    pressure::Memcg memcg_{.helper_procs = folder_ / "procs"};  // stands for cgroup.procs
    std::optional<evidence::Meanwhile> record_;
};

TEST_F(MeanwhileTest, NothingIsDoneWhereNothingIsWanted) {
    auto meanwhile = make({});
    EXPECT_TRUE(meanwhile.tick(1));
    meanwhile.stop(2);
    meanwhile.undo();
    EXPECT_FALSE(record_);
}

TEST_F(MeanwhileTest, WordsInBracesAreThoseOfTheStack) {
    stack_.upper_mount = "/m/upper";
    stack_.lower_mount = "/m/lower";
    stack_.upper_device.name = "dm-1";
    stack_.lower_device.name = "loop1";
    stack_.served_device.name = "loop2";
    stack_.daemon.pid = 77;
    memcg_.workload = "/cg/w";
    EXPECT_EQ(filled_command("{upper} {upper} {lower} {upper_device} {lower_device} {served_device} {daemon} "
                             "{workload_cgroup} {x}",
                             stack_, memcg_),
              "/m/upper /m/upper /m/lower dm-1 loop1 loop2 77 /cg/w {x}");
}

TEST_F(MeanwhileTest, ARoundFollowsTheOtherAfterAPause) {
    auto meanwhile = make({.command = "echo round", .every = Seconds(5)});
    ASSERT_TRUE(record_);
    EXPECT_EQ(record_->command, "echo round");
    ASSERT_TRUE(comes_to(meanwhile, 1, 10));
    EXPECT_TRUE(meanwhile.tick(14.9));
    meanwhile.stop(14.9);
    EXPECT_EQ(record_->rounds, 1U);
    EXPECT_FALSE(record_->hanging_s) << "no round was begun before its time";
    EXPECT_EQ(text_of("meanwhile.log"), "round\n");
}

TEST_F(MeanwhileTest, FailedRoundsAreCountedAndTheFirstIsTold) {
    auto meanwhile = make({.command = "exit 3", .every = Seconds(0.1)});
    ASSERT_TRUE(comes_to(meanwhile, 1, 1));
    ASSERT_TRUE(comes_to(meanwhile, 2, 2));
    EXPECT_EQ(record_->failed, 2U);
    EXPECT_THAT(record_->first_failure, StartsWith("round 1: exit 3"));
}

TEST_F(MeanwhileTest, ARoundThatHangsIsToldAndKilledWithAllThatItRuns) {
    auto meanwhile = make({.command = "sleep 600; true", .undo = "echo undone >" + (folder_ / "undone")});
    ASSERT_TRUE(meanwhile.tick(1));
    meanwhile.stop(9.5);
    EXPECT_EQ(record_->hanging_s, 8.5);
    EXPECT_EQ(record_->rounds, 0U);
    EXPECT_TRUE(meanwhile.tick(99)) << "there is no further round";
    EXPECT_EQ(text_of("undone"), "");
    meanwhile.undo();
    EXPECT_EQ(text_of("undone"), "undone\n");
    EXPECT_EQ(record_->undo_failure, "");
    EXPECT_EQ(record_->hanging_s, 8.5);
}

TEST_F(MeanwhileTest, UndoneOnceAndOnlyWhatWasDone) {
    const std::string undo = "echo undone >>" + (folder_ / "undone") + "; echo why; exit 2";
    {
        auto meanwhile = make({.command = "true", .undo = undo});
        meanwhile.stop(1);
        meanwhile.undo();
        EXPECT_EQ(text_of("undone"), "");
    }
    auto meanwhile = make({.command = "true", .undo = undo});
    ASSERT_TRUE(comes_to(meanwhile, 1, 1));
    meanwhile.stop(2);
    meanwhile.undo();
    meanwhile.undo();
    EXPECT_EQ(text_of("undone"), "undone\n");
    EXPECT_THAT(record_->undo_failure, testing::AllOf(HasSubstr("exit 2"), HasSubstr("why")));
}

TEST_F(MeanwhileTest, ACgroupThatIsNotThereIsAnError) {
    memcg_.helper_procs = folder_ / "absent/cgroup.procs";
    auto meanwhile = make({.command = "true"});
    const auto begun = meanwhile.tick(1);
    ASSERT_FALSE(begun);
    EXPECT_THAT(begun.error().message, HasSubstr("absent"));
}

}  // namespace
}  // namespace reflux::run
