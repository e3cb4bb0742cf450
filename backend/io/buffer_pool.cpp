#include "backend/io/buffer_pool.h"

#include <unistd.h>

namespace reflux::io {

Result<BufferPool> BufferPool::make(std::size_t size, std::size_t count) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    size = (size + page - 1) / page * page;
    void* address = ::mmap(nullptr, size * count, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (address == MAP_FAILED) {
        return fail_errno(fmt::format("mmap {} buffers of {} bytes", count, size));
    }
    return BufferPool(UniqueMapping({.address = address, .length = size * count}), size, count);
}

std::span<std::byte> BufferPool::all() const {
    return {static_cast<std::byte*>(memory_.get().address), size_ * count_};
}

std::span<std::byte> BufferPool::buffer(std::size_t index) const {
    return all().subspan(index * size_, size_);
}

}  // namespace reflux::io
