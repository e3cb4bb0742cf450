// The rows of the prototype module believe the module's own counters, and refluxd's beside them.
#include "harness/mitigation/mitigation.h"
#include "tests/support/temporary_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::mitigation {
namespace {

using testing::HasSubstr;

class ModuleRowsTest : public testing::Test {
  protected:
    void count(const std::string& name, const std::string& value) const {
        sys_.write("class/misc/reflux_scope/" + name, value + "\n");
    }
    [[nodiscard]] evidence::Mitigation read_back(const std::string& name, const std::string& calls) const {
        const auto row = find(name);
        EXPECT_TRUE(row) << name;
        return row->read_back(*row, {.sys = sys_.path(), .status = R"({"io": {"calls": )" + calls + "}}"});
    }

    test::TemporaryFolder sys_;
};

TEST_F(ModuleRowsTest, WithoutTheModuleNothingIsInForce) {
    for (const char* name :
         {"rwf_nofsreclaim", "scope_nofs", "scope_noio", "scope_memalloc", "mapping_nofs"}) {
        const auto shown =
            read_back(name, R"({"flagged": 9, "scoped": 9, "scope_failures": 0, "mapping_nofs": true})");
        EXPECT_FALSE(shown.applied) << name;
        EXPECT_THAT(shown.detail, HasSubstr("reflux_scope"));
    }
}

TEST_F(ModuleRowsTest, FlaggedCallsAreThoseThatTheModuleMarked) {
    count("rwf_calls", "1000");
    count("rwf_refused", "0");
    count("rwf_missed", "0");
    EXPECT_TRUE(read_back("rwf_nofsreclaim", R"({"flagged": 990})").applied);
    EXPECT_FALSE(read_back("rwf_nofsreclaim", R"({"flagged": 2000})").applied) << "half of them unmarked";
    count("rwf_missed", "1");
    EXPECT_FALSE(read_back("rwf_nofsreclaim", R"({"flagged": 990})").applied);
    count("rwf_missed", "0");
    count("rwf_calls", "0");
    EXPECT_FALSE(read_back("rwf_nofsreclaim", R"({"flagged": 0})").applied) << "no call at all";
}

TEST_F(ModuleRowsTest, ScopesAreEnteredAsOftenAsRefluxdSays) {
    count("scope_enters", "12");
    EXPECT_TRUE(read_back("scope_nofs", R"({"scoped": 11, "scope_failures": 0})").applied);
    EXPECT_FALSE(read_back("scope_nofs", R"({"scoped": 13, "scope_failures": 0})").applied);
    EXPECT_FALSE(read_back("scope_nofs", R"({"scoped": 11, "scope_failures": 1})").applied);
}

TEST_F(ModuleRowsTest, AMaskIsHeldByTheModuleForRefluxd) {
    count("mappings_masked", "1");
    EXPECT_TRUE(read_back("mapping_nofs", R"({"mapping_nofs": true})").applied);
    EXPECT_FALSE(read_back("mapping_nofs", R"({"mapping_nofs": false})").applied) << "another's";
    count("mappings_masked", "0");
    EXPECT_FALSE(read_back("mapping_nofs", R"({"mapping_nofs": true})").applied);
}

TEST_F(ModuleRowsTest, TheTwoThatSetTheSameFlagPerCallExcludeEachOther) {
    EXPECT_FALSE(find_all({"scope_noio+per_call"}));
    EXPECT_TRUE(find_all({"scope_nofs+own_cgroup"}));
}

}  // namespace
}  // namespace reflux::mitigation
