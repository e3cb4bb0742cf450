// The zoned disk: request -> zone check -> engine -> completion. What front ends serve and status describes.
//
// Threads: submit, flush and all getters may be called from any thread at once. Lock order: metadata_mutex_,
// then table_mutex_. table_mutex_ is never held across I/O, so a getter does not wait for a stuck I/O thread.
#pragma once

#include "backend/image.h"
#include "backend/in_flight_table.h"
#include "backend/io/engine.h"
#include "backend/io/fault.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace reflux {

class ZonedDevice;

// A request to the disk; offset and buffer are the disk's. The front end derives its own from it, fills the
// fields of "the caller's" and keeps it alive until `done`.
struct DeviceRequest {
    // The caller's.
    io::Operation operation = io::Operation::read;
    std::uint64_t offset = 0;     // bytes on the disk; unused by flush
    std::span<std::byte> buffer;  // unused by flush
    // Called once with 0 or an errno value, in the submitting or an I/O thread.
    void (*done)(DeviceRequest& request, int error) = nullptr;

  private:
    friend class ZonedDevice;
    struct Work : io::Request {
        ZonedDevice* device = nullptr;
        DeviceRequest* owner = nullptr;
        std::size_t slot = 0;
    };
    Work work_;
};

struct DeviceCounters {
    std::uint64_t reads = 0;
    std::uint64_t writes = 0;
    std::uint64_t flushes = 0;
    std::uint64_t read_bytes = 0;
    std::uint64_t written_bytes = 0;
    std::uint64_t errors = 0;     // requests that ended with one, refused ones included
    std::uint64_t completed = 0;  // answered requests of all kinds, with or without an error
};

struct DeviceOptions {
    std::string engine = "sync";
    std::optional<unsigned> threads;  // see io::EngineOptions
    bool direct = false;   // past the page cache where requests are aligned
};

class ZonedDevice {
  public:
    // Opens the image and starts the engine's threads.
    static Result<std::unique_ptr<ZonedDevice>> open(const std::string& path, const DeviceOptions& options);
    ZonedDevice(const ZonedDevice&) = delete;
    ZonedDevice& operator=(const ZonedDevice&) = delete;
    ZonedDevice(ZonedDevice&&) = delete;
    ZonedDevice& operator=(ZonedDevice&&) = delete;
    // Without close() before it: as after a crash, the image stays marked unclean.
    ~ZonedDevice() = default;

    [[nodiscard]] const ZonedGeometry& geometry() const { return geometry_; }
    [[nodiscard]] const std::string& image_path() const { return image_.path(); }
    [[nodiscard]] bool image_was_unclean() const { return image_.was_unclean(); }
    // The most requests that the caller may have submitted and not got back.
    [[nodiscard]] std::size_t max_in_flight() const { return engine_->max_in_flight(); }
    // True when submit() does the I/O in the calling thread and has called `done` when it returns.
    [[nodiscard]] bool is_inline() const { return engine_->is_inline(); }

    // Memory in which requests' buffers will lie; see io::Engine.
    void offer_memory(std::span<std::byte> memory) { engine_->offer_memory(memory); }
    [[nodiscard]] io::EngineState engine_state() const { return engine_->state(); }

    void submit(DeviceRequest& request);
    // Waits for all submitted requests.
    void drain() { engine_->drain(); }
    // After drain: writes the zone table and marks the image clean.
    Status close();

    // What is done to requests before their I/O, on purpose. To switch them is no change of the disk.
    [[nodiscard]] io::Faults& faults() const { return *faults_; }

    [[nodiscard]] std::vector<InFlightRequest> in_flight() const { return in_flight_.snapshot(); }
    [[nodiscard]] DeviceCounters counters() const;
    [[nodiscard]] ZoneSummary zone_summary() const;
    // Describes zones from `first` on until `out` is full; returns how many. One lock a call: ask in
    // portions.
    std::size_t report(ZoneId first, std::span<ZoneDescriptor> out) const;

  private:
    ZonedDevice(Image::Opened opened, std::unique_ptr<io::Engine> engine);
    ZoneError check(const DeviceRequest& request) const;
    void finish(DeviceRequest& request, int error);
    void record_write(Extent extent);
    void mark_changed(std::uint64_t block);  // under table_mutex_
    // Writes the zone table blocks that changed; 0 or an errno value.
    int write_changed_zones();
    // Encodes the next changed block from `index` on and marks it unchanged; its index, or nothing.
    std::optional<std::uint64_t> take_changed_block(std::uint64_t index, ImageBlock& block);
    static int on_begin(io::Request& request);
    static void on_complete(io::Request& request, int error);

    struct AtomicCounters {
        std::atomic<std::uint64_t> reads = 0;
        std::atomic<std::uint64_t> writes = 0;
        std::atomic<std::uint64_t> flushes = 0;
        std::atomic<std::uint64_t> read_bytes = 0;
        std::atomic<std::uint64_t> written_bytes = 0;
        std::atomic<std::uint64_t> errors = 0;
        std::atomic<std::uint64_t> completed = 0;
    };

    Image image_;
    ZonedGeometry geometry_;
    std::uint64_t data_offset_;
    std::mutex metadata_mutex_;       // one writer of zone table blocks at a time; held across I/O
    mutable std::mutex table_mutex_;  // guards zones_, changed_blocks_ and changed_count_
    ZoneTable zones_;
    std::vector<bool> changed_blocks_;  // zone table blocks that differ from the file
    std::size_t changed_count_ = 0;
    InFlightTable in_flight_;
    AtomicCounters counters_;
    std::unique_ptr<io::Faults> faults_;
    std::unique_ptr<io::Engine> engine_;  // last: its threads end before the rest goes
};

}  // namespace reflux
