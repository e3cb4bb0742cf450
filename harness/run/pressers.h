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

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace reflux::run {

// Where this machine has an io controller: in the hierarchy of the memory controller with v2, else in a v1
// mount of blkio. unsupported: nowhere.
Result<pressure::IoController> io_controller(const pressure::Memcg& memcg);

// A hog that ended before it was asked to.
struct HogEnd {
    int pid = 0;
    ExitStatus exit;
};
// Counts them as the OOM killer's and others: a SIGKILL is the former's if the kernel log names the victim,
// or names none and the kernel's counters have as many.
void count_ends(const std::vector<HogEnd>& ends, const evidence::Evidence& seen, evidence::Hog& record);

class Pressers {
  public:
    // All outlive it.
    Pressers(const scenario::Pressure& wanted, const stack::Stack& stack, const pressure::Memcg& memcg)
        : wanted_(wanted), stack_(stack), memcg_(memcg) {}

    // Makes what they need. unsupported: this machine has it not.
    Status make(journal::Journal& journal);
    // Starts what is due, and a hog again that was killed. Gives what was done now, "" for nothing.
    Result<std::string> tick(Bytes written, double now_s);
    // The figures so far: when the pressure is over. Whose end was the OOM killer's is learned from what
    // `evidence` has of it.
    void keep(evidence::Evidence& evidence);
    // Ends them by SIGKILL; waits a second at most for each. One that hangs on the device is left to the
    // teardown.
    void stop();

  private:
    Result<std::string> start_hog();
    // What the hog that is, or was, there has done; true: it has ended.
    bool look_at_hog();

    const scenario::Pressure& wanted_;
    const stack::Stack& stack_;
    const pressure::Memcg& memcg_;
    std::optional<pressure::Hog> hog_;
    std::optional<pressure::IoCgroups> io_cgroups_;
    evidence::Hog record_;
    std::vector<HogEnd> ends_;
    std::uint64_t past_syncs_ = 0;  // of hogs that ended
    bool started_ = false;
    bool stopped_ = false;
};

}  // namespace reflux::run
