#include "harness/scenario/checks.h"

#include "harness/scenario/front_ends.h"
#include "harness/scenario/keys.h"
#include "harness/scenario/load.h"

#include <algorithm>
#include <bit>
#include <cctype>
#include <initializer_list>

namespace reflux::scenario {
namespace {

// The front end of what a foreign daemon serves.
std::string front_end_of(const std::string& kind) {
    return kind == "fuse-file" ? "fuse" : kind == "ublk" ? "block" : kind;
}

// The smallest device that mkfs accepts.
Bytes least_size(const std::string& filesystem) {
    if (filesystem == "xfs") {
        return mebibytes(300);  // mkfs.xfs since 5.19: "Filesystem must be larger than 300MB"
    }
    if (filesystem == "btrfs") {
        return mebibytes(128);  // mkfs.btrfs 6.2 asks for 109 MiB
    }
    return mebibytes(64);  // ext4 can be smaller, but then has hardly a journal
}

std::string why_without_pressure(const Pressure& pressure, std::string_view key) {
    if (key.starts_with("pressure.hog_") && !pressure.hog) {
        return "pressure.hog = none";
    }
    if (key == "pressure.io_policies" && pressure.io_cgroups == 0) {
        return "pressure.io_cgroups = 0";
    }
    const bool presses = pressure.hog || pressure.io_cgroups > 0;
    return key == "pressure.after" && !presses ? "pressure.hog = none and pressure.io_cgroups = 0" : "";
}

class Checker {
  public:
    Checker(const Scenario& scenario, const Origins& origins) : scenario_(scenario), origins_(origins) {}

    [[nodiscard]] bool is_set(const std::string& key) const { return origins_.contains(key); }

    // Blames the first of `keys` that was set.
    [[nodiscard]] tl::unexpected<Error> blame(std::initializer_list<const char*> keys,
                                              const std::string& message) const {
        for (const char* key : keys) {
            if (const auto found = origins_.find(key); found != origins_.end()) {
                return fail(ErrorKind::invalid_input, fmt::format("{}: {}", found->second, message));
            }
        }
        return fail(ErrorKind::invalid_input, fmt::format("{}: {}", scenario_.file, message));
    }

    [[nodiscard]] Status check_texts() const {
        if (scenario_.question.empty()) {
            return blame({"question"}, "question is missing: one sentence that says what the run answers");
        }
        for (const auto& [key, name] :
             {std::pair{"control", scenario_.control}, std::pair{"baseline", scenario_.baseline}}) {
            if (!name.empty() && name == scenario_.name) {
                return blame({key}, fmt::format("{0} = '{1}' is this scenario itself; a {0} has {0} = \"\"",
                                                key, name));
            }
        }
        return {};
    }

    [[nodiscard]] Status check_status() const {
        if (is_not_reproduced(scenario_) && scenario_.tried.empty()) {
            return blame({"status"}, "status = 'not reproduced' needs tried: a line for each attempt");
        }
        if (!is_not_reproduced(scenario_) && !scenario_.tried.empty()) {
            return blame({"tried"}, "tried goes with status = 'not reproduced'");
        }
        return {};
    }

    [[nodiscard]] Status check_sizes() const {
        const Stack& stack = scenario_.stack;
        if (const Bytes least = least_size(stack.upper); stack.upper_size < least) {
            return blame({"stack.upper_size", "stack.upper"},
                         fmt::format("stack.upper_size = {} is too small: {} needs {} or more",
                                     to_string(stack.upper_size), stack.upper, to_string(least)));
        }
        if (const Bytes least = least_lower_size(stack.lower, stack.upper_size); stack.lower_size < least) {
            return blame(
                {"stack.lower_size", "stack.upper_size", "stack.lower"},
                fmt::format("stack.lower_size = {} is too small: {} needs {} or more to hold an image "
                            "of stack.upper_size = {}",
                            to_string(stack.lower_size), stack.lower, to_string(least),
                            to_string(stack.upper_size)));
        }
        return {};
    }

    [[nodiscard]] Status check_zones() const {
        const Daemon& daemon = scenario_.daemon;
        const Bytes upper_size = scenario_.stack.upper_size;
        // The kernel's block layer knows no other zone sizes (blk_revalidate_disk_zones).
        if (!std::has_single_bit(daemon.zone_size.value)) {
            return blame({"daemon.zone_size"}, fmt::format("daemon.zone_size = {} is not a power of two",
                                                           to_string(daemon.zone_size)));
        }
        if (upper_size.value % daemon.zone_size.value != 0) {
            return blame({"stack.upper_size", "daemon.zone_size"},
                         fmt::format("stack.upper_size = {} is not a multiple of daemon.zone_size = {}",
                                     to_string(upper_size), to_string(daemon.zone_size)));
        }
        const std::uint64_t zones = upper_size.value / daemon.zone_size.value;
        if (daemon.conventional_zones > zones) {
            return blame({"daemon.conventional_zones", "stack.upper_size", "daemon.zone_size"},
                         fmt::format("daemon.conventional_zones = {}, but the disk has only {} zones",
                                     daemon.conventional_zones, zones));
        }
        return {};
    }

