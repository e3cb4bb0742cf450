// kill -9 of a process that writes, resets and flushes from several threads, at random moments: what it was
// promised must be there when the image is opened again. The page cache survives; loss of power is
// crash_test's.
#include "backend/zoned_device.h"
#include "tests/support/seed.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/backend/device_requests.h"

#include <array>
#include <atomic>
#include <bit>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>

#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace reflux {
namespace {

using test::run;
using Random = std::mt19937_64;
constexpr std::uint64_t sector = sector_size;
constexpr std::uint64_t zone_size = 256 << 10;
constexpr std::size_t zone_count = 12;
constexpr std::size_t writers = 4;

// What the process had been promised of a zone; in one word, for it may die between two stores. In sectors.
struct alignas(std::uint64_t) Promise {
    std::uint16_t life = 0;       // counts resets
    std::uint16_t submitted = 0;  // end of the last write that was submitted
    std::uint16_t flushed = 0;    // end of the last write that was flushed
    std::uint16_t resetting = 0;  // a reset was submitted and not answered
};

// Clang calls a library for an atomic structure, whatever its size.
class KeptPromise {
  public:
    operator Promise() const { return std::bit_cast<Promise>(word_.load()); }  // NOLINT(*-explicit-*)
    KeptPromise& operator=(const Promise& promise) {
        word_.store(std::bit_cast<std::uint64_t>(promise));
        return *this;
    }

  private:
    std::atomic<std::uint64_t> word_ = 0;
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

struct Shared {
    std::atomic<std::uint64_t> requests = 0;
    std::array<KeptPromise, zone_count> promises;
};

void fill(std::span<std::byte> bytes, std::uint64_t zone, std::uint64_t life, std::uint64_t first) {
    for (std::size_t at = 0; at < bytes.size(); at += sizeof(std::uint64_t)) {
        const std::uint64_t word = (zone << 48U) | (life << 32U) | (first + at / sector);
        std::memcpy(&bytes[at], &word, sizeof word);
    }
}

// --- in the process that is killed

// Works on its own zones until the end; an error ends the process with exit 1.
class Writer {
  public:
    Writer(ZonedDevice& device, Shared& shared, std::size_t index, std::uint64_t seed)
        : device_(device), shared_(shared), index_(index), random_(seed) {}

    [[noreturn]] void work() {
        while (true) {
            const std::uint64_t zone = index_ + writers * (random_() % (zone_count / writers));
            const std::uint64_t dice = random_() % 100;
            if (dice < 12) {
                flush();
            } else if (dice < 16) {
                reset(zone);
            } else {
                write(zone);
            }
            ++shared_.requests;
            shared_.requests.notify_all();
        }
    }

  private:
    static void require(int error) {
        if (error != 0) {
            ::_exit(1);
        }
    }
    void write(std::uint64_t zone) {
        Promise promise = shared_.promises[zone];
        const std::uint64_t room = zone_size / sector - promise.submitted;
        if (room == 0) {
            return;
        }
        const std::uint64_t sectors = 1 + random_() % std::min<std::uint64_t>(room, 64);
        const auto data = std::span(data_).first(sectors * sector);
        fill(data, zone, promise.life, promise.submitted);
        const std::uint64_t offset = zone * zone_size + promise.submitted * sector;
        promise.submitted = static_cast<std::uint16_t>(promise.submitted + sectors);
        shared_.promises[zone] = promise;
        require(run(device_, DeviceOperation::write, offset, data));
    }
    void flush() {
        require(run(device_, DeviceOperation::flush, 0));
        for (std::uint64_t zone = index_; zone < zone_count; zone += writers) {
            Promise promise = shared_.promises[zone];
            promise.flushed = promise.submitted;  // all of them were answered before the flush
            shared_.promises[zone] = promise;
        }
    }
    void reset(std::uint64_t zone) {
        Promise promise = shared_.promises[zone];
        promise.resetting = 1;
        shared_.promises[zone] = promise;
        require(run(device_, DeviceOperation::reset_zone, zone * zone_size));
        shared_.promises[zone] = Promise{.life = static_cast<std::uint16_t>(promise.life + 1)};
    }

