// What <linux/target_core_user.h> defines, which is no C++: the mailbox at the beginning of a device's
// mapping, the entries of its command ring, and the generic netlink messages about devices. Version 2 of it,
// the only one since Linux 4.6.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace reflux::tcmu::kernel {

struct Mailbox {
    std::uint16_t version;
    std::uint16_t flags;
    std::uint32_t ring_offset;       // of the first entry in the mapping
    std::uint32_t ring_size;         // bytes
    std::uint32_t head;              // where the next entry goes, from ring_offset; the kernel's
    alignas(64) std::uint32_t tail;  // of the oldest that is not answered; ours
};
static_assert(sizeof(Mailbox) == 128 && offsetof(Mailbox, head) == 12 && offsetof(Mailbox, tail) == 64);

inline constexpr std::uint16_t mailbox_version = 2;
inline constexpr std::uint16_t cap_out_of_order = 1U << 0U;
inline constexpr std::uint16_t cap_read_length = 1U << 1U;

// Operations: the low bits of `length_and_operation`. Lengths are multiples of 8.
inline constexpr std::uint32_t operation_mask = 0x7;
inline constexpr std::uint32_t operation_pad = 0;
inline constexpr std::uint32_t operation_command = 1;
inline constexpr std::uint32_t operation_task_management = 2;
inline constexpr std::size_t entry_alignment = 8;

struct EntryHeader {
    std::uint32_t length_and_operation;
    std::uint16_t id;
    std::uint8_t kernel_flags;
    std::uint8_t user_flags;
};
static_assert(sizeof(EntryHeader) == 8);

inline constexpr std::uint8_t flag_unknown_operation = 0x1;
inline constexpr std::uint8_t flag_read_length = 0x2;
// Ours, in an entry that was taken; the kernel knows no such flag, and looks at an entry's flags only when it
// was answered.
inline constexpr std::uint8_t flag_taken = 0x80;

// Offsets from the beginning of the mapping.
struct IoVector {
    std::uint64_t offset;
    std::uint64_t length;
};

struct CommandEntry {
    EntryHeader header;
    std::uint32_t iov_count;
    std::uint32_t iov_bidi_count;
    std::uint32_t iov_dif_count;
    std::uint32_t padding;
    std::uint64_t cdb_offset;
    std::array<std::uint64_t, 2> reserved;
    // IoVector iov[]
};
static_assert(sizeof(CommandEntry) == 48 && offsetof(CommandEntry, cdb_offset) == 24);

// In the place of the same entry.
struct AnswerEntry {
    EntryHeader header;
    std::uint8_t status;
    std::array<std::uint8_t, 3> reserved;
    std::uint32_t read_length;
    std::array<std::byte, 96> sense;
};
static_assert(sizeof(AnswerEntry) == 112 && offsetof(AnswerEntry, sense) == 16);

// Netlink: commands and attributes of the family.
enum Command : std::uint8_t {
    added_device = 1,
    removed_device,
    reconfigured_device,
    added_device_done,
    removed_device_done,
    reconfigured_device_done,
    set_features,
};
enum Attribute : std::uint8_t {
    attribute_device = 1,
    attribute_minor,
    attribute_status = 7,
    attribute_device_id,
    attribute_supports_replies,
    last_attribute = attribute_supports_replies,
};

}  // namespace reflux::tcmu::kernel
