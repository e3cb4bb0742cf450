// Faults that refluxd injects on purpose, switched on and off while it serves. What a fault does is a file of
// its own (delay, spin, allocate, error); which requests it takes is said in the same words for all
// (fault_selection.h); with_faults() is the decorator that puts them before an engine.
//
// They happen in the thread that does the I/O, right before it, so that a request that waits or spins is one
// that this thread works on. Of flushes and zone commands that is the sync: what of metadata is written
// before it is not held up. Discards meet no fault, for they are no I/O of an engine. With all of them off a
// request costs one relaxed load more; nothing on the I/O path allocates, on or off, but for the fault whose
// purpose it is.
//
// Threads: every function from any thread. The mutex of Faults and those inside of single faults are leaves:
// neither is held across I/O, a callback or a wait other than for its own condition, so that the control
// socket answers while a request waits, spins or is stuck.
#pragma once

#include "backend/io/engine.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace reflux::io {

struct FaultInfo {
    std::string_view name;
    std::string_view description;
    std::string_view options;  // of its own: "time=DURATION"
};
const std::vector<FaultInfo>& fault_list();
// The options that every fault has, for a help text.
std::string_view common_fault_options();

// A fault that is on.
struct FaultState {
    std::string name;
    std::string options;         // as they were given, separated by blanks
    std::uint64_t requests = 0;  // that it has taken so far
};

// A request as faults see it.
struct FaultedRequest {
    Operation operation = Operation::read;
    std::uint64_t offset = 0;  // bytes on the disk; 0 for a flush
    std::size_t length = 0;
};

// What becomes of a request.
struct FaultEffect {
    int error = 0;           // not 0: it fails with this errno value
    std::size_t before = 0;  // so many bytes of it are written all the same before it fails
};

class Faults {
  public:
    Faults();
    Faults(const Faults&) = delete;
    Faults& operator=(const Faults&) = delete;
    Faults(Faults&&) = delete;
    Faults& operator=(Faults&&) = delete;
    // No engine that has them may live any longer.
    ~Faults();

    // From now on requests meet this fault; what was set of the same name before ends. invalid_input names
    // what is wrong with name or options, and changes nothing.
    Status set(std::string_view name, const std::vector<std::string>& options);
    // Whether set() would take it.
    static Status check(std::string_view name, const std::vector<std::string>& options);
    // Ends a fault: requests that wait or spin in it go on at once. One that is off stays off.
    Status clear(std::string_view name);
    void clear_all();
    [[nodiscard]] std::vector<FaultState> state() const;

    [[nodiscard]] bool any() const { return any_.load(std::memory_order_relaxed); }
    // What the faults do to a request, in the thread of its I/O: takes as long as they take.
    FaultEffect apply(const FaultedRequest& request);

  private:
    struct Active;
    static Result<std::shared_ptr<Active>> make(std::string_view name,
                                                const std::vector<std::string>& options);
    void replace(std::size_t row, std::shared_ptr<Active> active);

    mutable std::mutex mutex_;  // guards active_
    // One a row of fault_list(), null: off. Whoever applies one holds it for so long.
    std::vector<std::shared_ptr<Active>> active_;
    std::atomic<bool> any_ = false;  // some are on
};

// `engine` with `faults`, which outlive it, before its I/O. `origin`: offset in the lower file at which the
// disk begins.
std::unique_ptr<Engine> with_faults(std::unique_ptr<Engine> engine, Faults& faults, std::uint64_t origin);

}  // namespace reflux::io