    // What is set and would do nothing is a mistake.
    [[nodiscard]] Status check_effects() const {
        for (const auto& [key, origin] : origins_) {
            // A default takes back what a base says.
            const bool is_default = find_key(key)->print(scenario_) == find_key(key)->print(Scenario{});
            if (const auto why = why_without_effect(scenario_, key); !why.empty() && !is_default) {
                return fail(
                    ErrorKind::invalid_input,
                    fmt::format("{}: {} has no effect with {}; remove one of them", origin, key, why));
            }
        }
        return {};
    }

    // Without a daemon nothing of a daemon can be asked for.
    [[nodiscard]] Status check_no_daemon() const {
        const std::string& front_end = scenario_.stack.front_end;
        if (!scenario_.mitigations.empty()) {
            return blame({"mitigation.apply"},
                         fmt::format("mitigation.apply has no effect with stack.front_end = {}: mitigations "
                                     "are applied to the daemon, and there is none; remove one of them",
                                     front_end));
        }
        if (scenario_.memcg.placement != Placement::shared) {
            return blame(
                {"memcg.placement"},
                fmt::format("memcg.placement = {} says where the daemon is, but stack.front_end = {} "
                            "runs none; remove one of them",
                            to_string(scenario_.memcg.placement), front_end));
        }
        if (scenario_.fault.kind != "none") {
            return blame({"fault.kind"},
                         fmt::format("fault.kind = {} has no effect with stack.front_end = {}: faults are "
                                     "the daemon's, and there is none; remove one of them",
                                     scenario_.fault.kind, front_end));
        }
        return {};
    }

    [[nodiscard]] Status check_daemon() const {
        const Daemon& daemon = scenario_.daemon;
        const std::string& front_end = scenario_.stack.front_end;
        if (!daemon.is_foreign()) {
            const bool is_served = front_end != "nbd" && front_end != "block";
            return is_served ? Status{}
                             : blame({"stack.front_end"},
                                     fmt::format("stack.front_end = {} needs a daemon that is not refluxd: "
                                                 "daemon.kind and daemon.command",
                                                 front_end));
        }
        if (const auto needed = front_end_of(daemon.kind); front_end != needed) {
            return blame({"daemon.kind", "stack.front_end"},
                         fmt::format("daemon.kind = {} goes with stack.front_end = {}, not {}", daemon.kind,
                                     needed, front_end));
        }
        if (daemon.command.empty()) {
            return blame({"daemon.kind"},
                         fmt::format("daemon.kind = {} needs daemon.command, which starts it", daemon.kind));
        }
        if (daemon.kind == "tcmu" ? daemon.config.empty() : daemon.serves.empty()) {
            return blame({"daemon.kind"},
                         daemon.kind == "tcmu"
                             ? "daemon.kind = tcmu needs daemon.config, the device's dev_config"
                             : fmt::format("daemon.kind = {} needs daemon.serves, the path that appears when "
                                           "it serves",
                                           daemon.kind));
        }
        const bool is_ours = daemon.serves.starts_with("{mount}/") || daemon.serves.starts_with("{folder}/");
        if ((daemon.kind == "fuse-file" || daemon.kind == "nbd") && !is_ours) {
            return blame(
                {"daemon.serves"},
                fmt::format("daemon.serves = {}: it must lie in the run's own folders, {{mount}}/… or "
                            "{{folder}}/…",
                            daemon.serves));
        }
        const std::string& fault = scenario_.fault.kind;
        if (fault != "none" && fault != "kill" && fault != "stop") {
            return blame(
                {"fault.kind"},
                fmt::format("fault.kind = {} is refluxd's own; a foreign daemon takes kill and stop", fault));
        }
        return {};
    }

