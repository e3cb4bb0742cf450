// The kernel's side of a ring (drivers/target/target_core_user.c), in memory: a mailbox, a ring small enough
// to wrap soon, and data blocks.
#pragma once

#include "backend/base/unique_fd.h"
#include "daemon/tcmu/kernel_interface.h"
#include "daemon/tcmu/ring.h"

#include <atomic>
#include <cstring>
#include <optional>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace reflux::tcmu::test {

struct Piece {
    std::size_t offset = 0;  // in the mapping
    std::size_t length = 0;
};

struct Completed {
    std::uint16_t id = 0;
    std::uint8_t status = 0;
    std::uint8_t flags = 0;
    std::uint32_t read_length = 0;
    std::array<std::uint8_t, 18> sense{};
};

class FakeKernel {
  public:
    static constexpr std::size_t page = 4096;
    static constexpr std::size_t data_offset = 2 * page;
    static constexpr std::uint32_t ring_offset = sizeof(kernel::Mailbox);

    explicit FakeKernel(std::uint32_t ring_size = 1024, std::size_t data_blocks = 64)
        : storage_((data_offset + data_blocks * page) / sizeof(Line) + 1), ring_size_(ring_size) {
        kernel::Mailbox mailbox{};
        mailbox.version = kernel::mailbox_version;
        mailbox.flags = kernel::cap_out_of_order | kernel::cap_read_length;
        mailbox.ring_offset = ring_offset;
        mailbox.ring_size = ring_size;
        set_mailbox(mailbox);
        std::array<int, 2> ends{};
        EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), 0);
        kicks_ = UniqueFd(ends[0]);
        kick_ = UniqueFd(ends[1]);
    }

    [[nodiscard]] std::span<std::byte> memory() {
        return std::as_writable_bytes(std::span(storage_)).first(storage_.size() * sizeof(Line));
    }
    [[nodiscard]] std::span<std::byte> block(std::size_t index) {
        return memory().subspan(data_offset + index * page, page);
    }
    // `count` blocks from `index` on, as one piece.
    static Piece blocks(std::size_t index, std::size_t count) {
        return {.offset = data_offset + index * page, .length = count * page};
    }
    [[nodiscard]] std::unique_ptr<Ring> ring() { return Ring::make(memory(), kick_.get()).value(); }
    [[nodiscard]] int kick_fd() const { return kick_.get(); }
    kernel::Mailbox mailbox() {
        kernel::Mailbox mailbox;
        std::memcpy(&mailbox, memory().data(), sizeof(mailbox));
        return mailbox;
    }
    void set_mailbox(const kernel::Mailbox& mailbox) {
        std::memcpy(memory().data(), &mailbox, sizeof(mailbox));
    }

    // False: the ring has no room (queue_cmd_ring would wait).
    bool put_command(std::uint16_t id, const scsi::Cdb& cdb, const std::vector<Piece>& pieces = {}) {
        const std::size_t base =
            std::max(sizeof(kernel::AnswerEntry),
                     sizeof(kernel::CommandEntry) + pieces.size() * sizeof(kernel::IoVector));
        const auto at = make_room(base + cdb.size(), kernel::operation_command);
        if (!at) {
            return false;
        }
        put(*at + offsetof(kernel::EntryHeader, id), id);
        put(*at + offsetof(kernel::CommandEntry, iov_count), static_cast<std::uint32_t>(pieces.size()));
        put(*at + offsetof(kernel::CommandEntry, cdb_offset), std::uint64_t{ring_offset + *at + base});
        for (std::size_t i = 0; i < pieces.size(); ++i) {
            put(*at + sizeof(kernel::CommandEntry) + i * sizeof(kernel::IoVector), pieces[i]);
        }
        std::memcpy(memory().data() + ring_offset + *at + base, cdb.data(), cdb.size());
        advance_head(base + cdb.size());
        outstanding_.push_back(id);
        return true;
    }
    // An entry of another kind, of `length` bytes with its header.
    bool put_other(std::uint32_t operation, std::size_t length) {
        if (!make_room(length, operation)) {
            return false;
        }
        advance_head(length);
        return true;
    }
    // Where the next entry goes, to spoil it.
    [[nodiscard]] std::uint32_t head() const { return head_; }
    template <class T>
    void put(std::size_t at, const T& value) {
        std::memcpy(memory().data() + ring_offset + at, &value, sizeof(T));
    }

    // All answers since the last call.
    std::vector<Completed> take_completions() {
        handle_completions();
        return std::exchange(completed_, {});
    }
    // uflags of what was no command.
    [[nodiscard]] unsigned others() const { return others_; }
    [[nodiscard]] std::size_t outstanding() const { return outstanding_.size(); }
    // tcmu_reset_ring().
    void reset() {
        outstanding_.clear();
        head_ = cleaned_ = 0;
        auto now = mailbox();
        now.head = now.tail = 0;
        set_mailbox(now);
    }
    int kicks() {
        std::array<std::uint32_t, 256> values{};
        const auto n = ::read(kicks_.get(), values.data(), sizeof(values));
        return n < 0 ? 0 : static_cast<int>(n / 4);
    }

  private:
    struct alignas(64) Line {
        std::array<std::byte, 64> bytes;
    };

    // tcmu_handle_completions(): a number that it does not know breaks the ring.
    void handle_completions() {
        while (cleaned_ != mailbox().tail) {
            kernel::AnswerEntry entry{};
            const std::size_t there = std::min(sizeof(entry), std::size_t{ring_size_} - cleaned_);
            std::memcpy(&entry, memory().data() + ring_offset + cleaned_, there);
            if ((entry.header.length_and_operation & kernel::operation_mask) == kernel::operation_command) {
                Completed done{.id = entry.header.id,
                               .status = entry.status,
                               .flags = entry.header.user_flags,
                               .read_length = entry.read_length};
                std::memcpy(done.sense.data(), entry.sense.data(), done.sense.size());
                EXPECT_EQ(std::erase(outstanding_, done.id), 1U)
                    << "cmd_id not found, ring is broken: " << done.id;
                completed_.push_back(done);
            } else {
                others_ |= entry.header.user_flags;
            }
            cleaned_ =
                (cleaned_ + (entry.header.length_and_operation & ~kernel::operation_mask)) % ring_size_;
        }
    }

    [[nodiscard]] std::uint32_t free_space() const {
        return (cleaned_ + ring_size_ - head_ - 1) % ring_size_;
    }
    std::optional<std::uint32_t> make_room(std::size_t length, std::uint32_t operation) {
        handle_completions();
        const std::size_t to_end = ring_size_ - head_;
        const bool wraps = to_end < length;
        if (free_space() < length + (wraps ? to_end : 0)) {
            return std::nullopt;
        }
        if (wraps) {
            put_header(kernel::operation_pad, to_end);
            advance_head(to_end);
        }
        std::memset(memory().data() + ring_offset + head_, 0, length);
        put_header(operation, length);
        return head_;
    }
    void put_header(std::uint32_t operation, std::size_t length) {
        put(head_,
            kernel::EntryHeader{.length_and_operation = static_cast<std::uint32_t>(length) | operation});
    }
    void advance_head(std::size_t length) {
        head_ = static_cast<std::uint32_t>((head_ + length) % ring_size_);
        std::atomic_ref(*reinterpret_cast<std::uint32_t*>(memory().data() + offsetof(kernel::Mailbox, head)))
            .store(head_, std::memory_order_release);
    }
    std::vector<Line> storage_;
    std::uint32_t ring_size_;
    std::uint32_t head_ = 0;
    std::uint32_t cleaned_ = 0;
    unsigned others_ = 0;
    std::vector<std::uint16_t> outstanding_;
    std::vector<Completed> completed_;
    UniqueFd kicks_;
    UniqueFd kick_;
};

}  // namespace reflux::tcmu::test
