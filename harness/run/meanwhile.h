// What a scenario has somebody else do to the machine or the stack while the workload runs: its
// meanwhile.command, run by sh as root in the helpers' cgroup, one round after the other. In its text {upper}
// and {lower} are replaced by mount points, {upper_device}, {lower_device} and {served_device} by the names
// of block devices as /sys/block has them, {daemon} by the daemon's pid, {workload_cgroup} by the folder of
// the workload's memory cgroup.
//
// A round may hang on the stack under test, like anybody else: nobody waits for it, and its age is evidence.
// Threads: one, that of the session.
#pragma once

#include "backend/base/child.h"
#include "harness/evidence/evidence.h"
#include "harness/pressure/memcg.h"
#include "harness/scenario/scenario.h"
#include "harness/stack/stack.h"

#include <string>

namespace reflux::run {

// With the words in braces replaced; others stay.
std::string filled_command(std::string text, const stack::Stack& stack, const pressure::Memcg& memcg);

class Meanwhile {
  public:
    // `record`, which outlives this, is set if there is a command. `log` takes what it prints.
    Meanwhile(const scenario::Meanwhile& wanted, const stack::Stack& stack, const pressure::Memcg& memcg,
              std::string log, std::optional<evidence::Meanwhile>& record);

    // Takes in a round that has ended, begins the next when it is due. Does not wait.
    Status tick(double now_s);
    // The pressure is over at `now_s`: no further round; how long the last one has hung is noted.
    void stop(double now_s);
    // Kills a round that goes on, and undoes. Bounded. Once.
    void undo();

  private:
    void take_end(double now_s);

    scenario::Meanwhile wanted_;
    SpawnOptions options_;
    std::string log_;
    std::optional<evidence::Meanwhile>& record_;
    Child round_;
    double began_s_ = 0;
    double ended_s_;
    bool over_ = false;    // no further round
    bool undone_ = false;  // or nothing was done
};

}  // namespace reflux::run
