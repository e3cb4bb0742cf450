// A fixed set of page-aligned I/O buffers, made and prefaulted once, so that taking one neither allocates nor
// faults.
#pragma once

#include "backend/base/mapping.h"
#include "backend/base/result.h"

#include <cstddef>
#include <span>

namespace reflux::io {

class BufferPool {
  public:
    // `count` buffers of `size` bytes, which is rounded up to whole pages.
    static Result<BufferPool> make(std::size_t size, std::size_t count);

    [[nodiscard]] std::size_t buffer_size() const { return size_; }
    [[nodiscard]] std::size_t count() const { return count_; }
    // Buffer `index`, below count(). Who uses which is the caller's business: a request slot has the buffer
    // of its own number.
    [[nodiscard]] std::span<std::byte> buffer(std::size_t index) const;
    // All of them, one behind the other.
    [[nodiscard]] std::span<std::byte> all() const;

  private:
    BufferPool(UniqueMapping memory, std::size_t size, std::size_t count)
        : memory_(std::move(memory)), size_(size), count_(count) {}

    UniqueMapping memory_;
    std::size_t size_;
    std::size_t count_;
};

}  // namespace reflux::io
