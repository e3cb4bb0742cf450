// The zoned disk: request -> zone check -> engine -> completion. What front ends serve and status describes.
//
// What is durable when: a write and an append when a flush that came after their answer has been
// answered; reset_zone and finish_zone when they are answered, for a write may follow at once into the place
// that an old write pointer still covers. open_zone and close_zone never are: a power cycle undoes them.
// Reads and writes do no I/O on metadata. In a sequential-write-required zone, bytes beyond the write pointer
// read as zeroes (unless the shape refuses such reads). When a write or sync of the image's metadata has
// failed, or the sync of the data before it, only reads are served (EIO) until the image is opened again:
// what the kernel has given up once it may have dropped.
//
// Requests that exclude each other are done one at a time, in the order in which they came (zone_turns.h); so
// of writes to one sequential-write-required zone each finds the write pointer that the one before it left.
//
// Threads: submit and all getters may be called from any thread at once. table_mutex_ is a leaf and never
// held across I/O, so a getter does not wait for a stuck I/O thread.
#pragma once

#include "backend/disk.h"
#include "backend/image.h"
#include "backend/image_table.h"
#include "backend/in_flight_table.h"
#include "backend/io/engine.h"
#include "backend/io/error_counts.h"
#include "backend/io/fault.h"
#include "backend/zone_memory.h"
#include "backend/zone_turns.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace reflux {

struct DeviceOptions {
    std::string engine = "sync";
    std::optional<unsigned> threads;  // see io::EngineOptions
    bool direct = false;              // past the page cache where requests are aligned
    io::CallOptions calls;            // around and with each read and write
    // Where the zones are kept for the daemon after this one, should it be killed: a file, or the folder for
    // it (zone_memory_folder()); empty: write pointers are as of the last flush then. Those of a translated
    // disk never are, for its map is as of the last flush too.
    std::string zone_memory;
};

class ZonedDevice final : public Disk {
  public:
    // Opens the image and starts the engine's threads.
    static Result<std::unique_ptr<ZonedDevice>> open(const std::string& path, const DeviceOptions& options);
    // The same with an image that is open and an engine that does I/O on its file.
    static Result<std::unique_ptr<ZonedDevice>> start(Image::Opened opened,
                                                      std::unique_ptr<io::Engine> engine);
    ZonedDevice(const ZonedDevice&) = delete;
    ZonedDevice& operator=(const ZonedDevice&) = delete;
    ZonedDevice(ZonedDevice&&) = delete;
    ZonedDevice& operator=(ZonedDevice&&) = delete;
    // Without close() before it: as after a crash, the image stays marked unclean.
    ~ZonedDevice() override = default;

    [[nodiscard]] const ZonedGeometry& geometry() const { return geometry_; }
    [[nodiscard]] Bytes size() const override { return geometry_.size(); }
    [[nodiscard]] const std::string& image_path() const { return image_.path(); }
    // It is to be served through a TranslatedDevice.
    [[nodiscard]] bool is_translated() const { return image_.superblock().translated; }
    [[nodiscard]] const Superblock& superblock() const { return image_.superblock(); }
    [[nodiscard]] bool image_was_unclean() const { return image_.was_unclean(); }
    // It was not closed, but its zones are those that the daemon before left, all of them.
    [[nodiscard]] bool zones_were_kept() const { return !repeatable_.empty(); }
    // A host that was not told of a power cycle may go on with this disk. invalid_input: what was
    // acknowledged since the last flush is not known any more.
    [[nodiscard]] Status check_goes_on() const;
    // What was found damaged in the image's metadata and made good from a copy; a line each.
    [[nodiscard]] const std::vector<std::string>& image_findings() const { return findings_; }
    [[nodiscard]] std::size_t max_in_flight() const override { return engine_->max_in_flight(); }
    // Not so for a request that waits for another's turn to end: it is done in the thread that ends it.
    [[nodiscard]] bool is_inline() const override { return engine_->is_inline(); }

    void offer_memory(std::span<std::byte> memory) override;
    // What was offered: where the buffers of requests lie. Only to be asked about: it may be gone.
    [[nodiscard]] std::span<const std::byte> offered_memory() const;
    [[nodiscard]] io::EngineState engine_state() const { return engine_->state(); }
    // With what requests failed that the disk did not refuse: errors of the lower file, and faults.
    [[nodiscard]] std::vector<io::ErrorCount> io_errors() const { return io_errors_.list(); }

    void submit(DeviceRequest& request) override;
    void drain() override { engine_->drain(); }
    // After drain: writes the zone table and marks the image clean.
    Status close();

    // What is done to requests before their I/O, on purpose. To switch them is no change of the disk.
    [[nodiscard]] io::Faults& faults() const { return *faults_; }

    [[nodiscard]] std::vector<InFlightRequest> in_flight() const override { return in_flight_.snapshot(); }
    [[nodiscard]] DeviceCounters counters() const override;
    [[nodiscard]] ZoneSummary zone_summary() const;
    // Describes zones from `first` on until `out` is full; returns how many. One lock a call: ask in
    // portions.
    std::size_t report(ZoneId first, std::span<ZoneDescriptor> out) const {
        return report_matching({.first = first}, out).filled;
    }
    ReportAnswer report_matching(const ReportRequest& request, std::span<ZoneDescriptor> out) const;
    // One zone of the disk; counts as no report.
    [[nodiscard]] ZoneDescriptor describe(ZoneId zone) const;

