// Faults that a scenario injects on purpose while the workload runs: a signal to the daemon, or one that
// refluxd has itself (delay, spin, allocate, error), switched over its control socket. What is due is decided
// by what the workload has written, not by timing.
#pragma once

#include "backend/base/result.h"
#include "harness/evidence/evidence.h"
#include "harness/scenario/scenario.h"
#include "harness/stack/stack.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace reflux::run {

// A fault that is a signal; every other kind is refluxd's own.
struct SignalFault {
    std::string_view name;
    std::string_view description;
    int inject = 0;
    int lift = 0;  // 0: it cannot be lifted
};
std::span<const SignalFault> signal_faults();

class FaultInjector {
  public:
    // All three outlive the injector. `record` gets one entry, unless the kind is "none".
    FaultInjector(const scenario::Fault& wanted, const stack::Stack& stack,
                  std::vector<evidence::Fault>& record);

    // Before the workload starts: refluxd says whether it knows fault and options. invalid_input: it does
    // not.
    [[nodiscard]] Status check() const;
    // Injects when the workload has `written` enough, lifts when its time is over. Gives what was done now,
    // "" for nothing. Bounded.
    Result<std::string> tick(Bytes written, double now_s);
    // Lifts what is on, if it can be. A daemon that does not take it is left to the teardown's SIGKILL.
    void lift(double now_s);

  private:
    enum class State { waiting, on, over };
    [[nodiscard]] Status ask(std::string_view action) const;
    Result<std::string> inject(double now_s);

    const scenario::Fault& wanted_;
    const stack::Stack& stack_;
    std::vector<evidence::Fault>& record_;
    State state_ = State::waiting;
};

}  // namespace reflux::run
