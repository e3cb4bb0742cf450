// One command of the ring after another: planned (daemon/scsi), done by the disk, answered. Needs no kernel.
#pragma once

#include "backend/zoned_device.h"
#include "daemon/scsi/unit.h"
#include "daemon/tcmu/request_pool.h"
#include "daemon/tcmu/ring.h"

#include <functional>

namespace reflux::tcmu {

// Threads: any. All that it is made of outlives it, and it outlives the requests that are under way.
class CommandServer {
  public:
    // `disk` is `zones` or its translation. The unit's serial number is asked for by each command that tells
    // it: LIO lets it be given when the device is there already.
    CommandServer(Disk& disk, const ZonedDevice& zones, scsi::LogicalUnit unit,
                  std::function<std::string()> serial, Ring& ring, RequestPool& pool)
        : disk_(disk),
          zones_(zones),
          unit_(std::move(unit)),
          serial_(std::move(serial)),
          ring_(ring),
          pool_(pool) {}

    // Takes commands and begins them until the ring is empty or the pool is stopped; false: stopped.
    // `has_more` is called after each that was taken while there is another one.
    template <class HasMore>
    bool serve_all(HasMore has_more);

  private:
    // The request goes back to the pool when it is answered.
    void serve(TcmuRequest& request);
    [[nodiscard]] scsi::Plan plan(TcmuRequest& request) const;
    void execute(TcmuRequest& request);
    void answer_data(TcmuRequest& request, std::span<const std::byte> data);
    void list_zones(TcmuRequest& request);
    void read_parameters(TcmuRequest& request);
    void begin(TcmuRequest& request);
    static void on_done(DeviceRequest& done, int error);
    void refuse(TcmuRequest& request, Sense sense);
    void end(TcmuRequest& request, const Answer& answer);

    Disk& disk_;
    const ZonedDevice& zones_;
    scsi::LogicalUnit unit_;
    std::function<std::string()> serial_;
    Ring& ring_;
    RequestPool& pool_;
};

template <class HasMore>
bool CommandServer::serve_all(HasMore has_more) {
    while (TcmuRequest* const request = pool_.take()) {
        if (!ring_.take(request->command)) {
            pool_.give_back(*request);
            return true;
        }
        if (ring_.has_next()) {
            has_more();
        }
        serve(*request);
    }
    return false;
}

}  // namespace reflux::tcmu
