// `run --vm`: runs of scenarios, each in a guest of its own; what comes back is the same evidence.
#pragma once

#include "harness/evidence/evidence.h"
#include "harness/run/console.h"
#include "harness/run/event_loop.h"
#include "harness/scenario/scenario.h"
#include "harness/vm/accelerator.h"
#include "harness/vm/kernel.h"

#include <string>

namespace reflux::run {

class VmHost {
  public:
    // Finds (or downloads) the kernel and what runs it, and measures this machine.
    static Result<VmHost> prepare(const std::string& kernel, Console& console);

    // Boots, runs, destroys. Never fails as a whole: what went wrong is in the evidence. A guest that does
    // not come to its end leaves what it had written by then, and how it ended in evidence.guest. One that is
    // lost before its workload began says nothing of the stack under test: another stands in for it.
    [[nodiscard]] evidence::Evidence run(const scenario::Scenario& scenario, const std::string& folder,
                                         EventLoop& loop, Console& console) const;

    // By this name the very same kernel is found again, from whatever folder.
    [[nodiscard]] std::string exact_kernel() const;
    // Its uname -r, as it is known before a boot.
    [[nodiscard]] const std::string& release() const { return kernel_.release; }

  private:
    VmHost() = default;
    [[nodiscard]] evidence::Evidence run_guest(const scenario::Scenario& scenario, const std::string& folder,
                                               EventLoop& loop, Console& console) const;
    // The prototype kernel module for the guests' kernel, where the scenario needs it; else empty.
    [[nodiscard]] Result<std::string> module_for(const scenario::Scenario& scenario, Console& console) const;

    vm::Kernel kernel_;
    vm::Accelerator accelerator_;
    Seconds work_time_{0};
};

}  // namespace reflux::run
