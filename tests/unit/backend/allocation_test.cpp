// The lesson of seed 000: make the buffer before you take the lock. Nothing is allocated for a request,
// whatever engine does it and whatever the zone is.
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

constexpr std::uint64_t zone_size = 128 << 10;
constexpr std::uint64_t zones = 64;
constexpr std::uint64_t written_zones = 8;  // at once, of sequential ones
constexpr std::size_t transfer_size = 4096;
constexpr std::size_t append_size = 512;  // so that few resets, which sync, come upon many appends

// Requests that go round: each is submitted again when it is done.
struct Round : DeviceRequest {
    std::atomic<bool> free = true;
    std::atomic<std::uint64_t>* failed = nullptr;
    std::array<std::byte, transfer_size> data{};
};

// Says what the next request is; called by one thread.
using Choose = void (*)(std::uint64_t step, DeviceRequest& request);

DeviceOperation flush_or(std::uint64_t step, DeviceOperation other) {
    return step % 5000 == 4999 ? DeviceOperation::flush : other;
}

// Any place may be written: reads, writes, and now and then a flush or a discard.
void choose_conventional(std::uint64_t step, DeviceRequest& request) {
    const auto transfer = step % 2 == 0 ? DeviceOperation::read : DeviceOperation::write;
    request.operation = flush_or(step, step % 500 == 250 ? DeviceOperation::discard : transfer);
    request.offset = step * 37 % (zones * zone_size / transfer_size) * transfer_size;
    request.length = transfer_size;
}

// Each zone in turn: appends until it is full, then a reset, which waits for those before it; reads between
// them, mostly beyond the write pointer.
void choose_sequential(std::uint64_t step, DeviceRequest& request) {
    constexpr std::uint64_t per_zone = zone_size / append_size + 1;
    const std::uint64_t mine = step / 2;
    const std::uint64_t zone = mine % written_zones;
    const bool is_full = mine / written_zones % per_zone == per_zone - 1;
    request.offset = zone * zone_size;
    if (step % 2 == 1) {
        request.operation = flush_or(step, DeviceOperation::read);
        request.offset += step % (per_zone - 1) * append_size;
        return;
    }
    request.operation = is_full ? DeviceOperation::reset_zone : DeviceOperation::append;
}

struct Disks {
    std::string name;
    std::uint64_t conventional;
    std::size_t transfer;
    ZoneModel model;
    Choose choose;
};
const Disks conventional{"conventional", zones, transfer_size, ZoneModel::host_aware, choose_conventional};
const Disks sequential{"sequential", 0, append_size, ZoneModel::host_managed, choose_sequential};

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

class Allocations : public testing::TestWithParam<std::tuple<Disks, std::size_t, std::uint64_t>> {
  protected:
    // Of `requests` requests, all in flight that the device takes.
    static std::uint64_t allocated_by(ZonedDevice& device, const Disks& disk, std::uint64_t requests) {
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
            disk.choose(i, round);
            const bool has_data = round.operation <= DeviceOperation::append;
            round.buffer = has_data && round.operation != DeviceOperation::flush
                               ? std::span(round.data).first(disk.transfer)
                               : std::span<std::byte>{};
            device.submit(round);
        }
        device.drain();
        EXPECT_EQ(failed, 0U);
        return test::allocations.load() - before;
    }
};
INSTANTIATE_TEST_SUITE_P(Engines, Allocations,
                         testing::Combine(testing::Values(conventional, sequential),
                                          testing::Range(std::size_t{0}, std::size_t{4}),
                                          testing::Range(std::uint64_t{0}, parts)),
                         [](const auto& made) {
                             return fmt::format("{}_{}_{}", std::get<0>(made.param).name,
                                                subjects().at(std::get<1>(made.param)).name,
                                                std::get<2>(made.param));
                         });

TEST_P(Allocations, NoneForAnyRequest) {
    if (!test::counts_allocations) {
        GTEST_SKIP() << "a sanitizer brings an allocator of its own";
    }
    const Disks& disk = std::get<0>(GetParam());
    const std::uint64_t requests = test::is_long() ? 1000000 / parts : 10000;
    const test::TemporaryFolder folder;
    const std::string path = folder / "image";
    const auto geometry = ZonedGeometry::make({.size = {zones * zone_size},
                                               .zone_size = {zone_size},
                                               .conventional = disk.conventional,
                                               .model = disk.model})
                              .value();
    ASSERT_TRUE(format_image(path, geometry, false));
    const auto device = ZonedDevice::open(path, subjects().at(std::get<1>(GetParam())).options);
    ASSERT_TRUE(device) << device.error().message;
    EXPECT_EQ(allocated_by(**device, disk, requests), 0U) << "of " << requests << " requests";
    const auto counters = (*device)->counters();
    EXPECT_EQ(counters.completed, requests);
    EXPECT_GT(counters.flushes, 0U);
    EXPECT_EQ(counters.zone_resets > 0, disk.conventional == 0);
    EXPECT_EQ(counters.appends > 0, disk.conventional == 0);
    EXPECT_EQ(counters.discards > 0, disk.conventional > 0);
    EXPECT_GT(test::allocations, 0U) << "it does count";
}

}  // namespace
}  // namespace reflux
