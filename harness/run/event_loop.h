// What the harness waits for while a stack is under pressure: the ends of two processes, a signal, or the
// next tick; whichever comes first. Boost.Asio underneath; nothing of it shows here. Threads: one.
#pragma once

#include "backend/base/child.h"
#include "backend/base/units.h"

#include <memory>

namespace reflux::run {

enum class Event { tick, workload_ended, daemon_ended, interrupted };

class EventLoop {
  public:
    EventLoop();
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;
    EventLoop(EventLoop&&) = delete;
    EventLoop& operator=(EventLoop&&) = delete;
    ~EventLoop();

    // From now on next() reports the end of this process, until it is forgotten. The child stays the
    // caller's.
    Status watch_workload(const Child& child);
    Status watch_daemon(const Child& child);
    void forget_workload();
    void forget_daemon();

    // Waits at most `time`. An interruption (SIGINT, SIGTERM, SIGHUP) is reported before anything else, again
    // and again.
    Event next(Seconds time);
    // The signal that interrupted, 0: none yet. Takes in what has arrived; does not wait.
    int interrupted();

  private:
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

}  // namespace reflux::run
