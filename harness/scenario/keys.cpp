#include "harness/scenario/keys.h"

#include "harness/scenario/families.h"
#include "harness/scenario/front_ends.h"
#include "harness/scenario/key_kinds.h"
#include "harness/scenario/load.h"
#include "harness/scenario/near.h"

#include <array>
#include <limits>

namespace reflux::scenario {

using namespace kinds;  // the words in which the table below is written

namespace {

constexpr std::array placements{Placement::shared, Placement::siblings, Placement::apart};

Key placement_key(std::string path, std::string meaning) {
    static constexpr const char* takes = "one of shared | siblings | apart";
    return {.path = std::move(path),
            .meaning = std::move(meaning),
            .takes = takes,
            .set = [](Scenario& scenario, const Value& value) -> Status {
                const auto* text = std::get_if<std::string>(&value);
                const auto* found = std::find_if(
                    placements.begin(), placements.end(),
                    [&](Placement placement) { return text != nullptr && *text == to_string(placement); });
                if (found == placements.end()) {
                    return expected_but(takes, value);
                }
                scenario.memcg.placement = *found;
                return {};
            },
            .print = [](const Scenario& scenario) { return quoted(to_string(scenario.memcg.placement)); },
            .from_text = text_from_text};
}

// Names a member of a Scenario, const or not; a member's name cannot stand in parentheses.
// NOLINTBEGIN(bugprone-macro-parentheses)
#define REFLUX_FIELD(member)      \
    [](auto& scenario) -> auto& { \
        return scenario.member;   \
    }
// NOLINTEND(bugprone-macro-parentheses)

std::vector<Key> make_keys() {
    constexpr std::int64_t any = std::numeric_limits<std::int64_t>::max();
    const std::vector<std::string> filesystems{"ext4", "xfs", "btrfs"};
    // The two vocabularies of the verdict.
    const std::vector<std::string> outcomes{"completes",    "slow",          "livelock",
                                            "deadlock",     "daemon_killed", "io_error",
                                            "inconclusive", "unsupported",   "harness_error"};
    const std::vector<std::string> recursions{"none", "reclaim", "upper"};
    const auto rung_time_key = [](std::string path) {
        return duration_key(std::move(path), "for each rung: I/O must go on again within this", Seconds(0.1),
                            Seconds(60), REFLUX_FIELD(relief.rung_time));
    };
    return {
        base_key("base", "gives every key that this file does not say, but question, because, status, tried"),
        text_key("question", "what the run answers, one sentence; must be given", REFLUX_FIELD(question)),
        text_key("because", "why this outcome is expected", REFLUX_FIELD(because)),
        text_key("source", "thread, commit or report that it comes from", REFLUX_FIELD(source)),
        word_key("status", "not reproduced: what the source tells of could not be provoked so far",
                 {"ordinary", not_reproduced}, REFLUX_FIELD(status)),
        texts_key("tried", "of a scenario that is not reproduced: what was tried",
                  "a list of sentences, one an attempt", REFLUX_FIELD(tried)),
        name_key("control", "its control without pressure", REFLUX_FIELD(control)),
        name_key("baseline", "of a cure: the scenario that stalls without it", REFLUX_FIELD(baseline)),
        words_key("needs", "what it is unsupported without; cgroup_*: of the memory controller",
                  {"cgroup_v1", "cgroup_v2", "guest"}, REFLUX_FIELD(needs)),
        word_key("family", "group in `reflux list scenarios`", family_ids(), REFLUX_FIELD(family)),
        word_key("stack.lower", "filesystem that holds the daemon's image", filesystems,
                 REFLUX_FIELD(stack.lower)),
        word_key("stack.upper", "filesystem under test, on the daemon's device",
                 {"ext4", "xfs", "btrfs", "f2fs"}, REFLUX_FIELD(stack.upper)),
        word_key("stack.front_end", "how the daemon's disk becomes a block device: `reflux list front-ends`",
                 front_end_names(), REFLUX_FIELD(stack.front_end)),
        word_key("stack.map", "between that disk and the upper filesystem",
                 {"none", "dm-zoned", "dm-integrity"}, REFLUX_FIELD(stack.map)),
        texts_key("stack.upper_mkfs", "more options for the upper filesystem's mkfs",
                  R"(a list of options of mkfs, such as ["-n", "size=65536"])",
                  REFLUX_FIELD(stack.upper_mkfs)),
        size_key("stack.lower_size", "of the lower image", mebibytes(64), REFLUX_FIELD(stack.lower_size)),
        size_key("stack.upper_size", "of the daemon's disk", mebibytes(64), REFLUX_FIELD(stack.upper_size)),
        text_key("stack.upper_options", "more options for mounting the upper filesystem, with commas",
                 REFLUX_FIELD(stack.upper_options)),
        word_key("daemon.engine", "how refluxd does its I/O: `reflux list engines`",
                 {"sync", "threads", "uring"}, REFLUX_FIELD(daemon.engine)),
        number_key("daemon.threads", "worker threads of the engine threads", 1, 256,
                   REFLUX_FIELD(daemon.threads)),
        size_key("daemon.zone_size", "of refluxd's zones, a power of two", mebibytes(1),
                 REFLUX_FIELD(daemon.zone_size)),
        number_key("daemon.conventional_zones", "at the disk's beginning, writable anywhere", 0, 1 << 20,
                   REFLUX_FIELD(daemon.conventional_zones)),
        word_key("daemon.zone_model",
                 "zones writable anywhere, at write pointers only, or so that refluxd hides it",
                 {"host-aware", "host-managed", "translated"}, REFLUX_FIELD(daemon.zone_model)),
        word_key("daemon.kind", "refluxd, or what a daemon of your own serves (docs/foreign-daemons.md)",
                 {"refluxd", "fuse-file", "nbd", "tcmu", "block", "ublk"}, REFLUX_FIELD(daemon.kind)),
        text_key("daemon.command", "starts it in the foreground, run by sh; {image}, {mount}, … are replaced",
                 REFLUX_FIELD(daemon.command)),
        text_key("daemon.serves", "path that appears when it serves: file, socket or block device",
                 REFLUX_FIELD(daemon.serves)),
        text_key("daemon.config", "of kind tcmu: the device's dev_config, which names the handler",
                 REFLUX_FIELD(daemon.config)),
        limit_key("memcg.limit", "memory limit that the workload shares, or has", REFLUX_FIELD(memcg.limit)),
        placement_key("memcg.placement",
                      "the daemon shares the limited memcg, has one below the limit, or one without"),
        limit_key("memcg.daemon_limit", "of the daemon's own memcg, for siblings and apart",
                  REFLUX_FIELD(memcg.daemon_limit)),
        number_key("workload.seed", "of names, sizes and content", 0, any, REFLUX_FIELD(workload.seed)),
        number_key("workload.workers", "processes", 1, 256, REFLUX_FIELD(workload.workers)),
        size_key("workload.work", "that all of them together write, then they end", mebibytes(1),
                 REFLUX_FIELD(workload.work)),
        size_key("workload.small_file", "size of a small file", Bytes{1}, REFLUX_FIELD(workload.small_file)),
        size_key("workload.large_file", "size of a large file", kibibytes(4),
                 REFLUX_FIELD(workload.large_file)),
        number_key("workload.append_every", "one file in so many of a directory may be appended to", 1, 64,
                   REFLUX_FIELD(workload.append_every)),
        number_key("workload.names", "empty files that each worker makes first, then makes anew", 0,
                   1'000'000, REFLUX_FIELD(workload.names)),
        limit_key("pressure.hog", "anonymous memory that a process takes besides; none: no hog",
                  REFLUX_FIELD(pressure.hog)),
        word_key("pressure.hog_place", "in the workload's memcg, or in one without a limit",
                 {"limited", "machine"}, REFLUX_FIELD(pressure.hog_place)),
        word_key("pressure.hog_until", "it grows to its size, or until the machine's swap is full",
                 {"size", "swap_full"}, REFLUX_FIELD(pressure.hog_until)),
        word_key("pressure.hog_does", "touches its memory over and over; sync: and syncs the filesystem",
                 {"touch", "sync"}, REFLUX_FIELD(pressure.hog_does)),
        number_key("pressure.io_cgroups", "new io cgroups a second, each for one read of the upper device", 0,
                   10'000, REFLUX_FIELD(pressure.io_cgroups)),
        words_key("pressure.io_policies", "set in each of them", {"throttle", "latency", "cost"},
                  REFLUX_FIELD(pressure.io_policies)),
        size_key("pressure.after", "hog and io cgroups begin when the workload has written this", Bytes{0},
                 REFLUX_FIELD(pressure.after)),
        list_key(
            "mitigation.apply", "applied in this order: `reflux list mitigations`",
            "a list of names of mitigations, such as [\"io_flusher\"]",
            [](const std::string& word) { return has_form(word, "_+"); }, REFLUX_FIELD(mitigations)),
        word_key("fault.kind", "injected on purpose, to try the verdict: `reflux list faults`",
                 {"none", "kill", "stop", "delay", "spin", "allocate", "error"}, REFLUX_FIELD(fault.kind)),
        list_key(
            "fault.options", "of refluxd's own faults",
            "a list of options of refluxd's fault, such as [\"time=200ms\"]",
            [](const std::string& word) { return has_form(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_=-.+"); },
            REFLUX_FIELD(fault.options)),
        size_key("fault.after", "it comes when the workload has written this", Bytes{0},
                 REFLUX_FIELD(fault.after)),
        duration_key("fault.time", "after this it is lifted; 0s: it stays", Seconds(0), Seconds(600),
                     REFLUX_FIELD(fault.time)),
        size_key("vm.memory", "of the guest of `run --vm`", mebibytes(256), REFLUX_FIELD(vm.memory)),
        number_key("vm.cpus", "of the guest", 1, 64, REFLUX_FIELD(vm.cpus)),
        word_key("vm.cgroup", "hierarchy with the memory controller; auto: v1 where the kernel has it",
                 {"auto", "v1", "v2"}, REFLUX_FIELD(vm.cgroup)),
        text_key("vm.setup", "shell text, run in the guest as root before all else", REFLUX_FIELD(vm.setup)),
        number_key("vm.attempts", "guests in all, while each is lost before the workload began", 1, 10,
                   REFLUX_FIELD(vm.attempts)),
        text_key("meanwhile.command", "run by sh as root, round after round, while the workload writes",
                 REFLUX_FIELD(meanwhile.command)),
        duration_key("meanwhile.every", "from the end of a round to the next", Seconds(0.1), Seconds(600),
                     REFLUX_FIELD(meanwhile.every)),
        text_key("meanwhile.undo", "run once when the pressure is over", REFLUX_FIELD(meanwhile.undo)),
        word_key("observe.trace_overhead", "measure: what the trace costs, in a run without pressure",
                 {"off", "measure"}, REFLUX_FIELD(observe.trace_overhead)),
        duration_key("judge.stall_window",
                     "nothing completed for this long, with requests in flight: a stall", Seconds(1),
                     Seconds(600), REFLUX_FIELD(judge.stall_window)),
        duration_key("judge.time_budget", "the workload must be done in this, else it is slow", Seconds(1),
                     Seconds(3600), REFLUX_FIELD(judge.time_budget)),
        older_name(rung_time_key("judge.rung_time"), "relief.rung_time"),
        words_key("relief.rungs", "tried one after the other after a stall", rung_names(),
                  REFLUX_FIELD(relief.rungs)),
        rung_time_key("relief.rung_time"),
        words_key("expect.outcome", "any of these meets the expectation; none: not judged", outcomes,
                  REFLUX_FIELD(expect.outcome)),
        words_key("expect.recursion", "likewise", recursions, REFLUX_FIELD(expect.recursion)),
        words_key("expect_v2.outcome", "in its place where the memory controller is cgroup v2", outcomes,
                  REFLUX_FIELD(expect_v2.outcome)),
        words_key("expect_v2.recursion", "likewise", recursions, REFLUX_FIELD(expect_v2.recursion)),
        text_key("expect_with.function",
                 "name of a kernel function: the next two hold where the kernel has it",
                 REFLUX_FIELD(expect_with_function)),
        words_key("expect_with.outcome", "in place of expect.outcome there", outcomes,
                  REFLUX_FIELD(expect_with.outcome)),
        words_key("expect_with.recursion", "in place of expect.recursion there", recursions,
                  REFLUX_FIELD(expect_with.recursion)),
    };
}

#undef REFLUX_FIELD

std::string_view last_part(std::string_view path) {
    return path.substr(path.rfind('.') + 1);  // npos + 1 is 0: all of it
}

}  // namespace

std::string to_string(Placement placement) {
    switch (placement) {
        case Placement::shared:
            return "shared";
        case Placement::siblings:
            return "siblings";
        case Placement::apart:
            return "apart";
    }
    return "?";
}

const std::vector<Key>& keys() {
    static const std::vector<Key> table = make_keys();
    return table;
}

const Key* find_key(std::string_view path) {
    const auto found =
        std::find_if(keys().begin(), keys().end(), [&](const Key& key) { return key.path == path; });
    return found == keys().end() ? nullptr : &*found;
}

std::string unknown_key_message(std::string_view path) {
    std::vector<std::string> paths;
    std::vector<std::string> same_name;  // right key, wrong or no section
    std::vector<std::string> section;
    const std::string_view prefix = path.substr(0, path.find('.'));
    for (const Key& key : keys()) {
        paths.push_back(key.path);
        if (last_part(key.path) == last_part(path)) {
            same_name.push_back(key.path);
        }
        if (key.path.starts_with(fmt::format("{}.", prefix))) {
            section.emplace_back(last_part(key.path));
        }
    }
    if (prefix == path && !section.empty()) {
        return fmt::format("'{0}' is a section: write [{0}] and below it {1}", path,
                           fmt::join(section, ", "));
    }
    const std::vector<std::string> near = same_name.empty() ? near_words(path, paths) : same_name;
    std::string message = fmt::format("unknown key '{}'{}", path, did_you_mean(near));
    if (near.empty()) {
        message += section.empty() ? fmt::format("; known: {}", fmt::join(paths, ", "))
                                   : fmt::format("; [{}] has {}", prefix, fmt::join(section, ", "));
    }
    return message;
}

}  // namespace reflux::scenario
