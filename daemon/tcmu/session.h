// One device of the kernel's, served: its ring, and what the threads do that serve it.
#pragma once

#include "daemon/tcmu/command_server.h"
#include "daemon/tcmu/lio_device.h"

#include <atomic>

namespace reflux::tcmu {

// What is served; all of it outlives the session.
struct ServedDisk {
    Disk& disk;  // `zones`, or its translation
    const ZonedDevice& zones;
    RequestPool& pool;
};

class Session {
  public:
    // `is_old`: it was there before this process; another one may have died over it.
    static Result<std::unique_ptr<Session>> open(const FoundDevice& device, const ServedDisk& served,
                                                 bool is_old);
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    Session(Session&&) = delete;
    Session& operator=(Session&&) = delete;
    ~Session() = default;

    [[nodiscard]] std::uint32_t minor() const { return device_.minor; }
    // Serves commands in the calling thread, of which there may be several, until stop().
    void work();
    // Threads in work() return when they have begun what they took; the disk may be at it still then. For
    // good.
    void stop();
    // Threads are at work: new commands may come. Of an old device, which was opened blocked.
    void let_in() const;

  private:
    Session(FoundDevice device, UioDevice uio, std::unique_ptr<Ring> ring, const ServedDisk& served,
            scsi::LogicalUnit unit, UniqueFd stopped, UniqueFd wake_up);
    [[nodiscard]] bool wait() const;
    void wake_another() const;
    void report_broken();

    FoundDevice device_;
    UioDevice uio_;
    std::unique_ptr<Ring> ring_;
    RequestPool& pool_;
    CommandServer server_;
    UniqueFd stopped_;  // eventfd, readable once stop() was called
    UniqueFd wake_up_;  // eventfd, a semaphore: a thread more is wanted
    bool has_peers_;    // several threads work
    bool is_old_ = false;
    std::atomic<bool> reported_broken_ = false;
};

}  // namespace reflux::tcmu