    // The disk's own doing, as when a head fails; durable as a write is. Reads that are under way in the
    // zone end as they would have, writes with EIO (refusal says why): no write pointer tells of them. `to`
    // is read_only or offline. There is no way back (ZBC-2 clause 4.4.3: none leads out of offline, and out
    // of read-only only one to offline): refused, offline, is a zone that is offline.
    ZoneError degrade(ZoneId zone, ZoneCondition to);
    // Sets RESET of a zone, until it is reset. invalid_field: it has no write pointer.
    ZoneError recommend_reset(ZoneId zone);

  private:
    ZonedDevice(Image::Opened opened, std::unique_ptr<io::Engine> engine);

    // Gives a request that has its turn, if it needs one, and was checked to the engine; a refused one and
    // one that is done ends here.
    void begin(DeviceRequest& request);
    // Ends the request's turn, if it had one, and begins those that waited for it.
    void leave(DeviceRequest::Work& work);
    void finish(DeviceRequest& request, int error);

    // Under table_mutex_, the functions up to manage_one.
    // The last write before the daemon that served the disk before this was killed comes again if its sender
    // was not told of it; the block layer may have merged it with the next one since. How much of `request`
    // this is, from its begin.
    [[nodiscard]] Bytes done_before(const DeviceRequest& request);
    // What is left of a write for the zones to take.
    static Extent new_extent(const DeviceRequest& request);
    static bool is_new(const DeviceRequest& request);
    // For the daemon after this one. `last_write`: bytes by which a write has moved the pointer.
    void keep(ZoneId zone, Bytes last_write);
    void keep_managed(const DeviceRequest& request);
    [[nodiscard]] bool claim_zones(DeviceRequest& request) const;
    [[nodiscard]] bool reaches_beyond_pointer(Extent extent) const;
    // Whether the disk takes it; what is about to be written is implicitly open then.
    ZoneError check_and_open(DeviceRequest& request);
    ZoneError begin_append(DeviceRequest& request);
    // Append and zone management name a zone by its start.
    [[nodiscard]] ZoneError check_zone_named(const DeviceRequest& request) const;
    ZoneError manage(const DeviceRequest& request);
    ZoneError manage_all(DeviceOperation operation);
    ZoneError manage_one(DeviceOperation operation, ZoneId zone);
    void mark_managed(const DeviceRequest& request);

    // Where its data lies on the disk.
    static Extent data_extent(const DeviceRequest& request);
    [[nodiscard]] static int error_of_refusal(const DeviceRequest& request);
    static int on_begin(io::Request& request);
    static void on_complete(io::Request& request, int error);
    int begin_reset(DeviceRequest& request);
    int begin_finish(DeviceRequest& request);
    // Makes holes of what lies beyond the write pointers that the request is about.
    int discard_unwritten(const DeviceRequest& request);
    [[nodiscard]] Extent unwritten_part(DeviceOperation operation, ZoneId zone) const;
    // Of a write that was begun, with what its I/O ended; what the request ends with.
    int end_write(DeviceRequest& request, int error);
    void clear_beyond_pointer(const DeviceRequest& request) const;
    template <class Change>
    ZoneError change_zone(ZoneId zone, Change change);
    template <class Visit>
    void for_each_zone(const DeviceRequest& request, Visit visit) const;

    struct AtomicCounters {
        std::atomic<std::uint64_t> reads = 0;
        std::atomic<std::uint64_t> writes = 0;
        std::atomic<std::uint64_t> appends = 0;
        std::atomic<std::uint64_t> flushes = 0;
        std::atomic<std::uint64_t> discards = 0;
        std::atomic<std::uint64_t> read_bytes = 0;
        std::atomic<std::uint64_t> written_bytes = 0;
        std::atomic<std::uint64_t> zone_opens = 0;
        std::atomic<std::uint64_t> zone_closes = 0;
        std::atomic<std::uint64_t> zone_finishes = 0;
        std::atomic<std::uint64_t> zone_resets = 0;
        std::atomic<std::uint64_t> errors = 0;
        std::atomic<std::uint64_t> completed = 0;
    };

    Image image_;
    ZonedGeometry geometry_;
    std::uint64_t data_offset_;
    mutable std::mutex table_mutex_;  // guards zones_, turns_ and what changed in table_
    ZoneTable zones_;
    ImageTable table_;
    ZoneTurns turns_;
    std::span<const std::byte> offered_memory_;  // under table_mutex_ too
    std::unique_ptr<ZoneMemory> memory_;         // null: not wanted
    // Of each zone the length of the write that may come again; 0: none. Empty where none can.
    std::vector<Bytes> repeatable_;
    std::vector<std::string> findings_;
    InFlightTable in_flight_;
    AtomicCounters counters_;
    mutable std::atomic<std::uint64_t> reports_ = 0;
    io::ErrorCounts io_errors_;
    std::unique_ptr<io::Faults> faults_;
    std::unique_ptr<io::Engine> engine_;  // last: its threads end before the rest goes
};

}  // namespace reflux
