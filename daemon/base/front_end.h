// The seam between the daemon and what presents its disk to the kernel: one implementation a folder.
#pragma once

#include "backend/disk.h"
#include "daemon/base/stop_source.h"

#include <functional>

#include <nlohmann/json.hpp>

namespace reflux {

enum class ServeEnd {
    stopped,    // as `stop` asked
    taken_away  // the disk was removed properly from outside, for example by umount
};

// Holds the disk up from construction on; requests wait until serve() is called. Destruction takes it down.
class FrontEnd {
  public:
    FrontEnd() = default;
    FrontEnd(const FrontEnd&) = delete;
    FrontEnd& operator=(const FrontEnd&) = delete;
    FrontEnd(FrontEnd&&) = delete;
    FrontEnd& operator=(FrontEnd&&) = delete;
    virtual ~FrontEnd() = default;

    // Serves in the calling thread until `stop` is requested, then answers what it has taken and returns.
    // `ready` is called once, when the first request can be answered; its error ends the serving. An error is
    // returned when the kernel's side went away without being asked to.
    virtual Result<ServeEnd> serve(StopSource& stop, const std::function<Status()>& ready) = 0;

    // Where the disk is to be found, an object that is joined to the ready line; whole when `ready` is
    // called.
    [[nodiscard]] virtual nlohmann::json whereabouts() const = 0;
};

}  // namespace reflux
