#include "backend/io/lower_file.h"

#include "backend/io/buffer_pool.h"
#include "backend/io/scope_device.h"

#include <sys/stat.h>

namespace reflux::io {
namespace {

// An open that succeeds says little: some filesystems refuse the first transfer.
Status try_direct_read(int fd, std::uint64_t file_size) {
    if (file_size < LowerFile::alignment) {
        return {};
    }
    REFLUX_TRY(const auto pool, BufferPool::make(LowerFile::alignment, 1));
    const auto buffer = pool.buffer(0);
    if (::pread(fd, buffer.data(), buffer.size(), 0) < 0) {
        return fail_errno("pread");
    }
    return {};
}

Result<UniqueFd> open_direct(int fd) {
    // The same file, whatever became of its name.
    REFLUX_TRY(auto direct, open_file(fmt::format("/proc/self/fd/{}", fd), O_RDWR | O_DIRECT));
    struct stat status {};
    if (::fstat(direct.get(), &status) != 0) {
        return fail_errno("fstat");
    }
    REFLUX_CHECK(try_direct_read(direct.get(), static_cast<std::uint64_t>(status.st_size)));
    return direct;
}

}  // namespace

Result<LowerFile> LowerFile::make(const EngineOptions& options) {
    UniqueFd mask;
    if (options.calls.mapping_nofs) {
        REFLUX_TRY(mask, mask_mapping(options.fd));
    }
    if (!options.direct) {
        return LowerFile(options.fd, UniqueFd(), std::move(mask));
    }
    auto direct = open_direct(options.fd);
    if (direct) {
        return LowerFile(options.fd, std::move(*direct), std::move(mask));
    }
    const int number = direct.error().errnum;
    if (number == EINVAL || number == EOPNOTSUPP) {
        return fail({.kind = ErrorKind::unsupported,
                     .message =
                         "the filesystem of the image refuses O_DIRECT in blocks of 4096 bytes: put the "
                         "image elsewhere or leave out --direct",
                     .errnum = number});
    }
    return fail(direct.error().within("open the image with O_DIRECT"));
}

LowerFile::LowerFile(LowerFile&& other) noexcept
    : fd_(other.fd_),
      direct_(std::move(other.direct_)),
      mask_(std::move(other.mask_)),
      unaligned_(other.unaligned()),
      short_transfers_(other.short_transfers()) {}

bool LowerFile::goes_direct(std::uint64_t offset, std::span<const std::byte> buffer) const {
    if (!direct_) {
        return false;
    }
    // The address as a number: it is only looked at.
    const auto address = reinterpret_cast<std::uintptr_t>(buffer.data());  // NOLINT(*-reinterpret-cast)
    const bool aligned = ((offset | buffer.size() | address) % alignment) == 0 && !buffer.empty();
    if (!aligned) {
        unaligned_.fetch_add(1, std::memory_order_relaxed);
    }
    return aligned;
}

}  // namespace reflux::io
