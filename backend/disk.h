// What a front end serves: requests to a disk, and the disk as the front end sees it. Two there are: the
// zoned disk itself (ZonedDevice), and one that takes writes anywhere, on it (TranslatedDevice).
#pragma once

#include "backend/device_operation.h"
#include "backend/in_flight_table.h"
#include "backend/io/engine.h"
#include "backend/zone/zone_error.h"
#include "backend/zone_turns.h"

#include <cstdint>
#include <span>
#include <vector>

namespace reflux {

class ZonedDevice;

// A request to the disk; offset and buffer are the disk's. The front end derives its own from it, fills the
// fields of "the caller's" and keeps it alive until `done`.
struct DeviceRequest {
    // The caller's.
    DeviceOperation operation = DeviceOperation::read;
    // Bytes on the disk; append and zone management: the start of the zone. Unused by flush.
    std::uint64_t offset = 0;
    std::span<std::byte> buffer;  // unused by flush, discard and zone management
    std::uint64_t length = 0;     // discard: bytes; unused by all others
    // Zone management: of all zones that the command applies to; `offset` is unused.
    bool all_zones = false;
    // Called once with 0 or an errno value, in the submitting or an I/O thread.
    void (*done)(DeviceRequest& request, int error) = nullptr;

    // The device's, valid in `done`.
    std::uint64_t placed_at = 0;  // append: where the data went, bytes on the disk
    // Why the disk refused it. `error` is errno_of() this, but EOPNOTSUPP for a discard in a zone whose type
    // has none (invalid_field), as the block layer says it.
    ZoneError refusal = ZoneError::none;

  private:
    friend class ZonedDevice;
    struct Work : io::Request, ZoneTurn {
        ZonedDevice* device = nullptr;
        DeviceRequest* owner = nullptr;
        std::size_t slot = 0;
        bool has_turn = false;
        bool beyond_pointer = false;  // a read that is to give zeroes there
        Bytes done_before;            // so much of a write's begin was done by a daemon before this
    };
    Work work_;
};

// Bytes of the disk that a request with data, or a discard, is about.
inline std::uint64_t length_of(const DeviceRequest& request) {
    return request.operation == DeviceOperation::discard ? request.length : request.buffer.size();
}

struct DeviceCounters {
    std::uint64_t reads = 0;
    std::uint64_t writes = 0;  // appends included
    std::uint64_t appends = 0;
    std::uint64_t flushes = 0;
    std::uint64_t discards = 0;
    std::uint64_t read_bytes = 0;
    std::uint64_t written_bytes = 0;
    // REPORT ZONES: portions that were asked for. They are no requests, and not among the completed ones.
    std::uint64_t zone_reports = 0;
    std::uint64_t zone_opens = 0;
    std::uint64_t zone_closes = 0;
    std::uint64_t zone_finishes = 0;
    std::uint64_t zone_resets = 0;
    std::uint64_t errors = 0;     // requests that ended with one, refused ones included
    std::uint64_t completed = 0;  // answered requests of all kinds, with or without an error
};

// Threads: every function from any thread; none but submit and drain waits for I/O.
class Disk {
  public:
    Disk() = default;
    Disk(const Disk&) = delete;
    Disk& operator=(const Disk&) = delete;
    Disk(Disk&&) = delete;
    Disk& operator=(Disk&&) = delete;
    virtual ~Disk() = default;

    [[nodiscard]] virtual Bytes size() const = 0;
    // The most requests that the caller may have submitted and not got back.
    [[nodiscard]] virtual std::size_t max_in_flight() const = 0;
    // True when submit() does the I/O in the calling thread and has called `done` when it returns.
    [[nodiscard]] virtual bool is_inline() const = 0;
    // Memory in which requests' buffers will lie; see io::Engine.
    virtual void offer_memory(std::span<std::byte> memory) = 0;
    virtual void submit(DeviceRequest& request) = 0;
    // Waits for all submitted requests.
    virtual void drain() = 0;

    [[nodiscard]] virtual std::vector<InFlightRequest> in_flight() const = 0;
    [[nodiscard]] virtual DeviceCounters counters() const = 0;
};

}  // namespace reflux
