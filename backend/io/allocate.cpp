// Fault allocate: a request takes memory before its I/O and keeps it until the fault is cleared. Address
// space for all of it is reserved when the fault is set; the pages come, and are charged, in the thread of
// the I/O.
#include "backend/base/owner.h"
#include "backend/io/fault_kinds.h"

#include <algorithm>

#include <sys/mman.h>
#include <unistd.h>

namespace reflux::io {
namespace {

struct Reservation {
    std::byte* address = nullptr;
    std::size_t length = 0;
    bool operator==(const Reservation&) const = default;
};
struct ReservationTraits {
    using Handle = Reservation;
    static Handle none() noexcept { return {}; }
    static void release(Handle memory) noexcept { ::munmap(memory.address, memory.length); }
};

class Allocate final : public Fault {
  public:
    Result<bool> set_option(std::string_view key, std::string_view value) override {
        if (key == "size") {
            REFLUX_TRY(size_, parse_bytes(value));
        } else if (key == "most") {
            REFLUX_TRY(most_, parse_bytes(value));
        } else {
            return false;
        }
        return true;
    }
    Status prepare() override {
        if (size_ == Bytes{0} || most_ < size_) {
            return fail(ErrorKind::invalid_input,
                        fmt::format("needs size=SIZE (a request) from 1 to most=SIZE (in all, now {})",
                                    reflux::to_string(most_)));
        }
        void* address = ::mmap(nullptr, most_.value, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (address == MAP_FAILED) {
            return fail_errno("mmap " + reflux::to_string(most_));
        }
        memory_ =
            Owner<ReservationTraits>({.address = static_cast<std::byte*>(address), .length = most_.value});
        return {};
    }
    FaultEffect apply(const FaultedRequest& /*any*/) override {
        static const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
        const std::uint64_t begin = next_.fetch_add(size_.value, std::memory_order_relaxed);
        const std::uint64_t end = std::min(begin + size_.value, most_.value);
        for (std::uint64_t at = begin; at < end; at += page) {
            // A write that the compiler must do: it is what takes the page.
            *static_cast<volatile std::byte*>(memory_.get().address + at) = std::byte{1};
        }
        return {};
    }

  private:
    Bytes size_{};
    Bytes most_ = gibibytes(1);
    Owner<ReservationTraits> memory_;
    std::atomic<std::uint64_t> next_ = 0;
};

}  // namespace

std::unique_ptr<Fault> make_allocate_fault() {
    return std::make_unique<Allocate>();
}

}  // namespace reflux::io
