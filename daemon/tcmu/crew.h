// The threads that serve a session. They are there before the first device is, so that what is marked or read
// back of a process's threads when it is ready is so of these.
#pragma once

#include "daemon/tcmu/session.h"

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace reflux::tcmu {

class Crew {
  public:
    Crew() = default;
    Crew(const Crew&) = delete;
    Crew& operator=(const Crew&) = delete;
    Crew(Crew&&) = delete;
    Crew& operator=(Crew&&) = delete;
    ~Crew();

    Status start(std::size_t count, const char* thread_name);
    // They work in it from now on. One session at a time, which lives until detach() has returned.
    void attach(Session& session);
    // Stops it, and waits until no thread is in it.
    void detach();

  private:
    void run(const char* thread_name);

    std::mutex mutex_;  // guards what follows up to ending_; not held at work
    std::condition_variable changed_;
    Session* session_ = nullptr;
    std::uint64_t sessions_ = 0;  // attached so far: none is worked in twice by a thread
    std::size_t working_ = 0;
    bool ending_ = false;
    std::vector<std::jthread> threads_;
};

}  // namespace reflux::tcmu
