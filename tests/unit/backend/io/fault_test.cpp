#include "backend/io/fault.h"

#include "backend/base/unique_fd.h"
#include "tests/support/count_allocations.h"
#include "tests/support/ending.h"

#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <thread>

#include <sys/mman.h>
#include <sys/resource.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::io {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Clock = std::chrono::steady_clock;
using Options = std::vector<std::string>;

constexpr std::uint64_t origin = 8192;  // where the disk begins in the file
constexpr std::size_t disk_size = std::size_t{1} << 20U;
constexpr std::size_t block = 4096;

struct Waited : Request, test::Ending {
    std::vector<std::byte> data;

    Waited(Operation what, std::uint64_t disk_offset, std::byte fill = std::byte{}) {
        operation = what;
        offset = origin + disk_offset;
        if (what != Operation::flush) {
            data.assign(block, fill);
            buffer = data;
        }
        complete = [](Request& request, int error) { static_cast<Waited&>(request).end(error); };
    }
};

// Faults before an engine on a file in memory; for each engine by name.
class FaultTest : public testing::TestWithParam<std::string_view> {
  protected:
    FaultTest() : file_(::memfd_create("fault_test", MFD_CLOEXEC)) {
        EXPECT_EQ(::ftruncate(file_.get(), origin + disk_size), 0);
        auto engine = make_engine(GetParam(), {.fd = file_.get(), .threads = 2});
        EXPECT_TRUE(engine);
        engine_ = with_faults(std::move(*engine), faults_, origin);
    }
    void set(std::string_view name, const Options& options) {
        const auto done = faults_.set(name, options);
        ASSERT_TRUE(done) << done.error().message;
    }
    int run(Operation what, std::uint64_t disk_offset = 0, std::byte fill = std::byte{}) {
        Waited request(what, disk_offset, fill);
        engine_->submit(request);
        const int result = request.wait();
        engine_->drain();
        return result;
    }
    // How many of 1000 writes fail.
    int failures() {
        int failed = 0;
        for (int i = 0; i < 1000; ++i) {
            failed += run(Operation::write) != 0 ? 1 : 0;
        }
        return failed;
    }
    std::vector<std::byte> on_disk(std::uint64_t disk_offset) const {
        std::vector<std::byte> data(block);
        EXPECT_EQ(::pread(file_.get(), data.data(), data.size(), static_cast<off_t>(origin + disk_offset)),
                  static_cast<ssize_t>(data.size()));
        return data;
    }
    // A write in a thread of its own, which the fault holds until it is cleared.
    struct Held {
        Waited request{Operation::write, 0, std::byte{7}};
        std::jthread thread;
        explicit Held(Engine& engine) : thread([&] { engine.submit(request); }) {}
    };
    void await_requests(std::uint64_t count) const {
        const auto end = Clock::now() + std::chrono::seconds(20);
        while ((faults_.state().empty() || faults_.state()[0].requests < count) && Clock::now() < end) {
            std::this_thread::yield();
        }
        ASSERT_FALSE(faults_.state().empty());
        ASSERT_GE(faults_.state()[0].requests, count);
    }

    UniqueFd file_;
    Faults faults_;
    std::unique_ptr<Engine> engine_;
};
INSTANTIATE_TEST_SUITE_P(All, FaultTest, testing::Values("sync", "threads", "uring"));

TEST_P(FaultTest, OffRequestsPassAndTheEngineIsTheSame) {
    EXPECT_FALSE(faults_.any());
    EXPECT_EQ(engine_->is_inline(), GetParam() == "sync");
    ASSERT_EQ(run(Operation::write, 4096, std::byte{3}), 0);
    EXPECT_EQ(on_disk(4096), std::vector<std::byte>(block, std::byte{3}));
    EXPECT_EQ(run(Operation::flush), 0);
    EXPECT_THAT(faults_.state(), testing::IsEmpty());
}

