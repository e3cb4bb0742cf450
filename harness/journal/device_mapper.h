// Mappings of the device mapper, by its ioctls (linux/dm-ioctl.h): no dmsetup, no udev. Every call is made in
// a child with a deadline, for it may wait for the device below.
//
// A mapping is known again by its uuid, which tells ours from another's of the same name.
#pragma once

#include "backend/base/result.h"
#include "backend/base/units.h"
#include "harness/journal/undo.h"

#include <functional>
#include <optional>
#include <string>

namespace reflux::journal {

// One target from the mapping's first sector to its last.
struct Target {
    Sector length;
    std::string type;  // "zoned"
    std::string parameters;
};

// Makes the mapping `name` and starts it; `target` is called in the child that makes it, before it does.
// unsupported: this kernel has no device mapper. When it fails, no mapping is left. Journalled by the caller.
Status make_mapping(const std::string& name, Seconds time, const std::function<Result<Target>()>& target);

// "dm-3", which is also its name in /dev; nullopt: there is no such mapping of ours.
std::optional<std::string> mapping_device(const std::string& name);

// Kind::dm_device. Orderly: what is mounted on it must be gone. Escape: it goes when the last one closes it,
// and when the device below has completed or failed what is in flight, which no call to the device mapper can
// do in its place. Where errors alone do not end it (dm-zoned waits for a free zone until the disk below is
// dead, dmz_check_bdev()), a SCSI disk right below is offline for as long as it takes. docs/dm-zoned.md has
// what was tried.
Status remove_mapping(const Object& object, Mode mode);

}  // namespace reflux::journal
