#pragma once

#include <utility>

namespace reflux {

// Runs `action` when the scope ends. For clean-up that has no owner type of its own.
template <class Action>
class [[nodiscard]] ScopeExit {
  public:
    explicit ScopeExit(Action action) : action_(std::move(action)) {}
    ScopeExit(const ScopeExit&) = delete;
    ScopeExit& operator=(const ScopeExit&) = delete;
    ScopeExit(ScopeExit&&) = delete;
    ScopeExit& operator=(ScopeExit&&) = delete;
    ~ScopeExit() { action_(); }

  private:
    Action action_;
};

}  // namespace reflux
