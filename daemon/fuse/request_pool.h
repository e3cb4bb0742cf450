// Requests on their way through the device, each with the memory that its message is received in and its data
// lies in. All are made once and go round; nothing is allocated for a request.
#pragma once

#include "backend/disk.h"
#include "backend/io/buffer_pool.h"
#include "daemon/fuse/message.h"

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace reflux::fuse {

class RequestPool;
struct View;

// One message that asks something of the disk.
struct FuseRequest : DeviceRequest {
    RequestPool* pool = nullptr;
    const View* view = nullptr;
    MessageKind kind = MessageKind::read;
    std::uint64_t inode = 0;
    std::uint64_t unique = 0;  // what the answer names
    int fuse_fd = -1;          // where it goes
    bool durable = false;      // a write that is still to be flushed before it is answered
    // A message goes here. It begins as far before a page as a write's headers are long, so that the data
    // behind them is as aligned as O_DIRECT wants it.
    std::span<std::byte> message;
    // The rest of it, from that page on: data of a write, and where a read puts its own.
    std::span<std::byte> data;
};

// Threads: any.
class RequestPool {
  public:
    // `count` requests for up to `largest` bytes of data each.
    static Result<std::unique_ptr<RequestPool>> make(std::size_t count, std::size_t largest);
    RequestPool(const RequestPool&) = delete;
    RequestPool& operator=(const RequestPool&) = delete;
    RequestPool(RequestPool&&) = delete;
    RequestPool& operator=(RequestPool&&) = delete;
    ~RequestPool() = default;

    // Waits until one is free.
    FuseRequest& take();
    void give_back(FuseRequest& request);
    // What all of them lie in.
    [[nodiscard]] std::span<std::byte> memory() const { return buffers_.all(); }

  private:
    RequestPool(io::BufferPool buffers, std::size_t count);

    io::BufferPool buffers_;
    std::vector<FuseRequest> requests_;
    std::mutex mutex_;  // guards free_; never held across I/O
    std::condition_variable freed_;
    std::vector<FuseRequest*> free_;
};

}  // namespace reflux::fuse
