#include "harness/workload/progress.h"

#include "backend/base/kernel_file.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

#include <sys/mman.h>
#include <sys/stat.h>

namespace reflux::workload {
namespace {

constexpr std::uint64_t region_magic = 0x44414f4c4b524f57ULL;  // "WORKLOAD"
constexpr std::uint32_t region_version = 2;

static_assert(std::atomic<std::uint64_t>::is_always_lock_free &&
                  std::atomic<std::uint32_t>::is_always_lock_free,
              "processes share the counters");

// Every mapping of the region is whole pages of zeros at first, and zero is every slot's initial value; the
// slots are still constructed, for the language's sake, and attached to with launder.
template <class Slot>
Slot* slots_at(void* address, std::size_t offset) {
    return std::launder(reinterpret_cast<Slot*>(static_cast<std::byte*>(address) + offset));
}

}  // namespace

struct SharedState::Region {
    std::uint64_t magic = region_magic;
    std::uint32_t version = region_version;
    WorkloadPlan plan;
    std::atomic<std::uint64_t> began_ns{0};
    std::atomic<std::uint64_t> ended_ns{0};
    ReportSlot report;

    // Offsets of the tables, and the end of the last one.
    struct Offsets {
        std::size_t workers;
        std::size_t directories;
        std::size_t files;
        std::size_t end;
    };
    static Offsets offsets(std::uint32_t workers, const Layout& layout) {
        const auto after = [](std::size_t end) { return (end + 63) / 64 * 64; };
        Offsets at{};
        at.workers = after(sizeof(Region));
        at.directories = after(at.workers + workers * sizeof(WorkerSlot));
        at.files = after(at.directories + workers * std::size_t{layout.directories} * sizeof(DirectorySlot));
        at.end = at.files + workers * std::size_t{layout.files_per_worker()} * sizeof(FileSlot);
        return at;
    }
};

namespace {

// Populated: each page is there before the workload starts, and belongs to the memcg of the one who made it.
Result<Mapping> map_region(int fd, std::size_t length) {
    void* address = ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (address == MAP_FAILED) {
        return fail_errno("mmap of the workload's shared region");
    }
    return Mapping({.address = address, .length = length});
}

}  // namespace

SharedState::SharedState(UniqueFd fd, Mapping mapping, const Layout& layout)
    : fd_(std::move(fd)), mapping_(std::move(mapping)), layout_(layout) {}

Result<SharedState> SharedState::create(const WorkloadPlan& plan) {
    REFLUX_TRY(const auto layout, layout_of(plan));
    const auto at = Region::offsets(plan.workers, layout);
    REFLUX_TRY(auto fd, make_memory_file("reflux-workload"));
    if (::ftruncate(fd.get(), static_cast<off_t>(at.end)) != 0) {
        return fail_errno("ftruncate of the workload's shared region");
    }
    REFLUX_TRY(auto mapping, map_region(fd.get(), at.end));
    auto* const base = static_cast<std::byte*>(mapping.get().address);
    (new (base) Region)->plan = plan;
    const std::size_t workers = plan.workers;
    std::uninitialized_default_construct_n(reinterpret_cast<WorkerSlot*>(base + at.workers), workers);
    std::uninitialized_default_construct_n(reinterpret_cast<DirectorySlot*>(base + at.directories),
                                           workers * layout.directories);
    std::uninitialized_default_construct_n(reinterpret_cast<FileSlot*>(base + at.files),
                                           workers * layout.files_per_worker());
    return SharedState(std::move(fd), std::move(mapping), layout);
}

Result<SharedState> SharedState::attach(int fd) {
    UniqueFd owned(fd);
    const auto foreign = [fd] {
        return fail(ErrorKind::invalid_input,
                    fmt::format("descriptor {} is no workload region of this version", fd));
    };
    struct stat status {};
    if (::fstat(fd, &status) != 0) {
        return fail_errno(fmt::format("fstat of descriptor {}", fd));
    }
    const auto length = static_cast<std::size_t>(status.st_size);
    if (!S_ISREG(status.st_mode) || length < sizeof(Region)) {
        return foreign();
    }
    REFLUX_TRY(auto mapping, map_region(fd, length));
    const auto* const region = slots_at<Region>(mapping.get().address, 0);
    if (region->magic != region_magic || region->version != region_version) {
        return foreign();
    }
    REFLUX_TRY(const auto layout, layout_of(region->plan));
    if (Region::offsets(region->plan.workers, layout).end != length) {
        return foreign();
    }
    return SharedState(std::move(owned), std::move(mapping), layout);
}

SharedState::Region& SharedState::region() const {
    return *slots_at<Region>(mapping_.get().address, 0);
}

const WorkloadPlan& SharedState::plan() const {
    return region().plan;
}

std::atomic<std::uint64_t>& SharedState::began_ns() const {
    return region().began_ns;
}

std::atomic<std::uint64_t>& SharedState::ended_ns() const {
    return region().ended_ns;
}

ReportSlot& SharedState::report() const {
    return region().report;
}

WorkerSlot& SharedState::worker(std::uint32_t worker) const {
    const auto at = Region::offsets(plan().workers, layout_);
    return slots_at<WorkerSlot>(mapping_.get().address, at.workers)[worker];
}

DirectorySlot& SharedState::directory(std::uint32_t worker, std::uint32_t ring) const {
    const auto at = Region::offsets(plan().workers, layout_);
    return slots_at<DirectorySlot>(mapping_.get().address,
                                   at.directories)[std::size_t{worker} * layout_.directories + ring];
}

std::span<FileSlot> SharedState::files(std::uint32_t worker, std::uint32_t ring) const {
    const auto at = Region::offsets(plan().workers, layout_);
    auto* const first = slots_at<FileSlot>(mapping_.get().address, at.files);
    return {first + std::size_t{worker} * layout_.files_per_worker() +
                std::size_t{ring} * layout_.files_per_directory,
            layout_.files_per_directory};
}

FileSlot& SharedState::large_file(std::uint32_t worker) const {
    const auto at = Region::offsets(plan().workers, layout_);
    auto* const first = slots_at<FileSlot>(mapping_.get().address, at.files);
    return first[std::size_t{worker} * layout_.files_per_worker() + layout_.large_slot()];
}

Totals SharedState::totals() const {
    Totals sum;
    for (std::uint32_t i = 0; i < plan().workers; ++i) {
        const auto& slot = worker(i);
        sum.steps += slot.steps.load(std::memory_order_relaxed);
        sum.bytes_written += slot.bytes_written.load(std::memory_order_relaxed);
        sum.bytes_read += slot.bytes_read.load(std::memory_order_relaxed);
        sum.fsyncs += slot.fsyncs.load(std::memory_order_relaxed);
        sum.errors += slot.errors.load(std::memory_order_relaxed);
        sum.out_of_space += slot.out_of_space.load(std::memory_order_relaxed);
        const auto state = static_cast<WorkerState>(slot.state.load(std::memory_order_acquire));
        sum.finished += state == WorkerState::finished ? 1 : 0;
        sum.stopped += state > WorkerState::running ? 1 : 0;
        if (sum.first_error.empty()) {
            sum.first_error = slot.error.get();
        }
    }
    return sum;
}

const char* to_string(Operation operation) {
    switch (operation) {
        case Operation::none:
            return "none";
        case Operation::make_directory:
            return "make directory";
        case Operation::create_file:
            return "create file";
        case Operation::rewrite_file:
            return "rewrite file";
        case Operation::append_file:
            return "append to file";
        case Operation::rewrite_large:
            return "rewrite large file";
        case Operation::rename_file:
            return "rename file";
        case Operation::replace_file:
            return "replace file";
        case Operation::unlink_file:
            return "unlink file";
        case Operation::remove_directory:
            return "remove directory";
        case Operation::sync_file:
            return "sync file";
        case Operation::sync_directory:
            return "sync directory";
        case Operation::read_back:
            return "read back";
    }
    return "unknown operation";
}

const char* to_string(StepKind kind) {
    switch (kind) {
        case StepKind::write:
            return "write";
        case StepKind::stream:
            return "stream";
        case StepKind::sync:
            return "sync";
        case StepKind::name:
            return "name";
        case StepKind::remove:
            return "remove";
        case StepKind::read:
            return "read";
    }
    return "unknown kind";
}

StepKind kind_of(Operation operation) {
    switch (operation) {
        case Operation::none:
        case Operation::create_file:
        case Operation::rewrite_file:
        case Operation::append_file:
            break;
        case Operation::rewrite_large:
            return StepKind::stream;
        case Operation::make_directory:
        case Operation::rename_file:
        case Operation::replace_file:
        case Operation::unlink_file:
            return StepKind::name;
        case Operation::remove_directory:
            return StepKind::remove;
        case Operation::sync_file:
        case Operation::sync_directory:
            return StepKind::sync;
        case Operation::read_back:
            return StepKind::read;
    }
    return StepKind::write;
}

}  // namespace reflux::workload
