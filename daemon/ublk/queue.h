// One queue of a ublk device: the requests of the block layer, fetched and answered through a ring of its
// own (driver: ublk_queue_rq, ublk_ch_uring_cmd in drivers/block/ublk_drv.c).
//
// The thread that runs it alone touches the ring, as the driver wants it, too. Where the disk does its I/O in
// the thread that submits, that is this one, and it takes one request after the other. Otherwise answers
// come in threads of the engine: data of a read goes to the kernel there, the rest through a list to this
// thread, which an eventfd wakes. Nothing is allocated for a request.
#pragma once

#include "backend/base/mapping.h"
#include "backend/io/ring.h"
#include "backend/zoned_device.h"
#include "daemon/ublk/plan.h"

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <thread>
#include <vector>

namespace reflux::ublk {

struct QueueSetting {
    unsigned index = 0;
    unsigned depth = 0;                  // requests that the kernel may have under way in it
    int character_fd = -1;               // /dev/ublkcN; the caller's
    Disk* disk = nullptr;                // requests go there
    const ZonedDevice* zones = nullptr;  // whose zones are reported
    std::span<std::byte> buffers;        // each of `largest` bytes: as many requests are submitted at most
    std::size_t largest = 0;
};

class Queue {
  public:
    static Result<std::unique_ptr<Queue>> make(const QueueSetting& setting);
    Queue(const Queue&) = delete;
    Queue& operator=(const Queue&) = delete;
    Queue(Queue&&) = delete;
    Queue& operator=(Queue&&) = delete;
    // After Disk::drain(): the last answer's thread may still be in here.
    ~Queue() = default;

    // In the thread that will run it: asks the kernel for requests. `watched`: a file whose readiness calls
    // `woken`, or -1.
    Status begin(int watched);
    // Serves until the device is stopped: no request is under way and none will come. `woken` is called after
    // each wake().
    Status run(const std::function<void()>& woken);
    // Any thread.
    void wake();
    // Any thread. run() returns soon although the device stands; what it has taken stays unanswered, and
    // comes to the next daemon when the character device is closed.
    void leave();

  private:
    struct Request : DeviceRequest {
        Queue* queue = nullptr;
        std::uint16_t tag = 0;
        Plan plan;
        std::span<std::byte> memory;
        std::int32_t result = 0;
        Request* next = nullptr;  // of the list that it is in
    };

    Queue(const QueueSetting& setting, io::Ring ring, UniqueFd event, Mapping descriptors);

    io_uring_sqe& entry();
    void send(std::uint32_t operation, const IoCommand& command);
    void arm_wake_up();
    void on_completion(const io_uring_cqe& cqe);
    // Requests that wait are begun, answers sent; false: there was nothing to do.
    bool work();
    void begin(Request& request);
    int report_zones(const Request& request) const;
    int copy(const Request& request, std::span<std::byte> data) const;
    static void on_done(DeviceRequest& request, int error);
    void hand_over(Request& request, int error);
    bool answer_all(Request* list);
    void answer(Request& request);
    void submit();

    QueueSetting setting_;
    io::Ring ring_;
    UniqueFd event_;
    Mapping descriptors_;
    std::vector<Request> requests_;  // by tag
    std::atomic<Request*> answered_elsewhere_ = nullptr;
    std::atomic<bool> leaves_ = false;
    std::thread::id thread_;

    // The thread's own.
    Request* answered_here_ = nullptr;
    std::vector<std::span<std::byte>> free_buffers_;
    std::vector<std::uint16_t> waiting_;  // a ring of tags, for a buffer
    std::size_t first_waiting_ = 0;
    std::size_t waiting_count_ = 0;
    std::size_t ended_ = 0;   // tags that the kernel has taken back
    std::size_t unsent_ = 0;  // answers in the ring
    std::size_t unsent_bytes_ = 0;
    std::uint64_t event_count_ = 0;
    bool woken_ = false;
    Status failure_;
};

}  // namespace reflux::ublk
