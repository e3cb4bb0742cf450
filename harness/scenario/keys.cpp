#include "harness/scenario/keys.h"

#include "backend/base/kernel_file.h"
#include "harness/scenario/families.h"
#include "harness/scenario/front_ends.h"
#include "harness/scenario/load.h"
#include "harness/scenario/near.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace reflux::scenario {
namespace {

tl::unexpected<Error> expected_but(std::string_view what, const Value& found) {
    return fail(ErrorKind::invalid_input, fmt::format("expected {}, found {}", what, describe(found)));
}

bool has_form(std::string_view text, std::string_view more) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || more.find(c) != std::string_view::npos;
    });
}

Value text_from_text(std::string_view text) {
    return std::string(text);
}

Value number_from_text(std::string_view text) {
    std::int64_t number = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || rest != text.data() + text.size()) {
        return std::string(text);  // not a number: the key's own error says so
    }
    return number;
}

Value list_from_text(std::string_view text) {
    return split(text, ',');
}

// In all of these `field` returns the member of a (const) Scenario that the key stands for.

template <class Field>
Key text_key(std::string path, Field field) {
    return {std::move(path),
            [field](Scenario& scenario, const Value& value) -> Status {
                const auto* text = std::get_if<std::string>(&value);
                if (text == nullptr) {
                    return expected_but("a text", value);
                }
                field(scenario) = *text;
                return {};
            },
            [field](const Scenario& scenario) { return quoted(field(scenario)); }, text_from_text};
}

// The name of another scenario, or "".
template <class Field>
Key name_key(std::string path, Field field) {
    Key key = text_key(std::move(path), field);
    key.set = [set = key.set](Scenario& scenario, const Value& value) -> Status {
        const auto* text = std::get_if<std::string>(&value);
        if (text == nullptr || (!text->empty() && !has_form(*text, "-_"))) {
            return expected_but("the name of a scenario, without folder and .toml", value);
        }
        return set(scenario, value);
    };
    return key;
}

std::string alternatives(const std::vector<std::string>& words) {
    return fmt::format("{}", fmt::join(words, " | "));
}

