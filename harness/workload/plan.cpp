#include "harness/workload/plan.h"

#include <algorithm>

namespace reflux::workload {
namespace {

constexpr std::uint32_t full_directory = 60;  // files; what the workload that first showed the hang used
constexpr std::uint32_t least_directory = 4;
constexpr std::uint32_t least_ring = 2;  // one is being filled, the other grows cold
constexpr std::uint32_t largest_ring = 64;
constexpr std::uint64_t block = 4096;

std::uint64_t rounded_up(std::uint64_t bytes) {
    return (bytes + block - 1) / block * block;
}

// The most that a directory of `files` files can hold.
std::uint64_t directory_bytes(const WorkloadPlan& plan, std::uint64_t files) {
    const std::uint64_t appended = (files + plan.append_every - 1) / plan.append_every;
    return files * rounded_up(plan.small_file.value) +
           appended * rounded_up(append_round.value * max_append_rounds) + block;
}

}  // namespace

Result<Layout> layout_of(const WorkloadPlan& plan) {
    if (plan.workers == 0 || plan.workers > max_workers) {
        return fail(ErrorKind::invalid_input,
                    fmt::format("workload: {} workers, not 1 to {}", plan.workers, max_workers));
    }
    if (plan.small_file.value == 0) {
        return fail(ErrorKind::invalid_input, "workload: a small file cannot be empty");
    }
    if (plan.append_every == 0) {
        return fail(ErrorKind::invalid_input, "workload: one file in 0 cannot be appended to");
    }
    const auto live = static_cast<std::uint64_t>(live_share * static_cast<double>(plan.capacity.value));
    const std::uint64_t large = rounded_up(plan.large_file.value);
    const std::uint64_t share = live > large ? (live - large) / plan.workers : 0;
    std::uint32_t files = full_directory;
    while (files > least_directory && least_ring * directory_bytes(plan, files) > share) {
        --files;
    }
    const std::uint64_t ring = share / directory_bytes(plan, files);
    if (ring < least_ring) {
        const auto least = large + plan.workers * least_ring * directory_bytes(plan, least_directory);
        return fail(
            ErrorKind::invalid_input,
            fmt::format("workload: a filesystem of {} is too small for {} workers with files of {} and "
                        "{}; it needs {}",
                        to_string(plan.capacity), plan.workers, to_string(plan.small_file),
                        to_string(plan.large_file),
                        human(Bytes{static_cast<std::uint64_t>(static_cast<double>(least) / live_share)})));
    }
    return Layout{.directories = static_cast<std::uint32_t>(std::min<std::uint64_t>(ring, largest_ring)),
                  .files_per_directory = files};
}

Bytes share_of(const WorkloadPlan& plan, std::uint32_t index) {
    const bool streams = plan.large_file.value > 0 && plan.workers > 1;
    const std::uint64_t streamed = streams ? plan.work.value / 2 : 0;
    if (streams && index == 0) {
        return Bytes{streamed};
    }
    const std::uint64_t others = streams ? plan.workers - 1 : plan.workers;
    const std::uint64_t small = plan.work.value - streamed;
    const std::uint64_t place = streams ? index - 1 : index;
    return Bytes{small / others + (place < small % others ? 1 : 0)};
}

std::string worker_name(std::uint32_t worker) {
    return fmt::format("w{:02}", worker);
}

std::string directory_name(std::uint32_t number) {
    return fmt::format("d{:06}", number);
}

std::string file_name(std::uint32_t index, std::uint32_t generation) {
    return fmt::format("f{:02}.{}", index, generation);
}

}  // namespace reflux::workload
