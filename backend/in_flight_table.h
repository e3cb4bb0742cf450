// The requests that the device has taken and not answered: fixed slots, written by the I/O threads, read by
// anybody without a lock, so that a reader never waits for a thread that is stuck (or was stopped) in the
// middle.
#pragma once

#include "backend/device_operation.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include <sys/types.h>

namespace reflux {

struct InFlightRequest {
    std::uint64_t id = 0;  // counts up from 1
    DeviceOperation operation = DeviceOperation::read;
    std::uint64_t offset = 0;    // on the disk, bytes
    std::uint64_t length = 0;    // bytes
    pid_t tid = 0;               // thread that does the I/O; 0: queued
    std::uint64_t start_ns = 0;  // CLOCK_MONOTONIC, when the device took it
};

class InFlightTable {
  public:
    explicit InFlightTable(std::size_t slots);

    // Takes a free slot. The caller has at most as many requests as there are slots: a table without a free
    // slot is a broken contract and ends the process.
    std::size_t begin(DeviceOperation operation, std::uint64_t offset, std::uint64_t length);
    // The calling thread does the I/O of this slot from now on.
    void claim(std::size_t slot, pid_t tid);
    void end(std::size_t slot);

    // What is in flight, oldest first. Each entry is consistent in itself; the list as a whole is not one
    // moment. Threads: any, at any time.
    [[nodiscard]] std::vector<InFlightRequest> snapshot() const;

  private:
    // Sequence lock a slot: `version` is odd while the owner writes. All fields are atomic, so that a torn
    // read is noticed and no data race.
    struct Slot {
        std::atomic<bool> taken = false;
        std::atomic<std::uint32_t> version = 0;
        std::atomic<std::uint64_t> id = 0;  // 0: free
        std::atomic<DeviceOperation> operation = DeviceOperation::read;
        std::atomic<std::uint64_t> offset = 0;
        std::atomic<std::uint64_t> length = 0;
        std::atomic<pid_t> tid = 0;
        std::atomic<std::uint64_t> start_ns = 0;
    };
    static void write(Slot& slot, const InFlightRequest& request);
    static bool read(const Slot& slot, InFlightRequest& request);

    std::unique_ptr<Slot[]> slots_;
    std::size_t count_;
    std::atomic<std::uint64_t> next_id_ = 1;
};

// CLOCK_MONOTONIC.
std::uint64_t monotonic_ns();

}  // namespace reflux