    // A disk that the kernel knows as host-managed takes writes at write pointers only.
    [[nodiscard]] Status check_map() const {
        const Stack& stack = scenario_.stack;
        const bool sees_zones = find_front_end(stack.front_end)->is_zoned;
        const bool managed = scenario_.daemon.zone_model == "host-managed";
        if (scenario_.daemon.zone_model == "translated" &&
            (!has_daemon(stack.front_end) || scenario_.daemon.is_foreign())) {
            return blame({"daemon.zone_model"}, "daemon.zone_model = translated: refluxd alone translates");
        }
        if (stack.map == "dm-zoned" && !(sees_zones && managed)) {
            return blame(
                {"stack.map"},
                "stack.map = dm-zoned needs a host-managed disk: daemon.zone_model = host-managed and "
                "a stack.front_end that shows its zones (tcmu, ublk, null_blk, scsi_debug)");
        }
        const bool takes_zones = stack.upper == "f2fs" || stack.upper == "btrfs" || stack.map == "dm-zoned";
        if (managed && !(sees_zones && takes_zones)) {
            return blame({"daemon.zone_model"},
                         fmt::format("daemon.zone_model = host-managed: {} cannot write to it through "
                                     "stack.front_end = {} and stack.map = {}; translated, or dm-zoned",
                                     stack.upper, stack.front_end, stack.map));
        }
        return {};
    }

    // Half of such a run has no detail: what a fatal reclaim did could be missed.
    [[nodiscard]] Status check_measured_trace() const {
        if (scenario_.observe.trace_overhead == "measure" &&
            (scenario_.memcg.limit || scenario_.memcg.daemon_limit)) {
            return blame(
                {"observe.trace_overhead", "memcg.limit"},
                "observe.trace_overhead = measure compares rates, which pressure does not leave steady: "
                "memcg.limit = none");
        }
        return {};
    }

    [[nodiscard]] Status check_daemon_limit() const {
        if (scenario_.memcg.daemon_limit && scenario_.memcg.placement == Placement::shared) {
            return blame({"memcg.daemon_limit", "memcg.placement"},
                         "memcg.daemon_limit needs a memcg of the daemon's own: memcg.placement = siblings "
                         "or apart");
        }
        return {};
    }

    [[nodiscard]] Status check_fault() const {
        const Fault& fault = scenario_.fault;
        const bool has_options = fault.kind != "none" && fault.kind != "kill" && fault.kind != "stop";
        if (!fault.options.empty() && !has_options) {
            return blame({"fault.options", "fault.kind"},
                         fmt::format("fault.options has no effect with fault.kind = {}", fault.kind));
        }
        if (fault.time > Seconds(0) && fault.kind == "kill") {
            return blame({"fault.time"}, "fault.time: what was killed does not come back after a time");
        }
        if (fault.kind != "none") {
            return check_after("fault.after", fault.after);
        }
        return {};
    }

    [[nodiscard]] Status check_expectations() const {
        const Expect& with = scenario_.expect_with;
        if (scenario_.expect_with_function.empty() && !(with.outcome.empty() && with.recursion.empty())) {
            return blame(
                {"expect_with.outcome", "expect_with.recursion"},
                "expect_with needs expect_with.function: the function of the kernel with which this is "
                "expected");
        }
        return {};
    }

    // What no word stands for would reach the daemon as it is.
    [[nodiscard]] Status check_braces(const char* key, const std::string& text) const {
        static const std::vector<std::string> words{"image", "size", "folder", "mount", "name"};
        for (auto at = text.find('{'); at != std::string::npos; at = text.find('{', at + 1)) {
            const auto word = text.substr(at + 1, text.find('}', at) - at - 1);
            const bool is_shells = at > 0 && text[at - 1] == '$';
            const bool is_word =
                !word.empty() && !is_shells &&
                std::ranges::all_of(word, [](unsigned char c) { return std::isalpha(c) != 0; });
            if (is_word && std::ranges::find(words, word) == words.end()) {
                return blame({key}, fmt::format("{}: {{{}}} stands for nothing; known: {{{}}}", key, word,
                                                fmt::join(words, "}, {")));
            }
        }
        return {};
    }

    [[nodiscard]] Status check_names() const {
        constexpr std::uint32_t in_a_directory = 1000;  // workload/name_tree.h
        const std::uint32_t names = scenario_.workload.names;
        return names <= in_a_directory || names % in_a_directory == 0
                   ? Status{}
                   : blame({"workload.names"},
                           fmt::format("workload.names = {}: above {} they come in directories of as many",
                                       names, in_a_directory));
    }

    [[nodiscard]] Status check_pressure() const {
        const auto& needs = scenario_.needs;
        if (scenario_.pressure.hog_place == "machine" && std::ranges::find(needs, "guest") == needs.end()) {
            return blame(
                {"pressure.hog_place", "needs"},
                "pressure.hog_place = machine takes the memory of a whole machine, which must be a virtual "
                "one: needs = [\"guest\"]");
        }
        return check_after("pressure.after", scenario_.pressure.after);
    }

