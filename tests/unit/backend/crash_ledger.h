// Who was promised what: the operations on a disk with the moments of their submission and their answer, and
// whether what a crash left keeps the promises.
//
// In a sequential-write-required zone operations take effect in the order of their submission; a crash leaves
// the zone as it was after one of them, that has been submitted and comes not before the last one which a
// flush (or its own answer) made durable, with all the data below its write pointer.
// Elsewhere each sector is as one of the operations has left it that come not before the last durable one; a
// discard leaves zeroes, and is durable when a write is.
#pragma once

#include "backend/image.h"
#include "backend/zoned_device.h"
#include "tests/unit/backend/crash_file.h"

#include <limits>
#include <map>
#include <set>
#include <string>

namespace reflux::test {

inline constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();
inline constexpr std::uint64_t sector_bytes = 512;

struct LedgerEntry {
    DeviceOperation operation = DeviceOperation::write;
    std::uint64_t zone = 0;
    std::uint64_t sector = 0;  // in the zone; of an append when it is answered
    std::uint64_t sectors = 0;
    std::uint64_t submitted = 0;
    std::uint64_t answered = never;
    int error = 0;

    [[nodiscard]] std::uint64_t end() const { return sector + sectors; }
    [[nodiscard]] bool writes() const {
        return operation == DeviceOperation::write || operation == DeviceOperation::append;
    }
    [[nodiscard]] bool discards() const { return operation == DeviceOperation::discard; }
};

// The bytes of a sector that the operation `id`, from 1, has written.
inline void fill_sector(std::uint64_t id, std::uint64_t sector_on_disk, std::span<std::byte> bytes) {
    for (std::size_t at = 0; at < bytes.size(); at += sizeof(std::uint64_t)) {
        const std::uint64_t word = (id << 32U) + sector_on_disk;
        std::memcpy(&bytes[at], &word, sizeof word);
    }
}

class Ledger {
  public:
    // The disk before the first operation.
    Ledger(const ZoneTable& zones, const PagedFile& file, std::uint64_t data_offset)
        : zones_(zones), file_(file), data_offset_(data_offset) {}

    // Returns the operation's id.
    std::uint64_t submit(LedgerEntry entry) {
        entries_.push_back(entry);
        return entries_.size();
    }
    LedgerEntry& entry(std::uint64_t id) { return entries_[id - 1]; }

    // A line for each broken promise, after a crash at `tick`.
    [[nodiscard]] std::vector<std::string> broken_promises(std::uint64_t tick, const ZoneTable& found,
                                                           const PagedFile& file) const {
        Check check{.ledger = *this, .tick = tick, .found = found, .file = file};
        check.run();
        return check.broken;
    }

  private:
    static constexpr std::uint64_t zeroes = never;  // id of what was discarded; 0: of what was there before

    struct Check {
        const Ledger& ledger;
        std::uint64_t tick;
        const ZoneTable& found;
        const PagedFile& file;
        std::vector<std::string> broken = {};
        std::uint64_t last_flush = 0;  // when the last answered flush was submitted

        void run() {
            std::map<std::uint64_t, std::vector<std::uint64_t>> ids_of_zone;
            for (std::uint64_t id = 1; id <= ledger.entries_.size(); ++id) {
                const LedgerEntry& entry = ledger.entries_[id - 1];
                if (entry.operation == DeviceOperation::flush) {
                    last_flush = std::max(last_flush, entry.answered < tick ? entry.submitted : 0);
                } else if (entry.error == 0 && entry.submitted < tick) {
                    ids_of_zone[entry.zone].push_back(id);
                }
            }
            for (auto& [zone, ids] : ids_of_zone) {
                if (found.geometry().type_of({zone}) == ZoneType::sequential_write_required) {
                    check_required(zone, ids);
                } else {
                    // In place of the order of submission that of what was done.
                    std::ranges::sort(ids, {}, [this](auto id) { return at(id).answered; });
                    check_contents(zone, ids);
                    check_preferred_pointer(zone, ids);
                }
            }
        }

        [[nodiscard]] const LedgerEntry& at(std::uint64_t id) const { return ledger.entries_[id - 1]; }
        [[nodiscard]] bool is_durable(const LedgerEntry& entry) const {
            const bool needs_flush = entry.writes() || entry.discards();
            return entry.answered < (needs_flush ? std::min(last_flush, tick) : tick);
        }
        [[nodiscard]] std::uint64_t capacity(std::uint64_t zone) const {
            return found.geometry().capacity_of({zone}).value / sector_bytes;
        }
        [[nodiscard]] std::uint64_t written(std::uint64_t zone) const {
            return found.zone({zone}).written.value / sector_bytes;
        }
        [[nodiscard]] bool holds(std::uint64_t zone, std::uint64_t sector, std::uint64_t id) const {
            std::array<std::byte, sector_bytes> is{};
            std::array<std::byte, sector_bytes> wanted{};
            const std::uint64_t on_disk = found.geometry().start_of({zone}).value / sector_bytes + sector;
            const std::uint64_t offset = ledger.data_offset_ + on_disk * sector_bytes;
            if (file.read(offset, is) != 0) {
                return false;
            }
            if (id == 0) {
                static_cast<void>(ledger.file_.read(offset, wanted));
            } else if (id != zeroes && !at(id).discards()) {
                fill_sector(id, on_disk, wanted);
            }
            return std::memcmp(is.data(), wanted.data(), is.size()) == 0;
        }
        [[nodiscard]] std::string describe(std::uint64_t zone) const {
            return fmt::format("zone {} ({}, {} of {} sectors)", zone,
                               to_string(found.zone({zone}).condition), written(zone), capacity(zone));
        }

