// The lesson of seed 000: make the buffer before you take the lock. Nothing is allocated for a request,
// whatever engine does it.
#include "backend/zoned_device.h"
#include "tests/support/count_allocations.h"
#include "tests/support/seed.h"
#include "tests/support/temporary_folder.h"

#include <array>
#include <atomic>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

namespace reflux {
namespace {

constexpr std::uint64_t zone_size = 1 << 20;
constexpr std::size_t length = 4096;

// Requests that go round: each is submitted again when it is done.
struct Round : DeviceRequest {
    std::atomic<bool> free = true;
    std::atomic<std::uint64_t>* failed = nullptr;
    std::array<std::byte, length> data{};
};

// A million requests an engine (scripts/test --long, else fewer), in parts that each end in time.
constexpr std::uint64_t parts = 4;

struct Subject {
    const char* name;
    DeviceOptions options;
};
// Engines, and what is done around each call.
const std::vector<Subject>& subjects() {
    static const std::vector<Subject> all{
        {.name = "sync", .options = {.engine = "sync"}},
        {.name = "threads", .options = {.engine = "threads"}},
        {.name = "uring", .options = {.engine = "uring"}},
        {.name = "calls",
         .options = {.engine = "threads",
                     .calls = {.flags = {"nowait"}, .sync_range = 1U << 20U, .fdatasync_every = 1000}}},
    };
    return all;
}

class Allocations : public testing::TestWithParam<std::tuple<std::size_t, std::uint64_t>> {
  protected:
    // Of `requests` reads, writes and a flush now and then, all in flight that the device takes.
    static std::uint64_t allocated_by(ZonedDevice& device, std::uint64_t requests) {
        std::vector<Round> rounds(device.max_in_flight());
        std::atomic<std::uint64_t> failed = 0;
        for (Round& round : rounds) {
            round.failed = &failed;
            round.done = [](DeviceRequest& request, int error) {
                auto& self = static_cast<Round&>(request);
                *self.failed += error != 0 ? 1 : 0;
                self.free.store(true, std::memory_order_release);
                self.free.notify_one();
            };
        }
        const auto before = test::allocations.load();
        for (std::uint64_t i = 0; i < requests; ++i) {
            Round& round = rounds[i % rounds.size()];
            round.free.wait(false, std::memory_order_acquire);
            round.free.store(false, std::memory_order_relaxed);
            const bool flush = i % 5000 == 4999;
            round.operation = flush        ? DeviceOperation::flush
                              : i % 2 == 0 ? DeviceOperation::read
                                           : DeviceOperation::write;
            round.offset = i * 37 % (8 * zone_size / length) * length;
            round.buffer = flush ? std::span<std::byte>{} : std::span(round.data);
            device.submit(round);
        }
        device.drain();
        EXPECT_EQ(failed, 0U);
        return test::allocations.load() - before;
    }
};
INSTANTIATE_TEST_SUITE_P(Engines, Allocations,
                         testing::Combine(testing::Range(std::size_t{0}, std::size_t{4}),
                                          testing::Range(std::uint64_t{0}, parts)),
                         [](const auto& made) {
                             return fmt::format("{}{}", subjects().at(std::get<0>(made.param)).name,
                                                std::get<1>(made.param));
                         });

TEST_P(Allocations, NoneForAnyRequest) {
    if (!test::counts_allocations) {
        GTEST_SKIP() << "a sanitizer brings an allocator of its own";
    }
    const std::uint64_t requests = test::is_long() ? 1000000 / parts : 10000;
    const test::TemporaryFolder folder;
    const std::string path = folder / "image";
    // Conventional zones alone, so that any place may be written.
    const auto geometry =
        ZonedGeometry::make({.size = {8 * zone_size}, .zone_size = {zone_size}, .conventional = 8}).value();
    ASSERT_TRUE(format_image(path, geometry, false));
    const auto device = ZonedDevice::open(path, subjects().at(std::get<0>(GetParam())).options);
    ASSERT_TRUE(device) << device.error().message;
    EXPECT_EQ(allocated_by(**device, requests), 0U) << "of " << requests << " requests";
    EXPECT_EQ((*device)->counters().completed, requests);
    EXPECT_GT(test::allocations, 0U) << "it does count";
}

}  // namespace
}  // namespace reflux
