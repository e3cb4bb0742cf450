#include "harness/scenario/load.h"

#include "backend/base/kernel_file.h"
#include "harness/scenario/checks.h"
#include "harness/scenario/keys.h"
#include "harness/scenario/near.h"
#include "harness/scenario/value.h"

#include <cstdlib>
#include <filesystem>
#include <map>

namespace reflux::scenario {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view suffix = ".toml";

bool is_file(const fs::path& path) {
    std::error_code error;
    return fs::is_regular_file(path, error);
}

std::string name_of(const std::string& path) {
    const std::string name = fs::path(path).filename().string();
    return name.ends_with(suffix) ? name.substr(0, name.size() - suffix.size()) : name;
}

// Collects the entries of a file, its base and --set into one scenario.
class Builder {
  public:
    explicit Builder(const std::string& path) {
        scenario_.name = name_of(path);
        scenario_.file = path;
    }

    Status add(const std::vector<Entry>& entries) {
        for (const Entry& entry : entries) {
            const Key* key = find_key(entry.path);
            if (key == nullptr) {
                return fail(ErrorKind::invalid_input,
                            fmt::format("{}: {}", entry.origin, unknown_key_message(entry.path)));
            }
            if (const Status set = key->set(scenario_, entry.value); !set) {
                return fail(set.error().within(key->path).within(entry.origin));
            }
            origins_[key->path] = entry.origin;
        }
        return {};
    }

    Status add(const std::vector<Override>& overrides) {
        std::vector<Entry> entries;
        for (const Override& override : overrides) {
            const Key* key = find_key(override.key);
            entries.push_back({override.key,
                               key != nullptr ? key->from_text(override.value) : Value(override.value),
                               fmt::format("--set {}={}", override.key, override.value)});
        }
        return add(entries);
    }

    Result<Scenario> finish() {
        REFLUX_CHECK(check_scenario(scenario_, origins_));
        return std::move(scenario_);
    }

  private:
    Scenario scenario_;
    Origins origins_;
};

Result<std::string> read_scenario_file(const std::string& path) {
    auto text = read_file(path);
    if (!text) {
        Error error = text.error().within("scenario file");
        error.kind = ErrorKind::invalid_input;
        return fail(std::move(error));
    }
    return text;
}

// Takes the entry `base` out of `entries`; nullopt when there is none.
std::optional<Entry> take_base(std::vector<Entry>& entries) {
    for (auto entry = entries.begin(); entry != entries.end(); ++entry) {
        if (entry->path == "base") {
            std::optional<Entry> base = std::move(*entry);
            entries.erase(entry);
            return base;
        }
    }
    return std::nullopt;
}

constexpr unsigned most_bases = 8;  // of one another

// What is inherited of the file that `base` names, in front of it that of its own base, and so on. `left`:
// how many more there may be.
Result<std::vector<Entry>> base_entries(const Entry& base, const std::string& path, const FileReader& read,
                                        unsigned left = most_bases) {
    const auto* name = std::get_if<std::string>(&base.value);
    if (name == nullptr || name->empty() || name->find('/') != std::string::npos || name->ends_with(suffix)) {
        return fail(
            ErrorKind::invalid_input,
            fmt::format("{}: base: expected the name of a scenario beside this file, without folder and "
                        ".toml, found {}",
                        base.origin, describe(base.value)));
    }
    std::string file = (fs::path(path).parent_path() / (*name + std::string(suffix))).string();
    auto text = read(file);
    // A file elsewhere may stand on a shipped one.
    for (const std::string& folder : search_path()) {
        if (text || text.error().errnum != ENOENT) {
            break;
        }
        if (const fs::path shipped = fs::path(folder) / (*name + std::string(suffix)); is_file(shipped)) {
            file = shipped.string();
            text = read(file);
        }
    }
    if (!text && text.error().errnum == ENOENT) {
        return fail(ErrorKind::invalid_input,
                    fmt::format("{}: base = '{}', but there is no file {}", base.origin, *name, file));
    }
    if (!text) {
        return fail(text.error().within(base.origin));
    }
    REFLUX_TRY(std::vector<Entry> entries, parse_toml(*text, file));
    // They tell of that file, and need not be true of another.
    std::erase_if(entries, [](const Entry& entry) {
        return entry.path == "question" || entry.path == "because" || entry.path == "status" ||
               entry.path == "tried";
    });
    const auto next = take_base(entries);
    if (!next) {
        return entries;
    }
    if (left == 1) {
        return fail(ErrorKind::invalid_input,
                    fmt::format("{}: the {}th base of one another; do they name each other?", next->origin,
                                most_bases + 1));
    }
    REFLUX_TRY(auto inherited, base_entries(*next, file, read, left - 1));
    inherited.insert(inherited.end(), entries.begin(), entries.end());
    return inherited;
}

// NAME -> file, first folder of the search path wins.
std::map<std::string, std::string> scenario_files() {
    std::map<std::string, std::string> files;
    for (const std::string& folder : search_path()) {
        const auto names = list_directory(folder);
        if (!names) {
            continue;  // folders of the search path need not exist
        }
        for (const std::string& file : *names) {
            const fs::path path = fs::path(folder) / file;
            if (file.ends_with(suffix) && is_file(path)) {
                files.emplace(name_of(file), path.string());
            }
        }
    }
    return files;
}

}  // namespace