TEST_P(FaultTest, ErrorFailsWithoutIo) {
    set("error", {"error=ENOSPC", "operations=write+flush"});
    EXPECT_EQ(run(Operation::write, 0, std::byte{9}), ENOSPC);
    EXPECT_EQ(run(Operation::flush), ENOSPC);
    EXPECT_EQ(run(Operation::read), 0);
    EXPECT_EQ(on_disk(0), std::vector<std::byte>(block)) << "nothing was written";
    ASSERT_EQ(faults_.state().size(), 1U);
    EXPECT_EQ(faults_.state()[0].name, "error");
    EXPECT_EQ(faults_.state()[0].options, "error=ENOSPC operations=write+flush");
    EXPECT_EQ(faults_.state()[0].requests, 2U);
    ASSERT_TRUE(faults_.clear("error"));
    EXPECT_FALSE(faults_.any());
    EXPECT_EQ(run(Operation::write, 0, std::byte{9}), 0);
}

// What it does is done in its begin, before any fault.
TEST_P(FaultTest, DiscardsMeetNone) {
    set("error", {"error=EIO"});
    Waited discard(Operation::write, 0);
    discard.buffer = {};
    engine_->submit(discard);
    EXPECT_EQ(discard.wait(), 0);
    EXPECT_EQ(faults_.state().at(0).requests, 0U);
    EXPECT_EQ(run(Operation::write), EIO);
}

TEST_P(FaultTest, ATornWriteIsHalfWritten) {
    set("error", {"torn", "count=1"});
    EXPECT_EQ(run(Operation::write, 8192, std::byte{5}), EIO);
    auto expected = std::vector<std::byte>(block);
    std::fill_n(expected.begin(), block / 2, std::byte{5});
    EXPECT_EQ(on_disk(8192), expected);
    EXPECT_EQ(run(Operation::write, 8192, std::byte{6}), 0) << "one was asked for";
    EXPECT_EQ(on_disk(8192), std::vector<std::byte>(block, std::byte{6}));
    set("error", {"torn"});
    EXPECT_EQ(run(Operation::read, 8192), EIO) << "a read is not torn, it fails";
}

TEST_P(FaultTest, TheNthOfThoseThatAreMeant) {
    set("error", {"every=3", "count=2", "operations=write"});
    std::vector<int> results;
    for (int i = 0; i < 10; ++i) {
        results.push_back(run(Operation::write));
        EXPECT_EQ(run(Operation::read), 0);
    }
    EXPECT_THAT(results, ElementsAre(0, 0, EIO, 0, 0, EIO, 0, 0, 0, 0));
}

TEST_P(FaultTest, ARangeIsOfTheDisk) {
    set("error", {"range=8KiB-12KiB"});
    EXPECT_EQ(run(Operation::write, 4096), 0);
    EXPECT_EQ(run(Operation::write, 8192), EIO);
    EXPECT_EQ(run(Operation::write, 6144), EIO) << "it reaches into the range";
    EXPECT_EQ(run(Operation::write, 12288), 0);
    EXPECT_EQ(run(Operation::flush), 0) << "it has no place";
}

TEST_P(FaultTest, AProbabilityIsMetAndRepeatsWithItsSeed) {
    set("error", {"probability=0.25"});
    const int first = failures();
    EXPECT_NEAR(first, 250, 60);
    set("error", {"probability=0.25"});
    EXPECT_EQ(failures(), first);
    set("error", {"probability=0"});
    EXPECT_EQ(failures(), 0);
    set("error", {"probability=1"});
    EXPECT_EQ(failures(), 1000);
}

TEST_P(FaultTest, DelayTakesItsTime) {
    set("delay", {"time=60ms"});
    const auto begin = Clock::now();
    EXPECT_EQ(run(Operation::write, 0, std::byte{1}), 0);
    EXPECT_GE(Clock::now() - begin, std::chrono::milliseconds(60));
    EXPECT_EQ(on_disk(0)[0], std::byte{1});
}

TEST_P(FaultTest, AWaitingRequestGoesOnWhenTheDelayIsCleared) {
    set("delay", {"time=600s"});
    Held held(*engine_);
    await_requests(1);
    ASSERT_TRUE(faults_.clear("delay"));
    EXPECT_EQ(held.request.wait(), 0);
    held.thread.join();
    engine_->drain();
    EXPECT_EQ(on_disk(0)[0], std::byte{7});
}

