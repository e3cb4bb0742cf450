// What the kernel tells of TCM-User devices: generic netlink family "TCM-USER", multicast group "config". An
// event waits in the kernel (in the write to configfs that caused it) until it is replied to; so each
// listener replies to those of its own devices, and to all of those.
#pragma once

#include "backend/base/owner.h"
#include "backend/base/result.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

struct nl_sock;
struct nl_msg;

namespace reflux::tcmu {

struct DeviceEvent {
    enum class Kind : std::uint8_t { added, removed, reconfigured };
    Kind kind = Kind::added;
    std::string device;           // its name, lio_device.h
    std::uint32_t minor = 0;      // of its UIO device
    std::uint32_t device_id = 0;  // what the reply names
};

// Threads: one.
class Netlink {
  public:
    // Listens from now on. unsupported: the kernel has no such family, which is what target_core_user brings;
    // or no right to ask it.
    static Result<std::unique_ptr<Netlink>> open();
    Netlink(const Netlink&) = delete;
    Netlink& operator=(const Netlink&) = delete;
    Netlink(Netlink&&) = delete;
    Netlink& operator=(Netlink&&) = delete;
    ~Netlink() = default;

    [[nodiscard]] int fd() const;  // readable: there are events
    // All that are there; does not wait.
    Result<std::vector<DeviceEvent>> receive();
    // 0, or an errno value, with which the write to configfs fails.
    Status reply(const DeviceEvent& event, int error);

  private:
    struct SocketTraits {
        using Handle = nl_sock*;
        static Handle none() noexcept { return nullptr; }
        static void release(Handle socket) noexcept;
    };

    Netlink() = default;
    Status connect();
    Status ask_for_replies();
    static int on_message(nl_msg* message, void* self);

    Owner<SocketTraits> socket_;
    int family_ = -1;
    std::vector<DeviceEvent> received_;
};

}  // namespace reflux::tcmu
