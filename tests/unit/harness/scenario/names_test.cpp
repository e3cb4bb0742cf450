// Scenarios that name others, and how names are looked up.
#include "harness/scenario/keys.h"
#include "harness/scenario/load.h"
#include "tests/unit/harness/scenario/load_fixture.h"

#include <algorithm>
#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::scenario {
namespace {

using ::testing::HasSubstr;

TEST_F(LoadTest, BaseGivesWhatTheFileDoesNotSet) {
    write("parent.toml",
          question + "because = \"parent\"\n[memcg]\nlimit = \"64MiB\"\nplacement = \"siblings\"\n");
    const auto loaded = load_file(write(
        "child.toml", question + "base = \"parent\"\nbecause = \"child\"\n[memcg]\nlimit = \"none\"\n"));
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ(loaded->name, "child");
    EXPECT_EQ(loaded->question, "q");
    EXPECT_EQ(loaded->because, "child");
    EXPECT_EQ(loaded->memcg.limit, std::nullopt);
    EXPECT_EQ(loaded->memcg.placement, Placement::siblings);
    // Saved complete: the base is not needed to read it again.
    const auto again = load_file(write("saved.toml", to_toml(*loaded)));
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->memcg.placement, Placement::siblings);
}

TEST_F(LoadTest, StatusTellsOfItsOwnFileOnly) {
    write("parent.toml", question + "status = \"not reproduced\"\ntried = [\"5.10, 400 MiB: completes\"]\n");
    const auto parent = load_file(path("parent.toml"));
    ASSERT_TRUE(parent) << parent.error().message;
    EXPECT_TRUE(is_not_reproduced(*parent));
    EXPECT_EQ(parent->tried, std::vector<std::string>{"5.10, 400 MiB: completes"});
    const auto child = load_file(write("child.toml", question + "base = \"parent\"\n"));
    ASSERT_TRUE(child) << child.error().message;
    EXPECT_FALSE(is_not_reproduced(*child));
    EXPECT_TRUE(child->tried.empty());
    const auto again = load_file(write("saved.toml", to_toml(*parent)));
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_TRUE(is_not_reproduced(*again));
    EXPECT_EQ(again->tried, parent->tried);
}

TEST_F(LoadTest, WhyAndWhatForAreAFilesOwn) {
    write("parent.toml", question + "because = \"true of the parent\"\nsource = \"s\"\nfamily = \"S1\"\n");
    EXPECT_THAT(error_of("base = \"parent\"\n"), HasSubstr("question is missing"));
    const auto child = load_file(write("child.toml", "base = \"parent\"\nquestion = \"mine?\"\n"));
    ASSERT_TRUE(child) << child.error().message;
    EXPECT_EQ(child->question, "mine?");
    EXPECT_EQ(child->because, "");
    EXPECT_EQ(child->source, "s");
    EXPECT_EQ(child->family, "S1");
    EXPECT_TRUE(check_shipped(*child)) << "it is nobody's but its user's";
    auto shipped = *load("fuse-ext4-own-cgroup");
    EXPECT_TRUE(check_shipped(shipped));
    shipped.because.clear();
    const auto checked = check_shipped(shipped);
    ASSERT_FALSE(checked);
    EXPECT_THAT(checked.error().message, HasSubstr("fuse-ext4-own-cgroup.toml: because is missing"));
}

TEST(Keys, EachTellsWhatItIsInALine) {
    for (const Key& key : keys()) {
        EXPECT_FALSE(key.meaning.empty() || key.takes.empty()) << key.path;
        EXPECT_LE(key.meaning.size(), 110U) << key.path;
        for (const std::string& text : {key.meaning, key.takes}) {
            EXPECT_EQ(text.find('\n'), std::string::npos) << key.path;
        }
        EXPECT_EQ(find_key(key.path), &key) << key.path << " stands in the table twice";
    }
}

// What is listed as a default is what an absent key is, and stands for itself when it is written.
TEST(Keys, ADefaultIsWhatTheKeyTakes) {
    for (const Key& key : keys()) {
        if (key.use == KeyUse::file_only) {
            continue;
        }
        const Scenario defaults;
        const auto entries = parse_toml("key = " + key.print(defaults), "f");
        ASSERT_TRUE(entries) << key.path;
        Scenario again;
        const auto set = key.set(again, entries->at(0).value);
        EXPECT_TRUE(set) << key.path << ": " << set.error().message;
        EXPECT_EQ(key.print(again), key.print(defaults)) << key.path;
    }
}

