// What a person sees while a run goes on: on a terminal one line that is drawn again and again, elsewhere
// plain lines now and then. Always on stderr; results go to stdout.
#pragma once

#include "backend/base/units.h"

#include <chrono>
#include <string>

namespace reflux::run {

class Console {
  public:
    Console();

    // A new run begins: times on the lines start from 0.
    void begin(const std::string& scenario);
    // A step that stays on the screen.
    void step(const std::string& text);
    // The state of this moment; on a terminal it replaces the one before, elsewhere it is printed every 5 s.
    void state(const std::string& text);

  private:
    using Clock = std::chrono::steady_clock;
    void print(const std::string& text, bool stays);
    [[nodiscard]] double elapsed_s() const;

    bool terminal_;
    bool drawn_ = false;  // a state line stands on the screen
    Clock::time_point start_;
    Clock::time_point last_state_;
};

}  // namespace reflux::run
