#include "daemon/tcmu/ring.h"

#include "daemon/tcmu/kernel_interface.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include <unistd.h>

namespace reflux::tcmu {
namespace {

constexpr std::size_t header_size = sizeof(kernel::EntryHeader);
constexpr std::size_t iov_offset = sizeof(kernel::CommandEntry);

template <class T>
T load(std::span<const std::byte> bytes, std::size_t offset) {
    T value;
    std::memcpy(&value, bytes.data() + offset, sizeof(T));
    return value;
}

template <class T>
void store(std::span<std::byte> bytes, std::size_t offset, const T& value) {
    std::memcpy(bytes.data() + offset, &value, sizeof(T));
}

// A number that the kernel's side reads or writes at any time.
std::atomic_ref<std::uint32_t> shared(std::span<std::byte> memory, std::size_t offset) {
    return std::atomic_ref(*reinterpret_cast<std::uint32_t*>(memory.data() + offset));
}

tl::unexpected<Error> unusable(std::string_view what) {
    return fail(ErrorKind::unsupported, fmt::format("TCMU mailbox: {}", what));
}

}  // namespace

Result<std::unique_ptr<Ring>> Ring::make(std::span<std::byte> memory, int kick_fd) {
    if (memory.size() < sizeof(kernel::Mailbox)) {
        return unusable("the mapping is too small for one");
    }
    const auto version = load<std::uint16_t>(memory, offsetof(kernel::Mailbox, version));
    if (version != kernel::mailbox_version) {
        return unusable(fmt::format("version {}, not {}", version, kernel::mailbox_version));
    }
    const auto flags = load<std::uint16_t>(memory, offsetof(kernel::Mailbox, flags));
    if ((flags & kernel::cap_out_of_order) == 0) {
        return unusable("this kernel (before 4.6) wants answers in the order of the commands");
    }
    const auto offset = load<std::uint32_t>(memory, offsetof(kernel::Mailbox, ring_offset));
    const auto size = load<std::uint32_t>(memory, offsetof(kernel::Mailbox, ring_size));
    if (offset < sizeof(kernel::Mailbox) || offset > memory.size() || size > memory.size() - offset ||
        size < sizeof(kernel::AnswerEntry) || size % kernel::entry_alignment != 0) {
        return unusable(fmt::format("a ring of {} bytes at {} is not in the mapping", size, offset));
    }
    return std::unique_ptr<Ring>(new Ring(memory, kick_fd));
}

Ring::Ring(std::span<std::byte> memory, int kick_fd)
    : memory_(memory),
      entries_(memory.subspan(load<std::uint32_t>(memory, offsetof(kernel::Mailbox, ring_offset)),
                              load<std::uint32_t>(memory, offsetof(kernel::Mailbox, ring_size)))),
      kick_fd_(kick_fd),
      tells_read_length_(
          (load<std::uint16_t>(memory, offsetof(kernel::Mailbox, flags)) & kernel::cap_read_length) != 0),
      tail_(kernels_tail()),
      next_(tail_) {}

std::uint32_t Ring::head() const {
    // The entries before it are whole when it is seen.
    return shared(memory_, offsetof(kernel::Mailbox, head)).load(std::memory_order_acquire);
}

std::uint32_t Ring::kernels_tail() const {
    return shared(memory_, offsetof(kernel::Mailbox, tail)).load(std::memory_order_relaxed);
}

void Ring::publish_tail() {
    shared(memory_, offsetof(kernel::Mailbox, tail)).store(tail_, std::memory_order_release);
}

std::uint32_t Ring::operation_at(std::uint32_t position) const {
    return load<std::uint32_t>(entries_, position) & kernel::operation_mask;
}

std::uint32_t Ring::length_at(std::uint32_t position) const {
    const std::uint32_t length = load<std::uint32_t>(entries_, position) & ~kernel::operation_mask;
    const bool is_command = operation_at(position) == kernel::operation_command;
    const std::size_t least = is_command ? sizeof(kernel::AnswerEntry) : header_size;
    return length < least || length > entries_.size() - position ? 0 : length;
}

std::uint32_t Ring::behind(std::uint32_t position) const {
    return static_cast<std::uint32_t>((position + length_at(position)) % entries_.size());
}

// What lies at the begin of the ring has been taken, or passed: a kernel that begins the ring afresh puts
// another entry there, without the mark. Set before the entry is copied: if the kernel replaces it in
// between, the new one is copied, and taken once more, but never lost.
void Ring::mark_taken() {
    if (next_ == 0) {
        entries_[offsetof(kernel::EntryHeader, user_flags)] |= std::byte{kernel::flag_taken};
    }
}

bool Ring::is_marked_at_begin() const {
    return (entries_[offsetof(kernel::EntryHeader, user_flags)] & std::byte{kernel::flag_taken}) !=
           std::byte{};
}

// Only a reset moves the tail but we (tcmu_reset_ring: both to 0). One that finds the tail at 0 shows by a
// head before what was taken, as long as nothing new has come; and when it has, by the entry at 0, which is
// a new one. Without that, new commands in the place of those that were taken would never be looked at, and
// the answers to the old ones would be taken for theirs: the kernel gives the same numbers again.
void Ring::notice_reset() {
    const auto distance = [&](std::uint32_t to) { return (to + entries_.size() - tail_) % entries_.size(); };
    const std::uint32_t now = kernels_tail();
    is_broken_ = is_broken_ && next_ != head();  // nothing is wrong with an empty ring
    const bool is_replaced = tail_ == 0 && next_ != 0 && !is_marked_at_begin();
    if (now == tail_ && distance(next_) <= distance(head()) && !is_replaced) {
        return;
    }
    tail_ = now;
    next_ = now;
    unanswered_ = 0;
    is_broken_ = false;
    ++generation_;
}

// Passes entries that are no commands; true when one of them is to be told to the kernel.
bool Ring::pass_others() {
    bool is_told = false;
    while (next_ != head() && !is_broken_) {
        if (next_ > entries_.size() - header_size || next_ % kernel::entry_alignment != 0 ||
            length_at(next_) == 0) {
            is_broken_ = true;
            break;
        }
        const std::uint32_t operation = operation_at(next_);
        if (operation == kernel::operation_command) {
            break;
        }
        if (operation != kernel::operation_pad && operation != kernel::operation_task_management) {
            const std::size_t flags = next_ + offsetof(kernel::EntryHeader, user_flags);
            entries_[flags] |= std::byte{kernel::flag_unknown_operation};
            is_told = true;
        }
        if (unanswered_ > 0) {
            mark_taken();
        }
        next_ = behind(next_);
        if (unanswered_ == 0) {
            tail_ = next_;
            publish_tail();
        }
    }
    return is_told;
}

bool Ring::take(RingCommand& command) {
    std::unique_lock lock(mutex_);
    notice_reset();
    const bool is_told = pass_others();
    const bool is_there = !is_broken_ && next_ != head();
    if (is_there) {
        mark_taken();
        copy_command(command);
        next_ = behind(next_);
        ++unanswered_;
    }
    lock.unlock();
    if (is_told) {
        kick();
    }
    return is_there;
}

bool Ring::has_next() const {
    const std::lock_guard lock(mutex_);
    return !is_broken_ && next_ != head();
}

bool Ring::is_broken() const {
    const std::lock_guard lock(mutex_);
    return is_broken_;
}

void Ring::copy_command(RingCommand& command) const {
    const auto entry = std::span<const std::byte>(entries_).subspan(next_, length_at(next_));
    command.id = load<std::uint16_t>(entry, offsetof(kernel::EntryHeader, id));
    command.generation = generation_;
    command.piece_count = 0;
    command.cdb = {};
    const auto count = load<std::uint32_t>(entry, offsetof(kernel::CommandEntry, iov_count));
    const auto cdb = load<std::uint64_t>(entry, offsetof(kernel::CommandEntry, cdb_offset));
    command.is_sound = cdb <= memory_.size() - command.cdb.size() &&
                       count <= (entry.size() - iov_offset) / sizeof(kernel::IoVector);
    if (command.is_sound) {
        // Behind a shorter one lies what is no part of it.
        std::memcpy(command.cdb.data(), memory_.data() + cdb,
                    scsi::cdb_length(std::to_integer<std::uint8_t>(memory_[cdb])));
        copy_pieces(command, entry, count);
    }
}

void Ring::copy_pieces(RingCommand& command, std::span<const std::byte> entry, std::uint32_t count) const {
    for (std::size_t i = 0; i < std::min<std::size_t>(count, most_pieces); ++i) {
        const auto piece = load<kernel::IoVector>(entry, iov_offset + i * sizeof(kernel::IoVector));
        if (piece.offset > memory_.size() || piece.length > memory_.size() - piece.offset) {
            command.is_sound = false;
            command.piece_count = 0;
            return;
        }
        command.pieces.at(command.piece_count++) = memory_.subspan(piece.offset, piece.length);
    }
}

void Ring::write_answer(const RingCommand& command, const Answer& answer) {
    const auto entry = entries_.subspan(tail_, length_at(tail_));
    store(entry, offsetof(kernel::EntryHeader, id), command.id);
    const bool tells = tells_read_length_ && answer.read_length > 0;
    store(entry, offsetof(kernel::EntryHeader, user_flags),
          static_cast<std::uint8_t>(tells ? kernel::flag_read_length : 0));
    std::ranges::fill(entry.subspan(header_size, sizeof(kernel::AnswerEntry) - header_size), std::byte{});
    store(entry, offsetof(kernel::AnswerEntry, status), answer.status);
    store(entry, offsetof(kernel::AnswerEntry, read_length), answer.read_length);
    if (answer.status == scsi::status_check_condition) {
        store(entry, offsetof(kernel::AnswerEntry, sense), scsi::fixed_format(answer.sense));
    }
}

void Ring::answer(const RingCommand& command, const Answer& answer) {
    {
        const std::lock_guard lock(mutex_);
        notice_reset();
        if (command.generation != generation_ || unanswered_ == 0) {
            return;
        }
        // As many commands lie between tail and next as are unanswered, so this ends at one.
        while (operation_at(tail_) != kernel::operation_command) {
            tail_ = behind(tail_);
        }
        write_answer(command, answer);
        tail_ = --unanswered_ == 0 ? next_ : behind(tail_);
        publish_tail();
    }
    kick();
}

// Lets the kernel look at the tail (tcmu_irqcontrol). Not under the mutex: it completes commands there.
void Ring::kick() const {
    const std::uint32_t any = 0;
    while (::write(kick_fd_, &any, sizeof(any)) < 0 && errno == EINTR) {
    }
}

}  // namespace reflux::tcmu
