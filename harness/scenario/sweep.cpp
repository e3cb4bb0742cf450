#include "harness/scenario/sweep.h"

#include "backend/base/kernel_file.h"
#include "harness/scenario/load.h"
#include "harness/scenario/near.h"
#include "harness/scenario/value.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

namespace reflux::scenario {
namespace {

using Words = std::vector<std::string>;

tl::unexpected<Error> refuse(const Entry& entry, const std::string& what) {
    return fail(ErrorKind::invalid_input, fmt::format("{}: {}: {}", entry.origin, entry.path, what));
}

template <class Kind>
Status take(const Entry& entry, const char* expected, Kind& target) {
    const auto* value = std::get_if<Kind>(&entry.value);
    if (value == nullptr) {
        return refuse(entry, fmt::format("expected {}, found {}", expected, describe(entry.value)));
    }
    target = *value;
    return {};
}

bool has(const Words& words, const std::string& word) {
    return std::ranges::find(words, word) != words.end();
}

Status set_key(const Entry& entry, const std::string& key, Family& family) {
    const std::array texts{std::pair{"title", &family.title}, std::pair{"scenario", &family.scenario}};
    const std::array lists{std::pair{"set", &family.set}, std::pair{"cures", &family.cures},
                           std::pair{"leaves", &family.leaves}};
    Words names;
    for (const auto& [name, target] : texts) {
        if (key == name) {
            return take(entry, "a text", *target);
        }
        names.emplace_back(name);
    }
    for (const auto& [name, target] : lists) {
        if (key == name) {
            return take(entry, "a list of texts", *target);
        }
        names.emplace_back(name);
    }
    return refuse(entry, "unknown key" + did_you_mean(near_words(key, names)));
}

Status add_to_family(const Entry& entry, Sweep& sweep) {
    const auto dot = entry.path.find('.');
    if (dot == std::string::npos) {
        return refuse(entry, "unknown key; a sweep has mitigations, and families: [ID]");
    }
    const std::string id = entry.path.substr(0, dot);
    auto family = std::ranges::find(sweep.families, id, &Family::id);
    if (family == sweep.families.end()) {
        sweep.families.push_back({.id = id});
        family = std::prev(sweep.families.end());
    }
    return set_key(entry, entry.path.substr(dot + 1), *family);
}

Status check(const Sweep& sweep, const Family& family) {
    if (family.title.empty() || family.scenario.empty()) {
        return fail(ErrorKind::invalid_input, fmt::format("{}: it needs a title and a scenario", family.id));
    }
    for (const auto* predictions : {&family.cures, &family.leaves}) {
        for (const auto& name : *predictions) {
            if (has(family.cures, name) && has(family.leaves, name)) {
                return fail(ErrorKind::invalid_input,
                            fmt::format("{}: '{}' stands in cures and in leaves", family.id, name));
            }
            // What the star stands for is not known here.
            if (!has(sweep.mitigations, name) &&
                (name.find('+') != name.npos || !has(sweep.mitigations, "*"))) {
                return fail(ErrorKind::invalid_input,
                            fmt::format("{}: '{}' is none of the sweep's mitigations", family.id, name));
            }
        }
    }
    return {};
}

}  // namespace

Result<Sweep> parse_sweep(std::string_view text, const std::string& file) {
    REFLUX_TRY(const auto entries, parse_toml(text, file));
    Sweep sweep;
    for (const auto& entry : entries) {
        if (entry.path == "mitigations") {
            REFLUX_CHECK(take(entry, "a list of texts", sweep.mitigations));
        } else {
            REFLUX_CHECK(add_to_family(entry, sweep));
        }
    }
    if (sweep.families.empty() || sweep.mitigations.empty()) {
        return fail(ErrorKind::invalid_input, file + ": a sweep needs mitigations and a family, [ID]");
    }
    for (const auto& family : sweep.families) {
        if (const auto sound = check(sweep, family); !sound) {
            return fail(sound.error().within(file));
        }
    }
    return sweep;
}

std::vector<std::string> sweep_names() {
    constexpr std::string_view suffix = ".sweep";
    std::set<std::string> names;
    for (const auto& folder : search_path()) {
        for (const auto& file : list_directory(folder).value_or(std::vector<std::string>{})) {
            if (file.ends_with(suffix)) {
                names.insert(file.substr(0, file.size() - suffix.size()));
            }
        }
    }
    return {names.begin(), names.end()};
}

std::string find_sweep(const std::string& name) {
    for (const auto& folder : search_path()) {
        auto path = fmt::format("{}/{}.sweep", folder, name);
        std::error_code error;
        if (std::filesystem::is_regular_file(path, error)) {
            return path;
        }
    }
    return "";
}

}  // namespace reflux::scenario
