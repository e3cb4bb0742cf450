#include "harness/workload/progress.h"

#include "tests/unit/harness/workload/support.h"

#include <utility>

#include <sys/mman.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace reflux::workload {
namespace {

TEST(SharedState, AnotherMappingSeesPlanCountersAndLedger) {
    const auto made = SharedState::create(testing::small_plan());
    ASSERT_TRUE(made) << made.error().message;
    const auto other = SharedState::attach(::dup(made->fd()));
    ASSERT_TRUE(other) << other.error().message;
    EXPECT_EQ(other->plan().seed, 7U);
    EXPECT_EQ(other->plan().time_limit, Seconds(60));
    EXPECT_EQ(other->layout().directories, made->layout().directories);

    const std::uint32_t last = made->layout().directories - 1;
    other->worker(2).steps.store(5);
    other->files(2, last).back().size.store(77);
    other->large_file(2).size.store(88);
    other->directory(2, last).number.store(9);
    EXPECT_EQ(made->totals().steps, 5U);
    EXPECT_EQ(made->files(2, last).back().size.load(), 77U);
    EXPECT_EQ(made->large_file(2).size.load(), 88U);
    EXPECT_EQ(made->directory(2, last).number.load(), 9U);
}

TEST(SharedState, SlotsDoNotOverlap) {
    const auto state = SharedState::create(testing::small_plan());
    ASSERT_TRUE(state);
    const auto layout = state->layout();
    for (std::uint32_t worker = 0; worker < 3; ++worker) {
        state->worker(worker).steps.store(worker + 1);
        for (std::uint32_t ring = 0; ring < layout.directories; ++ring) {
            state->directory(worker, ring).number.store(worker * 100 + ring);
            for (auto& file : state->files(worker, ring)) {
                file.size.store(worker * 1000 + ring);
            }
        }
        state->large_file(worker).size.store(worker + 5000);
    }
    for (std::uint32_t worker = 0; worker < 3; ++worker) {
        EXPECT_EQ(state->worker(worker).steps.load(), worker + 1);
        for (std::uint32_t ring = 0; ring < layout.directories; ++ring) {
            EXPECT_EQ(state->directory(worker, ring).number.load(), worker * 100 + ring);
            for (const auto& file : state->files(worker, ring)) {
                EXPECT_EQ(file.size.load(), worker * 1000 + ring);
            }
        }
        EXPECT_EQ(state->large_file(worker).size.load(), worker + 5000);
    }
}

TEST(SharedState, KeepsItsPlaceWhenMoved) {
    auto made = SharedState::create(testing::small_plan());
    ASSERT_TRUE(made);
    auto* const slot = &made->worker(1);
    const SharedState moved = std::move(*made);
    EXPECT_EQ(&moved.worker(1), slot);
}

TEST(SharedState, RefusesAForeignDescriptor) {
    const auto none = SharedState::attach(-1);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().errnum, EBADF);

    UniqueFd zeros(::memfd_create("zeros", MFD_CLOEXEC));
    ASSERT_EQ(::ftruncate(zeros.get(), 1 << 20), 0);
    const auto foreign = SharedState::attach(zeros.give_up());
    ASSERT_FALSE(foreign);
    EXPECT_EQ(foreign.error().kind, ErrorKind::invalid_input);

    const auto made = SharedState::create(testing::small_plan());
    ASSERT_TRUE(made);
    ASSERT_EQ(::ftruncate(made->fd(), 65536), 0);
    EXPECT_FALSE(SharedState::attach(::dup(made->fd()))) << "a region that was cut short";
}

TEST(SharedText, IsCutToItsSizeAndKeepsTheFirst) {
    SharedText<8> text;
    EXPECT_EQ(text.get(), "");
    text.set("0123456789");
    text.set("later");
    EXPECT_EQ(text.get(), "01234567");
    text.clear();
    text.set("again");
    EXPECT_EQ(text.get(), "again");
}

}  // namespace
}  // namespace reflux::workload
