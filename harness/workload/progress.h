// The memory that harness, generator and verifier share: plan, progress counters, ledger and report. The
// harness makes it (memfd, every page touched, so that it is charged to the harness's memcg and not to the
// pressed one), hands the descriptor down, and reads it without a lock while the generator may hang on the
// mount under test. A worker is the only writer of its own slots. The harness keeps the region in memory by
// its mlockall.
#pragma once

#include "backend/base/mapping.h"
#include "backend/base/result.h"
#include "backend/base/unique_fd.h"
#include "harness/workload/latency.h"
#include "harness/workload/plan.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <string>

#include <sys/types.h>

namespace reflux::workload {

// What a worker is in the middle of.
enum class Operation : std::uint32_t {
    none,
    make_directory,
    create_file,
    rewrite_file,  // truncate and write anew
    append_file,
    rewrite_large,
    rename_file,   // to a new name
    replace_file,  // rename over another file
    unlink_file,
    remove_directory,  // rm -rf of the oldest
    sync_file,
    sync_directory,
    read_back,
};
const char* to_string(Operation operation);

// Operations whose times are told together. A quantile says something only of operations that do much the
// same work: one over all would be that of the frequent ones, and the rare ones for which people wait
// (fsync) would be in it as its own last percent. `write` is what saving a document waits for, `stream` goes
// at the rate to which writers are throttled, `sync` is what a database waits for.
enum class StepKind : std::uint32_t {
    write,   // a small file made, written anew or appended to, from open to close
    stream,  // 1 MiB of the large file
    sync,    // fsync of a file or a directory
    name,    // mkdir, rename, unlink
    remove,  // rm -r of a directory
    read,    // read back and compared
};
inline constexpr std::size_t step_kinds = 6;
const char* to_string(StepKind kind);
// Of everything but Operation::none.
StepKind kind_of(Operation operation);

enum class WorkerState : std::uint32_t {
    waiting,
    running,
    finished,    // its share of the work is done
    time_limit,  // stopped by itself at the time limit
    failed,      // a call failed or data read back was wrong: see error()
    killed,      // ended by a signal: see WorkerSlot::signal
};

// Text of bounded length that one process writes, once after each clear, and others read.
template <std::size_t Size>
class SharedText {
  public:
    // Cut to fit; only the first call counts.
    void set(const std::string& text) {
        if (length_.load(std::memory_order_relaxed) == 0) {
            const std::size_t length = std::min(text.size(), Size);
            std::copy_n(text.begin(), length, text_.begin());
            length_.store(static_cast<std::uint32_t>(length), std::memory_order_release);
        }
    }
    void clear() { length_.store(0, std::memory_order_release); }
    [[nodiscard]] std::string get() const {  // empty until set
        return {text_.data(), length_.load(std::memory_order_acquire)};
    }

