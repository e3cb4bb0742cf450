// A disk that takes writes anywhere, on a host-managed one: Translation with its I/O, its metadata and its
// reclaim.
//
// What is durable when: what was written or discarded, when a flush that came after has been answered. A
// crash may leave any of the sectors written since, as on every disk. When a commit failed at its very end,
// only reads are served (EIO) until the disk is opened again; after every other failure the next flush tries
// again what the last one did not do.
//
// Threads: every function from any thread. Requests to one chunk go in some order one at a time, reads of it
// together. Locks, in this order: a chunk's, commit_mutex_, mutex_; mutex_ is never held across I/O, so that
// status() waits for none.
#pragma once

#include "backend/map/lower_disk.h"
#include "backend/map/map_store.h"
#include "backend/map/translation.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <stop_token>

namespace reflux::map {

struct ReclaimCounters {
    std::uint64_t chunks = 0;  // whose random zone was freed
    std::uint64_t zones_reset = 0;
    std::uint64_t read_bytes = 0;  // its own I/O, metadata not counted
    std::uint64_t written_bytes = 0;
    std::uint64_t errors = 0;
};

// What the reclaim thread is at.
enum class ReclaimPhase : std::uint8_t { idle, waiting_for_chunk, copying, committing, resetting };
std::string_view to_string(ReclaimPhase phase);

struct TranslationStatus {
    MapSummary map;
    std::uint64_t generation = 0;  // of the last commit
    ReclaimPhase phase = ReclaimPhase::idle;
    std::uint64_t chunk = 0;           // while it waits for it or copies it
    std::uint64_t waiting_writes = 0;  // for a zone to be free
    std::uint64_t waiting_chunks = 0;  // to be reclaimed until the idle threshold is met
    bool is_urgent = false;
    int broken = 0;  // errno value of the failed commit after which only reads are served
    ReclaimCounters reclaim;
    ReclaimThresholds thresholds;
};

struct TranslatedDiskOptions {
    ReclaimThresholds thresholds;
    std::chrono::milliseconds idle_after{1000};  // without a request
};

class TranslatedDisk {
  public:
    // Reads the metadata of a disk of this shape, or makes that of a new one. `zones`: of all its zones.
    // `disk` outlives this.
    static Result<std::unique_ptr<TranslatedDisk>> open(LowerDisk& disk, const MapLayout& layout,
                                                        std::span<const ZoneState> zones,
                                                        const TranslatedDiskOptions& options);

    [[nodiscard]] Bytes size() const { return layout_.size(); }
    // 0 or an errno value. The range lies on the disk; any bytes will do, but what is no whole block costs
    // reading it. `scratch` is one block, for the duration of the call.
    int read(std::uint64_t offset, std::span<std::byte> buffer);
    int write(std::uint64_t offset, std::span<std::byte> buffer, MapBlock scratch);
    // The whole blocks in the range read as zeroes afterwards; what is left of it is not changed.
    int discard(std::uint64_t offset, std::uint64_t length);
    // All of the range reads as zeroes afterwards: discard(), and zeroes written around it.
    int clear(std::uint64_t offset, std::uint64_t length, MapBlock scratch);
    int flush();

    // Reclaims whenever it is wanted, until it is told to stop: for a thread of its own. Without it writes
    // wait for a zone for ever.
    void reclaim_until(const std::stop_token& stop);
    // The same once, wanted or not, for who has no such thread. False: there was nothing to do, or it failed.
    bool reclaim_once();

    [[nodiscard]] TranslationStatus status() const;

  private:
    TranslatedDisk(LowerDisk& disk, Translation translation, MapStore store, io::BufferPool buffer,
                   const TranslatedDiskOptions& options);

    struct Progress {
        int error = 0;
        bool waits = false;       // for a zone to be free
        std::uint64_t bytes = 0;  // done before that
    };
    [[nodiscard]] std::uint64_t offset_in(ZoneId zone, std::uint64_t byte) const {
        return zone.value * layout_.zone_size().value + byte;
    }
    // With the chunk's lock; `at` counts bytes from its start.
    int read_chunk(std::uint64_t chunk, std::uint64_t at, std::span<std::byte> buffer);
    Progress write_chunk(std::uint64_t chunk, std::uint64_t at, std::span<std::byte> buffer,
                         MapBlock scratch);
    Progress write_part_of_block(std::uint64_t chunk, std::uint64_t at, std::span<std::byte> bytes,
                                 MapBlock scratch);
    Progress write_blocks(std::uint64_t chunk, std::uint64_t block, std::span<std::byte> bytes);
    int wait_for_zone();
    int commit();

    // Of the thread that reclaims.
    [[nodiscard]] bool is_wanted() const;
    bool finish_step(int error);
    int reclaim_chunk(std::uint64_t chunk);
    int copy(const ReclaimPlan& plan, std::uint64_t& done);
    int reset_zones();
    void set_phase(ReclaimPhase phase, std::uint64_t chunk = 0);
    void note_request();
    template <class Work>
    int for_chunks(std::uint64_t offset, std::uint64_t length, Work work);

    LowerDisk& disk_;
    MapLayout layout_;
    TranslatedDiskOptions options_;
    std::unique_ptr<std::shared_mutex[]> chunk_locks_;
    std::mutex commit_mutex_;  // guards store_ but for its snapshot()
    MapStore store_;
    std::mutex reclaim_mutex_;  // guards copy_buffer_; taken before all others
    io::BufferPool copy_buffer_;
    mutable std::mutex mutex_;  // guards all below
    Translation translation_;
    std::uint64_t generation_ = 0;
    std::uint64_t commits_begun_ = 0;
    int commit_error_ = 0;  // of the last one
    int broken_ = 0;
    std::uint64_t waiting_writes_ = 0;
    std::uint64_t reclaim_failures_ = 0;
    int reclaim_error_ = 0;
    ReclaimPhase phase_ = ReclaimPhase::idle;
    std::uint64_t phase_chunk_ = 0;
    ReclaimCounters counters_;
    std::condition_variable zone_freed_;  // or the waiting for it has failed
    std::condition_variable_any wanted_;  // reclaim may be
    std::atomic<std::chrono::steady_clock::duration> last_request_{};
};

}  // namespace reflux::map
