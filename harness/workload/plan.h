// What the generator shall do, and the shape of the tree that follows from it. Pure.
//
// The tree below the directory under test, all of it made by the generator:
//     w00/                one folder a worker
//         large           worker 0 only: the file that is rewritten in 1 MiB writes
//         d000017/        a directory; a worker keeps a ring of them, the oldest is removed for the newest
//             f05.3       file 5 of it, its name after three renames
//         names/          with plan.names only: name_tree.h
#pragma once

#include "backend/base/result.h"
#include "backend/base/units.h"

#include <cstdint>
#include <string>

namespace reflux::workload {

inline constexpr std::uint32_t max_workers = 256;
// Live data stays below this share of the capacity, so that the filesystem's own metadata and copy-on-write
// never bring it near full.
inline constexpr double live_share = 0.45;
// Bytes of one write to the large file.
inline constexpr Bytes large_write = mebibytes(1);
// An append adds 3 to 6 rounds of open, write, close: 72 to 144 KiB, so that the file grows past the 64 KiB
// from which on XFS preallocates beyond end of file (xfs_iomap_prealloc_size), and closing it does not always
// trim it.
inline constexpr Bytes append_round = kibibytes(24);
inline constexpr std::uint32_t min_append_rounds = 3;
inline constexpr std::uint32_t max_append_rounds = 6;

struct WorkloadPlan {
    std::uint64_t seed = 1;
    std::uint32_t workers = 3;  // processes
    Bytes work = gibibytes(2);  // all of them together write this much, see share_of
    Bytes small_file = kibibytes(40);
    Bytes large_file = mebibytes(100);  // 0: no large file
    std::uint32_t append_every = 8;     // one file in so many of a directory may be appended to, once
    std::uint32_t names = 0;            // empty files of each worker, see name_tree.h
    Bytes capacity = gibibytes(1);      // size of the filesystem that is written to
    Seconds time_limit{60};             // workers stop by themselves, between two steps, after this
};

// Sizes of the ledger and bounds of the live data, equal for every worker.
struct Layout {
    std::uint32_t directories = 0;          // of a worker that are live at a time
    std::uint32_t files_per_directory = 0;  // 60 where the capacity allows it
    [[nodiscard]] std::uint32_t large_slot() const { return directories * files_per_directory; }
    [[nodiscard]] std::uint32_t files_per_worker() const { return large_slot() + 1; }
};

// invalid_input when the capacity is too small for the plan, or a number is out of range.
Result<Layout> layout_of(const WorkloadPlan& plan);

// Bytes that worker `index` has to write: half of the work is worker 0's, who streams the large file and
// would be done long before the others with a share like theirs; without a large file all have the same.
Bytes share_of(const WorkloadPlan& plan, std::uint32_t index);

// Names of the tree.
std::string worker_name(std::uint32_t worker);                         // "w00"
std::string directory_name(std::uint32_t number);                      // "d000017"
std::string file_name(std::uint32_t index, std::uint32_t generation);  // "f05.3"
inline constexpr const char* large_name = "large";

}  // namespace reflux::workload
