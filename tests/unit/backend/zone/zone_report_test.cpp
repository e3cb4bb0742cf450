#include "backend/zone/zone_table.h"

#include <vector>

#include <gtest/gtest.h>

namespace reflux {
namespace {

constexpr std::uint64_t z = kibibytes(64).value;

// Every condition once, from zone 1 on; zone 0 is conventional.
ZoneTable zoo() {
    auto table = ZoneTable::fresh(
        ZonedGeometry::make({.size = {10 * z - 4096}, .zone_size = {z}, .conventional = 1}).value());
    const auto write = [&](std::uint64_t id, std::uint64_t offset = 0) {
        table.record_write({.offset = {id * z + offset}, .length = {512}});
    };
    write(2);                            // implicitly open
    static_cast<void>(table.open({3}));  // explicitly open
    write(4, 4096);                      // closed, written not sequentially
    static_cast<void>(table.close({4}));
    static_cast<void>(table.finish({5}));
    table.recommend_reset({5});
    table.degrade({6}, ZoneCondition::read_only);
    table.degrade({7}, ZoneCondition::offline);
    return table;
}

std::vector<std::uint64_t> reported(ReportingOption option) {
    std::vector<ZoneDescriptor> out(16);
    const auto answer = zoo().report_matching({.first = {0}, .option = option}, out);
    EXPECT_EQ(answer.error, ZoneError::none);
    EXPECT_EQ(answer.matching, answer.filled);
    std::vector<std::uint64_t> ids;
    for (std::size_t i = 0; i < answer.filled; ++i) {
        ids.push_back(out[i].start.value / z);
    }
    return ids;
}

TEST(ZoneReport, EveryOptionListsItsZones) {
    using Ids = std::vector<std::uint64_t>;
    EXPECT_EQ(reported(ReportingOption::all), (Ids{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
    EXPECT_EQ(reported(ReportingOption::not_gap), (Ids{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
    EXPECT_EQ(reported(ReportingOption::empty), (Ids{1, 8, 9}));
    EXPECT_EQ(reported(ReportingOption::implicit_open), Ids{2});
    EXPECT_EQ(reported(ReportingOption::explicit_open), Ids{3});
    EXPECT_EQ(reported(ReportingOption::closed), Ids{4});
    EXPECT_EQ(reported(ReportingOption::full), Ids{5});
    EXPECT_EQ(reported(ReportingOption::read_only), Ids{6});
    EXPECT_EQ(reported(ReportingOption::offline), Ids{7});
    EXPECT_EQ(reported(ReportingOption::reset_recommended), Ids{5});
    EXPECT_EQ(reported(ReportingOption::non_sequential), Ids{4});
    EXPECT_EQ(reported(ReportingOption::not_write_pointer), Ids{0});
}

TEST(ZoneReport, OptionsAreTheStandardsNumbers) {
    unsigned known = 0;
    for (unsigned field = 0; field < 256; ++field) {
        const auto option = to_reporting_option(static_cast<std::uint8_t>(field));
        known += option ? 1U : 0U;
        if (option) {
            EXPECT_EQ(static_cast<unsigned>(*option), field);
        }
    }
    EXPECT_EQ(known, 12U);
    EXPECT_TRUE(to_reporting_option(0x3f));
    EXPECT_FALSE(to_reporting_option(0x08)) << "inactive zones: of zone domains";
    EXPECT_FALSE(to_reporting_option(0x12));
}

TEST(ZoneReport, PartialCountsWhatFitsElseWhatMatches) {
    const auto table = zoo();
    std::vector<ZoneDescriptor> out(2);
    auto answer =
        table.report_matching({.first = {1}, .option = ReportingOption::empty, .partial = true}, out);
    EXPECT_EQ(answer.filled, 2U);
    EXPECT_EQ(answer.matching, 2U);
    answer = table.report_matching({.first = {1}, .option = ReportingOption::empty, .partial = false}, out);
    EXPECT_EQ(answer.filled, 2U);
    EXPECT_EQ(answer.matching, 3U);
    answer = table.report_matching({.first = {1}, .option = ReportingOption::all, .partial = false}, {});
    EXPECT_EQ(answer.filled, 0U);
    EXPECT_EQ(answer.matching, 9U);
}

TEST(ZoneReport, BeginsWhereItIsAskedTo) {
    const auto table = zoo();
    std::vector<ZoneDescriptor> out(3);
    EXPECT_EQ(table.report_matching({.first = {10}}, out).error, ZoneError::out_of_range);
    ASSERT_EQ(table.report({9}, out), 1U);
    EXPECT_EQ(out[0].length, Bytes{z - 4096});
    ASSERT_EQ(table.report_matching({.first = {5}, .option = ReportingOption::empty}, out).filled, 2U);
    EXPECT_EQ(out[0].start, Bytes{8 * z});
}

TEST(ZoneReport, SaysOfAZoneAllThereIs) {
    const auto table = zoo();
    const ZoneDescriptor four = table.describe({4});
    EXPECT_EQ(four.write_pointer, Bytes{4 * z + 4608});
    EXPECT_EQ(four.capacity, Bytes{z});
    EXPECT_TRUE(four.non_sequential);
    EXPECT_FALSE(four.reset_recommended);
    EXPECT_TRUE(table.describe({5}).reset_recommended);
    EXPECT_FALSE(table.describe({0}).has_write_pointer);
}

}  // namespace
}  // namespace reflux
