// One worker of the generator: does one step after another on its own folder and keeps the ledger.
#pragma once

#include "backend/base/result.h"
#include "backend/base/unique_fd.h"
#include "harness/workload/compare.h"
#include "harness/workload/content.h"
#include "harness/workload/name_tree.h"
#include "harness/workload/progress.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace reflux::workload {

// CLOCK_MONOTONIC.
std::uint64_t monotonic_ns();

class Worker {
  public:
    // `root`: the directory under test, in which the worker's folder exists. Allocates and touches all
    // buffers.
    Worker(const SharedState& state, std::uint32_t index, UniqueFd root);

    // Steps until the share is done, the time is over (state.began_ns() + plan.time_limit), or a step fails;
    // the worker's slot then holds the state and the error.
    Status run();

  private:
    // A file of the ring, by its directory's number and its index in it.
    struct Place {
        std::uint32_t number = 0;
        std::uint32_t index = 0;
    };
    enum class Naming : bool { stays, changes };
    using Wanted = std::function<bool(const FileSlot&)>;

    Status step();
    Status make_names(std::uint64_t end_ns);
    Status turn_names();
    Status small_step();
    Status make_room(const Error& error);

    Status create_next();
    Status make_directory();
    Status remove_oldest();
    Status write_small(Place place, Operation operation);
    Status append(Place place);
    Status rewrite_large();
    Status write_large_chunk();
    Status truncate_large();
    Status rename(Place place);
    Status replace(Place from, Place to);
    Status unlink(Place place);
    Status sync_sometimes(FileSlot& slot, const std::string& path, std::uint32_t writes_per_sync);
    Status sync_directory(std::uint32_t number);
    Status read_back(Place place);
    Status read_back_large();

    // Runs `body` as one change of the slot. `body` keeps the slot equal to the file after each call that
    // succeeds, so that the slot is also right when it ends with ENOSPC; after another error the slot stays
    // changing.
    Status change(FileSlot& slot, Naming naming, const std::function<Status()>& body);
    // Writes content of `slot` at `offset` and moves size and rewritten along.
    Status write(int fd, FileSlot& slot, std::uint64_t offset, std::uint64_t length, const std::string& path);
    [[nodiscard]] Status judge(const Comparison& comparison, const std::string& path);

    // The operation before it has ended.
    void doing(Operation operation);
    void end_operation();
    [[nodiscard]] bool syncing() const;
    void record(const Error& error);
    [[nodiscard]] Result<UniqueFd> open(const std::string& path, int flags) const;
    [[nodiscard]] FileSlot& slot(Place place) const;
    [[nodiscard]] std::string path(Place place) const;
    [[nodiscard]] std::string directory_path(std::uint32_t number) const;
    // A random file of the directories from `first` to `last - 1` that is present and wanted.
    std::optional<Place> pick(std::uint32_t first, std::uint32_t last, const Wanted& wanted);
    [[nodiscard]] bool filling() const { return filled_ < state_.layout().files_per_directory; }

    const SharedState& state_;
    const WorkloadPlan& plan_;
    std::uint32_t index_;
    WorkerSlot& progress_;
    UniqueFd root_;
    std::string folder_;
    Random random_;
    // Live directories are those with the numbers from oldest_ to next_ - 1; the newest has filled_ files so
    // far.
    std::uint32_t oldest_ = 0;
    std::uint32_t next_ = 0;
    std::uint32_t filled_;
    std::uint32_t next_content_ = 1;
    std::vector<std::byte> buffer_;
    Comparer comparer_;
    NameTree names_;
};

}  // namespace reflux::workload
