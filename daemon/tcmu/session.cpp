#include "daemon/tcmu/session.h"

#include "daemon/base/log.h"

#include <poll.h>
#include <sys/eventfd.h>

namespace reflux::tcmu {
namespace {

Result<UniqueFd> make_event(int flags) {
    const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | flags);
    if (fd < 0) {
        return fail_errno("eventfd");
    }
    return UniqueFd(fd);
}

void signal_event(int fd) {
    const std::uint64_t one = 1;
    // Fails only when the counter is full, and then it is readable anyway.
    [[maybe_unused]] const auto written = ::write(fd, &one, sizeof(one));
}

Result<scsi::LogicalUnit> unit_of(const ServedDisk& served, const ConfigfsDevice& configfs) {
    scsi::LogicalUnit unit;
    if (served.zones.is_translated()) {
        unit = scsi::plain_unit(served.disk.size(), served.zones.geometry().shape().logical_block_size);
    } else {
        REFLUX_TRY(unit, scsi::zoned_unit(served.zones.geometry()));
    }
    const auto most = static_cast<std::uint32_t>(largest_transfer / unit.block_size);
    unit.max_transfer_blocks = std::min(configfs.max_sectors().value_or(most), most);
    return unit;
}

// Each page of the commands once, so that none is a fault later. Data pages come and go with the commands.
void prefault(std::span<const std::byte> memory) {
    constexpr std::size_t page = 4096;
    constexpr std::size_t commands = std::size_t{8} << 20U;
    for (std::size_t at = 0; at < std::min(memory.size(), commands); at += page) {
        static_cast<void>(*static_cast<const volatile std::byte*>(memory.data() + at));
    }
}

void begin_afresh(const ConfigfsDevice& configfs) {
    if (const auto status = configfs.begin_afresh(); !status) {
        // Before 4.19 there is no such thing; and a device that is just being enabled has nothing to reset.
        log_line(fmt::format("{}: the ring is gone on with as it is", status.error().message));
    }
}

}  // namespace

Session::Session(FoundDevice device, UioDevice uio, std::unique_ptr<Ring> ring, const ServedDisk& served,
                 scsi::LogicalUnit unit, UniqueFd stopped, UniqueFd wake_up)
    : device_(std::move(device)),
      uio_(std::move(uio)),
      ring_(std::move(ring)),
      pool_(served.pool),
      server_(
          served.disk, served.zones, std::move(unit),
          [this] { return ConfigfsDevice(device_.name).serial(); }, *ring_, served.pool),
      stopped_(std::move(stopped)),
      wake_up_(std::move(wake_up)),
      has_peers_(served.disk.is_inline() && served.disk.max_in_flight() > 1) {}

Result<std::unique_ptr<Session>> Session::open(const FoundDevice& device, const ServedDisk& served,
                                               bool is_old) {
    const ConfigfsDevice configfs(device.name);
    // One process at a time has it open: whose ring it is is known then.
    REFLUX_TRY(auto uio, UioDevice::open(device.minor));
    if (is_old) {
        begin_afresh(configfs);
    }
    REFLUX_TRY(auto unit, unit_of(served, configfs));
    prefault(uio.memory());
    REFLUX_TRY(auto ring, Ring::make(uio.memory(), uio.fd()));
    REFLUX_TRY(auto stopped, make_event(0));
    REFLUX_TRY(auto wake_up, make_event(EFD_SEMAPHORE));
    served.pool.start();
    std::unique_ptr<Session> session(new Session(device, std::move(uio), std::move(ring), served,
                                                 std::move(unit), std::move(stopped), std::move(wake_up)));
    session->is_old_ = is_old;
    return session;
}

void Session::let_in() const {
    if (!is_old_) {
        return;
    }
    if (const auto status = ConfigfsDevice(device_.name).unblock(); !status) {
        log_line(status.error().message);
    }
}

void Session::work() {
    bool goes_on = true;
    while (goes_on) {
        // First, so that what comes while the ring is looked at wakes again.
        std::uint32_t events = 0;
        [[maybe_unused]] const auto cleared = ::read(uio_.fd(), &events, sizeof(events));
        goes_on = server_.serve_all([this] { wake_another(); });
        report_broken();
        goes_on = goes_on && wait();
    }
}

// False: stopped, or the device is gone.
bool Session::wait() const {
    std::array<pollfd, 3> fds{pollfd{.fd = stopped_.get(), .events = POLLIN, .revents = 0},
                              pollfd{.fd = uio_.fd(), .events = POLLIN, .revents = 0},
                              pollfd{.fd = wake_up_.get(), .events = POLLIN, .revents = 0}};
    while (::poll(fds.data(), fds.size(), -1) < 0 && errno == EINTR) {
    }
    if (fds[2].revents != 0) {
        std::uint64_t taken = 0;
        [[maybe_unused]] const auto was_there = ::read(wake_up_.get(), &taken, sizeof(taken));
    }
    return fds[0].revents == 0 && (fds[1].revents & ~POLLIN) == 0;
}

// The kernel's event wakes one thread: who sees it first takes it.
void Session::wake_another() const {
    if (has_peers_) {
        signal_event(wake_up_.get());
    }
}

void Session::report_broken() {
    if (ring_->is_broken() && !reported_broken_.exchange(true)) {
        log_line("the ring holds what is no entry; 1 into action/reset_ring begins it afresh");
    }
}

void Session::stop() {
    pool_.stop();
    signal_event(stopped_.get());
}

}  // namespace reflux::tcmu