    ZonedDevice& device_;
    Shared& shared_;
    std::size_t index_;
    Random random_;
    std::vector<std::byte> data_ = std::vector<std::byte>(64 * sector);
};

[[noreturn]] void work_until_killed(const std::string& path, Shared& shared, std::uint64_t requests,
                                    Random random) {
    const auto device = ZonedDevice::open(path, {.engine = "threads", .threads = writers});
    if (!device) {
        ::_exit(1);
    }
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < writers; ++i) {
        threads.emplace_back([&, i, seed = random()] { Writer(**device, shared, i, seed).work(); });
    }
    const std::uint64_t begin = shared.requests;
    for (std::uint64_t now = begin; now < begin + requests; now = shared.requests) {
        shared.requests.wait(now);
    }
    ::kill(::getpid(), SIGKILL);
    std::abort();  // never
}

// --- in the test

class Kill : public testing::Test {
  protected:
    void SetUp() override {
        void* memory =
            ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        ASSERT_NE(memory, MAP_FAILED);
        shared_ = new (memory) Shared;
        const auto geometry = ZonedGeometry::make(
            {.size = {zone_count * zone_size}, .zone_size = {zone_size}, .model = ZoneModel::host_managed});
        ASSERT_TRUE(geometry);
        ASSERT_TRUE(format_image(path_, *geometry, false));
    }
    void TearDown() override { ::munmap(shared_, sizeof(Shared)); }

    void kill_one(std::uint64_t requests, const Random& random) {
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            work_until_killed(path_, *shared_, requests, random);
        }
        const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
        pollfd end{.fd = process.get(), .events = POLLIN, .revents = 0};
        EXPECT_EQ(::poll(&end, 1, 20000), 1) << "it hangs";
        ::kill(child, SIGKILL);
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFSIGNALED(status)) << "exit " << WEXITSTATUS(status);
    }

    // What is found is where the next process goes on.
    void check() {
        auto opened = Image::open(path_);
        ASSERT_TRUE(opened) << opened.error().message;
        EXPECT_TRUE(opened->image.was_unclean());
        EXPECT_EQ(opened->findings.repairable, std::vector<std::string>{})
            << "nothing is torn without a power loss";
        for (std::uint64_t id = 0; id < zone_count; ++id) {
            const Promise promise = shared_->promises[id];
            const std::uint64_t written = opened->zones.zone({id}).written.value / sector;
            const bool is_reset = promise.resetting != 0 && written == 0;
            EXPECT_TRUE(is_reset || (promise.flushed <= written && written <= promise.submitted))
                << "zone " << id << ": " << written << " of " << promise.flushed << " to "
                << promise.submitted;
            check_data(*opened, id, promise.life, written);
            const auto end = static_cast<std::uint16_t>(written);
            shared_->promises[id] =
                Promise{.life = static_cast<std::uint16_t>(promise.life + (written == 0 ? 1 : 0)),
                        .submitted = end,
                        .flushed = end};
        }
    }
    static void check_data(const Image::Opened& opened, std::uint64_t zone, std::uint64_t life,
                           std::uint64_t sectors) {
        std::vector<std::byte> is(sectors * sector);
        std::vector<std::byte> wanted(is.size());
        fill(wanted, zone, life, 0);
        const std::uint64_t offset = opened.image.superblock().data_offset.value + zone * zone_size;
        ASSERT_EQ(opened.image.file().read(offset, is), 0);
        EXPECT_TRUE(is == wanted) << "zone " << zone;
    }

    test::TemporaryFolder folder_;
    std::string path_ = folder_ / "image";
    Shared* shared_ = nullptr;
};

TEST_F(Kill, WhatWasPromisedIsThereAfterwards) {
    const std::uint64_t seed = test::new_seed();
    SCOPED_TRACE(fmt::format("REFLUX_SEED={}", seed));
    Random random(seed);
    const int kills = test::is_long() ? 200 : 10;
    for (int i = 0; i < kills && !HasFailure(); ++i) {
        const std::uint64_t requests = 1 + random() % 500;
        ASSERT_NO_FATAL_FAILURE(kill_one(requests, Random(random())));
        ASSERT_NO_FATAL_FAILURE(check()) << "kill " << i;
    }
    std::printf("seed %lu: %d kills\n", seed, kills);
    const auto inspected = inspect_image(path_);
    ASSERT_TRUE(inspected);
    EXPECT_EQ(inspected->findings.repairable, std::vector<std::string>{});
}

}  // namespace
}  // namespace reflux
