// Undoing block devices that a daemon stands behind, and the kernel objects that make them.
#pragma once

#include "harness/journal/undo.h"

namespace reflux::journal {

// A folder or a link of configfs. Bounded: the kernel flushes a disk, or asks its daemon, before it lets go.
Status remove_configfs(const Object& object, Mode mode);
Status disconnect_nbd(const Object& object);
// Shuts down both directions of every unix socket of the process that was accepted at a path, by pidfd_getfd
// (5.6). Its peers see an end of file, whatever its threads are stuck in. Does not wait.
Status shut_sockets(int pid);
Status delete_ublk(const Object& object);
// The note of a foreign_device for the device of this name in `sys_block`.
std::string foreign_device_note(const std::string& name, const std::string& sys_block = "/sys/block");
// Waits until that device is gone, or is another one by now, for who made it is the only one who knows how to
// remove it; timed_out: it stays, and it is left to a person. Of one without a note nothing is known.
Status await_foreign_device_gone(const Object& object, Seconds time,
                                 const std::string& sys_block = "/sys/block");

// Parts of break_hang(): fail what daemons owe, and what is still to come. What cannot be failed is left to
// the undoing to find.
void abort_fuse_connections(const Journal& journal);
void fail_block_devices(const Journal& journal);

}  // namespace reflux::journal
