// A process that takes anonymous memory, MiB after MiB, and touches a page of each again and again.
#pragma once

#include "backend/base/child.h"
#include "backend/base/mapping.h"
#include "backend/base/units.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace reflux::pressure {

inline constexpr const char* hog_name = "reflux-hog";  // its comm

struct HogPlan {
    Bytes size;                    // it grows up to this
    bool until_swap_full = false;  // or until the machine's swap is full, whichever comes first
    std::string sync;  // directory of a filesystem that it syncs meanwhile, over and over; "": none
    std::string cgroup_procs;
};

class Hog {
  public:
    // The child starts at once; it ends with the harness, or by a signal. If it cannot map the memory, it
    // ends with that errno as its exit status.
    static Result<Hog> start(const HogPlan& plan);

    [[nodiscard]] Bytes taken() const;
    // That it has begun.
    [[nodiscard]] std::uint64_t syncs() const;
    [[nodiscard]] Child& child() { return child_; }

  private:
    Hog(Child child, Mapping shared) : child_(std::move(child)), shared_(std::move(shared)) {}
    Child child_;
    Mapping shared_;
};

// By the text of /proc/meminfo: there is swap, and all but a hundredth of it is in use.
bool is_swap_full(std::string_view meminfo);

}  // namespace reflux::pressure