TEST_P(FaultTest, ANewDelayEndsTheOldOne) {
    set("delay", {"time=600s"});
    Held held(*engine_);
    await_requests(1);
    set("delay", {"time=1ms"});
    EXPECT_EQ(held.request.wait(), 0);
    held.thread.join();
    engine_->drain();
}

TEST_P(FaultTest, SpinBurnsCpuUntilItIsCleared) {
    const auto cpu = [] {
        timespec used{};
        ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
        return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
    };
    set("spin", {});
    Held held(*engine_);
    await_requests(1);
    const double enough = cpu() + 0.05;
    const auto end = Clock::now() + std::chrono::seconds(20);
    while (cpu() < enough && Clock::now() < end) {
        // This thread sleeps: the CPU time is the spinning one's.
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_GE(cpu(), enough);
    faults_.clear_all();
    EXPECT_EQ(held.request.wait(), 0);
    held.thread.join();
    engine_->drain();
}

TEST_P(FaultTest, SpinEndsByItsTime) {
    set("spin", {"time=20ms"});
    const auto begin = Clock::now();
    EXPECT_EQ(run(Operation::flush), 0);
    EXPECT_GE(Clock::now() - begin, std::chrono::milliseconds(20));
}

TEST_P(FaultTest, AllocateTakesMemoryUpToItsMostAndGivesItBack) {
    if (!test::counts_allocations) {
        GTEST_SKIP() << "a sanitizer's shadow of the memory is resident too";
    }
    const auto resident = [] {
        std::size_t size = 0;
        std::size_t pages = 0;
        std::FILE* file = std::fopen("/proc/self/statm", "r");
        EXPECT_EQ(std::fscanf(file, "%zu %zu", &size, &pages), 2);
        std::fclose(file);
        return pages * 4096;
    };
    constexpr std::size_t mib = std::size_t{1} << 20U;
    const std::size_t before = resident();
    set("allocate", {"size=8MiB", "most=20MiB"});
    EXPECT_LT(resident(), before + 4 * mib) << "it is only reserved";
    ASSERT_EQ(run(Operation::write), 0);
    EXPECT_GT(resident(), before + 7 * mib);
    for (int i = 0; i < 5; ++i) {
        ASSERT_EQ(run(Operation::write), 0);
    }
    EXPECT_GT(resident(), before + 19 * mib);
    EXPECT_LT(resident(), before + 24 * mib);
    ASSERT_TRUE(faults_.clear("allocate"));
    EXPECT_LT(resident(), before + 4 * mib);
}

TEST_P(FaultTest, SeveralAtOnce) {
    set("delay", {"time=30ms", "operations=flush"});
    set("error", {"operations=flush"});
    const auto begin = Clock::now();
    EXPECT_EQ(run(Operation::flush), EIO);
    EXPECT_GE(Clock::now() - begin, std::chrono::milliseconds(30));
    EXPECT_EQ(faults_.state().size(), 2U);
    ASSERT_TRUE(faults_.clear("delay"));
    EXPECT_TRUE(faults_.any());
    EXPECT_EQ(run(Operation::flush), EIO);
}

TEST_P(FaultTest, BeginComesFirstAndCanRefuse) {
    set("error", {});
    Waited request(Operation::write, 0);
    request.begin = [](Request&) { return ENOMEM; };
    engine_->submit(request);
    EXPECT_EQ(request.wait(), ENOMEM);
    engine_->drain();
    EXPECT_EQ(faults_.state()[0].requests, 0U);
}

TEST_P(FaultTest, SwitchedWhileManySubmit) {
    std::atomic<bool> over = false;
    std::atomic<int> fine = 0;
    std::atomic<int> failed = 0;
    std::atomic<int> wrong = 0;
    {
        std::vector<std::jthread> submitters;
        for (std::size_t t = 0; t < 4; ++t) {
            submitters.emplace_back([&, t] {
                while (!over) {
                    Waited request(Operation::write, t * block, std::byte{1});
                    engine_->submit(request);
                    const int result = request.wait();
                    ++(result == 0 ? fine : result == EIO ? failed : wrong);
                    // Its thread may still be on its way out of complete().
                    engine_->drain();
                }
            });
        }
        const auto end = Clock::now() + std::chrono::seconds(20);
        while ((fine < 100 || failed < 100) && Clock::now() < end) {
            EXPECT_TRUE(faults_.set("error", {"every=2"}));
            EXPECT_TRUE(faults_.set("delay", {"time=1ms"}));
            faults_.clear_all();
        }
        over = true;
    }
    EXPECT_EQ(wrong, 0);
    EXPECT_GE(fine, 100);
    EXPECT_GE(failed, 100);
    EXPECT_EQ(run(Operation::write), 0);
}

TEST_P(FaultTest, NothingIsAllocatedForARequest) {
    if (!test::counts_allocations) {
        GTEST_SKIP() << "a sanitizer brings an allocator of its own";
    }
    Waited request(Operation::write, 0);
    request.complete = [](Request&, int) {};
    const auto allocated = [&] {
        const std::uint64_t before = test::allocations;
        for (int i = 0; i < 1000; ++i) {
            engine_->submit(request);
            engine_->drain();
        }
        return test::allocations - before;
    };
    EXPECT_EQ(allocated(), 0U);
    set("error", {"every=2", "torn"});
    set("spin", {"time=0.001ms"});
    set("allocate", {"size=4KiB", "most=1MiB"});
    EXPECT_EQ(allocated(), 0U);
    EXPECT_GT(test::allocations, 0U) << "it does count";
}

TEST(Faults, BadNamesAndOptionsAreOneClearLineAndChangeNothing) {
    struct Bad {
        std::string name;
        Options options;
        std::string error;
    };
    const std::vector<Bad> bad{
        {"slow", {}, "no fault 'slow'; there are: delay, spin, allocate, error"},
        {"delay", {}, "fault delay: time is missing: delay time=DURATION"},
        {"delay", {"time=0s"}, "time of fault delay: expected a duration above 0s, at most 600s"},
        {"delay", {"time=601s"}, "found '601s'"},
        {"delay", {"time=nans"}, "found 'nans'"},
        {"delay", {"tme=1s"}, "fault delay has no option 'tme=1s'; it has time=DURATION operations="},
        {"spin", {"time"}, "found ''"},
        {"error", {"torn=1"}, "no option 'torn=1'"},
        {"error", {"error=EPERM"}, "expected EIO, ENOSPC, EROFS or ENOMEM, found 'EPERM'"},
        {"error", {"every=0"}, "every of fault error: expected a whole number from 1, found '0'"},
        {"error", {"count=x"}, "found 'x'"},
        {"error", {"probability=1.5"}, "expected a number from 0 to 1, found '1.5'"},
        {"error", {"probability=nan"}, "found 'nan'"},
        {"error", {"range=4096"}, "expected FROM-TO in bytes"},
        {"error", {"range=8KiB-4KiB"}, "found '8KiB-4KiB'"},
        {"error", {"operations=trim"}, "found 'trim'"},
        {"error", {"operations="}, "expected read, write or flush"},
        {"allocate", {}, "needs size=SIZE"},
        {"allocate", {"size=2GiB"}, "most=SIZE (in all, now 1GiB)"},
    };
    Faults faults;
    ASSERT_TRUE(faults.set("error", {"count=1"}));
    for (const Bad& one : bad) {
        for (const Status& refused :
             {faults.set(one.name, one.options), Faults::check(one.name, one.options)}) {
            ASSERT_FALSE(refused) << one.name;
            EXPECT_EQ(refused.error().kind, ErrorKind::invalid_input);
            EXPECT_THAT(refused.error().message, HasSubstr(one.error));
        }
    }
    EXPECT_FALSE(faults.clear("slow"));
    ASSERT_EQ(faults.state().size(), 1U);
    EXPECT_EQ(faults.state()[0].options, "count=1");
    EXPECT_TRUE(faults.clear("delay")) << "off already";
}

}  // namespace
}  // namespace reflux::io
