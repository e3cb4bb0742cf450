// Requests done with plain system calls in the calling thread, with all that CallOptions asks for; what the
// sync and threads engines share.
#pragma once

#include "backend/io/call_scope.h"
#include "backend/io/lower_file.h"

#include <memory>

namespace reflux::io {

class LowerCalls {
  public:
    // Each option is tried once: unsupported says which one this machine refuses.
    static Result<std::unique_ptr<LowerCalls>> make(const EngineOptions& options);

    // Does the request but for its end: begin, then pread/pwrite over short transfers and EINTR or fdatasync.
    // What it is to be completed with. Threads: any. Allocates nothing.
    int perform(Request& request);
    [[nodiscard]] EngineState state() const;

  private:
    using Scopes = std::vector<std::unique_ptr<CallScope>>;
    LowerCalls(LowerFile file, const CallOptions& options, CallFlags flags, Scopes scopes, UniqueFd bounded)
        : file_(std::move(file)),
          flags_(flags),
          scopes_(std::move(scopes)),
          bounded_fd_(std::move(bounded)),
          sync_range_(options.sync_range),
          fdatasync_every_(options.fdatasync_every) {}

    int perform_io(Request& request);
    template <class Plain, class Flagged>
    int transfer(const Request& request, Plain plain, Flagged flagged);
    [[nodiscard]] auto short_one() const {
        return [this] { file_.note_short(); };
    }
    template <class Transfer>
    int in_scopes(Transfer transfer);
    template <class Call>
    ssize_t with_flags(Call call);
    void bound_dirty(std::uint64_t written);

    struct Counters {
        std::atomic<std::uint64_t> flagged = 0;
        std::atomic<std::uint64_t> fallbacks = 0;
        std::atomic<std::uint64_t> scoped = 0;
        std::atomic<std::uint64_t> scope_failures = 0;
        std::atomic<std::uint64_t> bounded = 0;
        std::atomic<std::uint64_t> bound_failures = 0;
    };

    LowerFile file_;
    CallFlags flags_;
    Scopes scopes_;
    // Writeback errors are told once for each open file: on one of our own, they stay for the flush to tell.
    UniqueFd bounded_fd_;
    std::uint64_t sync_range_;
    std::uint64_t fdatasync_every_;
    std::atomic<std::uint64_t> written_ = 0;  // bytes
    std::atomic<std::uint64_t> writes_ = 0;
    Counters counters_;
};

}  // namespace reflux::io
