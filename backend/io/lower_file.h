// The lower file as engines reach it: through the page cache, or past it (O_DIRECT).
//
// In direct mode requests that are not aligned go through the page cache, by a second descriptor, for nobody
// promises aligned ones. Why not read-modify-write through a bounce buffer: that needs a lock on the blocks
// around, held across I/O, while the kernel has all of it. It keeps both ways coherent (a direct read writes
// dirty pages of its range out first, a direct write drops them: filemap_write_and_wait_range,
// invalidate_inode_pages2_range), but by whole pages, so the alignment here is a page at least: two requests
// that do not overlap never meet in one page, but as two buffered ones.
#pragma once

#include "backend/base/unique_fd.h"
#include "backend/io/engine.h"

#include <atomic>

namespace reflux::io {

class LowerFile {
  public:
    // What place, length and memory of a direct request are multiples of: a page on x86-64, and no logical
    // block of a disk is larger.
    static constexpr std::size_t alignment = 4096;

    // With options.direct: unsupported where the filesystem below refuses O_DIRECT, named; with
    // options.calls.mapping_nofs: as mask_mapping() (scope_device.h).
    static Result<LowerFile> make(const EngineOptions& options);
    LowerFile(LowerFile&& other) noexcept;
    LowerFile(const LowerFile&) = delete;
    LowerFile& operator=(const LowerFile&) = delete;
    LowerFile& operator=(LowerFile&&) = delete;
    ~LowerFile() = default;

    [[nodiscard]] int buffered() const { return fd_; }
    [[nodiscard]] bool is_direct() const { return static_cast<bool>(direct_); }
    [[nodiscard]] int direct() const { return direct_.get(); }  // -1: not in this mode
    // Whether this transfer goes past the page cache; counts those that cannot. Threads: any.
    [[nodiscard]] bool goes_direct(std::uint64_t offset, std::span<const std::byte> buffer) const;
    [[nodiscard]] int fd_for(std::uint64_t offset, std::span<const std::byte> buffer) const {
        return goes_direct(offset, buffer) ? direct_.get() : fd_;
    }
    // Transfers of the direct mode that went through the page cache.
    [[nodiscard]] std::uint64_t unaligned() const { return unaligned_.load(std::memory_order_relaxed); }
    // The engine met a transfer that ended short. Threads: any.
    void note_short() const { short_transfers_.fetch_add(1, std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t short_transfers() const {
        return short_transfers_.load(std::memory_order_relaxed);
    }

  private:
    LowerFile(int fd, UniqueFd direct, UniqueFd mask)
        : fd_(fd), direct_(std::move(direct)), mask_(std::move(mask)) {}

    int fd_;  // not owned
    UniqueFd direct_;
    UniqueFd mask_;  // holds the mask of CallOptions::mapping_nofs
    mutable std::atomic<std::uint64_t> unaligned_ = 0;
    mutable std::atomic<std::uint64_t> short_transfers_ = 0;
};

inline EngineState state_of(const LowerFile& file) {
    return {
        .direct = file.is_direct(), .unaligned = file.unaligned(), .short_transfers = file.short_transfers()};
}

}  // namespace reflux::io
