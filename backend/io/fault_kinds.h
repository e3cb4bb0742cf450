// What a fault is made of, and the factories behind fault_list; for the faults and fault.cpp only.
#pragma once

#include "backend/base/units.h"
#include "backend/io/fault.h"

namespace reflux::io {

// Options first, in one thread; then prepare(); then apply() from any number of threads, until end().
class Fault {
  public:
    Fault() = default;
    Fault(const Fault&) = delete;
    Fault& operator=(const Fault&) = delete;
    Fault(Fault&&) = delete;
    Fault& operator=(Fault&&) = delete;
    virtual ~Fault() = default;

    // One option of its own: "time", "200ms"; of a flag the value is empty. False: it has no such option.
    virtual Result<bool> set_option(std::string_view key, std::string_view value) = 0;
    // The error says which option is missing.
    virtual Status prepare() { return {}; }
    virtual FaultEffect apply(const FaultedRequest& request) = 0;
    // It was switched off: whoever is in apply() returns soon.
    virtual void end() {}
};

std::unique_ptr<Fault> make_delay_fault();
std::unique_ptr<Fault> make_spin_fault();
std::unique_ptr<Fault> make_allocate_fault();
std::unique_ptr<Fault> make_error_fault();

// For options: "DURATION" above 0, at most 10 min.
Result<Seconds> parse_fault_time(std::string_view value);

}  // namespace reflux::io
