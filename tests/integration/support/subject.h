// A process that a test looks at from outside: a child of the test program with threads of its own.
#pragma once

#include "backend/base/child.h"
#include "backend/base/unique_fd.h"

#include <functional>
#include <string>

#include <sys/types.h>

namespace reflux::test {

class Subject {
  public:
    enum class Then {
        sleep,           // its main thread stays
        end_main_thread  // its main thread ends, the others stay
    };
    // Runs `prepare` in a new process and returns when it is done; its error is that of this call.
    static Result<Subject> start(const std::function<Status()>& prepare, Then then = Then::sleep);
    Subject(Subject&&) = default;
    Subject& operator=(Subject&&) = delete;
    Subject(const Subject&) = delete;
    Subject& operator=(const Subject&) = delete;
    // Kills it if it still runs.
    ~Subject();

    [[nodiscard]] pid_t pid() const { return child_.pid; }
    // Kills it and waits until it has ended, but leaves its entry in the kernel's table until the
    // destruction.
    Status kill_unreaped();

  private:
    explicit Subject(Child child) : child_(std::move(child)) {}

    Child child_;
};

// For use in `prepare`, which runs in the subject.

// Starts a thread that sleeps until the process ends; it has its name when this returns.
void start_thread(const std::string& name);
// Waits until what is made from now on is seen to be younger: start times are counted in clock ticks.
void next_tick();
// An io_uring of the calling thread with an SQPOLL thread; unsupported where the machine has none.
Status start_sqpoll();
// An io_uring of the calling thread, and a worker of it by a request that must be done by one.
Status start_io_wq_worker();

}  // namespace reflux::test
