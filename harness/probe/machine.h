// Single questions about this machine. Each is answered by a Status: ok, or an `unsupported` error that says
// what is missing and what to do about it. Nothing here changes the machine.
#pragma once

#include "backend/base/result.h"

#include <string>

namespace reflux::probe {

Status root();
// Capability by its number in linux/capability.h and its name, from CapEff of /proc/self/status.
Status capability(unsigned number, const std::string& name);
// The device node opens for reading and writing.
Status device(const std::string& path, const std::string& hint);
// The kernel has this filesystem, or a module for it that modprobe would load.
Status filesystem(const std::string& type);
// A program in PATH; `package` is the Debian package that brings it.
Status program(const std::string& name, const std::string& package);
// What mkfs of this filesystem needs.
Status mkfs(const std::string& type);

}  // namespace reflux::probe
