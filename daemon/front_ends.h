// The front ends by name: the only place that knows them all, but for the list of names (base/options.h).
#pragma once

#include "backend/translated_device.h"
#include "daemon/base/front_end.h"
#include "daemon/base/options.h"

#include <memory>

namespace reflux {

// What is served: the zoned disk, or a translation on it.
struct Served {
    ZonedDevice& device;
    TranslatedDevice* translation = nullptr;

    [[nodiscard]] Disk& disk() const;
};

// Before anything is opened: what the front end needs of the command line is there. May complete `options`,
// such as a path that was relative.
Status prepare_front_end(ServeOptions& options);

// The kernel keeps the disk when this process is killed, and another one may go on.
bool outlives_a_kill(const ServeOptions& options);

// Presents the disk to the kernel; `served` outlives it.
Result<std::unique_ptr<FrontEnd>> make_front_end(const ServeOptions& options, const Served& served);

}  // namespace reflux
