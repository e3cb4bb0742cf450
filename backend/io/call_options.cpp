#include "backend/io/call_options.h"

#include "backend/base/reflux_reclaim.h"

#include <cstddef>

#include <sys/uio.h>

namespace reflux::io {
namespace {

// Linux 6.14; the C library's headers may be older than the kernel.
constexpr int rwf_dontcache = 0x00000080;

const CallFlag* find_flag(std::string_view word) {
    for (const auto& flag : call_flag_list()) {
        if (flag.word.name == word) {
            return &flag;
        }
    }
    return nullptr;
}

std::string names() {
    std::string text;
    for (const auto& flag : call_flag_list()) {
        text += fmt::format("{}{}", text.empty() ? "" : ", ", flag.word.name);
    }
    return text;
}

}  // namespace

const std::vector<CallFlag>& call_flag_list() {
    static const std::vector<CallFlag> list{
        // A ring tries every transfer without waiting first, and then does what this falls back to.
        {.word = {.name = "nowait",
                  .description = "RWF_NOWAIT, and again without it where that is refused (ext4 refuses every "
                                 "buffered write)"},
         .value = RWF_NOWAIT,
         .falls_back = true},
        {.word = {.name = "dontcache",
                  .description = "RWF_DONTCACHE (Linux 6.14): through the page cache, and out of it at once"},
         .value = rwf_dontcache,
         .ring_takes_it = true},
        {.word = {.name = "nofsreclaim",
                  .description = "RWF_NOFSRECLAIM, by the prototype module: reclaim calls no filesystem"},
         .value = RWF_NOFSRECLAIM},
    };
    return list;
}

Result<CallFlags> parse_call_flags(const std::vector<std::string>& words) {
    CallFlags flags;
    for (const auto& word : words) {
        const CallFlag* const flag = find_flag(word);
        if (flag == nullptr) {
            return fail(ErrorKind::invalid_input,
                        fmt::format("no call flag '{}'; there are: {}", word, names()));
        }
        flags.all |= flag->value;
        flags.falling_back |= flag->falls_back ? flag->value : 0;
    }
    return flags;
}

Status try_call_flags(int fd, CallFlags flags, const std::vector<std::string>& words) {
    if (flags.all == 0) {
        return {};
    }
    // Of no byte at all the kernel looks at no flag (do_iter_read(), fs/read_write.c).
    std::byte byte{};
    const iovec part{.iov_base = &byte, .iov_len = 1};
    if (::preadv2(fd, &part, 1, 0, flags.all) >= 0) {
        return {};
    }
    int error = errno;
    if (flags.falling_back != 0 && (error == EAGAIN || error == EOPNOTSUPP)) {
        // As each call will go on; with no flag left there is nothing to be refused.
        const int rest = flags.all & ~flags.falling_back;
        if (rest == 0 || ::preadv2(fd, &part, 1, 0, rest) >= 0) {
            return {};
        }
        error = errno;
    }
    if (error == EPERM && (flags.all & RWF_NOFSRECLAIM) != 0) {
        return fail({.kind = ErrorKind::unsupported,
                     .message = "call flag nofsreclaim is refused without CAP_SYS_RESOURCE",
                     .errnum = error});
    }
    if (error == EOPNOTSUPP && (flags.all & RWF_NOFSRECLAIM) != 0) {
        return fail({.kind = ErrorKind::unsupported,
                     .message =
                         "call flag nofsreclaim is refused: the prototype module " REFLUX_RECLAIM_MODULE
                         " is not loaded",
                     .errnum = error});
    }
    if (error == EOPNOTSUPP || error == EINVAL) {
        return fail({.kind = ErrorKind::unsupported,
                     .message = fmt::format("a read with call flags {} ({:#x}) is refused by this kernel or "
                                            "the filesystem of the image",
                                            fmt::join(words, ", "), flags.all),
                     .errnum = error});
    }
    return fail_errno(fmt::format("preadv2 with call flags {}", fmt::join(words, ", ")), error);
}

Status check_for_ring(const CallOptions& options) {
    const auto refuse = [](std::string_view what, std::string_view why) {
        return fail(ErrorKind::unsupported,
                    fmt::format("engine uring cannot do {}: {}; engines sync and threads can", what, why));
    };
    if (!options.scopes.empty()) {
        return refuse("call scope " + options.scopes.front(), "the kernel chooses the thread of the I/O");
    }
    for (const auto& word : options.flags) {
        const CallFlag* const flag = find_flag(word);
        if (flag != nullptr && !flag->ring_takes_it) {
            return refuse("call flag " + word,
                          "a ring tries without waiting by itself, or knows no such flag");
        }
    }
    if (options.sync_range > 0 || options.fdatasync_every > 0) {
        return refuse("writeback behind a write", "its thread must not wait for it");
    }
    return {};
}

}  // namespace reflux::io
