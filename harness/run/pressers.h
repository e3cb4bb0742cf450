// What presses besides the workload: the hog and the io cgroups of a scenario. They begin when the workload
// has written enough, and end before anything is read back.
#pragma once

#include "harness/evidence/evidence.h"
#include "harness/journal/journal.h"
#include "harness/pressure/hog.h"
#include "harness/pressure/io_cgroups.h"
#include "harness/pressure/memcg.h"
#include "harness/scenario/scenario.h"
#include "harness/stack/stack.h"

#include <optional>
#include <string>

namespace reflux::run {

// Where this machine has an io controller: in the hierarchy of the memory controller with v2, else in a v1
// mount of blkio. unsupported: nowhere.
Result<pressure::IoController> io_controller(const pressure::Memcg& memcg);

class Pressers {
  public:
    // All outlive it.
    Pressers(const scenario::Pressure& wanted, const stack::Stack& stack, const pressure::Memcg& memcg)
        : wanted_(wanted), stack_(stack), memcg_(memcg) {}

    // Makes what they need. unsupported: this machine has it not.
    Status make(journal::Journal& journal);
    // Starts what is due, and a hog again that the OOM killer took. Gives what was done now, "" for nothing.
    Result<std::string> tick(Bytes written);
    // The figures so far.
    void keep(evidence::Evidence& evidence) const;
    // Ends them by SIGKILL; waits a second at most for each. One that hangs on the device is left to the
    // teardown.
    void stop();

  private:
    Result<std::string> start_hog();

    const scenario::Pressure& wanted_;
    const stack::Stack& stack_;
    const pressure::Memcg& memcg_;
    std::optional<pressure::Hog> hog_;
    std::optional<pressure::IoCgroups> io_cgroups_;
    unsigned hogs_ = 0;  // started
    bool started_ = false;
    bool stopped_ = false;
};

}  // namespace reflux::run
