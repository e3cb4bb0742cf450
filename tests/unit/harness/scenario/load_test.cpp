#include "harness/scenario/load.h"

#include "tests/unit/harness/scenario/load_fixture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::scenario {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(LoadTest, DefaultsAreThoseOfTheStructs) {
    const auto loaded = load_file(write("mine.toml", question));
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ(loaded->name, "mine");
    EXPECT_EQ(loaded->file, path("mine.toml"));
    EXPECT_EQ(loaded->question, "q");
    EXPECT_EQ(loaded->stack.lower_size, mebibytes(1536));
    EXPECT_EQ(loaded->memcg.limit, std::nullopt);
    EXPECT_EQ(loaded->judge.stall_window, Seconds(8));
}

TEST_F(LoadTest, EveryKeyIsRead) {
    const auto loaded = load_file(write("s.toml", R"(
question = "a \"quoted\" one"
because = """
two
lines"""
source = "here"
control = "other"
baseline = "worse"
family = "S9"
[stack]
lower = "xfs"
upper = "btrfs"
front_end = "fuse"
lower_size = "4GiB"
upper_size = "512MiB"
upper_options = "lazytime,commit=1"
map = "dm-integrity"
[daemon]
engine = "threads"
threads = 7
zone_size = "32MiB"
conventional_zones = 0
[memcg]
limit = "96MiB"
placement = "siblings"
daemon_limit = "32MiB"
[workload]
seed = 99
workers = 5
work = "1GiB"
small_file = "8KiB"
large_file = "16MiB"
[mitigation]
apply = ["io_flusher", "mlock"]
[fault]
kind = "error"
options = ["operations=read+write", "error=ENOSPC", "torn"]
after = "3MiB"
time = "2500ms"
[judge]
stall_window = "1500ms"
time_budget = "2min"
[meanwhile]
command = "sync {upper}"
every = "3s"
undo = "true"
[relief]
rungs = ["abort", "wait"]
rung_time = "3s"
[expect]
outcome = ["slow"]
recursion = ["none", "upper"]
)"));
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ(loaded->question, "a \"quoted\" one");
    EXPECT_EQ(loaded->because, "two\nlines");
    EXPECT_EQ(loaded->source, "here");
    EXPECT_EQ(loaded->control, "other");
    EXPECT_EQ(loaded->baseline, "worse");
    EXPECT_EQ(loaded->family, "S9");
    EXPECT_EQ(loaded->stack.lower, "xfs");
    EXPECT_EQ(loaded->stack.upper, "btrfs");
    EXPECT_EQ(loaded->stack.lower_size, gibibytes(4));
    EXPECT_EQ(loaded->stack.upper_size, mebibytes(512));
    EXPECT_EQ(loaded->stack.upper_options, "lazytime,commit=1");
    EXPECT_EQ(loaded->stack.map, "dm-integrity");
    EXPECT_EQ(loaded->meanwhile.command, "sync {upper}");
    EXPECT_EQ(loaded->meanwhile.every, Seconds(3));
    EXPECT_EQ(loaded->meanwhile.undo, "true");
    EXPECT_EQ(loaded->daemon.engine, "threads");
    EXPECT_EQ(loaded->daemon.threads, 7U);
    EXPECT_EQ(loaded->daemon.zone_size, mebibytes(32));
    EXPECT_EQ(loaded->daemon.conventional_zones, 0U);
    EXPECT_EQ(loaded->memcg.limit, mebibytes(96));
    EXPECT_EQ(loaded->memcg.placement, Placement::siblings);
    EXPECT_EQ(loaded->workload.seed, 99U);
    EXPECT_EQ(loaded->workload.workers, 5U);
    EXPECT_EQ(loaded->workload.work, gibibytes(1));
    EXPECT_EQ(loaded->workload.small_file, kibibytes(8));
    EXPECT_EQ(loaded->workload.large_file, mebibytes(16));
    EXPECT_THAT(loaded->mitigations, ElementsAre("io_flusher", "mlock"));
    EXPECT_EQ(loaded->memcg.daemon_limit, mebibytes(32));
    EXPECT_EQ(loaded->fault.kind, "error");
    EXPECT_THAT(loaded->fault.options, ElementsAre("operations=read+write", "error=ENOSPC", "torn"));
    EXPECT_EQ(loaded->fault.after, mebibytes(3));
    EXPECT_EQ(loaded->fault.time, Seconds(2.5));
    EXPECT_EQ(loaded->judge.stall_window, Seconds(1.5));
    EXPECT_EQ(loaded->judge.time_budget, Seconds(120));
    EXPECT_THAT(loaded->relief.rungs, ElementsAre("abort", "wait"));
    EXPECT_EQ(loaded->relief.rung_time, Seconds(3));
    EXPECT_THAT(loaded->expect.outcome, ElementsAre("slow"));
    EXPECT_THAT(loaded->expect.recursion, ElementsAre("none", "upper"));

    const std::string text = to_toml(*loaded);
    const auto again = load_file(write("again.toml", text));
    ASSERT_TRUE(again) << again.error().message << "\n" << text;
    EXPECT_EQ(to_toml(*again), text);
    EXPECT_EQ(again->question, loaded->question);
    EXPECT_EQ(again->because, loaded->because);
    EXPECT_EQ(again->judge.stall_window, loaded->judge.stall_window);
}

struct Bad {
    std::string text;   // after the question, so its first line is line 2
    std::string error;  // exact
};

TEST_F(LoadTest, BadValuesSayFileLineAndWhatIsRight) {
    const std::vector<Bad> bad{
        {"[stack]\nuper = \"xfs\"", "s.toml:3: unknown key 'stack.uper'; did you mean 'stack.upper'?"},
        {"upper = \"xfs\"", "s.toml:2: unknown key 'upper'; did you mean 'stack.upper'?"},
        {"[stak]\nupper = \"xfs\"", "s.toml:3: unknown key 'stak.upper'; did you mean 'stack.upper'?"},
        {"[judge]\nverdict = \"ok\"",
         "s.toml:3: unknown key 'judge.verdict'; [judge] has stall_window, "
         "time_budget, rung_time"},
        {"[stack]\nupper = \"zfs\"",
         "s.toml:3: stack.upper: expected one of ext4 | xfs | btrfs | f2fs, found the text 'zfs'"},
        {"[stack]\nupper = 4",
         "s.toml:3: stack.upper: expected one of ext4 | xfs | btrfs | f2fs, found the number 4"},
        {"[stack.upper]\nx = 1",
         "s.toml:2: stack.upper: expected one of ext4 | xfs | btrfs | f2fs, found a table"},
        {"stack = 3",
         "s.toml:2: 'stack' is a section: write [stack] and below it lower, upper, front_end, map, "
         "upper_mkfs, lower_size, upper_size, upper_options"},
        {"[stack]\nlower_size = 1536",
         "s.toml:3: stack.lower_size: expected a size in quotes, 64MiB or more, such as \"64MiB\", found the "
         "number 1536"},
        {"[stack]\nlower_size = \"1536\"",
         "s.toml:3: stack.lower_size: expected a size in quotes, 64MiB or more, such as \"64MiB\", found the "
         "text '1536'"},
        {"[stack]\nlower_size = \"2GB\"",
         "s.toml:3: stack.lower_size: expected a size in quotes, 64MiB or more, such as \"64MiB\", found the "
         "text '2GB'"},
        {"[memcg]\n\nlimit = \"8MiB\"",
         "s.toml:4: memcg.limit: expected \"none\", or a size in quotes, 16MiB or more, such as \"64MiB\", "
         "found the text '8MiB'"},
        {"[memcg]\nplacement = \"alone\"",
         "s.toml:3: memcg.placement: expected one of shared | siblings | apart, found the text 'alone'"},
        {"[workload]\nworkers = 0",
         "s.toml:3: workload.workers: expected a whole number from 1 to 256, found the number 0"},
        {"[workload]\nseed = -1",
         "s.toml:3: workload.seed: expected a whole number from 0 to "
         "9223372036854775807, found the number -1"},
        {"[workload]\nwork = \"0B\"",
         "s.toml:3: workload.work: expected a size in quotes, 1MiB or more, such as \"64MiB\", found the "
         "text "
         "'0B'"},
        {"[workload]\nworkers = 1.5",
         "s.toml:3: workload.workers: expected a whole number from 1 to 256, found "
         "a number with a fraction"},
        {"[judge]\nstall_window = \"8\"",
         "s.toml:3: judge.stall_window: expected a duration in quotes from 1s to 600s, such as \"8s\", found "
         "the text '8'"},
        {"[judge]\nstall_window = \"100ms\"",
         "s.toml:3: judge.stall_window: expected a duration in quotes from 1s to 600s, such as \"8s\", found "
         "the text '100ms'"},
        {"[fault]\nkind = \"crash\"",
         "s.toml:3: fault.kind: expected one of none | kill | stop | delay | spin | allocate | error, found "
         "the text 'crash'"},
        {"[fault]\noptions = [\"time = 1s\"]",
         "s.toml:3: fault.options: expected a list of options of refluxd's fault, such as "
         "[\"time=200ms\"], found the text 'time = 1s'"},
        {"[mitigation]\napply = \"io_flusher\"",
         "s.toml:3: mitigation.apply: expected a list of names of mitigations, such as [\"io_flusher\"], "
         "found "
         "the text 'io_flusher'"},
        {"[mitigation]\napply = [\"IO-flusher\"]",
         "s.toml:3: mitigation.apply: expected a list of names of mitigations, such as [\"io_flusher\"], "
         "found "
         "the text 'IO-flusher'"},
        {"[mitigation]\napply = [\"mlock\", \"mlock\"]",
         "s.toml:3: mitigation.apply: 'mlock' stands in it twice"},
        {"[expect]\noutcome = [\"hangs\"]",
         "s.toml:3: expect.outcome: expected a list of completes | slow | livelock | deadlock | "
         "daemon_killed "
         "| io_error | inconclusive | unsupported | harness_error, found the text 'hangs'"},
        {"[expect]\nrecursion = [1]",
         "s.toml:3: expect.recursion: expected a list of none | reclaim | upper, found a list that holds "
         "something other than texts"},
        {"[relief]\nrungs = [\"wait\", \"pray\"]",
         "s.toml:3: relief.rungs: expected a list of wait | raise_limit | drop_caches | kill_workload | "
         "abort, found the text 'pray'"},
        {"[relief]\nrungs = [\"wait\", \"wait\"]", "s.toml:3: relief.rungs: 'wait' stands in it twice"},
        {"because = true", "s.toml:2: because: expected a text, found a boolean"},
        {"control = \"a/b.toml\"",
         "s.toml:2: control: expected the name of a scenario, without folder and .toml, "
         "found the text 'a/b.toml'"},
        {"control = \"s\"", "s.toml:2: control = 's' is this scenario itself; a control has control = \"\""},
        {"baseline = \"s\"",
         "s.toml:2: baseline = 's' is this scenario itself; a baseline has baseline = \"\""},
    };
    for (const Bad& one : bad) {
        EXPECT_EQ(error_of(question + one.text + "\n"), one.error) << one.text;
    }
}

TEST_F(LoadTest, KeysThatContradictEachOtherAreErrors) {
    const std::vector<Bad> bad{
        {"[stack]\nupper = \"xfs\"\nupper_size = \"256MiB\"",
         "s.toml:4: stack.upper_size = 256MiB is too small: xfs needs 300MiB or more"},
        {"[stack]\nupper = \"btrfs\"\nupper_size = \"64MiB\"",
         "s.toml:4: stack.upper_size = 64MiB is too small: btrfs needs 128MiB or more"},
        {"[memcg]\ndaemon_limit = \"64MiB\"",
         "s.toml:3: memcg.daemon_limit needs a memcg of the daemon's own: memcg.placement = siblings or "
         "apart"},
        {"[fault]\noptions = [\"time=1s\"]", "s.toml:3: fault.options has no effect with fault.kind = none"},
        {"[fault]\nkind = \"stop\"\noptions = [\"time=1s\"]",
         "s.toml:4: fault.options has no effect with fault.kind = stop"},
        {"[meanwhile]\nundo = \"true\"", "s.toml:3: meanwhile.undo has no effect without meanwhile.command"},
        {"[fault]\nkind = \"kill\"\ntime = \"1s\"",
         "s.toml:4: fault.time: what was killed does not come back after a time"},
        {"[fault]\nkind = \"kill\"\nafter = \"3GiB\"",
         "s.toml:4: fault.after = 3GiB, but the workload writes only workload.work = 2GiB"},
        {"[stack]\nfront_end = \"loop\"\n[fault]\nkind = \"stop\"",
         "s.toml:5: fault.kind = stop has no effect with stack.front_end = loop: faults are the daemon's, "
         "and there is none; remove one of them"},
        {"[stack]\nlower_size = \"1GiB\"",
         "s.toml:3: stack.lower_size = 1GiB is too small: ext4 needs 1115MiB or more to hold an image of "
         "stack.upper_size = 1GiB"},
        {"[stack]\nupper_size = \"2GiB\"",
         "s.toml:3: stack.lower_size = 1536MiB is too small: ext4 needs 2172MiB or more to hold an image of "
         "stack.upper_size = 2GiB"},
        {"[stack]\nlower = \"xfs\"\nupper_size = \"64MiB\"\nlower_size = \"200MiB\"",
         "s.toml:5: stack.lower_size = 200MiB is too small: xfs needs 300MiB or more to hold an image of "
         "stack.upper_size = 64MiB"},
        {"[stack]\nupper_size = \"1000MiB\"",
         "s.toml:3: stack.upper_size = 1000MiB is not a multiple of daemon.zone_size = 64MiB"},
        {"[daemon]\nzone_size = \"96MiB\"", "s.toml:3: daemon.zone_size = 96MiB is not a power of two"},
        {"[daemon]\nzone_size = \"2GiB\"",
         "s.toml:3: stack.upper_size = 1GiB is not a multiple of daemon.zone_size = 2GiB"},
        {"[daemon]\nconventional_zones = 17",
         "s.toml:3: daemon.conventional_zones = 17, but the disk has only 16 zones"},
        {"[stack]\nfront_end = \"loop\"\n[daemon]\nthreads = 2",
         "s.toml:5: daemon.threads has no effect with stack.front_end = loop, which runs no daemon; remove "
         "one "
         "of them"},
        {"[stack]\nfront_end = \"nbd\"",
         "s.toml:3: stack.front_end = nbd needs a daemon that is not refluxd: daemon.kind and "
         "daemon.command"},
        {"[daemon]\nkind = \"nbd\"\ncommand = \"nbdkit\"\nserves = \"x\"",
         "s.toml:3: daemon.kind = nbd goes with stack.front_end = nbd, not fuse"},
        {"[daemon]\nkind = \"fuse-file\"\nserves = \"x\"",
         "s.toml:3: daemon.kind = fuse-file needs daemon.command, which starts it"},
        {"[daemon]\nkind = \"fuse-file\"\ncommand = \"x\"",
         "s.toml:3: daemon.kind = fuse-file needs daemon.serves, the path that appears when it serves"},
        {"[stack]\nfront_end = \"tcmu\"\n[daemon]\nkind = \"tcmu\"\ncommand = \"x\"",
         "s.toml:5: daemon.kind = tcmu needs daemon.config, the device's dev_config"},
        {"[daemon]\ncommand = \"x\"",
         "s.toml:3: daemon.command has no effect with daemon.kind = refluxd; remove one of them"},
        {"[daemon]\nkind = \"fuse-file\"\ncommand = \"x\"\nserves = \"{mount}/y\"\nengine = \"threads\"",
         "s.toml:6: daemon.engine has no effect with daemon.kind = fuse-file; remove one of them"},
        {"[daemon]\nkind = \"fuse-file\"\ncommand = \"x\"\nserves = \"/y\"",
         "s.toml:5: daemon.serves = /y: it must lie in the run's own folders, {mount}/… or {folder}/…"},
        {"[daemon]\nkind = \"fuse-file\"\ncommand = \"x\"\nserves = \"{mount}/y\"\n[fault]\nkind = \"delay\"",
         "s.toml:7: fault.kind = delay is refluxd's own; a foreign daemon takes kill and stop"},
        {"[stack]\nmap = \"dm-zoned\"",
         "s.toml:3: stack.map = dm-zoned needs a host-managed disk: daemon.zone_model = host-managed and a "
         "stack.front_end that shows its zones (tcmu, ublk, null_blk, scsi_debug)"},
        {"[daemon]\nzone_model = \"host-managed\"",
         "s.toml:3: daemon.zone_model = host-managed: ext4 cannot write to it through stack.front_end = fuse "
         "and stack.map = none; translated, or dm-zoned"},
        {"[stack]\nfront_end = \"loop\"\n[mitigation]\napply = [\"io_flusher\"]",
         "s.toml:5: mitigation.apply has no effect with stack.front_end = loop: mitigations are applied to "
         "the "
         "daemon, and there is none; remove one of them"},
        {"[stack]\nfront_end = \"loop\"\n[memcg]\nplacement = \"apart\"",
         "s.toml:5: memcg.placement = apart says where the daemon is, but stack.front_end = loop runs none; "
         "remove one of them"},
        {"[judge]\ntime_budget = \"5s\"",
         "s.toml:3: judge.time_budget = 5s is shorter than judge.stall_window = 8s: no stall could be seen "
         "in "
         "it"},
    };
    for (const Bad& one : bad) {
        EXPECT_EQ(error_of(question + one.text + "\n"), one.error) << one.text;
    }
    EXPECT_EQ(error_of("because = \"b\"\n"),
              "s.toml: question is missing: one sentence that says what the run answers");
}

TEST_F(LoadTest, TextThatIsNotTomlNamesTheLine) {
    EXPECT_THAT(error_of(question + "[stack]\nupper = xfs\n"), HasSubstr("s.toml:3: not valid TOML: "));
    EXPECT_THAT(error_of(question + "question = \"again\"\n"), HasSubstr("s.toml:2: not valid TOML: "));
}

TEST_F(LoadTest, OverridesGoThroughTheSameKeys) {
    const std::string file = write("s.toml", question + "[memcg]\nlimit = \"64MiB\"\n");
    const auto loaded = load_file(file, {{"memcg.limit", "128MiB"},
                                         {"stack.upper", "xfs"},
                                         {"workload.seed", "7"},
                                         {"mitigation.apply", "io_flusher,mlock"},
                                         {"relief.rungs", "abort"},
                                         {"expect.outcome", "slow"}});
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ(loaded->memcg.limit, mebibytes(128));
    EXPECT_EQ(loaded->stack.upper, "xfs");
    EXPECT_EQ(loaded->workload.seed, 7U);
    EXPECT_THAT(loaded->mitigations, ElementsAre("io_flusher", "mlock"));
    EXPECT_THAT(loaded->relief.rungs, ElementsAre("abort"));
    EXPECT_THAT(loaded->expect.outcome, ElementsAre("slow"));
    const auto unlimited = load_file(file, {{"memcg.limit", "none"}, {"mitigation.apply", ""}});
    ASSERT_TRUE(unlimited) << unlimited.error().message;
    EXPECT_EQ(unlimited->memcg.limit, std::nullopt);
    EXPECT_TRUE(unlimited->mitigations.empty());
}

TEST_F(LoadTest, TheLadderIsWholeWhereNothingElseIsSaid) {
    const auto loaded = load_file(write("s.toml", question));
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_THAT(loaded->relief.rungs,
                ElementsAre("wait", "raise_limit", "drop_caches", "kill_workload", "abort"));
    for (const std::string& name : loaded->relief.rungs) {
        EXPECT_TRUE(find_rung(name)) << name;
    }
    EXPECT_FALSE(find_rung("pray"));
}

// Saved scenarios and --set of older runs name it so.
TEST_F(LoadTest, TheOlderNameOfTheRungTimeIsReadButNotWritten) {
    const auto loaded = load_file(write("s.toml", question + "[judge]\nrung_time = \"3s\"\n"));
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ(loaded->relief.rung_time, Seconds(3));
    const std::string text = to_toml(*loaded);
    EXPECT_THAT(text, HasSubstr("[relief]\nrungs = [\"wait\", \"raise_limit\", \"drop_caches\", "
                                "\"kill_workload\", \"abort\"]\nrung_time = \"3s\"\n"));
    EXPECT_EQ(text.find("rung_time"), text.rfind("rung_time"));
}

TEST_F(LoadTest, BadOverridesNameTheOption) {
    EXPECT_EQ(error_of(question, {{"memcg.limt", "64MiB"}}),
              "--set memcg.limt=64MiB: unknown key 'memcg.limt'; did you mean 'memcg.limit'?");
    EXPECT_EQ(error_of(question, {{"workload.workers", "many"}}),
              "--set workload.workers=many: workload.workers: expected a whole number from 1 to 256, found "
              "the text "
              "'many'");
    EXPECT_EQ(
        error_of(question, {{"stack.upper_size", "100MiB"}}),
        "--set stack.upper_size=100MiB: stack.upper_size = 100MiB is not a multiple of daemon.zone_size = "
        "64MiB");
    EXPECT_EQ(
        error_of(question, {{"nothing", "other"}}),
        "--set nothing=other: unknown key 'nothing'; known: base, question, because, source, status, tried, "
        "control, baseline, "
        "needs, family, stack.lower, stack.upper, stack.front_end, stack.map, stack.upper_mkfs, "
        "stack.lower_size, "
        "stack.upper_size, stack.upper_options, "
        "daemon.engine, "
        "daemon.threads, daemon.zone_size, daemon.conventional_zones, daemon.zone_model, daemon.kind, "
        "daemon.command, daemon.serves, daemon.config, memcg.limit, memcg.placement, "
        "memcg.daemon_limit, workload.seed, workload.workers, workload.work, workload.small_file, "
        "workload.large_file, workload.append_every, workload.names, pressure.hog, pressure.hog_place, "
        "pressure.hog_until, pressure.hog_does, pressure.io_cgroups, pressure.io_policies, pressure.after, "
        "mitigation.apply, fault.kind, fault.options, "
        "fault.after, fault.time, "
        "vm.memory, vm.cpus, vm.cgroup, vm.setup, vm.attempts, "
        "meanwhile.command, meanwhile.every, meanwhile.undo, observe.trace_overhead, judge.stall_window, "
        "judge.time_budget, judge.rung_time, relief.rungs, relief.rung_time, expect.outcome, "
        "expect.recursion, "
        "expect_v2.outcome, expect_v2.recursion, expect_with.function, expect_with.outcome, "
        "expect_with.recursion");
}

TEST_F(LoadTest, WhatIsExpectedWithAFunctionNeedsItsName) {
    EXPECT_THAT(error_of(question, {{"expect_with.outcome", "slow"}}), HasSubstr("expect_with.function"));
    EXPECT_EQ(
        error_of(question, {{"expect_with.outcome", "slow"}, {"expect_with.function", "xfs_inodegc_worker"}}),
        "");
}

TEST_F(LoadTest, TheTraceIsMeasuredOnlyWithoutPressure) {
    EXPECT_THAT(error_of(question, {{"observe.trace_overhead", "measure"}, {"memcg.limit", "64MiB"}}),
                HasSubstr("--set observe.trace_overhead=measure: observe.trace_overhead = measure compares"));
    EXPECT_EQ(error_of(question, {{"observe.trace_overhead", "measure"}, {"memcg.limit", "none"}}), "");
}

TEST_F(LoadTest, TheBaseIsNoOverride) {
    EXPECT_EQ(error_of(question, {{"base", "other"}}), "--set base=other: base: can be set in a file only");
}

TEST_F(LoadTest, ParseOverrideSplitsAtTheFirstEqualsSign) {
    const auto good = parse_override("because=a=b");
    ASSERT_TRUE(good);
    EXPECT_EQ(good->key, "because");
    EXPECT_EQ(good->value, "a=b");
    for (const std::string bad : {"", "memcg.limit", "=64MiB"}) {
        const auto parsed = parse_override(bad);
        ASSERT_FALSE(parsed) << bad;
        EXPECT_EQ(parsed.error().message,
                  fmt::format("--set '{}': expected key=value, such as memcg.limit=128MiB", bad));
        EXPECT_EQ(parsed.error().kind, ErrorKind::invalid_input);
    }
}

}  // namespace
}  // namespace reflux::scenario
