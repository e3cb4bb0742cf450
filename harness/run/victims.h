// What becomes of those that the OOM killer chose: looked at in every tick until they are gone. Never blocks.
#pragma once

#include "backend/base/unique_fd.h"
#include "harness/evidence/evidence.h"
#include "harness/observe/task_stacks.h"

#include <map>
#include <vector>

namespace reflux::run {

class VictimWatch {
  public:
    // Takes in those of `found` (all so far, in order) that are new, with their role, and looks after all.
    // `members` tells whose they are.
    void look(const std::vector<evidence::OomVictim>& found, const observe::StackMembers& members,
              double now_s, std::vector<evidence::OomVictim>& record);

  private:
    struct Living {
        int process = 0;
        UniqueFd pidfd;
    };
    void look_at(evidence::OomVictim& victim, double now_s);
    std::map<int, Living> living_;  // by the number that the kernel named; gone ones are taken out
    std::size_t known_ = 0;         // of those found
};

}  // namespace reflux::run
