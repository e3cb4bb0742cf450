// What is on the machine that a run could leave behind, to be compared before and after.
#pragma once

#include <set>
#include <string>

namespace reflux::test {

// One line each: mounts, attached loop devices, memory cgroups, FUSE connections, trace instances, processes
// named reflux, refluxd or qemu-system, images in the image folder, journals.
using Inventory = std::set<std::string>;

Inventory take_inventory();

// Waits until the inventory equals that before (the kernel frees some objects a moment later), at most 10 s;
// returns what is there and was not, or was there and is not, one line each; empty when they are equal.
std::string left_behind(const Inventory& before);

}  // namespace reflux::test
