#include "backend/io/lower_calls.h"

#include "backend/io/transfer.h"

#include <algorithm>
#include <bitset>

#include <fcntl.h>
#include <sys/uio.h>

namespace reflux::io {
namespace {

constexpr std::size_t most_scopes = 8;

void count(std::atomic<std::uint64_t>& counter) {
    counter.fetch_add(1, std::memory_order_relaxed);
}

Result<std::vector<std::unique_ptr<CallScope>>> make_scopes(const std::vector<std::string>& words) {
    if (words.size() > most_scopes) {
        return fail(ErrorKind::invalid_input, fmt::format("more than {} call scopes", most_scopes));
    }
    std::vector<std::unique_ptr<CallScope>> scopes;
    for (const auto& word : words) {
        if (std::ranges::count(words, word) > 1) {
            return fail(ErrorKind::invalid_input, fmt::format("call scope {} twice", word));
        }
        REFLUX_TRY(scopes.emplace_back(), make_call_scope(word));
    }
    return scopes;
}

}  // namespace

Result<std::unique_ptr<LowerCalls>> LowerCalls::make(const EngineOptions& options) {
    const CallOptions& calls = options.calls;
    REFLUX_TRY(auto file, LowerFile::make(options));
    REFLUX_TRY(const auto flags, parse_call_flags(calls.flags));
    REFLUX_CHECK(try_call_flags(options.fd, flags, calls.flags));
    REFLUX_TRY(auto scopes, make_scopes(calls.scopes));
    UniqueFd bounded;
    if (calls.sync_range > 0 || calls.fdatasync_every > 0) {
        REFLUX_TRY(bounded, open_file(fmt::format("/proc/self/fd/{}", options.fd), O_RDWR));
    }
    return std::unique_ptr<LowerCalls>(
        new LowerCalls(std::move(file), calls, flags, std::move(scopes), std::move(bounded)));
}

int LowerCalls::perform(Request& request) {
    const int error = request.begin != nullptr ? request.begin(request) : 0;
    return error != 0 ? error : perform_io(request);
}

int LowerCalls::perform_io(Request& request) {
    if (request.operation != Operation::flush && request.buffer.empty()) {
        return 0;  // a discard, which begin has done
    }
    switch (request.operation) {
        case Operation::read:
            return in_scopes([&] { return transfer(request, ::pread, ::preadv2); });
        case Operation::write: {
            const int error = in_scopes([&] { return transfer(request, ::pwrite, ::pwritev2); });
            if (error == 0 && bounded_fd_) {
                bound_dirty(request.buffer.size());
            }
            return error;
        }
        case Operation::flush:
            // No scope and no flag: pread_nofs() and its kin mark transfers alone.
            return sync_data(file_.buffered());
    }
    return EINVAL;
}

// `plain` and `flagged`: of one kind, as pread and preadv2.
template <class Plain, class Flagged>
int LowerCalls::transfer(const Request& request, Plain plain, Flagged flagged) {
    const auto fd_for = [this](std::uint64_t offset, std::span<const std::byte> buffer) {
        return file_.fd_for(offset, buffer);
    };
    if (flags_.all == 0) {
        return transfer_fully(fd_for, request.offset, request.buffer, plain, short_one());
    }
    return transfer_fully(
        fd_for, request.offset, request.buffer,
        [&](int fd, std::byte* data, std::size_t size, off_t offset) {
            const iovec part{.iov_base = data, .iov_len = size};
            return with_flags([&](int flags) { return flagged(fd, &part, 1, offset, flags); });
        },
        short_one());
}

template <class Call>
ssize_t LowerCalls::with_flags(Call call) {
    count(counters_.flagged);
    const ssize_t n = call(flags_.all);
    if (n >= 0 || flags_.falling_back == 0 || (errno != EAGAIN && errno != EOPNOTSUPP)) {
        return n;
    }
    count(counters_.fallbacks);
    return call(flags_.all & ~flags_.falling_back);
}

template <class Transfer>
int LowerCalls::in_scopes(Transfer transfer) {
    if (scopes_.empty()) {
        return transfer();
    }
    std::bitset<most_scopes> entered;
    for (std::size_t i = 0; i < scopes_.size(); ++i) {
        entered[i] = scopes_[i]->enter();
    }
    const int error = transfer();
    bool left = true;
    for (std::size_t i = scopes_.size(); i > 0; --i) {
        left = (!entered[i - 1] || scopes_[i - 1]->leave()) && left;
    }
    // A refused scope fails no request: the experiment's outcome says so instead, by the count.
    count(left && entered.count() == scopes_.size() ? counters_.scoped : counters_.scope_failures);
    return error;
}

// In the thread that wrote the last of them, so that this one is throttled.
void LowerCalls::bound_dirty(std::uint64_t written) {
    bool failed = false;
    bool done = false;
    if (sync_range_ > 0) {
        const std::uint64_t before = written_.fetch_add(written, std::memory_order_relaxed);
        if (before / sync_range_ != (before + written) / sync_range_) {
            // What is being written is waited for, then the rest of the file's dirty pages begin: twice
            // sync_range is dirty or under writeback, and once more for each further thread, which writes
            // on while this one waits.
            failed = ::sync_file_range(bounded_fd_.get(), 0, 0,
                                       SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE) != 0;
            done = true;
        }
    }
    if (fdatasync_every_ > 0 &&
        (writes_.fetch_add(1, std::memory_order_relaxed) + 1) % fdatasync_every_ == 0) {
        failed = sync_data(bounded_fd_.get()) != 0 || failed;
        done = true;
    }
    if (done) {
        count(counters_.bounded);
    }
    if (failed) {
        count(counters_.bound_failures);
    }
}

EngineState LowerCalls::state() const {
    EngineState state = state_of(file_);
    const auto load = [](const std::atomic<std::uint64_t>& counter) {
        return counter.load(std::memory_order_relaxed);
    };
    state.calls = {.flagged = load(counters_.flagged),
                   .fallbacks = load(counters_.fallbacks),
                   .scoped = load(counters_.scoped),
                   .scope_failures = load(counters_.scope_failures),
                   .bounded = load(counters_.bounded),
                   .bound_failures = load(counters_.bound_failures)};
    return state;
}

}  // namespace reflux::io
