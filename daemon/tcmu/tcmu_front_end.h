// The TCMU front end: the disk as a SCSI disk of LIO, whose device of the kernel (backstore "user") somebody
// makes through configfs with the dev_config "reflux/NAME", or "reflux/NAME/" and what they like.
// docs/tcmu.md tells how.
//
// The device may be made while this serves, and its removal ends the serving; a device that is there already,
// because the daemon that served it has died, is taken over. Threads: with an inline engine as many as it
// takes requests do all of a command, from the ring and back ("refluxd-io"; one of them is what tcmu-runner's
// handlers have); else one takes commands ("refluxd-tcmu") and the engine's answer them. The calling thread
// has the events.
#pragma once

#include "backend/zoned_device.h"
#include "daemon/base/front_end.h"

#include <memory>
#include <string>

namespace reflux::tcmu {

// Letters, digits, '.', '_' and '-': what a dev_config can hold.
Status check_name(const std::string& name);

// `disk` is `zones` or its translation; both outlive the front end. unsupported: no TCM-User in this kernel,
// no right to it, or a disk that SCSI cannot describe.
Result<std::unique_ptr<FrontEnd>> make_tcmu_front_end(Disk& disk, const ZonedDevice& zones,
                                                      const std::string& name);

}  // namespace reflux::tcmu
