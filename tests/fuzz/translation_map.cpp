// The metadata of a translated disk, both of its sets, and the write pointers of the zones below: whatever is
// served of it obeys the zones' rules, and fsck refuses just what serving refuses. Read as it comes, and with
// checksums made right, for no mutation ever finds one.
#include "backend/base/checksum.h"
#include "backend/map/map_check.h"
#include "backend/map/translated_disk.h"
#include "tests/fuzz/support/target.h"
#include "tests/unit/backend/map/memory_disk.h"

#include <algorithm>

namespace reflux::fuzz {
namespace {

using map::block_size;
using map::MapLayout;
using map::metadata_sets;
using map::TranslatedDisk;
using map::test::MemoryDisk;

// Places of what is made right: docs/translation.md.
constexpr std::size_t superblock_checksum = 12;
constexpr std::size_t superblock_digest = 64;
constexpr std::size_t block_checksum = 0;

const ZonedGeometry& geometry() {
    static const ZonedGeometry made = map::test::geometry_of(16, 6);
    return made;
}
const MapLayout& layout() {
    static const MapLayout made = MapLayout::make(geometry()).value();
    return made;
}
std::size_t set_bytes() {
    return (1 + layout().metadata_blocks()) * block_size;
}
std::span<std::byte> set_of(MemoryDisk& disk, std::size_t set) {
    return std::span(disk.bytes()).subspan(layout().set_offset(set).value, set_bytes());
}

void put(std::span<std::byte> block, std::size_t at, std::uint32_t value) {
    for (std::size_t i = 0; i < 4; ++i) {
        block[at + i] = static_cast<std::byte>(value >> (8 * i));
    }
}

void make_checksums_right(std::span<std::byte> set) {
    std::vector<std::byte> checksums(4 * (1 + layout().metadata_blocks()));
    for (std::size_t i = 0; i < layout().metadata_blocks(); ++i) {
        const auto block = set.subspan((1 + i) * block_size, block_size);
        const std::uint32_t checksum = checksum_of(block, block_checksum);
        put(block, block_checksum, checksum);
        put(checksums, 4 * (1 + i), checksum);
    }
    const auto superblock = set.first(block_size);
    put(superblock, superblock_digest, checksum_of(checksums, 0));
    put(superblock, superblock_checksum, checksum_of(superblock, superblock_checksum));
}

// A byte for each sequential zone, its blocks that are written; then the sets.
void fill(MemoryDisk& disk, std::string_view input) {
    std::vector<std::byte> data(layout().zone_size().value);
    for (std::uint64_t i = 0; i < layout().sequential_count() && !input.empty(); ++i) {
        const std::uint64_t blocks = static_cast<unsigned char>(input.front()) % (layout().zone_blocks() + 1);
        input.remove_prefix(1);
        if (blocks > 0) {
            const ZoneId zone{layout().sequential_first() + i};
            disk.write(geometry().start_of(zone), std::span(data).first(blocks * block_size));
        }
    }
    for (std::size_t set = 0; set < metadata_sets; ++set) {
        const auto part = input.substr(0, std::min(input.size(), set_bytes()));
        std::ranges::transform(part, set_of(disk, set).begin(), [](char c) { return std::byte(c); });
        input.remove_prefix(part.size());
    }
}

void use(TranslatedDisk& disk) {
    std::vector<std::byte> bytes(disk.size().value);
    std::vector<std::byte> scratch(block_size);
    const auto block = std::span(scratch).first<block_size>();
    require(disk.read(0, bytes) == 0, "what is served can be read");
    const std::uint64_t chunk = layout().zone_size().value;
    for (std::uint64_t at : {2 * block_size, chunk + 512, 3 * chunk}) {
        for (int i = 0; i < 40 && disk.status().map.random_free < 2; ++i) {
            disk.reclaim_once();
        }
        if (disk.status().map.random_free >= 2) {
            disk.write(at, std::span(bytes).first(3 * block_size), block);
        }
    }
    disk.discard(chunk, 2 * chunk);
    disk.reclaim_once();
    require(disk.flush() == 0, "what is served can be committed");
}

bool serve(MemoryDisk& disk) {
    const auto found = map::check_map(disk, layout(), disk.states());
    require(found.has_value(), "reads do not fail");
    auto opened = TranslatedDisk::open(disk, layout(), disk.states(), {});
    require(opened.has_value() == found->fatal.empty(), "fsck refuses just what serving refuses");
    if (!opened) {
        require(!opened.error().message.empty(), "a refusal has a reason");
        return false;
    }
    use(**opened);
    require(disk.violations.empty(), "the rules of the zones are kept");
    opened->reset();
    const auto after = map::check_map(disk, layout(), disk.states());
    require(after && after->fatal.empty() && after->repairable.empty(), "what was committed is whole");
    return true;
}

bool run(std::string_view input) {
    MemoryDisk as_it_comes(geometry());
    fill(as_it_comes, input);
    const bool taken = serve(as_it_comes);
    MemoryDisk right(geometry());
    fill(right, input);
    for (std::size_t set = 0; set < metadata_sets; ++set) {
        make_checksums_right(set_of(right, set));
    }
    return serve(right) || taken;
}

// What some work leaves on the disk.
std::string seed(int steps) {
    MemoryDisk disk(geometry());
    auto opened = TranslatedDisk::open(disk, layout(), disk.states(), {}).value();
    std::vector<std::byte> bytes(12 * block_size, std::byte{7});
    std::vector<std::byte> scratch(block_size);
    for (int i = 0; i < steps; ++i) {
        const std::uint64_t chunk = static_cast<std::uint64_t>(i) % layout().chunk_count();
        const std::uint64_t at = chunk * layout().zone_size().value + (i % 3 == 0 ? 0 : 3 * block_size);
        while (opened->status().map.random_free == 0 && opened->reclaim_once()) {
        }
        require(opened->write(at, std::span(bytes).first((i % 3 == 0 ? 12U : 2U) * block_size),
                              std::span(scratch).first<block_size>()) == 0,
                "the seed can be written");
        require(opened->flush() == 0, "and committed");
    }
    std::string text;
    const auto states = disk.states();
    for (std::uint64_t zone = layout().sequential_first(); zone < layout().zone_end(); ++zone) {
        text += static_cast<char>(states[zone].written);
    }
    for (std::size_t set = 0; set < metadata_sets; ++set) {
        std::ranges::transform(set_of(disk, set), std::back_inserter(text),
                               [](std::byte byte) { return static_cast<char>(byte); });
    }
    return text;
}

}  // namespace

Target make_target() {
    return {.run = run,
            .seeds = {seed(0), seed(1), seed(4), seed(20)},
            .words = {"REFLUXMP", std::string("\1\0\0\0\0\0\0\0", 8), std::string(8, '\0'),
                      std::string(8, '\xff'), std::string("\7\0\0\0\5\0\0\0", 8)},
            .rounds = 1500,
            .round_bytes = std::size_t{1} << 16U};
}

}  // namespace reflux::fuzz