Result<Override> parse_override(std::string_view text) {
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos || equals == 0) {
        return fail(ErrorKind::invalid_input,
                    fmt::format("--set '{}': expected key=value, such as memcg.limit=128MiB", text));
    }
    return Override{std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
}

Result<Scenario> load_file(const std::string& path, const std::vector<Override>& overrides) {
    REFLUX_TRY(const std::string text, read_scenario_file(path));
    return load_text(text, path, overrides, read_scenario_file);
}

Result<Scenario> load_text(std::string_view text, const std::string& path,
                           const std::vector<Override>& overrides, const FileReader& read) {
    REFLUX_TRY(std::vector<Entry> entries, parse_toml(text, path));
    Builder builder(path);
    if (const auto base = take_base(entries)) {
        REFLUX_TRY(const std::vector<Entry> inherited, base_entries(*base, path, read));
        REFLUX_CHECK(builder.add(inherited));
    }
    REFLUX_CHECK(builder.add(entries));
    REFLUX_CHECK(builder.add(overrides));
    return builder.finish();
}

std::vector<std::string> search_path() {
    std::vector<std::string> folders;
    // Read by a program with one thread that never changes its environment.
    if (const char* named = std::getenv("REFLUX_SCENARIOS"); named != nullptr) {
        folders = split(named, ':');
    }
    std::error_code error;
    const fs::path program = fs::read_symlink("/proc/self/exe", error);
    const fs::path installed = program.parent_path().parent_path() / "share/reflux/scenarios";
    // Of an installed program the build's folder is a path that anybody may have made by now, and what stands
    // in a scenario is run as root.
    folders.push_back(fs::is_directory(installed, error) ? installed.string() : REFLUX_SCENARIO_SOURCE);
    return folders;
}

Result<Scenario> load(const std::string& name_or_file, const std::vector<Override>& overrides) {
    if (name_or_file.find('/') != std::string::npos || name_or_file.ends_with(suffix)) {
        return load_file(name_or_file, overrides);
    }
    const auto files = scenario_files();
    if (const auto found = files.find(name_or_file); found != files.end()) {
        return load_file(found->second, overrides);
    }
    return fail(ErrorKind::invalid_input,
                fmt::format("no scenario '{}' in {}{}", name_or_file, fmt::join(search_path(), ", "),
                            did_you_mean(near_words(name_or_file, names()))));
}

Result<Scenario> load_named(const Scenario& by, const std::string& name,
                            const std::vector<Override>& overrides) {
    const fs::path beside = fs::path(by.file).parent_path() / (name + std::string(suffix));
    return is_file(beside) ? load_file(beside.string(), overrides) : load(name, overrides);
}

Status check_named(const Scenario& scenario) {
    for (const auto& [key, name] :
         {std::pair{"control", scenario.control}, std::pair{"baseline", scenario.baseline}}) {
        const auto named = name.empty() ? Scenario{} : load_named(scenario, name);
        if (!named) {
            return fail(named.error().within(key).within(scenario.file));
        }
        if (name == scenario.baseline && is_cure(*named)) {
            return fail(ErrorKind::invalid_input,
                        fmt::format("{}: baseline = '{}' is a cure itself: it has a baseline, or applies a "
                                    "mitigation",
                                    scenario.file, name));
        }
    }
    return {};
}

Status check_shipped(const Scenario& scenario) {
    std::error_code error;
    const bool shipped = fs::equivalent(fs::path(scenario.file).parent_path(), search_path().back(), error);
    return !shipped || !scenario.because.empty()
               ? Status{}
               : fail(ErrorKind::invalid_input,
                      fmt::format("{}: because is missing: a shipped scenario says itself why its outcome is "
                                  "expected, its base's words need not hold for it",
                                  scenario.file));
}

std::vector<std::string> names() {
    std::vector<std::string> names;
    for (const auto& [name, file] : scenario_files()) {
        names.push_back(name);
    }
    return names;
}

std::vector<Listed> list_all() {
    std::vector<Listed> listed;
    for (const auto& [name, file] : scenario_files()) {
        listed.push_back({name, load_file(file)});
    }
    return listed;
}

std::string to_toml(const Scenario& scenario) {
    std::string text;
    std::string section;
    for (const Key& key : keys()) {
        if (key.use != KeyUse::ordinary) {
            continue;
        }
        const std::size_t dot = key.path.find('.');
        if (dot == std::string::npos) {
            text += fmt::format("{} = {}\n", key.path, key.print(scenario));
            continue;
        }
        const std::string of = key.path.substr(0, dot);
        if (!why_without_effect(scenario, key.path).empty()) {
            continue;  // such a key is an error
        }
        if (of != section) {
            section = of;
            text += fmt::format("\n[{}]\n", section);
        }
        text += fmt::format("{} = {}\n", key.path.substr(dot + 1), key.print(scenario));
    }
    return text;
}

}  // namespace reflux::scenario
