// What is packed into words comes out as it was, in both sizes of words and at the ends of what they hold;
// and the queue of open zones against a list.
#include "backend/zone/zone_store.h"

#include "backend/zone/open_queue.h"
#include "tests/support/seed.h"

#include <algorithm>
#include <list>
#include <random>

#include <gtest/gtest.h>

namespace reflux {
namespace {

constexpr std::uint64_t zones = 4;  // the first one is conventional

ZonedGeometry geometry_of(Bytes zone_size, unsigned block, ZoneModel model) {
    return ZonedGeometry::make({.size = {zones * zone_size.value},
                                .zone_size = zone_size,
                                .conventional = 1,
                                .logical_block_size = block,
                                .model = model})
        .value();
}

std::vector<Zone> all_kinds(const ZonedGeometry& geometry) {
    std::vector<Zone> kinds;
    const std::uint64_t block = geometry.shape().logical_block_size;
    for (const std::uint64_t written : {std::uint64_t{0}, block, geometry.zone_size().value}) {
        for (const unsigned condition : {0x0U, 0x1U, 0x2U, 0x3U, 0x4U, 0xdU, 0xeU, 0xfU}) {
            for (const unsigned flags : {0U, 1U, 2U, 3U}) {
                for (const std::uint32_t in_flight : {0U, 1U, 63U}) {
                    kinds.push_back({.written = {written},
                                     .type = geometry.sequential_type(),
                                     .condition = static_cast<ZoneCondition>(condition),
                                     .non_sequential = (flags & 1U) != 0,
                                     .reset_recommended = (flags & 2U) != 0,
                                     .writes_in_flight = in_flight});
                }
            }
        }
    }
    return kinds;
}

class ZoneStoreOf : public testing::TestWithParam<ZonedGeometry> {};

TEST_P(ZoneStoreOf, GivesBackWhatItWasGiven) {
    ZoneStore store(GetParam());
    ASSERT_EQ(store.size(), zones);
    const Zone neighbour = all_kinds(GetParam()).back();
    store.set({0}, fresh_zone(ZoneType::conventional));
    store.set({1}, neighbour);
    store.set({3}, neighbour);
    for (const Zone& zone : all_kinds(GetParam())) {
        store.set({2}, zone);
        ASSERT_EQ(store.get({2}), zone) << to_string(zone.condition) << " " << zone.written.value;
        ASSERT_EQ(store.get({2}).writes_in_flight, zone.writes_in_flight);
    }
    EXPECT_EQ(store.get({0}), fresh_zone(ZoneType::conventional));
    EXPECT_EQ(store.get({1}), neighbour);
    EXPECT_EQ(store.get({3}), neighbour);
}

// Around the largest zones of 4 bytes, and the largest of all.
INSTANTIATE_TEST_SUITE_P(ZoneStore, ZoneStoreOf,
                         testing::Values(geometry_of(kibibytes(64), 512, ZoneModel::host_managed),
                                         geometry_of(mebibytes(512), 512, ZoneModel::host_aware),
                                         geometry_of(gibibytes(1), 512, ZoneModel::host_aware),
                                         geometry_of(gibibytes(4), 4096, ZoneModel::host_managed),
                                         geometry_of(gibibytes(8), 4096, ZoneModel::host_managed),
                                         geometry_of(ZonedGeometry::largest_zone, 512,
                                                     ZoneModel::host_managed)));

TEST(ZoneStore, MoreWritesInFlightThanItCountsLeaveTheRestAlone) {
    const auto geometry = geometry_of(mebibytes(512), 512, ZoneModel::host_aware);
    ZoneStore store(geometry);
    Zone zone = fresh_zone(geometry.sequential_type());
    zone.written = {512};
    zone.condition = ZoneCondition::implicit_open;
    zone.writes_in_flight = 100;
    store.set({1}, zone);
    EXPECT_EQ(store.get({1}), zone);
    EXPECT_EQ(store.get({1}).writes_in_flight, 63U);
}

TEST(OpenQueue, IsAListThatFindsItsZones) {
    constexpr std::uint64_t most = 37;
    const std::uint64_t seed = test::new_seed();
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    OpenQueue queue(most);
    std::list<std::uint64_t> list;
    for (int step = 0; step < 20'000; ++step) {
        // Far more zones than room, and neighbours among them.
        const std::uint64_t id = random() % 128 + (random() % 4 << 20U);
        const auto found = std::ranges::find(list, id);
        if (found != list.end()) {
            queue.remove({id});
            list.erase(found);
        } else if (list.size() < most) {
            queue.push({id});
            list.push_back(id);
        }
        if (list.empty()) {
            continue;
        }
        ASSERT_EQ(queue.oldest([](ZoneId) { return true; }), ZoneId{list.front()});
        ASSERT_EQ(queue.oldest([](ZoneId) { return false; }), ZoneId{list.front()});
        ASSERT_EQ(queue.oldest([&](ZoneId zone) { return zone.value == list.back(); }), ZoneId{list.back()});
    }
}

}  // namespace
}  // namespace reflux