        // --- sequential-write-required

        struct State {
            std::uint64_t written = 0;
            std::vector<std::uint64_t> ids;  // of each sector

            void apply(std::uint64_t id, const LedgerEntry& entry) {
                if (entry.operation == DeviceOperation::reset_zone) {
                    written = 0;
                } else if (entry.operation == DeviceOperation::finish_zone) {
                    std::ranges::fill(std::span(ids).subspan(written), zeroes);
                    written = ids.size();
                } else {
                    std::ranges::fill(std::span(ids).subspan(entry.sector, entry.sectors), id);
                    written = entry.end();
                }
            }
        };

        [[nodiscard]] bool is(std::uint64_t zone, const State& state) const {
            if (written(zone) != state.written) {
                return false;
            }
            for (std::uint64_t sector = 0; sector < state.written; ++sector) {
                if (!holds(zone, sector, state.ids[sector])) {
                    return false;
                }
            }
            return true;
        }

        void check_required(std::uint64_t zone, const std::vector<std::uint64_t>& ids) {
            State state{.written = ledger.zones_.zone({zone}).written.value / sector_bytes,
                        .ids = std::vector<std::uint64_t>(capacity(zone), 0)};
            std::size_t durable = 0;  // so many
            for (std::size_t i = 0; i < ids.size(); ++i) {
                durable = is_durable(at(ids[i])) ? i + 1 : durable;
            }
            bool fits = durable == 0 && is(zone, state);
            for (std::size_t i = 0; i < ids.size() && !fits; ++i) {
                state.apply(ids[i], at(ids[i]));
                fits = i + 1 >= durable && is(zone, state);
            }
            if (!fits) {
                broken.push_back(describe(zone) + " is in none of the states that it may be in");
            }
        }

        // --- conventional and sequential-write-preferred

        void check_contents(std::uint64_t zone, const std::vector<std::uint64_t>& ids) {
            std::map<std::uint64_t, std::vector<std::uint64_t>> allowed;  // of each sector; missing: any
            for (const std::uint64_t id : ids) {
                const LedgerEntry& entry = at(id);
                if (entry.operation == DeviceOperation::reset_zone) {
                    allowed.clear();
                }
                for (std::uint64_t sector = entry.sector; sector < entry.end(); ++sector) {
                    if (is_durable(entry)) {
                        allowed[sector] = {id};
                    } else if (const auto known = allowed.find(sector); known != allowed.end()) {
                        known->second.push_back(id);
                    }
                }
            }
            for (const auto& entry : allowed) {
                const std::uint64_t sector = entry.first;
                if (std::ranges::none_of(entry.second, [&](auto id) { return holds(zone, sector, id); })) {
                    broken.push_back(fmt::format("{} has lost sector {}", describe(zone), sector));
                }
            }
        }

        struct Life {  // between two resets
            std::uint64_t least = 0;
            std::set<std::uint64_t> ends = {0};
        };

        [[nodiscard]] bool last_sector_was_written(std::uint64_t zone,
                                                   const std::vector<std::uint64_t>& ids) const {
            const std::uint64_t last = written(zone) - 1;
            return std::ranges::any_of(ids, [&](auto id) {
                return (at(id).operation == DeviceOperation::finish_zone) ||
                       (at(id).sector <= last && last < at(id).end() && holds(zone, last, id));
            });
        }

        void check_preferred_pointer(std::uint64_t zone, const std::vector<std::uint64_t>& ids) {
            if (!found.zone({zone}).has_write_pointer()) {
                return;
            }
            const std::uint64_t before = ledger.zones_.zone({zone}).written.value / sector_bytes;
            std::vector<Life> lives{{.least = before, .ends = {before}}};
            for (const std::uint64_t id : ids) {
                const LedgerEntry& entry = at(id);
                if (entry.discards()) {
                    continue;  // changes no zone's state
                }
                if (entry.operation == DeviceOperation::reset_zone) {
                    if (is_durable(entry)) {
                        lives.clear();
                    }
                    lives.emplace_back();
                    continue;
                }
                const std::uint64_t end = entry.writes() ? entry.end() : capacity(zone);
                lives.back().ends.insert(end);
                lives.back().least = std::max(lives.back().least, is_durable(entry) ? end : 0);
            }
            const std::uint64_t pointer = written(zone);
            const auto fits = [&](const Life& life) {
                return pointer >= life.least && life.ends.contains(pointer);
            };
            if (std::ranges::none_of(lives, fits)) {
                broken.push_back(describe(zone) + " has a write pointer that it cannot have");
            } else if (pointer > before && !last_sector_was_written(zone, ids)) {
                broken.push_back(describe(zone) + " has its write pointer beyond what was written");
            }
        }
    };

    ZoneTable zones_;
    PagedFile file_;
    std::uint64_t data_offset_;
    std::vector<LedgerEntry> entries_;
};

}  // namespace reflux::test
