// Random operations on random disks, on ZoneTable and on a reference beside it. A failure names the disk's
// seed: REFLUX_ZONE_SEED=N repeats that disk alone. REFLUX_LONG makes it 10 million operations.
#include "backend/zone/zone_table.h"
#include "tests/support/seed.h"
#include "tests/unit/backend/zone/zone_reference.h"

#include <cstdlib>
#include <random>
#include <set>

#include <gtest/gtest.h>

namespace reflux {
namespace {

using reference::Answer;
using reference::RefDisk;
using reference::RefZone;

std::set<ZoneError> seen;  // that what a run is to compare did come up in it

Answer answer_of(ZoneError error) {
    seen.insert(error);
    const Sense sense = sense_of(error);
    return {.key = sense.key, .asc = sense.asc, .ascq = sense.ascq, .errnum = errno_of(error)};
}

char letter_of(ZoneCondition condition) {
    return "NEIXC????????RFO"[static_cast<std::size_t>(condition)];
}

RefDisk reference_of(const ZonedShape& shape) {
    const std::uint64_t block = shape.logical_block_size;
    RefDisk disk{.block_size = block,
                 .zone_blocks = shape.zone_size.value / block,
                 .managed = shape.model == ZoneModel::host_managed,
                 .unrestricted = shape.unrestricted_reads,
                 .max_open = shape.max_open,
                 .max_active = shape.max_active,
                 .zones = {}};
    const std::uint64_t blocks = shape.size.value / block;
    for (std::uint64_t start = 0; start < blocks; start += disk.zone_blocks) {
        const bool conventional = disk.zones.size() < shape.conventional;
        RefZone zone{.type = conventional   ? 'c'
                             : disk.managed ? 'r'
                                            : 'p',
                     .condition = conventional ? 'N' : 'E',
                     .blocks = std::min(disk.zone_blocks, blocks - start)};
        const std::uint64_t capacity = conventional || shape.zone_capacity.value == 0
                                           ? disk.zone_blocks
                                           : shape.zone_capacity.value / block;
        zone.writable = std::min(zone.blocks, capacity);
        disk.zones.push_back(zone);
    }
    return disk;
}

// A disk twice, and the dice.
class Pair {
  public:
    explicit Pair(std::uint64_t seed) : dice_(seed), shape_(some_shape()), disk_(reference_of(shape_)) {
        table_.emplace_back(ZoneTable::fresh(ZonedGeometry::make(shape_).value()));
    }

    // One operation on both; what they answered was the same when this returns an empty text.
    std::string step() {
        const std::uint64_t kind = below(100);
        if (in_flight_.size() == most_in_flight || (!in_flight_.empty() && one_in(4))) {
            complete(below(in_flight_.size()));
        } else if (kind < 45) {
            write();
        } else if (kind < 60) {
            append();
        } else if (kind < 70) {
            const auto [offset, length] = some_range();
            expect("read", answer_of(table().check_read({{offset}, {length}})), disk_.read(offset, length));
        } else if (kind < 92) {
            manage(some_zone());
        } else if (kind < 95) {
            manage_all();
        } else if (kind < 98) {
            report();
        } else {
            happen(some_zone() % disk_.zones.size());
        }
        compare();
        return std::exchange(difference_, {});
    }

  private:
    ZoneTable& table() { return table_.front(); }
    std::uint64_t below(std::uint64_t limit) { return dice_() % limit; }
    bool one_in(std::uint64_t n) { return below(n) == 0; }

    ZonedShape some_shape() {
        const unsigned block = one_in(2) ? 512 : 4096;
        const std::uint64_t zone = kibibytes(64).value;
        const std::uint64_t zones = 2 + below(9);
        ZonedShape shape{.size = {zones * zone - below(2) * 4096 * below(16)},
                         .zone_size = {zone},
                         .conventional = below(3),
                         .logical_block_size = block,
                         .model = one_in(3) ? ZoneModel::host_aware : ZoneModel::host_managed,
                         .max_open = static_cast<std::uint32_t>(below(4)),
                         .unrestricted_reads = !one_in(3)};
        if (shape.model == ZoneModel::host_managed) {
            shape.zone_capacity = {one_in(2) ? 0 : zone - below(8) * block};
            shape.max_active = one_in(2) ? 0 : static_cast<std::uint32_t>(shape.max_open + 1 + below(3));
        }
        return shape;
    }

    std::uint64_t some_zone() { return below(disk_.zones.size() + (one_in(50) ? 1 : 0)); }
    std::uint64_t zone_bytes() const { return disk_.zone_blocks * disk_.block_size; }

