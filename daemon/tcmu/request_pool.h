// Requests on their way through the disk, each with the memory that its data lies in where the ring's pieces
// of it are not one. All are made once and go round; nothing is allocated for a request.
#pragma once

#include "backend/disk.h"
#include "backend/io/buffer_pool.h"
#include "daemon/scsi/plan.h"
#include "daemon/tcmu/ring.h"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

namespace reflux::tcmu {

// Bytes of one transfer at most.
inline constexpr std::size_t largest_transfer = std::size_t{1} << 20U;

class CommandServer;

struct TcmuRequest : DeviceRequest {
    CommandServer* server = nullptr;
    RingCommand command;
    scsi::Plan plan;
    scsi::DataIn answer;
    std::span<std::byte> bounce;  // of largest_transfer bytes
};

// Threads: any.
class RequestPool {
  public:
    static Result<std::unique_ptr<RequestPool>> make(std::size_t count);
    RequestPool(const RequestPool&) = delete;
    RequestPool& operator=(const RequestPool&) = delete;
    RequestPool(RequestPool&&) = delete;
    RequestPool& operator=(RequestPool&&) = delete;
    ~RequestPool() = default;

    // Waits until one is free, or until stop(): null.
    TcmuRequest* take();
    void give_back(TcmuRequest& request);
    // take() gives none from now on, until start().
    void stop();
    void start();
    // What the requests' own memory lies in.
    [[nodiscard]] std::span<std::byte> memory() const { return buffers_.all(); }

  private:
    RequestPool(io::BufferPool buffers, std::size_t count);

    io::BufferPool buffers_;
    std::vector<TcmuRequest> requests_;
    std::mutex mutex_;  // guards what follows; never held across I/O
    std::condition_variable freed_or_stopped_;
    std::vector<TcmuRequest*> free_;
    bool stopped_ = false;
};

}  // namespace reflux::tcmu
