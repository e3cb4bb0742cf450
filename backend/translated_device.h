// The translated disk as front ends serve it: a ZonedDevice below, a disk that takes writes anywhere above.
//
// A request is done by one thread from its beginning to its end, which waits for each request to the disk
// below: the caller's own where the engine is inline, else one of a fixed number of workers
// ("refluxd-map/N"). Reclaim has a thread of its own ("refluxd-reclaim").
//
// Nothing is allocated for a request. Threads: submit and all getters from any thread at once.
#pragma once

#include "backend/map/translated_disk.h"
#include "backend/zoned_device.h"

#include <semaphore>
#include <thread>

namespace reflux {

struct TranslatedDeviceOptions {
    map::TranslatedDiskOptions disk;
    // Without the thread writes wait for a zone for ever, unless somebody calls disk().reclaim_once().
    bool reclaim_thread = true;
};

class TranslatedDevice final : public Disk {
  public:
    // Whether a disk of this shape can be translated; the error says what it lacks.
    static Status check(const ZonedGeometry& geometry);
    // `lower` outlives it, and nobody else sends it requests.
    static Result<std::unique_ptr<TranslatedDevice>> start(ZonedDevice& lower,
                                                           const TranslatedDeviceOptions& options = {});
    TranslatedDevice(const TranslatedDevice&) = delete;
    TranslatedDevice& operator=(const TranslatedDevice&) = delete;
    TranslatedDevice(TranslatedDevice&&) = delete;
    TranslatedDevice& operator=(TranslatedDevice&&) = delete;
    // Without close() before it: as after a crash.
    ~TranslatedDevice() override;

    [[nodiscard]] Bytes size() const override { return disk_->size(); }
    // With an inline engine one, whatever its threads: there is one block of scratch.
    [[nodiscard]] std::size_t max_in_flight() const override { return is_inline() ? 1 : ring_.size(); }
    [[nodiscard]] bool is_inline() const override { return lower_.is_inline(); }
    void offer_memory(std::span<std::byte> memory) override { lower_.offer_memory(memory); }
    // Reads, writes, discards and flushes; others are refused (invalid_field): this disk has no zones.
    void submit(DeviceRequest& request) override;
    void drain() override;
    // Ends reclaim, and commits; the disk below is to be closed then.
    Status close();

    [[nodiscard]] std::vector<InFlightRequest> in_flight() const override { return in_flight_.snapshot(); }
    [[nodiscard]] DeviceCounters counters() const override;
    // The requests that these make below, those of reclaim and commits among them.
    [[nodiscard]] const ZonedDevice& lower() const { return lower_; }
    [[nodiscard]] map::TranslationStatus status() const { return disk_->status(); }
    [[nodiscard]] map::TranslatedDisk& disk() { return *disk_; }

  private:
    // Sends requests to the disk below and waits for each.
    class Below final : public map::LowerDisk {
      public:
        explicit Below(ZonedDevice& device)
            : device_(device), room_(static_cast<std::ptrdiff_t>(device.max_in_flight())) {}
        int read(Bytes offset, std::span<std::byte> buffer) override;
        int write(Bytes offset, std::span<std::byte> buffer) override;
        int flush() override;
        int reset(Bytes zone_start) override;

      private:
        int run(DeviceOperation operation, Bytes offset, std::span<std::byte> buffer);
        ZonedDevice& device_;
        std::counting_semaphore<> room_;
    };
    struct Taken {
        DeviceRequest* request = nullptr;
        std::size_t slot = 0;  // of in_flight_
    };

    TranslatedDevice(ZonedDevice& lower, std::size_t depth, io::BufferPool scratch);
    Status start_threads(const TranslatedDeviceOptions& options);
    void work(unsigned index);
    Taken take();
    void run(const Taken& taken, std::size_t scratch);
    int perform(DeviceRequest& request, std::size_t scratch);
    void finish(const Taken& taken, int error);

    ZonedDevice& lower_;
    Below below_;
    std::unique_ptr<map::TranslatedDisk> disk_;
    InFlightTable in_flight_;
    io::BufferPool scratch_;    // a block for each thread that does requests
    mutable std::mutex mutex_;  // guards all below; never held across I/O or a callback
    std::condition_variable queued_or_stopping_;
    std::condition_variable idle_;
    std::vector<Taken> ring_;
    std::size_t first_ = 0;
    std::size_t queued_ = 0;
    std::size_t unanswered_ = 0;
    bool stopping_ = false;
    DeviceCounters counters_;
    std::vector<std::jthread> workers_;
    std::jthread reclaim_;  // last, with the workers: joined before the rest goes
};

}  // namespace reflux