    // Mostly whole blocks, seldom to the end of the zone or over it.
    std::uint64_t some_length() {
        if (one_in(12)) {
            return below(2 * zone_bytes());
        }
        return (1 + below(24)) * disk_.block_size + (one_in(12) ? below(512) : 0);
    }

    std::pair<std::uint64_t, std::uint64_t> some_range() {
        if (one_in(200)) {
            return {~std::uint64_t{0} - below(4096), below(8192)};
        }
        const std::uint64_t offset = below(disk_.bytes() + (one_in(50) ? 8192 : 0));
        return {one_in(4) ? offset : offset / disk_.block_size * disk_.block_size, some_length()};
    }

    // Where a host would write: at the write pointer.
    std::pair<std::uint64_t, std::uint64_t> sequential_range() {
        const std::uint64_t id = below(disk_.zones.size());
        const RefZone& zone = disk_.zones[id];
        const std::uint64_t left = (zone.writable - std::min(zone.pointer, zone.writable)) * disk_.block_size;
        const std::uint64_t offset = id * zone_bytes() + zone.pointer * disk_.block_size;
        return {offset, one_in(8) && left > 0 ? left : some_length()};
    }

    void write() {
        const auto [offset, length] = one_in(3) ? some_range() : sequential_range();
        settle(offset, length);
        const Answer answer = disk_.write_begins(offset, length);
        expect("write", answer_of(table().begin_write({{offset}, {length}})), answer);
        if (answer == reference::good) {
            in_flight_.emplace_back(offset, length);
        }
    }

    void append() {
        const std::uint64_t id = some_zone();
        settle(id);
        const std::uint64_t length = some_length();
        const std::uint64_t pointer = id < disk_.zones.size() ? disk_.zones[id].pointer : 0;
        const Answer answer = disk_.append_begins(id, length);
        const Placement placement = table().begin_append({id}, {length});
        expect("append", answer_of(placement.error), answer);
        if (answer == reference::good) {
            const std::uint64_t offset = id * zone_bytes() + pointer * disk_.block_size;
            expect("append's place", placement.extent == Extent{{offset}, {length}});
            in_flight_.emplace_back(offset, length);
        }
    }

    // Ends the writes to these zones that are in flight, as their owner does before others touch them: what
    // comes in between concerns other zones.
    void settle(std::uint64_t offset, std::uint64_t length) {
        for (std::size_t i = in_flight_.size(); i-- > 0;) {
            const auto [from, size] = in_flight_[i];
            const std::uint64_t end = std::max(offset, offset + std::max<std::uint64_t>(length, 1) - 1);
            if (from / zone_bytes() <= end / zone_bytes() &&
                offset / zone_bytes() <= (from + std::max<std::uint64_t>(size, 1) - 1) / zone_bytes()) {
                complete(i);
            }
        }
    }
    void settle(std::uint64_t id) { settle(id * zone_bytes(), 1); }
    void settle_all() { settle(0, disk_.bytes() + 1); }

    // The write fails, or it is overtaken by a command, or all is well.
    void complete(std::size_t which) {
        const auto [offset, length] = in_flight_[which];
        in_flight_.erase(in_flight_.begin() + static_cast<std::ptrdiff_t>(which));
        if (one_in(20)) {
            disk_.write_fails(offset, length);
            table().abandon_write({{offset}, {length}});
            return;
        }
        if (one_in(20)) {
            command(offset / zone_bytes());
        }
        disk_.write_ends(offset, length);
        table().record_write({{offset}, {length}});
    }

    void manage(std::uint64_t id) {
        settle(id);
        command(id);
    }

    void command(std::uint64_t id) {
        switch (below(4)) {
            case 0:
                return expect("open", answer_of(table().open({id})), disk_.command('o', id));
            case 1:
                return expect("close", answer_of(table().close({id})), disk_.command('c', id));
            case 2:
                return expect("finish", answer_of(table().finish({id})), disk_.command('f', id));
            default:
                return expect("reset", answer_of(table().reset({id})), disk_.command('r', id));
        }
    }

    void manage_all() {
        settle_all();
        switch (below(8)) {
            case 0:
                table().finish_all();
                disk_.command_all('f');
                return;
            case 1:
                table().reset_all();
                disk_.command_all('r');
                return;
            case 2:
            case 3:
                table().close_all();
                disk_.command_all('c');
                return;
            default:
                return expect("open all", answer_of(table().open_all()), disk_.command_all('o'));
        }
    }

    // What the disk or its user does to a zone. Read-only and offline are for good, so they are rare.
    void happen(std::uint64_t id) {
        settle_all();
        if (one_in(30)) {
            const bool offline = one_in(2);
            disk_.degrade(id, offline ? 'O' : 'R');
            table().degrade({id}, offline ? ZoneCondition::offline : ZoneCondition::read_only);
        } else if (one_in(2)) {
            disk_.zones[id].reset = disk_.zones[id].type != 'c';
            table().recommend_reset({id});
        } else if (one_in(4)) {
            disk_.power_cycle();
            table().power_cycle();
        }
    }

