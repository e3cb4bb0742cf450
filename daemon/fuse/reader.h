// Threads that take messages from the FUSE disk.
#pragma once

#include "daemon/base/stop_source.h"
#include "daemon/fuse/request_pool.h"
#include "daemon/fuse/view.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include <pthread.h>

struct fuse_session;

namespace reflux::fuse {

// What one thread does. A stop interrupts it by a signal that does not restart system calls
// (StopSource::Interruption installs its handler).
class Reader {
  public:
    Reader(fuse_session* session, const View& view, RequestPool& requests)
        : session_(session), view_(view), requests_(requests) {}
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    Reader(Reader&&) = delete;
    Reader& operator=(Reader&&) = delete;
    ~Reader();

    // Waits for a message and handles it, or is interrupted. False: the connection is gone. Its read waits,
    // for a look and a poll before it cost a request two more system calls.
    Result<bool> handle_one();

  private:
    void handle(std::span<std::byte> message);

    fuse_session* session_;
    const View& view_;
    RequestPool& requests_;
    FuseRequest* next_ = nullptr;  // that the next message is received in
};

// More of them beside the first, for a device that does its I/O in the thread that submits. They end with the
// connection, or when they are stopped. One that fails requests `stop`: the disk is not served on with fewer.
class MoreReaders {
  public:
    explicit MoreReaders(StopSource& stop) : stop_(stop) {}
    MoreReaders(const MoreReaders&) = delete;
    MoreReaders& operator=(const MoreReaders&) = delete;
    MoreReaders(MoreReaders&&) = delete;
    MoreReaders& operator=(MoreReaders&&) = delete;
    ~MoreReaders() { static_cast<void>(end()); }

    Status start(std::size_t count, fuse_session* session, const View& view, RequestPool& requests);
    // Lets each finish what it works on. The error of the first that failed, if any did.
    Status end();

  private:
    void run(fuse_session* session, const View& view, RequestPool& requests);

    StopSource& stop_;
    std::atomic<bool> stopping_ = false;
    std::mutex mutex_;  // guards what follows up to failure_
    std::condition_variable ended_;
    std::size_t running_ = 0;
    Status failure_;
    std::vector<std::jthread> threads_;
};

}  // namespace reflux::fuse
