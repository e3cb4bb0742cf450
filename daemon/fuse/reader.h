// Threads that take messages from the FUSE disk.
#pragma once

#include "daemon/fuse/request_pool.h"

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
    Reader(fuse_session* session, Disk& disk, RequestPool& requests)
        : session_(session), disk_(disk), requests_(requests) {}
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
    Disk& disk_;
    RequestPool& requests_;
    FuseRequest* next_ = nullptr;  // that the next message is received in
};

// More of them beside the first, for a device that does its I/O in the thread that submits. They end with the
// connection, or when they are stopped.
class MoreReaders {
  public:
    MoreReaders() = default;
    MoreReaders(const MoreReaders&) = delete;
    MoreReaders& operator=(const MoreReaders&) = delete;
    MoreReaders(MoreReaders&&) = delete;
    MoreReaders& operator=(MoreReaders&&) = delete;
    // Lets each finish what it works on.
    ~MoreReaders();

    Status start(std::size_t count, fuse_session* session, Disk& disk, RequestPool& requests);

  private:
    void run(fuse_session* session, Disk& disk, RequestPool& requests);

    std::atomic<bool> stopping_ = false;
    std::mutex mutex_;  // guards running_
    std::condition_variable ended_;
    std::size_t running_ = 0;
    std::vector<std::jthread> threads_;
};

}  // namespace reflux::fuse