    [[nodiscard]] Status check_after(const char* key, Bytes after) const {
        return after <= scenario_.workload.work
                   ? Status{}
                   : blame({key, "workload.work"},
                           fmt::format("{} = {}, but the workload writes only workload.work = {}", key,
                                       to_string(after), to_string(scenario_.workload.work)));
    }

    [[nodiscard]] Status check_meanwhile() const {
        const Meanwhile& meanwhile = scenario_.meanwhile;
        return meanwhile.undo.empty() || !meanwhile.command.empty()
                   ? Status{}
                   : blame({"meanwhile.undo"}, "meanwhile.undo has no effect without meanwhile.command");
    }

    [[nodiscard]] Status check_times() const {
        const Judge& judge = scenario_.judge;
        if (judge.time_budget < judge.stall_window) {
            return blame(
                {"judge.time_budget", "judge.stall_window"},
                fmt::format("judge.time_budget = {} is shorter than judge.stall_window = {}: no stall "
                            "could be seen in it",
                            reflux::to_string(judge.time_budget), reflux::to_string(judge.stall_window)));
        }
        return {};
    }

  private:
    const Scenario& scenario_;
    const Origins& origins_;
};

}  // namespace

std::string why_without_effect(const Scenario& scenario, std::string_view key) {
    if (key.starts_with("pressure.")) {
        return why_without_pressure(scenario.pressure, key);
    }
    if (!key.starts_with("daemon.")) {
        return "";
    }
    const std::string& front_end = scenario.stack.front_end;
    const bool of_zones = key.starts_with("daemon.zone_") || key == "daemon.conventional_zones";
    if (!has_daemon(front_end)) {
        return of_zones && find_front_end(front_end)->is_zoned
                   ? ""
                   : fmt::format("stack.front_end = {}, which runs no daemon", front_end);
    }
    const bool of_foreign = key == "daemon.command" || key == "daemon.serves" || key == "daemon.config";
    if (!scenario.daemon.is_foreign()) {
        return of_foreign ? "daemon.kind = refluxd" : "";
    }
    // That a TCMU disk is host-managed is asked by what stands on it; its shape is in daemon.config.
    const bool of_refluxd = key == "daemon.engine" || key == "daemon.threads" ||
                            (of_zones && !(key == "daemon.zone_model" && scenario.daemon.kind == "tcmu"));
    return of_refluxd ? fmt::format("daemon.kind = {}", scenario.daemon.kind) : "";
}

Bytes least_lower_size(const std::string& filesystem, Bytes image) {
    // Measured with mkfs's defaults on 320 MiB to 4 GiB (what fallocate could not get), with room to spare
    // and 8 MiB for the daemon's own metadata: a fixed part (journal, log) and one part in `share` of the
    // whole. btrfs writes anew what it replaces and frees the old extents at commit.
    Bytes fixed = mebibytes(56);
    std::uint64_t share = 32;
    if (filesystem == "xfs") {
        fixed = mebibytes(104);
    } else if (filesystem == "btrfs") {
        fixed = mebibytes(72);
        share = 4;
    }
    const std::uint64_t used = (image + fixed).value;
    const std::uint64_t needed = used + used / (share - 1);
    const std::uint64_t unit = mebibytes(1).value;
    return std::max(least_size(filesystem), Bytes{(needed + unit) / unit * unit});
}

Status check_scenario(const Scenario& scenario, const Origins& origins) {
    const Checker checker(scenario, origins);
    REFLUX_CHECK(checker.check_texts());
    REFLUX_CHECK(checker.check_status());
    REFLUX_CHECK(checker.check_sizes());
    REFLUX_CHECK(checker.check_effects());
    if (has_daemon(scenario.stack.front_end)) {
        REFLUX_CHECK(checker.check_daemon());
    } else {
        REFLUX_CHECK(checker.check_no_daemon());
    }
    if (why_without_effect(scenario, "daemon.zone_size").empty()) {
        REFLUX_CHECK(checker.check_zones());
    }
    REFLUX_CHECK(checker.check_map());
    REFLUX_CHECK(checker.check_daemon_limit());
    REFLUX_CHECK(checker.check_measured_trace());
    REFLUX_CHECK(checker.check_fault());
    REFLUX_CHECK(checker.check_expectations());
    REFLUX_CHECK(checker.check_names());
    REFLUX_CHECK(checker.check_braces("daemon.command", scenario.daemon.command));
    REFLUX_CHECK(checker.check_braces("daemon.serves", scenario.daemon.serves));
    REFLUX_CHECK(checker.check_braces("daemon.config", scenario.daemon.config));
    REFLUX_CHECK(checker.check_pressure());
    REFLUX_CHECK(checker.check_meanwhile());
    return checker.check_times();
}

}  // namespace reflux::scenario
