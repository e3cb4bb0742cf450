#include "harness/pressure/hog.h"

#include "backend/base/kernel_file.h"
#include "backend/base/meminfo.h"
#include "harness/pressure/shared_counters.h"

#include <atomic>
#include <functional>
#include <thread>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>

namespace reflux::pressure {
namespace {

constexpr std::size_t step = 1U << 20U;
constexpr std::size_t page = 4096;
// Paces it: memory is to become short while others use it, not at one blow.
constexpr auto step_time = std::chrono::milliseconds(10);

struct Counters {
    std::atomic<std::uint64_t> taken{0};  // bytes
    std::atomic<std::uint64_t> syncs{0};  // begun
};

// In a thread of its own: the memory goes on growing while a sync waits, and the process, chosen for its
// memory, cannot end before the sync does.
void sync_over_and_over(const std::string& directory, Counters& counters) {
    for (;;) {
        if (const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)); fd) {
            ++counters.syncs;
            ::syncfs(fd.get());  // an error is the workload's to see
        }
        std::this_thread::sleep_for(step_time);
    }
}

// Each page gets a content of its own, so that swap that compresses must keep it.
void touch(std::byte* begin, std::size_t length, std::uint64_t& seed) {
    for (std::size_t at = 0; at < length; at += page) {
        for (std::size_t word = 0; word < page; word += 64) {
            seed = seed * 6364136223846793005U + 1442695040888963407U;
            *reinterpret_cast<volatile std::uint64_t*>(begin + at + word) = seed;
        }
    }
}

Status take_and_keep(const HogPlan& plan, Counters& counters) {
    static_cast<void>(::prctl(PR_SET_NAME, hog_name, 0, 0, 0));
    if (!plan.sync.empty()) {
        std::thread(sync_over_and_over, plan.sync, std::ref(counters)).detach();
    }
    void* const memory = ::mmap(nullptr, plan.size.value, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        return fail_errno("mmap");
    }
    auto* const begin = static_cast<std::byte*>(memory);
    std::uint64_t seed = 1;
    std::size_t taken = 0;
    const auto full = [&] {
        return plan.until_swap_full && is_swap_full(read_file("/proc/meminfo").value_or(""));
    };
    for (; taken + step <= plan.size.value && !full(); taken += step) {
        touch(begin + taken, step, seed);
        counters.taken.store(taken + step);
        std::this_thread::sleep_for(step_time);
    }
    for (;;) {
        for (std::size_t at = 0; at < taken; at += step) {
            touch(begin + at, page, seed);
        }
        std::this_thread::sleep_for(step_time);
    }
}

}  // namespace

bool is_swap_full(std::string_view meminfo) {
    const Bytes total = meminfo_field(meminfo, "SwapTotal").value_or(Bytes{});
    return total > Bytes{} && meminfo_field(meminfo, "SwapFree").value_or(Bytes{}).value <= total.value / 100;
}

Result<Hog> Hog::start(const HogPlan& plan) {
    REFLUX_TRY(auto shared, make_shared_counters<Counters>());
    SpawnOptions options;
    options.cgroup_procs = {plan.cgroup_procs};
    auto& counters = counters_in<Counters>(shared);
    REFLUX_TRY(auto child, fork_call([&] { return take_and_keep(plan, counters); }, options));
    return Hog(std::move(child), std::move(shared));
}

Bytes Hog::taken() const {
    return Bytes{counters_in<Counters>(shared_).taken.load()};
}

std::uint64_t Hog::syncs() const {
    return counters_in<Counters>(shared_).syncs.load();
}

}  // namespace reflux::pressure