  private:
    std::array<char, Size> text_{};
    std::atomic<std::uint32_t> length_{0};
};

struct alignas(64) WorkerSlot {
    std::atomic<std::uint32_t> state{0};      // WorkerState
    std::atomic<std::uint32_t> operation{0};  // Operation
    // When it began, CLOCK_MONOTONIC; 0: it is in none. Cleared after its time was recorded, so that one that
    // ends just now may be seen twice and never not at all.
    std::atomic<std::uint64_t> operation_began_ns{0};
    std::atomic<std::int32_t> pid{0};
    std::atomic<std::int32_t> signal{0};  // that ended it
    std::atomic<std::uint64_t> steps{0};
    std::atomic<std::uint64_t> bytes_written{0};
    std::atomic<std::uint64_t> bytes_read{0};
    std::atomic<std::uint64_t> fsyncs{0};
    std::atomic<std::uint64_t> errors{0};
    std::atomic<std::uint64_t> out_of_space{0};          // ENOSPC met, a directory removed for it; no error
    std::atomic<std::int32_t> error_number{0};           // errno of the first error; 0: wrong data
    std::atomic<std::uint32_t> error_operation{0};       // Operation of the first error
    SharedText<256> error;                               // "write w00/d000001/f07.0: No space left on device"
    std::array<LatencyHistogram, step_kinds> latencies;  // of the operations that ended, by StepKind
};

// Ledger of one directory of a worker's ring. Durable as soon as a file in it is (see FileSlot).
struct DirectorySlot {
    std::atomic<std::uint32_t> present{0};
    std::atomic<std::uint32_t> number{0};  // of its name
};

// Ledger of one file: what is on the filesystem, and how much of it an fsync has acknowledged.
//
// Changes are counted before they begin and again when they have ended; between the two the file is one or
// the other. An fsync stores the count that it covered: the file is durable as the slot describes it while no
// newer change has begun.
//
// What an fsync acknowledges: of a file, its content, size, and its name, also when the name is new or was
// renamed (ext4 and XFS commit the journal up to the file's last transaction, and with it every older one;
// btrfs logs new names and new parents in btrfs_log_inode_parent; POSIX alone does not promise it). Of a
// directory (and then of its parent, as POSIX asks for): which names are in it, not what the files hold.
struct FileSlot {
    std::atomic<std::uint32_t> changes_begun{0};
    std::atomic<std::uint32_t> changes_ended{0};
    std::atomic<std::uint32_t> acknowledged{0};        // changes_begun that an fsync of the file covered
    std::atomic<std::uint32_t> name_changes_begun{0};  // those that make, rename or remove the name
    std::atomic<std::uint32_t> name_acknowledged{0};   // name_changes_begun that an fsync covered
    std::atomic<std::uint32_t> present{0};
    std::atomic<std::uint32_t> generation{0};   // of its name: renames so far
    std::atomic<std::uint32_t> content{0};      // number of the content, see content.h
    std::atomic<std::uint32_t> old_content{0};  // what bytes from `rewritten` on still hold
    std::atomic<std::uint64_t> size{0};
    std::atomic<std::uint64_t> rewritten{
        0};  // bytes that hold `content`; == size but while being overwritten
};

enum class ReportState : std::uint32_t { none, running, done, failed };

struct ReportSlot {
    std::atomic<std::uint32_t> state{0};  // ReportState
    std::atomic<std::uint64_t> files_checked{0};
    std::atomic<std::uint64_t> bytes_checked{0};
    std::atomic<std::uint64_t> files_wrong{0};
    SharedText<512> first_difference;
    SharedText<512> failure;  // why the verifier could not do its work
};

// Sums over the workers at one moment; each number is exact, together they may be of slightly different
// moments.
struct Totals {
    std::uint64_t steps = 0;
    std::uint64_t bytes_written = 0;
    std::uint64_t bytes_read = 0;
    std::uint64_t fsyncs = 0;
    std::uint64_t errors = 0;
    std::uint64_t out_of_space = 0;
    std::uint32_t finished = 0;  // workers that did their share
    std::uint32_t stopped = 0;   // workers that ended, in whatever way
    std::string first_error;     // of the lowest-numbered worker that has one
};

// Owns one mapping of the region and a descriptor of it. Movable; the slots are at the same place after a
// move.
class SharedState {
  public:
    // invalid_input as layout_of.
    static Result<SharedState> create(const WorkloadPlan& plan);
    // `fd` is inherited from the creator and is owned by the result. invalid_input when it is no such region.
    static Result<SharedState> attach(int fd);

    [[nodiscard]] int fd() const { return fd_.get(); }  // to be inherited by generator and verifier
    [[nodiscard]] const WorkloadPlan& plan() const;
    [[nodiscard]] const Layout& layout() const { return layout_; }

    // Lock-free; never touches the filesystem under test.
    [[nodiscard]] Totals totals() const;
    // CLOCK_MONOTONIC, ns; 0: not yet. Set by run_workload.
    [[nodiscard]] std::atomic<std::uint64_t>& began_ns() const;
    [[nodiscard]] std::atomic<std::uint64_t>& ended_ns() const;

    [[nodiscard]] WorkerSlot& worker(std::uint32_t worker) const;
    // `ring` from 0 to layout().directories.
    [[nodiscard]] DirectorySlot& directory(std::uint32_t worker, std::uint32_t ring) const;
    // The files of the directory at `ring`.
    [[nodiscard]] std::span<FileSlot> files(std::uint32_t worker, std::uint32_t ring) const;
    [[nodiscard]] FileSlot& large_file(std::uint32_t worker) const;
    [[nodiscard]] ReportSlot& report() const;

  private:
    struct Region;
    SharedState(UniqueFd fd, Mapping mapping, const Layout& layout);
    [[nodiscard]] Region& region() const;

    UniqueFd fd_;
    Mapping mapping_;
    Layout layout_;
};

}  // namespace reflux::workload
