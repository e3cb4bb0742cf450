// What the kernel log tells by name: victims of the OOM killer, reports of lockdep, allocations that are
// tried again and again. Pure: lines in, evidence out.
#pragma once

#include "harness/evidence/incidents.h"

#include <string_view>
#include <vector>

namespace reflux::observe {

class Incidents {
  public:
    // One record's text, as the kernel log gives it (its line breaks as \x0a), and when it was written.
    void take(std::string_view text, double at_s);

    // In the order of the log; the first 64 of each.
    [[nodiscard]] const std::vector<evidence::OomVictim>& victims() const { return victims_; }
    [[nodiscard]] const std::vector<evidence::LockReport>& lock_reports() const { return lock_reports_; }
    [[nodiscard]] const std::vector<evidence::AllocationStall>& allocation_stalls() const {
        return allocation_stalls_;
    }

  private:
    void take_line(std::string_view line, double at_s);
    bool take_victim(std::string_view line, double at_s);
    bool take_allocation(std::string_view line, double at_s);
    void take_lock(std::string_view line, double at_s);
    void take_lock_detail(std::string_view line);

    std::vector<evidence::OomVictim> victims_;
    std::vector<evidence::LockReport> lock_reports_;
    std::vector<evidence::AllocationStall> allocation_stalls_;
    bool in_lock_report_ = false;  // its heading was seen, its end was not
};

}  // namespace reflux::observe
