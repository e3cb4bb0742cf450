// The command ring of a TCM-User device: <linux/target_core_user.h>, drivers/target/target_core_user.c.
// Memory alone: what is tested against a mailbox that no kernel stands behind.
//
// The kernel puts entries at the head; at the tail answers go back, each in the place of an entry that was
// there: its number says whose it is (TCMU_MAILBOX_FLAG_CAP_OOOC), so commands may be answered in any order.
// An entry that was taken may so be overwritten by the answer to another: all of a command is copied when it
// is taken. That is also why a ring cannot be gone on with after a crash: what lies in it is not what is
// unanswered. The kernel resets it then, and sends those again (lio_device.h).
//
// Threads: every function from any.
#pragma once

#include "backend/base/result.h"
#include "daemon/scsi/cdb.h"
#include "daemon/scsi/sense.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>

namespace reflux::tcmu {

// Data of one command lies in pieces of whole blocks of the data area, 4 KiB if nobody chose otherwise.
inline constexpr std::size_t most_pieces = 258;

struct RingCommand {
    std::uint16_t id = 0;
    std::uint64_t generation = 0;  // of the ring; another one after each reset
    scsi::Cdb cdb{};
    // The initiator's data, or room for it, in order. Beyond most_pieces it is cut off.
    std::array<std::span<std::byte>, most_pieces> pieces{};
    std::size_t piece_count = 0;
    // False: its entry speaks of memory that is not the ring's; no pieces then, and no CDB.
    bool is_sound = false;

    [[nodiscard]] std::span<const std::span<std::byte>> data() const {
        return std::span(pieces).first(piece_count);
    }
};

struct Answer {
    std::uint8_t status = scsi::status_good;
    Sense sense;                    // of CHECK CONDITION
    std::uint32_t read_length = 0;  // bytes that are there for the initiator; 0: as many as it wanted
};

class Ring {
  public:
    // `memory` is the device's mapping, `kick_fd` where the kernel is told of answers by a write of four
    // bytes; both outlive the ring. Refused: a version of the mailbox that is not 2, and sizes that are not
    // the mapping's.
    static Result<std::unique_ptr<Ring>> make(std::span<std::byte> memory, int kick_fd);
    Ring(const Ring&) = delete;
    Ring& operator=(const Ring&) = delete;
    Ring(Ring&&) = delete;
    Ring& operator=(Ring&&) = delete;
    ~Ring() = default;

    // Copies the next command. False: there is none.
    bool take(RingCommand& command);
    [[nodiscard]] bool has_next() const;
    // Answers a command that was taken, and tells the kernel. Without effect when the ring was reset
    // meanwhile.
    void answer(const RingCommand& command, const Answer& answer);
    // An entry made no sense: nothing is taken any more until the ring is reset.
    [[nodiscard]] bool is_broken() const;

  private:
    Ring(std::span<std::byte> memory, int kick_fd);

    // Under mutex_, all of these.
    void notice_reset();
    void mark_taken();
    [[nodiscard]] bool is_marked_at_begin() const;
    [[nodiscard]] std::uint32_t head() const;
    [[nodiscard]] std::uint32_t kernels_tail() const;
    void publish_tail();
    [[nodiscard]] std::uint32_t length_at(std::uint32_t position) const;  // 0: no sound entry
    [[nodiscard]] std::uint32_t operation_at(std::uint32_t position) const;
    [[nodiscard]] std::uint32_t behind(std::uint32_t position) const;
    bool pass_others();
    void copy_command(RingCommand& command) const;
    void copy_pieces(RingCommand& command, std::span<const std::byte> entry, std::uint32_t count) const;
    void write_answer(const RingCommand& command, const Answer& answer);

    void kick() const;

    std::span<std::byte> memory_;
    std::span<std::byte> entries_;
    int kick_fd_;
    bool tells_read_length_;
    mutable std::mutex mutex_;  // guards what follows, and the tail and the entries in memory_; a leaf
    std::uint32_t tail_ = 0;    // as published
    std::uint32_t next_ = 0;    // the entry to take next
    std::size_t unanswered_ = 0;
    std::uint64_t generation_ = 0;
    bool is_broken_ = false;
};

}  // namespace reflux::tcmu
