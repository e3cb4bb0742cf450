// Requests on their way through the device, and the buffers that FUSE messages are received in. All are made
// once and go round; nothing is allocated for a request after warm-up.
#pragma once

#include "backend/disk.h"
#include "backend/io/buffer_pool.h"

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include <fuse_lowlevel.h>

namespace reflux::fuse {

class RequestPool;

// One read, write or fsync of the disk.
struct FuseRequest : DeviceRequest {
    RequestPool* pool = nullptr;
    fuse_req_t kernel = nullptr;       // what is answered
    std::span<std::byte> read_buffer;  // its own, for the data of a read
    void* message = nullptr;  // received message that a write's data lies in, when the device keeps it
};

// Threads: any, unless a function says otherwise.
class RequestPool {
  public:
    // `count` requests with a read buffer of `largest` bytes each.
    static Result<std::unique_ptr<RequestPool>> make(std::size_t count, std::size_t largest);
    RequestPool(const RequestPool&) = delete;
    RequestPool& operator=(const RequestPool&) = delete;
    RequestPool(RequestPool&&) = delete;
    RequestPool& operator=(RequestPool&&) = delete;
    ~RequestPool();

    // Waits until one is free.
    FuseRequest& take();
    // Takes back a request, and its message for take_message.
    void give_back(FuseRequest& request);
    // A message buffer that was used before, of the size that libfuse chose; null: none, libfuse makes a new
    // one.
    void* take_message();
    void give_back_message(void* message);

  private:
    RequestPool(io::BufferPool buffers, std::size_t count);

    io::BufferPool buffers_;
    std::vector<FuseRequest> requests_;
    std::mutex mutex_;  // guards free_ and messages_; never held across I/O
    std::condition_variable freed_;
    std::vector<FuseRequest*> free_;
    std::vector<void*> messages_;
};

}  // namespace reflux::fuse
