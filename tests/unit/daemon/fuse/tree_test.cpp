#include "daemon/fuse/tree.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::fuse {
namespace {

using testing::ElementsAre;

constexpr Tree tree{
    .disk_size = gibibytes(1), .conventional = 2, .sequential = 999'998, .owner = 5, .group = 6, .time = 7};
constexpr Tree without_zones{.disk_size = gibibytes(1)};

std::vector<std::string> names_in(const Tree& of, Inode directory) {
    std::vector<std::string> names;
    while (const auto entry = of.entry(directory, names.size())) {
        names.emplace_back(entry->name.data());
    }
    return names;
}

TEST(Tree, HasADirectoryWithADisk) {
    EXPECT_THAT(names_in(tree, root_inode), ElementsAre(".", "..", "disk", "report", "report.json", "zones"));
    EXPECT_THAT(names_in(tree, zones_inode), ElementsAre(".", "..", "cnv", "seq"));
    EXPECT_THAT(names_in(tree, conventional_inode), ElementsAre(".", "..", "0", "1"));
    EXPECT_THAT(names_in(tree, disk_inode), ElementsAre());
    EXPECT_EQ(tree.lookup(root_inode, "disk"), disk_inode);
    EXPECT_FALSE(tree.lookup(root_inode, "disc"));
    EXPECT_FALSE(tree.lookup(root_inode, "cnv"));
    EXPECT_FALSE(tree.lookup(disk_inode, "disk"));
    const auto root = tree.attributes(root_inode);
    ASSERT_TRUE(root);
    EXPECT_TRUE(S_ISDIR(root->st_mode));
    EXPECT_EQ(root->st_nlink, 3U);
    const auto disk = tree.attributes(disk_inode);
    ASSERT_TRUE(disk);
    EXPECT_EQ(disk->st_mode, S_IFREG | 0600U);
    EXPECT_EQ(disk->st_size, 1 << 30);
    EXPECT_EQ(disk->st_blocks, 1 << 21);
    EXPECT_EQ(disk->st_uid, 5U);
    EXPECT_EQ(disk->st_mtim.tv_sec, 7);
    EXPECT_EQ(tree.attributes(sequential_inode)->st_size, 999'998) << "as zonefs counts its files";
    EXPECT_EQ(tree.inode_count(), 7 + 1'000'000U);
}

TEST(Tree, EveryZoneIsFoundByTheNameThatItIsListedBy) {
    const Inode last = first_zone_inode + 999'999;
    EXPECT_EQ(tree.lookup(conventional_inode, "1"), first_zone_inode + 1);
    EXPECT_FALSE(tree.lookup(conventional_inode, "2"));
    EXPECT_EQ(tree.lookup(sequential_inode, "0"), first_zone_inode + 2);
    EXPECT_EQ(tree.lookup(sequential_inode, "999997"), last);
    for (const char* wrong :
         {"", "00", "01", "-1", "+1", " 1", "1 ", "999998", "0x1", "18446744073709551616"}) {
        EXPECT_FALSE(tree.lookup(sequential_inode, wrong)) << wrong;
    }
    EXPECT_EQ(tree.zone_of(last), ZoneId{999'999});
    EXPECT_FALSE(tree.zone_of(last + 1));
    EXPECT_FALSE(tree.zone_of(report_json_inode));
    EXPECT_FALSE(tree.attributes(last)) << "a zone's are not to be had without its state";
    // Each position by itself, as readdir with an offset asks.
    for (std::uint64_t position = 2; position < 1'000'000; position += 101) {
        const auto entry = tree.entry(sequential_inode, position);
        ASSERT_TRUE(entry);
        ASSERT_EQ(tree.lookup(sequential_inode, entry->name.data()), entry->inode);
    }
    EXPECT_TRUE(tree.entry(sequential_inode, 999'999));
    EXPECT_FALSE(tree.entry(sequential_inode, 1'000'000));
    EXPECT_FALSE(tree.entry(sequential_inode, ~std::uint64_t{0}));
    EXPECT_EQ(tree.entry(sequential_inode, 1)->inode, zones_inode);
}

TEST(Tree, WithoutZonesThereIsNoDirectoryOfThem) {
    EXPECT_THAT(names_in(without_zones, root_inode), ElementsAre(".", "..", "disk", "report", "report.json"));
    EXPECT_FALSE(without_zones.lookup(root_inode, "zones"));
    EXPECT_FALSE(without_zones.attributes(zones_inode));
    EXPECT_FALSE(without_zones.entry(zones_inode, 0));
    EXPECT_FALSE(without_zones.zone_of(first_zone_inode));
    EXPECT_EQ(without_zones.inode_count(), 4U);
    const Tree one_kind{.disk_size = gibibytes(1), .sequential = 3};
    EXPECT_THAT(names_in(one_kind, zones_inode), ElementsAre(".", "..", "seq"));
    EXPECT_EQ(one_kind.lookup(sequential_inode, "0"), first_zone_inode);
}

}  // namespace
}  // namespace reflux::fuse
