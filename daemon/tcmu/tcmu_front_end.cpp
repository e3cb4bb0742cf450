#include "daemon/tcmu/tcmu_front_end.h"

#include "backend/base/scope_exit.h"
#include "backend/zone_memory.h"
#include "daemon/base/log.h"
#include "daemon/base/self_protection.h"
#include "daemon/tcmu/crew.h"
#include "daemon/tcmu/made_for.h"
#include "daemon/tcmu/netlink.h"

#include <algorithm>
#include <array>

#include <poll.h>
#include <pthread.h>

namespace reflux::tcmu {
namespace {

class TcmuFrontEnd final : public FrontEnd {
  public:
    TcmuFrontEnd(Disk& disk, const ZonedDevice& zones, std::unique_ptr<RequestPool> pool,
                 std::unique_ptr<Netlink> netlink, std::string name)
        : pool_(std::move(pool)),
          served_{.disk = disk, .zones = zones, .pool = *pool_},
          netlink_(std::move(netlink)),
          name_(std::move(name)) {}
    TcmuFrontEnd(const TcmuFrontEnd&) = delete;
    TcmuFrontEnd& operator=(const TcmuFrontEnd&) = delete;
    TcmuFrontEnd(TcmuFrontEnd&&) = delete;
    TcmuFrontEnd& operator=(TcmuFrontEnd&&) = delete;
    ~TcmuFrontEnd() override { leave(); }

    Result<ServeEnd> serve(StopSource& stop, const std::function<Status()>& ready) override;
    [[nodiscard]] nlohmann::json whereabouts() const override {
        return {{"name", name_}, {"dev_config", config()}};
    }

  private:
    [[nodiscard]] std::string config() const { return "reflux/" + name_; }
    // Behind our name may stand what the device's maker likes.
    [[nodiscard]] bool is_ours(const DeviceName& device) const {
        return device.config == config() || device.config.starts_with(config() + "/");
    }
    [[nodiscard]] std::optional<FoundDevice> ours(const DeviceEvent& event) const;
    [[nodiscard]] ServedImage image() const;
    [[nodiscard]] Status check_goes_on(const FoundDevice& device) const;
    void tell_image(const FoundDevice& device) const;
    Status take_over();
    Status enter(const FoundDevice& device, bool is_old);
    void leave();
    int handle(const DeviceEvent& event, const FoundDevice& device);
    int handle_added(const FoundDevice& device);
    Status handle_events();

