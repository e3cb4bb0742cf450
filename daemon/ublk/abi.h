// What this program and the driver ublk_drv say to each other: numbers and layouts of the kernel's
// include/uapi/linux/ublk_cmd.h (as of Linux 6.12), by our own names. linux-libc-dev 6.1 declares but the
// oldest of it, and none of what zoned disks need.
#pragma once

#include <cstddef>
#include <cstdint>

#include <linux/ioctl.h>

namespace reflux::ublk {

inline constexpr std::uint32_t any_id = 0xffffffff;  // ADD_DEV: the kernel chooses
inline constexpr std::uint16_t no_queue = 0xffff;    // of commands about a whole device
inline constexpr std::uint16_t most_queue_depth = 4096;

// UBLK_F_*: what a device can do; asked for by ADD_DEV, and all that the driver knows by GET_FEATURES.
enum Feature : std::uint64_t {
    feature_user_recovery = 1U << 3U,          // the device outlives its daemon (6.1)
    feature_user_recovery_reissue = 1U << 4U,  // and what that one had not answered comes again (6.1)
    feature_ioctl_encode = 1U << 6U,           // commands are numbered as ioctls are (6.4)
    feature_user_copy = 1U << 7U,              // data is moved by pread and pwrite (6.5)
    feature_zoned = 1U << 8U,                  // (6.6)
};

// UBLK_S_DEV_*.
enum class DeviceState : std::uint16_t {
    dead = 0,
    live = 1,
    quiesced = 2,  // waits for a daemon to recover it; requests wait, too
    fail_io = 3,
};

// struct ublksrv_ctrl_dev_info.
struct DeviceInfo {
    std::uint16_t queues = 0;
    std::uint16_t queue_depth = 0;
    DeviceState state = DeviceState::dead;
    std::uint16_t padding_0 = 0;
    std::uint32_t largest_transfer = 0;  // bytes
    std::uint32_t id = 0;
    std::int32_t daemon_pid = 0;
    std::uint32_t padding_1 = 0;
    std::uint64_t features = 0;
    std::uint64_t daemon_word = 0;  // ublksrv_flags: kept for the daemon, the driver has no use for it
    std::uint32_t owner_uid = 0;
    std::uint32_t owner_gid = 0;
    std::uint64_t reserved_1 = 0;
    std::uint64_t reserved_2 = 0;
};
static_assert(sizeof(DeviceInfo) == 64);

// struct ublksrv_ctrl_cmd, in the second half of a 128-byte submission entry of /dev/ublk-control.
struct ControlCommand {
    std::uint32_t id = any_id;
    std::uint16_t queue = no_queue;
    std::uint16_t length = 0;   // of what `address` is of
    std::uint64_t address = 0;  // in or out
    std::uint64_t data = 0;
    std::uint64_t unused = 0;  // a path, for devices of who is not root
};
static_assert(sizeof(ControlCommand) == 32);

constexpr std::uint32_t control_in(unsigned number) {
    return _IOC(_IOC_READ, 'u', number, sizeof(ControlCommand));
}
constexpr std::uint32_t control_in_out(unsigned number) {
    return _IOC(_IOC_READ | _IOC_WRITE, 'u', number, sizeof(ControlCommand));
}
// UBLK_U_CMD_*.
inline constexpr std::uint32_t command_get_info = control_in(0x02);
inline constexpr std::uint32_t command_add = control_in_out(0x04);
inline constexpr std::uint32_t command_delete = control_in_out(0x05);
inline constexpr std::uint32_t command_start = control_in_out(0x06);
inline constexpr std::uint32_t command_stop = control_in_out(0x07);
inline constexpr std::uint32_t command_set_parameters = control_in_out(0x08);
inline constexpr std::uint32_t command_start_recovery = control_in_out(0x10);
inline constexpr std::uint32_t command_end_recovery = control_in_out(0x11);
inline constexpr std::uint32_t command_get_features = control_in(0x13);
inline constexpr std::uint32_t command_delete_async = control_in(0x14);  // (6.9)

// struct ublk_params and its parts. `types` tells which of them are meant.
enum ParameterType : std::uint32_t {
    parameters_basic = 1U << 0U,
    parameters_discard = 1U << 1U,
    parameters_zoned = 1U << 3U,
};
enum Attribute : std::uint32_t {
    attribute_volatile_cache = 1U << 2U,  // the disk wants flushes
};
struct BasicParameters {
    std::uint32_t attributes = 0;
    std::uint8_t logical_block_shift = 0;
    std::uint8_t physical_block_shift = 0;
    std::uint8_t optimal_io_shift = 0;
    std::uint8_t smallest_io_shift = 0;
    std::uint32_t max_sectors = 0;    // of a request
    std::uint32_t chunk_sectors = 0;  // of a zone
    std::uint64_t disk_sectors = 0;
    std::uint64_t virtual_boundary_mask = 0;
};
struct DiscardParameters {
    std::uint32_t alignment = 0;
    std::uint32_t granularity = 0;  // bytes
    std::uint32_t max_sectors = 0;
    std::uint32_t max_write_zeroes_sectors = 0;
    std::uint16_t max_segments = 0;
    std::uint16_t reserved = 0;
};
struct DeviceNumberParameters {  // the driver's own
    std::uint32_t character_major = 0;
    std::uint32_t character_minor = 0;
    std::uint32_t disk_major = 0;
    std::uint32_t disk_minor = 0;
};
struct ZonedParameters {
    std::uint32_t max_open = 0;  // zones; 0: no limit
    std::uint32_t max_active = 0;
    std::uint32_t max_append_sectors = 0;
    std::uint8_t reserved[20] = {};  // NOLINT(*-avoid-c-arrays): laid out as in C
};
struct Parameters {
    std::uint32_t length = 0;
    std::uint32_t types = 0;
    BasicParameters basic;
    DiscardParameters discard;
    DeviceNumberParameters numbers;
    ZonedParameters zoned;
};
static_assert(sizeof(BasicParameters) == 32 && sizeof(DiscardParameters) == 20 && sizeof(Parameters) == 112 &&
              offsetof(Parameters, zoned) == 76);

// struct ublksrv_io_desc: one request of the block layer, in memory that is shared with the driver, at the
// index of its tag. Valid from the end of the fetch until the commit.
struct IoDescriptor {
    std::uint32_t operation_and_flags = 0;  // bits 0 to 7: an IoOperation
    std::uint32_t sectors = 0;              // report_zones: zones
    std::uint64_t first_sector = 0;
    std::uint64_t address = 0;  // unused with user_copy
};
static_assert(sizeof(IoDescriptor) == 24);

// UBLK_IO_OP_*.
enum class IoOperation : std::uint8_t {
    read = 0,
    write = 1,
    flush = 2,
    discard = 3,
    write_same = 4,
    write_zeroes = 5,
    zone_open = 10,
    zone_close = 11,
    zone_finish = 12,
    zone_append = 13,
    zone_reset_all = 14,
    zone_reset = 15,
    report_zones = 18,
};

// struct ublksrv_io_cmd, in a submission entry of /dev/ublkcN.
struct IoCommand {
    std::uint16_t queue = 0;
    std::uint16_t tag = 0;
    std::int32_t result = 0;          // of a commit: bytes, or an errno value, negative
    std::uint64_t append_sector = 0;  // of a zone append's commit; must be 0 with all others
};
static_assert(sizeof(IoCommand) == 16);
// UBLK_U_IO_*.
inline constexpr std::uint32_t io_fetch = _IOC(_IOC_READ | _IOC_WRITE, 'u', 0x20, sizeof(IoCommand));
inline constexpr std::uint32_t io_commit_and_fetch =
    _IOC(_IOC_READ | _IOC_WRITE, 'u', 0x21, sizeof(IoCommand));

// Where a queue's descriptors lie in a mapping of /dev/ublkcN.
constexpr std::uint64_t descriptors_offset(unsigned queue) {
    constexpr std::uint64_t page = 4096;
    return (most_queue_depth * sizeof(IoDescriptor) + page - 1) / page * page * queue;
}
// Where a request's data is read and written in /dev/ublkcN: bits 0 to 24 the place in the data, 25 to 40 the
// tag, 41 to 52 the queue, behind UBLKSRV_IO_BUF_OFFSET.
constexpr std::uint64_t data_offset(unsigned queue, unsigned tag) {
    return 0x80000000U + (std::uint64_t{queue} << 41U | std::uint64_t{tag} << 25U);
}

}  // namespace reflux::ublk