bool contains(const std::vector<std::string>& words, const std::string& word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

template <class Field>
Key word_key(std::string path, const std::vector<std::string>& words, Field field) {
    Key key = text_key(std::move(path), field);
    key.set = [words, set = key.set](Scenario& scenario, const Value& value) -> Status {
        const auto* text = std::get_if<std::string>(&value);
        if (text == nullptr || !contains(words, *text)) {
            return expected_but("one of " + alternatives(words), value);
        }
        return set(scenario, value);
    };
    return key;
}

Result<Bytes> size_from(const Value& value, Bytes least) {
    const std::string expected =
        fmt::format("a size in quotes, {} or more, such as \"64MiB\"", to_string(least));
    const auto* text = std::get_if<std::string>(&value);
    if (text == nullptr) {
        return expected_but(expected, value);
    }
    auto size = parse_bytes(*text);
    // A bare number would be read as bytes; in a file it is more likely a forgotten unit.
    if (!size || *size < least || text->find_last_not_of("0123456789") == std::string::npos) {
        return expected_but(expected, value);
    }
    return size;
}

template <class Field>
Key size_key(std::string path, Bytes least, Field field) {
    return {std::move(path),
            [least, field](Scenario& scenario, const Value& value) -> Status {
                REFLUX_TRY(field(scenario), size_from(value, least));
                return {};
            },
            [field](const Scenario& scenario) { return quoted(reflux::to_string(field(scenario))); },
            text_from_text};
}

template <class Field>
Key duration_key(std::string path, Seconds least, Seconds most, Field field) {
    return {std::move(path),
            [least, most, field](Scenario& scenario, const Value& value) -> Status {
                const auto* text = std::get_if<std::string>(&value);
                const auto duration = text != nullptr ? parse_seconds(*text) : Result<Seconds>(Seconds(-1));
                if (!duration || *duration < least || *duration > most) {
                    return expected_but(fmt::format("a duration in quotes from {} to {}, such as \"8s\"",
                                                    reflux::to_string(least), reflux::to_string(most)),
                                        value);
                }
                field(scenario) = *duration;
                return {};
            },
            [field](const Scenario& scenario) { return quoted(reflux::to_string(field(scenario))); },
            text_from_text};
}

template <class Field>
Key number_key(std::string path, std::int64_t least, std::int64_t most, Field field) {
    return {std::move(path),
            [least, most, field](Scenario& scenario, const Value& value) -> Status {
                const auto* number = std::get_if<std::int64_t>(&value);
                if (number == nullptr || *number < least || *number > most) {
                    return expected_but(fmt::format("a whole number from {} to {}", least, most), value);
                }
                using Number = std::remove_reference_t<decltype(field(scenario))>;
                field(scenario) = static_cast<Number>(*number);
                return {};
            },
            [field](const Scenario& scenario) { return fmt::format("{}", field(scenario)); },
            number_from_text};
}

// A list in which `accepts` holds for every element; `expected` says what that is.
template <class Field, class Accepts>
Key list_key(std::string path, const std::string& expected, Accepts accepts, Field field) {
    return {std::move(path),
            [expected, accepts, field](Scenario& scenario, const Value& value) -> Status {
                const auto* list = std::get_if<std::vector<std::string>>(&value);
                if (list == nullptr) {
                    return expected_but(expected, value);
                }
                for (auto word = list->begin(); word != list->end(); ++word) {
                    if (!accepts(*word)) {
                        return expected_but(expected, *word);
                    }
                    if (std::find(list->begin(), word, *word) != word) {
                        return fail(ErrorKind::invalid_input, fmt::format("'{}' stands in it twice", *word));
                    }
                }
                field(scenario) = *list;
                return {};
            },
            [field](const Scenario& scenario) {
                std::vector<std::string> words;
                for (const std::string& word : field(scenario)) {
                    words.push_back(quoted(word));
                }
                return fmt::format("[{}]", fmt::join(words, ", "));
            },
            list_from_text};
}

template <class Field>
Key words_key(std::string path, const std::vector<std::string>& words, Field field) {
    return list_key(
        std::move(path), "a list of " + alternatives(words),
        [words](const std::string& word) { return contains(words, word); }, field);
}

template <class Field>
Key texts_key(std::string path, const std::string& expected, Field field) {
    return list_key(
        std::move(path), expected, [](const std::string& text) { return !text.empty(); }, field);
}

Key older_name(Key key) {
    key.older_name = true;
    return key;
}

template <class Field>
Key limit_key(std::string path, Field field) {
    // Below this the daemon itself does not start in the memcg.
    const Bytes least = mebibytes(16);
    return {std::move(path),
            [least, field](Scenario& scenario, const Value& value) -> Status {
                if (const auto* text = std::get_if<std::string>(&value); text != nullptr && *text == "none") {
                    field(scenario).reset();
                    return {};
                }
                const auto size = size_from(value, least);
                if (!size) {
                    return fail(ErrorKind::invalid_input, "\"none\", or " + size.error().message);
                }
                field(scenario) = *size;
                return {};
            },
            [field](const Scenario& scenario) {
                const std::optional<Bytes>& limit = field(scenario);
                return quoted(limit ? to_string(*limit) : "none");
            },
            text_from_text};
}

constexpr std::array placements{Placement::shared, Placement::siblings, Placement::apart};

Key placement_key() {
    return {
        "memcg.placement",
        [](Scenario& scenario, const Value& value) -> Status {
            const auto* text = std::get_if<std::string>(&value);
            const auto* found = std::find_if(placements.begin(), placements.end(), [&](Placement placement) {
                return text != nullptr && *text == to_string(placement);
            });
            if (found == placements.end()) {
                return expected_but("one of shared | siblings | apart", value);
            }
            scenario.memcg.placement = *found;
            return {};
        },
        [](const Scenario& scenario) { return quoted(to_string(scenario.memcg.placement)); }, text_from_text};
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
        return duration_key(std::move(path), Seconds(0.1), Seconds(60), REFLUX_FIELD(relief.rung_time));
    };
    return {
        text_key("question", REFLUX_FIELD(question)),
        text_key("because", REFLUX_FIELD(because)),
        text_key("source", REFLUX_FIELD(source)),
        word_key("status", {"ordinary", not_reproduced}, REFLUX_FIELD(status)),
        texts_key("tried", "a list of sentences, one an attempt", REFLUX_FIELD(tried)),
        name_key("control", REFLUX_FIELD(control)),
        name_key("baseline", REFLUX_FIELD(baseline)),
        words_key("needs", {"cgroup_v1", "cgroup_v2", "guest"}, REFLUX_FIELD(needs)),
        word_key("family", family_ids(), REFLUX_FIELD(family)),
        word_key("stack.lower", filesystems, REFLUX_FIELD(stack.lower)),
        word_key("stack.upper", {"ext4", "xfs", "btrfs", "f2fs"}, REFLUX_FIELD(stack.upper)),
        word_key("stack.front_end", front_end_names(), REFLUX_FIELD(stack.front_end)),
        word_key("stack.map", {"none", "dm-zoned", "dm-integrity"}, REFLUX_FIELD(stack.map)),
        texts_key("stack.upper_mkfs", R"(a list of options of mkfs, such as ["-n", "size=65536"])",
                  REFLUX_FIELD(stack.upper_mkfs)),
        size_key("stack.lower_size", mebibytes(64), REFLUX_FIELD(stack.lower_size)),
        size_key("stack.upper_size", mebibytes(64), REFLUX_FIELD(stack.upper_size)),
        text_key("stack.upper_options", REFLUX_FIELD(stack.upper_options)),
        word_key("daemon.engine", {"sync", "threads", "uring"}, REFLUX_FIELD(daemon.engine)),
        number_key("daemon.threads", 1, 256, REFLUX_FIELD(daemon.threads)),
        size_key("daemon.zone_size", mebibytes(1), REFLUX_FIELD(daemon.zone_size)),
        number_key("daemon.conventional_zones", 0, 1 << 20, REFLUX_FIELD(daemon.conventional_zones)),
        word_key("daemon.zone_model", {"host-aware", "host-managed", "translated"},
                 REFLUX_FIELD(daemon.zone_model)),
        word_key("daemon.kind", {"refluxd", "fuse-file", "nbd", "tcmu", "block", "ublk"},
                 REFLUX_FIELD(daemon.kind)),
        text_key("daemon.command", REFLUX_FIELD(daemon.command)),
        text_key("daemon.serves", REFLUX_FIELD(daemon.serves)),
        text_key("daemon.config", REFLUX_FIELD(daemon.config)),
        limit_key("memcg.limit", REFLUX_FIELD(memcg.limit)),
        placement_key(),
        limit_key("memcg.daemon_limit", REFLUX_FIELD(memcg.daemon_limit)),
        number_key("workload.seed", 0, any, REFLUX_FIELD(workload.seed)),
        number_key("workload.workers", 1, 256, REFLUX_FIELD(workload.workers)),
        size_key("workload.work", mebibytes(1), REFLUX_FIELD(workload.work)),
        size_key("workload.small_file", Bytes{1}, REFLUX_FIELD(workload.small_file)),
        size_key("workload.large_file", kibibytes(4), REFLUX_FIELD(workload.large_file)),
        number_key("workload.append_every", 1, 64, REFLUX_FIELD(workload.append_every)),
        number_key("workload.names", 0, 1'000'000, REFLUX_FIELD(workload.names)),
        limit_key("pressure.hog", REFLUX_FIELD(pressure.hog)),
        word_key("pressure.hog_place", {"limited", "machine"}, REFLUX_FIELD(pressure.hog_place)),
        word_key("pressure.hog_until", {"size", "swap_full"}, REFLUX_FIELD(pressure.hog_until)),
        word_key("pressure.hog_does", {"touch", "sync"}, REFLUX_FIELD(pressure.hog_does)),
        number_key("pressure.io_cgroups", 0, 10'000, REFLUX_FIELD(pressure.io_cgroups)),
        words_key("pressure.io_policies", {"throttle", "latency", "cost"},
                  REFLUX_FIELD(pressure.io_policies)),
        size_key("pressure.after", Bytes{0}, REFLUX_FIELD(pressure.after)),
        list_key(
            "mitigation.apply", "a list of names of mitigations, such as [\"io_flusher\"]",
            [](const std::string& word) { return has_form(word, "_+"); }, REFLUX_FIELD(mitigations)),
        word_key("fault.kind", {"none", "kill", "stop", "delay", "spin", "allocate", "error"},
                 REFLUX_FIELD(fault.kind)),
        list_key(
            "fault.options", "a list of options of refluxd's fault, such as [\"time=200ms\"]",
            [](const std::string& word) { return has_form(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_=-.+"); },
            REFLUX_FIELD(fault.options)),
        size_key("fault.after", Bytes{0}, REFLUX_FIELD(fault.after)),
        duration_key("fault.time", Seconds(0), Seconds(600), REFLUX_FIELD(fault.time)),
        size_key("vm.memory", mebibytes(256), REFLUX_FIELD(vm.memory)),
        number_key("vm.cpus", 1, 64, REFLUX_FIELD(vm.cpus)),
        word_key("vm.cgroup", {"auto", "v1", "v2"}, REFLUX_FIELD(vm.cgroup)),
        text_key("vm.setup", REFLUX_FIELD(vm.setup)),
        number_key("vm.attempts", 1, 10, REFLUX_FIELD(vm.attempts)),
        text_key("meanwhile.command", REFLUX_FIELD(meanwhile.command)),
        duration_key("meanwhile.every", Seconds(0.1), Seconds(600), REFLUX_FIELD(meanwhile.every)),
        text_key("meanwhile.undo", REFLUX_FIELD(meanwhile.undo)),
        word_key("observe.trace_overhead", {"off", "measure"}, REFLUX_FIELD(observe.trace_overhead)),
        duration_key("judge.stall_window", Seconds(1), Seconds(600), REFLUX_FIELD(judge.stall_window)),
        duration_key("judge.time_budget", Seconds(1), Seconds(3600), REFLUX_FIELD(judge.time_budget)),
        older_name(rung_time_key("judge.rung_time")),
        words_key("relief.rungs", rung_names(), REFLUX_FIELD(relief.rungs)),
        rung_time_key("relief.rung_time"),
        words_key("expect.outcome", outcomes, REFLUX_FIELD(expect.outcome)),
        words_key("expect.recursion", recursions, REFLUX_FIELD(expect.recursion)),
        words_key("expect_v2.outcome", outcomes, REFLUX_FIELD(expect_v2.outcome)),
        words_key("expect_v2.recursion", recursions, REFLUX_FIELD(expect_v2.recursion)),
        text_key("expect_with.function", REFLUX_FIELD(expect_with_function)),
        words_key("expect_with.outcome", outcomes, REFLUX_FIELD(expect_with.outcome)),
        words_key("expect_with.recursion", recursions, REFLUX_FIELD(expect_with.recursion)),
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
    if (path == "base") {
        return "base can be set in a file only";  // the file's loader takes it before its keys
    }
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