    std::unique_ptr<RequestPool> pool_;
    ServedDisk served_;
    std::unique_ptr<Netlink> netlink_;
    std::string name_;
    bool is_removed_ = false;  // the device that was served
    std::unique_ptr<Session> session_;
    Crew crew_;  // last: its threads end first
};

std::optional<FoundDevice> TcmuFrontEnd::ours(const DeviceEvent& event) const {
    auto name = parse_device_name(event.device);
    if (!name || !is_ours(*name)) {
        return std::nullopt;
    }
    return FoundDevice{.minor = event.minor, .name = *std::move(name)};
}

Status TcmuFrontEnd::enter(const FoundDevice& device, bool is_old) {
    auto session = Session::open(device, served_, is_old);
    if (!session) {
        if (is_old) {
            static_cast<void>(ConfigfsDevice(device.name).unblock());  // as it was found
        }
        return fail(std::move(session).error());
    }
    session_ = *std::move(session);
    tell_image(device);
    crew_.attach(*session_);
    session_->let_in();
    return {};
}

ServedImage TcmuFrontEnd::image() const {
    return {.identity = image_identity(served_.zones.superblock()),
            .size = served_.disk.size(),
            .path = served_.zones.image_path()};
}

// Of a device whose daemon has died: before anything of it is touched.
Status TcmuFrontEnd::check_goes_on(const FoundDevice& device) const {
    const ConfigfsDevice configfs(device.name);
    REFLUX_CHECK(check_made_for(image(), configfs.alias(), configfs.size(),
                                fmt::format("TCMU device {} ({})", device.name.name, device.name.config)));
    return served_.zones.check_goes_on();
}

void TcmuFrontEnd::tell_image(const FoundDevice& device) const {
    const ConfigfsDevice configfs(device.name);
    if (!may_be_replaced(configfs.alias())) {
        return;
    }
    if (const auto written = configfs.set_alias(alias_for(image())); !written) {
        log_line(fmt::format("{}; who takes {} over will know it by its size alone", written.error().message,
                             device.name.name));
    }
}

void TcmuFrontEnd::leave() {
    if (session_) {
        crew_.detach();
        served_.disk.drain();  // the last answers go into its ring
        session_.reset();
    }
}

Status TcmuFrontEnd::take_over() {
    for (const FoundDevice& device : list_devices()) {
        if (is_ours(device.name)) {
            REFLUX_CHECK(check_goes_on(device));
            return enter(device, true);
        }
    }
    return {};
}

int TcmuFrontEnd::handle_added(const FoundDevice& device) {
    if (session_) {
        return session_->minor() == device.minor ? 0 : EBUSY;
    }
    if (const auto entered = enter(device, false); !entered) {
        log_line(fmt::format("{} cannot be served: {}", device.name.name, entered.error().message));
        return entered.error().errnum != 0 ? entered.error().errnum : EIO;
    }
    return 0;
}

// The error that the write to configfs is to have.
int TcmuFrontEnd::handle(const DeviceEvent& event, const FoundDevice& device) {
    switch (event.kind) {
        case DeviceEvent::Kind::added:
            return handle_added(device);
        case DeviceEvent::Kind::removed:
            if (session_ && session_->minor() == device.minor) {
                leave();
                is_removed_ = true;
            }
            return 0;
        case DeviceEvent::Kind::reconfigured:
            return EOPNOTSUPP;  // the disk is as its image is
    }
    return EINVAL;
}

Status TcmuFrontEnd::handle_events() {
    REFLUX_TRY(const auto events, netlink_->receive());
    for (const DeviceEvent& event : events) {
        if (const auto device = ours(event)) {
            REFLUX_CHECK(netlink_->reply(event, handle(event, *device)));
        }
    }
    return {};
}

Result<ServeEnd> TcmuFrontEnd::serve(StopSource& stop, const std::function<Status()>& ready) {
    ::pthread_setname_np(::pthread_self(), tcmu_thread_name);
    const bool is_inline = served_.disk.is_inline();
    REFLUX_CHECK(crew_.start(is_inline ? served_.disk.max_in_flight() : 1,
                             is_inline ? io_thread_name : tcmu_thread_name));
    const ScopeExit left([this] { leave(); });  // before the image is closed, however this ends
    REFLUX_CHECK(take_over());
    REFLUX_CHECK(ready());
    REFLUX_CHECK(handle_events());  // what came meanwhile
    std::array<pollfd, 2> fds{pollfd{.fd = stop.fd(), .events = POLLIN, .revents = 0},
                              pollfd{.fd = netlink_->fd(), .events = POLLIN, .revents = 0}};
    while (!stop.requested() && !is_removed_) {
        if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) {
            return fail_errno("poll the events of TCM-USER");
        }
        REFLUX_CHECK(handle_events());
    }
    return is_removed_ ? ServeEnd::taken_away : ServeEnd::stopped;
}

}  // namespace

Status check_name(const std::string& name) {
    const bool is_plain = std::ranges::all_of(
        name, [](unsigned char c) { return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-'; });
    if (name.empty() || !is_plain) {
        return fail(ErrorKind::invalid_input,
                    fmt::format("--name '{}': letters, digits, '.', '_' and '-' make one, for the dev_config "
                                "reflux/NAME of the device",
                                name));
    }
    return {};
}

Result<std::unique_ptr<FrontEnd>> make_tcmu_front_end(Disk& disk, const ZonedDevice& zones,
                                                      const std::string& name) {
    if (!zones.is_translated()) {
        REFLUX_TRY(const auto unit, scsi::zoned_unit(zones.geometry()));
    }
    REFLUX_TRY(auto netlink, Netlink::open());
    REFLUX_TRY(auto pool, RequestPool::make(disk.max_in_flight()));
    disk.offer_memory(pool->memory());
    return std::make_unique<TcmuFrontEnd>(disk, zones, std::move(pool), std::move(netlink), name);
}

}  // namespace reflux::tcmu
