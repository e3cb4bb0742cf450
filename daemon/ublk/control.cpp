#include "daemon/ublk/control.h"

#include <chrono>
#include <cstring>
#include <optional>
#include <thread>

#include <liburing.h>
#include <unistd.h>

namespace reflux::ublk {
namespace {

struct RingTraits {
    using Handle = io_uring*;
    static Handle none() noexcept { return nullptr; }
    static void release(Handle ring) noexcept { ::io_uring_queue_exit(ring); }
};

__kernel_timespec to_timespec(Seconds time) {
    const auto whole = std::chrono::duration_cast<std::chrono::seconds>(time);
    return {.tv_sec = whole.count(),
            .tv_nsec = std::chrono::duration_cast<std::chrono::nanoseconds>(time - whole).count()};
}

// In the calling thread, by a ring of its own.
Result<int> run_here(int fd, std::string_view name, std::uint32_t operation, const ControlCommand& command,
                     Seconds limit) {
    io_uring ring{};
    if (const int error = ::io_uring_queue_init(4, &ring, IORING_SETUP_SQE128); error != 0) {
        return fail({.kind = ErrorKind::unsupported,
                     .message = fmt::format("{}: ublk needs io_uring with entries of 128 bytes (Linux 5.19), "
                                            "not forbidden by kernel.io_uring_disabled or seccomp",
                                            system_error("io_uring_setup", -error).message),
                     .errnum = -error});
    }
    const Owner<RingTraits> owner(&ring);
    io_uring_sqe* const sqe = ::io_uring_get_sqe(&ring);
    ::io_uring_prep_rw(IORING_OP_URING_CMD, sqe, fd, nullptr, 0, 0);
    sqe->cmd_op = operation;
    std::memcpy(static_cast<void*>(sqe->cmd), &command, sizeof(command));
    if (const int submitted = ::io_uring_submit(&ring); submitted < 0) {
        return fail_errno("io_uring_enter", -submitted);
    }
    io_uring_cqe* cqe = nullptr;
    const auto deadline = std::chrono::steady_clock::now() + limit;
    int error = -EINTR;
    while (error == -EINTR) {
        auto left = to_timespec(std::max<Seconds>(deadline - std::chrono::steady_clock::now(), Seconds(0)));
        error = ::io_uring_wait_cqe_timeout(&ring, &cqe, &left);
    }
    if (error == -ETIME) {
        return fail(ErrorKind::timed_out,
                    fmt::format("ublk: {} has not ended within {}", name, to_string(limit)));
    }
    if (error != 0) {
        return fail_errno("io_uring_enter", -error);
    }
    if (cqe->res < 0) {
        Error refusal = system_error(fmt::format("ublk: {}", name), -cqe->res);
        if (cqe->res == -EPERM) {
            refusal.kind = ErrorKind::unsupported;
            refusal.message += "; it needs CAP_SYS_ADMIN";
        }
        return fail(std::move(refusal));
    }
    return cqe->res;
}

ControlCommand about(std::uint32_t id, const void* buffer = nullptr, std::size_t size = 0) {
    return {.id = id,
            .length = static_cast<std::uint16_t>(size),
            .address = reinterpret_cast<std::uintptr_t>(buffer)};
}

Status without_value(const Result<int>& result) {
    return result ? Status{} : Status(fail(result.error()));
}

}  // namespace

std::string block_path(std::uint32_t id) {
    return fmt::format("/dev/ublkb{}", id);
}

std::string character_path(std::uint32_t id) {
    return fmt::format("/dev/ublkc{}", id);
}

Result<ControlDevice> ControlDevice::open() {
    auto fd = open_file("/dev/ublk-control", O_RDWR);
    if (!fd) {
        const int number = fd.error().errnum;
        const bool missing = number == ENOENT || number == ENODEV || number == ENXIO;
        return fail({.kind = ErrorKind::unsupported,
                     .message = fmt::format(
                         "{}; {}", fd.error().message,
                         missing ? "try modprobe ublk_drv: it is part of Linux 6.0 and later, where the "
                                   "distribution builds it; zoned disks take 6.6"
                                 : "run as root"),
                     .errnum = number});
    }
    return ControlDevice(std::move(*fd));
}

Result<int> ControlDevice::run(std::string_view name, std::uint32_t operation, const ControlCommand& command,
                               Seconds limit) const {
    Result<int> result = 0;
    try {
        std::jthread([&] { result = run_here(fd_.get(), name, operation, command, limit); }).join();
    } catch (const std::system_error& error) {
        return fail_errno("start a thread for a ublk command", error.code().value());
    }
    return result;
}

Result<std::uint64_t> ControlDevice::features() const {
    std::uint64_t features = 0;
    const auto result =
        run("GET_FEATURES", command_get_features, about(any_id, &features, sizeof(features)), command_limit);
    if (!result) {
        const bool is_unknown = result.error().kind == ErrorKind::system;
        return fail({.kind = is_unknown ? ErrorKind::unsupported : result.error().kind,
                     .message = result.error().message +
                                (is_unknown ? "; this kernel's ublk is older than Linux 6.5" : ""),
                     .errnum = result.error().errnum});
    }
    return features;
}

Status ControlDevice::add(DeviceInfo& info) const {
    return without_value(run("ADD_DEV", command_add, about(info.id, &info, sizeof(info)), command_limit));
}

Result<DeviceInfo> ControlDevice::info(std::uint32_t id) const {
    DeviceInfo info;
    const auto result = run("GET_DEV_INFO", command_get_info, about(id, &info, sizeof(info)), command_limit);
    if (!result) {
        const bool is_missing = result.error().errnum == ENODEV;
        return is_missing ? fail(ErrorKind::invalid_input, fmt::format("there is no ublk device {}", id))
                          : fail(result.error());
    }
    return info;
}

Status ControlDevice::set_parameters(std::uint32_t id, const Parameters& parameters) const {
    return without_value(
        run("SET_PARAMS", command_set_parameters, about(id, &parameters, sizeof(parameters)), command_limit));
}

Status ControlDevice::start(std::uint32_t id, Seconds limit) const {
    ControlCommand command = about(id);
    command.data = static_cast<std::uint64_t>(::getpid());
    return without_value(run("START_DEV", command_start, command, limit));
}

Status ControlDevice::stop(std::uint32_t id, Seconds limit) const {
    return without_value(run("STOP_DEV", command_stop, about(id), limit));
}

Status ControlDevice::start_recovery(std::uint32_t id, Seconds limit) const {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    for (;;) {
        const auto result = run("START_USER_RECOVERY", command_start_recovery, about(id), command_limit);
        const bool is_busy = !result && result.error().errnum == EBUSY;
        if (!is_busy || std::chrono::steady_clock::now() >= deadline) {
            return is_busy ? fail(ErrorKind::timed_out,
                                  fmt::format("ublk: device {} still has its daemon (START_USER_RECOVERY: "
                                              "EBUSY for {})",
                                              id, to_string(limit)))
                           : without_value(result);
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
}

Status ControlDevice::end_recovery(std::uint32_t id, Seconds limit) const {
    ControlCommand command = about(id);
    command.data = static_cast<std::uint64_t>(::getpid());
    return without_value(run("END_USER_RECOVERY", command_end_recovery, command, limit));
}

Status ControlDevice::remove(std::uint32_t id, Seconds limit) const {
    const auto removed = run("DEL_DEV_ASYNC", command_delete_async, about(id), limit);
    const int number = removed ? 0 : removed.error().errnum;
    if (number == EOPNOTSUPP || number == EINVAL || number == ENOTTY) {
        return without_value(run("DEL_DEV", command_delete, about(id), limit));
    }
    return without_value(removed);
}

}  // namespace reflux::ublk