    void report() {
        const std::uint64_t first = some_zone();
        const auto field = static_cast<std::uint8_t>(one_in(2) ? below(8) : below(64));
        const auto option = to_reporting_option(field);
        const bool standard = field <= 7 || field == 0x10 || field == 0x11 || field == 0x3e || field == 0x3f;
        expect("option", option.has_value() == standard);
        if (!option) {
            return;
        }
        std::vector<ZoneDescriptor> out(below(12));
        const bool partial = one_in(2);
        const auto answer =
            table().report_matching({.first = {first}, .option = *option, .partial = partial}, out);
        const auto wanted = disk_.report(first, field);
        const std::size_t fit = std::min(wanted.size(), out.size());
        expect("report", answer_of(answer.error),
               first < disk_.zones.size() ? reference::good : reference::beyond_the_end);
        expect("report's length", answer.filled == fit && answer.matching == (partial ? fit : wanted.size()));
        for (std::size_t i = 0; i < std::min(fit, answer.filled); ++i) {
            expect("reported zone", out[i].start.value == wanted[i] * zone_bytes());
        }
    }

    // Every zone, and that the counts are those of the zones.
    void compare() {
        for (std::size_t id = 0; id < disk_.zones.size(); ++id) {
            const RefZone& wanted = disk_.zones[id];
            const Zone zone = table().zone({id});
            if (letter_of(zone.condition) != wanted.condition ||
                zone.written.value != wanted.pointer * disk_.block_size ||
                zone.non_sequential != wanted.non_seq || zone.reset_recommended != wanted.reset) {
                difference_ +=
                    fmt::format(" zone {}: {} at {}, not {} at {}", id, letter_of(zone.condition),
                                zone.written.value, wanted.condition, wanted.pointer * disk_.block_size);
            }
        }
        expect("open zones", table().summary().open() == disk_.count("IX"));
        expect("active zones", table().summary().active() == disk_.count("IXC"));
        if (disk_.managed) {
            expect("limits", (disk_.max_open == 0 || disk_.count("IX") <= disk_.max_open) &&
                                 (disk_.max_active == 0 || disk_.active() <= disk_.max_active));
        }
    }

    void expect(const char* what, bool holds) {
        if (!holds) {
            difference_ += fmt::format(" {} differs;", what);
        }
    }
    void expect(const char* what, const Answer& got, const Answer& wanted) {
        if (got != wanted) {
            difference_ += fmt::format(" {}: sense {:x}/{:02x}/{:02x} errno {}, not {:x}/{:02x}/{:02x} {};",
                                       what, got.key, got.asc, got.ascq, got.errnum, wanted.key, wanted.asc,
                                       wanted.ascq, wanted.errnum);
        }
    }

    std::mt19937_64 dice_;
    ZonedShape shape_;
    RefDisk disk_;
    std::vector<ZoneTable> table_;                                    // one
    std::vector<std::pair<std::uint64_t, std::uint64_t>> in_flight_;  // begun writes: offset, length
    static constexpr std::size_t most_in_flight = 4;
    std::string difference_;
};

void run_disk(std::uint64_t seed, int steps) {
    Pair pair(seed);
    for (int step = 0; step < steps; ++step) {
        const std::string difference = pair.step();
        ASSERT_EQ(difference, "") << "at step " << step << " of REFLUX_ZONE_SEED=" << seed;
    }
}

// In parts, for a test program's time is bounded.
constexpr std::uint64_t parts = 10;
class ZoneModel : public testing::TestWithParam<std::uint64_t> {};
INSTANTIATE_TEST_SUITE_P(Part, ZoneModel, testing::Range<std::uint64_t>(0, parts));

TEST_P(ZoneModel, IsTheReferences) {
    constexpr int steps = 1000;
    if (const char* seed = std::getenv("REFLUX_ZONE_SEED"); seed != nullptr) {
        return run_disk(std::strtoull(seed, nullptr, 10), steps);
    }
    const std::uint64_t disks = test::is_long() ? 1000 : 60;
    const std::uint64_t first = std::random_device{}();
    fmt::print("{} disks with {} operations each, seeds from {}\n", disks, steps, first);
    seen.clear();
    for (std::uint64_t i = 0; i < disks && !HasFatalFailure(); ++i) {
        run_disk(first + i, steps);
    }
    EXPECT_EQ(seen.size(), static_cast<std::size_t>(ZoneError::too_many_active) + 1) << "every answer";
}

}  // namespace
}  // namespace reflux