TEST_F(LoadTest, WhatWasTriedGoesWithNotReproduced) {
    EXPECT_EQ(error_of(question + "status = \"not reproduced\"\n"),
              "s.toml:2: status = 'not reproduced' needs tried: a line for each attempt");
    EXPECT_EQ(error_of(question + "tried = [\"x\"]\n"),
              "s.toml:2: tried goes with status = 'not reproduced'");
    EXPECT_EQ(error_of(question + "status = \"broken\"\n"),
              "s.toml:2: status: expected one of ordinary | not reproduced, found the text 'broken'");
}

TEST_F(LoadTest, WhatWouldPressOnAHostOrBeRoundedIsRefused) {
    const auto error = [&](const std::string& text) {
        return load_file(write("s.toml", question + text)).error().message;
    };
    EXPECT_NE(error("[pressure]\nhog = \"64MiB\"\nhog_place = \"machine\"\n").find("needs = [\"guest\"]"),
              std::string::npos);
    EXPECT_NE(error("[workload]\nnames = 1500\n").find("workload.names = 1500"), std::string::npos);
}

TEST_F(LoadTest, AWordInBracesThatStandsForNothingIsRefused) {
    const auto loaded = load_file(write("s.toml", question + R"(
[daemon]
kind = "fuse-file"
command = "mydaemon {imge} {mount}"
serves = "{mount}/disk"
)"));
    ASSERT_FALSE(loaded);
    EXPECT_NE(loaded.error().message.find("{imge} stands for nothing; known: {image}"), std::string::npos)
        << loaded.error().message;
}

TEST_F(LoadTest, MorePressure) {
    const auto loaded = load_file(write("s.toml", question + R"(needs = ["guest"]
[workload]
names = 3000
[stack]
upper = "xfs"
upper_mkfs = ["-n", "size=65536"]
[pressure]
hog = "64MiB"
hog_place = "machine"
hog_until = "swap_full"
hog_does = "sync"
io_cgroups = 200
io_policies = ["throttle", "cost"]
after = "2MiB"
)"));
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ(loaded->workload.names, 3000U);
    EXPECT_EQ(loaded->stack.upper_mkfs, (std::vector<std::string>{"-n", "size=65536"}));
    EXPECT_EQ(loaded->pressure.hog, mebibytes(64));
    EXPECT_EQ(loaded->pressure.hog_place, "machine");
    EXPECT_EQ(loaded->pressure.hog_until, "swap_full");
    EXPECT_EQ(loaded->pressure.hog_does, "sync");
    EXPECT_EQ(loaded->pressure.io_cgroups, 200U);
    EXPECT_EQ(loaded->pressure.io_policies, (std::vector<std::string>{"throttle", "cost"}));
    EXPECT_EQ(loaded->pressure.after, mebibytes(2));
    const auto again = load_file(write("again.toml", to_toml(*loaded)));
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(to_toml(*again), to_toml(*loaded));
    EXPECT_EQ(error_of(question + "[pressure]\nhog_does = \"sync\"\n"),
              "s.toml:3: pressure.hog_does has no effect with pressure.hog = none; remove one of them");
    EXPECT_EQ(
        error_of(question + "[pressure]\nio_policies = [\"cost\"]\n"),
        "s.toml:3: pressure.io_policies has no effect with pressure.io_cgroups = 0; remove one of them");
    EXPECT_EQ(error_of(question + "[pressure]\nhog = \"16MiB\"\nafter = \"3GiB\"\n"),
              "s.toml:4: pressure.after = 3GiB, but the workload writes only workload.work = 2GiB");
}

TEST_F(LoadTest, BadBasesSayWhere) {
    write("bad.toml", question + "[stack]\nuper = \"xfs\"\n");
    EXPECT_EQ(error_of("base = \"bad\"\n"),
              "bad.toml:3: unknown key 'stack.uper'; did you mean 'stack.upper'?");
    EXPECT_EQ(error_of(question + "base = \"absent\"\n"),
              "s.toml:2: base = 'absent', but there is no file absent.toml");
    EXPECT_EQ(error_of("base = \"x/y\"\n"),
              "s.toml:1: base: expected the name of a scenario beside this file, "
              "without folder and .toml, found the text 'x/y'");
    write("second.toml", "base = \"s\"\n");
    EXPECT_EQ(error_of("base = \"second\"\n"),
              "s.toml:1: the 9th base of one another; do they name each other?");
}

TEST_F(LoadTest, ABaseMayHaveOne) {
    write("first.toml", question + "because = \"first\"\n[stack]\nupper = \"xfs\"\nlower = \"xfs\"\n");
    write("second.toml", question + "base = \"first\"\n[stack]\nupper = \"btrfs\"\n");
    const auto loaded = load_file(write("third.toml", question + "base = \"second\"\nbecause = \"third\"\n"));
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ(loaded->because, "third");
    EXPECT_EQ(loaded->stack.upper, "btrfs");
    EXPECT_EQ(loaded->stack.lower, "xfs");
}

TEST_F(LoadTest, NamesAreLookedUpInTheSearchPathFirstFolderWins) {
    write("fuse-ext4-shared-memcg.toml", "question = \"mine\"\n");
    write("broken.toml", "nonsense = 1\n");
    ASSERT_EQ(setenv("REFLUX_SCENARIOS", ("/nonexistent:" + folder_.path()).c_str(), 1), 0);
    ASSERT_GE(search_path().size(), 3U);
    EXPECT_EQ(search_path()[0], "/nonexistent");
    EXPECT_EQ(search_path()[1], folder_.path());

    const auto mine = load("fuse-ext4-shared-memcg");
    ASSERT_TRUE(mine) << mine.error().message;
    EXPECT_EQ(mine->question, "mine");
    const auto shipped = load("fuse-ext4-own-cgroup");
    ASSERT_TRUE(shipped) << shipped.error().message;

    bool saw_broken = false;
    std::vector<std::string> names;
    for (const Listed& listed : list_all()) {
        names.push_back(listed.name);
        if (listed.name == "broken") {
            saw_broken = true;
            EXPECT_FALSE(listed.scenario);
        }
    }
    EXPECT_TRUE(saw_broken);
    EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
    EXPECT_EQ(std::count(names.begin(), names.end(), "fuse-ext4-shared-memcg"), 1);
}

TEST_F(LoadTest, WhatActsAgainstAStallIsACure) {
    EXPECT_FALSE(is_cure(*load_file(write("s.toml", question))));
    EXPECT_TRUE(is_cure(*load_file(write("s.toml", question + "baseline = \"other\"\n"))));
    EXPECT_TRUE(is_cure(*load_file(path("s.toml"), {{"mitigation.apply", "io_flusher"}, {"baseline", ""}})));
}

TEST_F(LoadTest, NamedScenariosAreThoseBesideTheFileFirst) {
    const auto by = load_file(write("s.toml", question));
    write("fuse-ext4-shared-memcg.toml", "question = \"mine\"\n");
    EXPECT_EQ(load_named(*by, "fuse-ext4-shared-memcg")->question, "mine");
    EXPECT_EQ(load_named(*by, "fuse-ext4-shared-memcg", {{"memcg.limit", "99MiB"}})->memcg.limit,
              mebibytes(99));
    EXPECT_EQ(load_named(*by, "fuse-ext4-own-cgroup")->name, "fuse-ext4-own-cgroup");
}

TEST_F(LoadTest, NamesOfOthersAreChecked) {
    const auto error = [&](const std::string& text) {
        const auto loaded = load_file(write("s.toml", question + text));
        const auto checked = loaded ? check_named(*loaded) : Status(fail(loaded.error()));
        return checked ? "" : checked.error().message;
    };
    write("stall.toml", question);
    write("cure.toml", question + "baseline = \"stall\"\n");
    EXPECT_EQ(error(""), "");
    EXPECT_EQ(error("baseline = \"stall\"\ncontrol = \"fuse-ext4-shared-memcg-control\"\n"), "");
    EXPECT_THAT(error("control = \"stal\"\n"), HasSubstr("s.toml: control: no scenario 'stal' in "));
    EXPECT_THAT(error("baseline = \"fuse-ext4-own-cgrou\"\n"),
                HasSubstr("s.toml: baseline: no scenario 'fuse-ext4-own-cgrou' in "));
    EXPECT_THAT(error("baseline = \"cure\"\n"),
                HasSubstr("s.toml: baseline = 'cure' is a cure itself: it has a baseline"));
}

TEST_F(LoadTest, UnknownNamesListNearOnes) {
    const auto unknown = load("fuse-ext4-shared-mencg");
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().kind, ErrorKind::invalid_input);
    EXPECT_THAT(unknown.error().message, HasSubstr("no scenario 'fuse-ext4-shared-mencg' in "));
    EXPECT_THAT(unknown.error().message, HasSubstr("; did you mean 'fuse-ext4-shared-memcg'?"));
    const auto part = load("own-cgroup");
    ASSERT_FALSE(part);
    EXPECT_THAT(part.error().message, HasSubstr("did you mean 'fuse-ext4-own-cgroup'?"));
}

TEST_F(LoadTest, AMissingFileIsTheUsersMistake) {
    for (const std::string& name : {path("absent.toml"), std::string("absent.toml"), folder_.path() + "/"}) {
        const auto loaded = load(name);
        ASSERT_FALSE(loaded) << name;
        EXPECT_EQ(loaded.error().kind, ErrorKind::invalid_input);
        EXPECT_THAT(loaded.error().message, HasSubstr(name));
    }
}

}  // namespace
}  // namespace reflux::scenario
