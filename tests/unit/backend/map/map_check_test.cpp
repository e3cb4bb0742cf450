// What fsck finds in a translation's metadata: each kind of damage in its line, and what --repair makes of
// it.
#include "backend/map/map_check.h"

#include "backend/map/map_store.h"
#include "tests/unit/backend/map/memory_disk.h"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::map {
namespace {

using test::geometry_of;
using test::MemoryDisk;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class MapCheckTest : public testing::Test {
  protected:
    // Chunk 0 has a sequential zone and a buffer, chunk 1 a random zone; two commits or three, so that both
    // sets are whole.
    void SetUp() override {
        auto disk = TranslatedDisk::open(below_, layout_, below_.states(), {}).value();
        std::vector<std::byte> bytes(8 * block_size, std::byte{5});
        std::vector<std::byte> scratch(block_size);
        const auto write = [&](std::uint64_t block, std::uint64_t count) {
            const auto part = std::span(bytes).first(count * block_size);
            EXPECT_EQ(disk->write(block * block_size, part, std::span(scratch).first<block_size>()), 0);
            EXPECT_EQ(disk->flush(), 0);
        };
        write(0, 8);
        write(2, 1);
        write(19, 1);
        newest_ = disk->status().generation % 2 == 1 ? 0 : 1;
    }
    MapFindings check() { return check_map(below_, layout_, below_.states()).value(); }
    // The map as a commit of `change` would leave it.
    void commit(const std::function<void(ChunkMap&)>& change) {
        auto loaded = MapStore::load(below_, layout_, false).value();
        change(loaded.map);
        ASSERT_TRUE(loaded.store.snapshot(loaded.map));
        ASSERT_EQ(loaded.store.write_out(below_), 0);
    }
    [[nodiscard]] std::string contradiction(const std::function<void(ChunkMap&)>& change) {
        const auto before = below_.bytes();
        commit(change);
        const auto found = check();
        EXPECT_EQ(repair_map(below_, layout_, below_.states()).has_value(), found.fatal.empty());
        EXPECT_EQ(TranslatedDisk::open(below_, layout_, below_.states(), {}).has_value(),
                  found.fatal.empty());
        below_.bytes() = before;
        return found.fatal.empty() ? "" : found.fatal.front();
    }
    std::byte& byte_of(std::size_t set, std::uint64_t at) {
        return below_.bytes()[layout_.set_offset(set).value + at];
    }

    ZonedGeometry geometry_ = geometry_of(16, 6);
    MapLayout layout_ = MapLayout::make(geometry_).value();
    MemoryDisk below_{geometry_};
    std::size_t newest_ = 0;
};

TEST_F(MapCheckTest, FindsNothingInWhatIsWhole) {
    const auto found = check();
    EXPECT_THAT(found.fatal, IsEmpty());
    EXPECT_THAT(found.repairable, IsEmpty());
    EXPECT_THAT(found.notes, IsEmpty());
    MemoryDisk unserved(geometry_);
    const auto fresh = check_map(unserved, layout_, unserved.states()).value();
    EXPECT_THAT(fresh.fatal, IsEmpty());
    EXPECT_THAT(fresh.repairable, IsEmpty());
    EXPECT_TRUE(repair_map(unserved, layout_, unserved.states()));
    EXPECT_EQ(std::ranges::count(unserved.bytes(), std::byte{}), std::ssize(unserved.bytes()));
}

TEST_F(MapCheckTest, AMapThatCannotBeIsToldChunkByChunk) {
    const auto entry = [](std::uint64_t chunk, ChunkEntry to) {
        return [=](ChunkMap& map) { map.set_entry(chunk, to); };
    };
    const auto data_of_0 = *MapStore::load(below_, layout_, false)->map.entry(0).data;
    EXPECT_EQ(contradiction([](ChunkMap& map) { map.set_valid(1, Part::data, 5, 1); }), "") << "can be";
    EXPECT_THAT(contradiction(entry(5, {.data = data_of_0})), HasSubstr("chunk 5: zone "));
    EXPECT_THAT(contradiction(entry(5, {.data = data_of_0})), HasSubstr("chunk 0 has it"));
    EXPECT_THAT(contradiction(entry(5, {.data = ZoneId{0}})), HasSubstr("zone 0 cannot be its own"));
    EXPECT_THAT(contradiction(entry(5, {.data = ZoneId{4'000'000'000}})), HasSubstr("none of those"));
    EXPECT_THAT(contradiction(entry(5, {.data = ZoneId{layout_.zone_end()}})), HasSubstr("none of those"));
    EXPECT_THAT(contradiction([&](ChunkMap& map) {
                    const ZoneId last{layout_.zone_end() - 1};
                    map.set_entry(5, {.data = ZoneId{last.value - 1}, .buffer = last});
                }),
                HasSubstr("cannot be its buffer"));
    EXPECT_THAT(contradiction([](ChunkMap& map) { map.set_valid(5, Part::data, 0, 1); }),
                HasSubstr("chunk 5: its bitmaps"));
    EXPECT_THAT(contradiction([](ChunkMap& map) { map.set_valid(0, Part::data, 9, 1); }),
                HasSubstr("never written"));
}

TEST_F(MapCheckTest, EachChunkThatIsWrongHasItsLine) {
    commit([](ChunkMap& map) {
        map.set_valid(5, Part::data, 0, 1);
        map.set_valid(7, Part::buffer, 3, 1);
    });
    EXPECT_THAT(check().fatal, ElementsAre(HasSubstr("chunk 5"), HasSubstr("chunk 7")));
}

TEST_F(MapCheckTest, ADamagedSetIsWrittenAnewFromTheOther) {
    const auto intact = below_.bytes();
    const auto before = MapStore::load(below_, layout_, false)->map.entry(0);
    for (const std::uint64_t at : {std::uint64_t{3}, std::uint64_t{70}, block_size + 40}) {
        byte_of(1 - newest_, at) ^= std::byte{1};
        const auto found = check();
        EXPECT_THAT(found.fatal, IsEmpty());
        EXPECT_EQ(found.repairable.size(), at < block_size ? 1U : 0U);
        EXPECT_EQ(found.notes.size(), at < block_size ? 0U : 1U);
        ASSERT_TRUE(repair_map(below_, layout_, below_.states()));
        const auto repaired = check();
        EXPECT_THAT(repaired.repairable, IsEmpty());
        EXPECT_THAT(repaired.notes, IsEmpty());
        EXPECT_EQ(MapStore::load(below_, layout_, false)->map.entry(0), before);
        below_.bytes() = intact;
    }
    for (const std::size_t set : {0U, 1U}) {
        byte_of(set, 3) ^= std::byte{1};
    }
    EXPECT_THAT(check().fatal, ElementsAre(HasSubstr("set 0"), HasSubstr("set 1")));
    const auto broken = below_.bytes();
    EXPECT_FALSE(repair_map(below_, layout_, below_.states()));
    EXPECT_EQ(below_.bytes(), broken) << "nothing is written then";
}

TEST_F(MapCheckTest, EveryFlippedByteIsFound) {
    const auto intact = below_.bytes();
    ASSERT_EQ(layout_.metadata_blocks(), 1U);
    for (std::size_t set = 0; set < metadata_sets; ++set) {
        for (std::uint64_t at = 0; at < 2 * block_size; ++at) {
            byte_of(set, at) ^= std::byte{0x10};
            const auto found = check();
            const std::size_t lines = found.fatal.size() + found.repairable.size() + found.notes.size();
            ASSERT_EQ(lines, 1U) << "set " << set << ", byte " << at;
            // A newest superblock that is damaged looks like none: the commit before it stands in.
            ASSERT_EQ(found.fatal.size(), set == newest_ && at >= block_size ? 1U : 0U)
                << "set " << set << ", byte " << at;
            byte_of(set, at) = intact[layout_.set_offset(set).value + at];
        }
    }
}

TEST_F(MapCheckTest, MappedZonesThatAreWornAreTold) {
    auto states = below_.states();
    for (auto& state : states) {
        state.usable = false;
    }
    const auto found = check_map(below_, layout_, states).value();
    EXPECT_THAT(found.fatal, IsEmpty());
    EXPECT_EQ(found.notes.size(), 3U) << "two zones of chunk 0, one of chunk 1";
}

}  // namespace
}  // namespace reflux::map
