#include "harness/workload/compare.h"

#include <algorithm>
#include <cerrno>
#include <span>

#include <sys/stat.h>
#include <unistd.h>

namespace reflux::workload {
namespace {

void fill_expected(const Expected& expected, std::uint64_t offset, std::span<std::byte> bytes) {
    const std::uint64_t of_new = expected.rewritten > offset ? expected.rewritten - offset : 0;
    const auto split = static_cast<std::size_t>(std::min<std::uint64_t>(of_new, bytes.size()));
    expected.content.fill(offset, bytes.first(split));
    expected.old_content.fill(offset + split, bytes.subspan(split));
}

Comparison failed(std::string_view call, std::uint64_t bytes) {
    const int errnum = errno;
    return {.bytes = bytes, .difference = system_error(call, errnum).message, .errnum = errnum};
}

}  // namespace

Expected expected_of(const FileSlot& slot, std::uint64_t seed, std::uint32_t worker) {
    return {.content = Content(seed, worker, slot.content.load()),
            .old_content = Content(seed, worker, slot.old_content.load()),
            .rewritten = slot.rewritten.load(),
            .size = slot.size.load()};
}

Comparison Comparer::compare(int fd, const Expected& expected) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) {
        return failed("fstat", 0);
    }
    auto result = compare_range(fd, expected, 0, expected.size);
    const auto size = static_cast<std::uint64_t>(status.st_size);
    if (result.difference.empty() && size != expected.size) {
        result.difference = fmt::format("is {} bytes long, not {}", size, expected.size);
    }
    return result;
}

Comparison Comparer::compare_range(int fd, const Expected& expected, std::uint64_t offset,
                                   std::uint64_t length) {
    const std::uint64_t end = std::min(expected.size, offset + length);
    std::uint64_t bytes = 0;
    while (offset < end) {
        const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(piece, end - offset));
        const ssize_t got = ::pread(fd, found_.data(), want, static_cast<off_t>(offset));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return failed(fmt::format("read at offset {}", offset), bytes);
        }
        if (got == 0) {
            return {.bytes = bytes,
                    .difference = fmt::format("ends at offset {}, not at {}", offset, expected.size)};
        }
        const std::span<std::byte> found(found_.data(), static_cast<std::size_t>(got));
        const std::span<std::byte> wanted(wanted_.data(), found.size());
        fill_expected(expected, offset, wanted);
        if (const auto at = first_difference(found, wanted)) {
            return {.bytes = bytes + *at,
                    .difference = fmt::format("differs at offset {}: {:#04x}, not {:#04x}", offset + *at,
                                              std::to_integer<unsigned>(found[*at]),
                                              std::to_integer<unsigned>(wanted[*at]))};
        }
        offset += found.size();
        bytes += found.size();
    }
    return {.bytes = bytes, .difference = {}};
}

}  // namespace reflux::workload
