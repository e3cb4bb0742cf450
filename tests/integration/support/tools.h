// Small things that the tests on the real kernel share.
#pragma once

#include "backend/base/units.h"

#include <functional>
#include <string>
#include <vector>

namespace reflux::test {

// Asks again and again until it holds; false: not within 20 s.
bool comes_true(const std::function<bool()>& condition);

// Runs a command that must succeed within 30 s; gives what it printed, without the newline at its end.
std::string run_tool(const std::vector<std::string>& argv);

// CAP_SYS_RESOURCE, which PR_SET_IO_FLUSHER needs.
bool holds_sys_resource();

// From now on this process mounts in a namespace of its own, so that no mount is left even when a test dies.
// false: refused (not root).
bool own_mount_namespace();

// Detaches what is mounted at a path, if anything is, in a child with a deadline.
void detach_mount(const std::string& path);

}  // namespace reflux::test
