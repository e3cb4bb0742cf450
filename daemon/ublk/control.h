// Commands to /dev/ublk-control: devices made, started, stopped, recovered, deleted.
//
// The kernel does each in a worker of its own (io-wq), made by the thread that asks, with that one's marks.
// So each command has a thread of its own for as long as it takes, and the worker is gone with it: none is
// left among the daemon's threads to be marked wrongly or to confuse who counts them.
#pragma once

#include "backend/base/unique_fd.h"
#include "backend/base/units.h"
#include "daemon/ublk/abi.h"

#include <memory>
#include <string>
#include <thread>

namespace reflux::ublk {

// Of commands that wait for nothing but the kernel.
inline constexpr Seconds command_limit{10};

std::string block_path(std::uint32_t id);      // /dev/ublkbN
std::string character_path(std::uint32_t id);  // /dev/ublkcN

class ControlDevice {
  public:
    // unsupported: there is none, or this process may not use it; says what to do.
    static Result<ControlDevice> open();

    [[nodiscard]] int fd() const { return fd_.get(); }
    [[nodiscard]] Result<std::uint64_t> features() const;
    // `info` becomes what the kernel has made of it.
    [[nodiscard]] Status add(DeviceInfo& info) const;
    // invalid_input: there is no such device.
    [[nodiscard]] Result<DeviceInfo> info(std::uint32_t id) const;
    [[nodiscard]] Status set_parameters(std::uint32_t id, const Parameters& parameters) const;
    // Waits until all requests of all queues are fetched, and reads from the disk.
    [[nodiscard]] Status start(std::uint32_t id, Seconds limit) const;
    // Waits for the requests under way.
    [[nodiscard]] Status stop(std::uint32_t id, Seconds limit) const;
    // Takes a device over from a daemon that has ended; waits, bounded, until the kernel has noticed.
    [[nodiscard]] Status start_recovery(std::uint32_t id, Seconds limit) const;
    // Waits until all requests of all queues are fetched.
    [[nodiscard]] Status end_recovery(std::uint32_t id, Seconds limit) const;
    // Stops it first if it is live. The number is free when nobody has the device open any more, for which
    // this does not wait where the kernel lets it (6.9), else up to `limit`.
    [[nodiscard]] Status remove(std::uint32_t id, Seconds limit) const;

  private:
    explicit ControlDevice(UniqueFd fd) : fd_(std::move(fd)) {}
    // The command's result, not negative, or its error; timed_out: none came in time, and the command may
    // still be under way.
    [[nodiscard]] Result<int> run(std::string_view name, std::uint32_t operation,
                                  const ControlCommand& command, Seconds limit) const;

    UniqueFd fd_;
};

}  // namespace reflux::ublk
