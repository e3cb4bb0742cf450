// New io cgroups, some hundred a second: each is made, gets its policies, a process enters it, reads a block
// of one device, leaves it again, and it is removed. The first I/O of a cgroup on a device is what makes the
// kernel allocate its state for that pair (blkg_create()).
//
// They lie in a cgroup of their own that the journal has as cgroup_tree: what it finds in there goes too.
#pragma once

#include "backend/base/child.h"
#include "backend/base/mapping.h"
#include "harness/evidence/incidents.h"
#include "harness/journal/journal.h"
#include "harness/pressure/memcg.h"

#include <string>
#include <vector>

namespace reflux::pressure {

// Where the io controller is, and what can be set in its cgroups.
struct IoController {
    Version version = Version::v2;
    std::string hierarchy;  // mount point
};

struct IoCgroupsPlan {
    IoController controller;
    std::vector<std::string> policies;  // throttle | latency | cost
    unsigned rate = 0;                  // a second
    std::string device;                 // "/dev/loop1", read with O_DIRECT and never written
    std::string number;                 // "7:1"
};

// The files by which a policy is set in a cgroup, for this device, to what does not slow it.
struct PolicyFile {
    std::string name;   // "io.max"
    std::string value;  // "7:1 rbps=…"
};
// Nothing: this controller does not have that policy.
std::vector<PolicyFile> policy_files(const std::string& policy, Version version, const std::string& number);

class IoCgroups {
  public:
    // Makes the cgroup in which all others are made, and what must be on for the whole device. unsupported:
    // the controller cannot be had.
    static Result<IoCgroups> make(const IoCgroupsPlan& plan, const Memcg& memcg, journal::Journal& journal);
    // Starts the processes that make, use and remove them. Once.
    Status start();

    [[nodiscard]] evidence::IoCgroups figures() const;
    [[nodiscard]] std::vector<Child>& children() { return children_; }

  private:
    struct Counters;
    IoCgroups() = default;
    Status make_tree(const Memcg& memcg, journal::Journal& journal);
    Status choose_policies(journal::Journal& journal);
    Status work(unsigned process) const;
    Status one(std::uint64_t number, int device) const;

    IoCgroupsPlan plan_;
    std::string tree_;        // cgroup in which they are made
    std::string home_procs_;  // cgroup.procs that the process enters when it leaves one of them
    std::vector<std::string> missing_;
    std::vector<PolicyFile> files_;
    std::vector<Child> children_;
    Mapping shared_;
};

}  // namespace reflux::pressure
