#include "backend/in_flight_table.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>

namespace reflux {

std::uint64_t monotonic_ns() {
    return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

InFlightTable::InFlightTable(std::size_t slots) : slots_(std::make_unique<Slot[]>(slots)), count_(slots) {}

void InFlightTable::write(Slot& slot, const InFlightRequest& request) {
    // Release on every field: a reader that sees a new value of one also sees the odd version before it.
    slot.version.fetch_add(1, std::memory_order_relaxed);
    slot.id.store(request.id, std::memory_order_release);
    slot.operation.store(request.operation, std::memory_order_release);
    slot.offset.store(request.offset, std::memory_order_release);
    slot.length.store(request.length, std::memory_order_release);
    slot.tid.store(request.tid, std::memory_order_release);
    slot.start_ns.store(request.start_ns, std::memory_order_release);
    slot.version.fetch_add(1, std::memory_order_release);
}

bool InFlightTable::read(const Slot& slot, InFlightRequest& request) {
    const auto before = slot.version.load(std::memory_order_acquire);
    request = {.id = slot.id.load(std::memory_order_acquire),
               .operation = slot.operation.load(std::memory_order_acquire),
               .offset = slot.offset.load(std::memory_order_acquire),
               .length = slot.length.load(std::memory_order_acquire),
               .tid = slot.tid.load(std::memory_order_acquire),
               .start_ns = slot.start_ns.load(std::memory_order_acquire)};
    return before % 2 == 0 && slot.version.load(std::memory_order_relaxed) == before;
}

std::size_t InFlightTable::begin(DeviceOperation operation, std::uint64_t offset, std::uint64_t length) {
    const InFlightRequest request{.id = next_id_.fetch_add(1, std::memory_order_relaxed),
                                  .operation = operation,
                                  .offset = offset,
                                  .length = length,
                                  .tid = 0,
                                  .start_ns = monotonic_ns()};
    for (std::size_t i = 0; i < count_; ++i) {
        if (!slots_[i].taken.exchange(true, std::memory_order_acquire)) {
            write(slots_[i], request);
            return i;
        }
    }
    std::abort();
}

void InFlightTable::claim(std::size_t slot, pid_t tid) {
    slots_[slot].tid.store(tid, std::memory_order_release);
}

void InFlightTable::end(std::size_t slot) {
    write(slots_[slot], {});
    slots_[slot].taken.store(false, std::memory_order_release);
}

std::vector<InFlightRequest> InFlightTable::snapshot() const {
    // A slot that changes under the reader is one whose request is ending or beginning: a few tries, then it
    // is left out.
    constexpr int tries = 8;
    std::vector<InFlightRequest> found;
    found.reserve(count_);
    for (std::size_t i = 0; i < count_; ++i) {
        InFlightRequest request;
        bool consistent = false;
        for (int attempt = 0; attempt < tries && !consistent; ++attempt) {
            consistent = read(slots_[i], request);
        }
        if (consistent && request.id != 0) {
            found.push_back(request);
        }
    }
    std::sort(found.begin(), found.end(),
              [](const auto& left, const auto& right) { return left.id < right.id; });
    return found;
}

}  // namespace reflux
