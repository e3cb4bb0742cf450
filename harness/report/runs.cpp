#include "harness/report/runs.h"

#include "backend/base/kernel_file.h"
#include "harness/evidence/json.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>

namespace reflux::report {
namespace {

namespace fs = std::filesystem;

constexpr int deepest = 16;  // folders below the one that was named; a matrix has 3
constexpr off_t most_verdict_bytes = 4 << 20;
constexpr off_t most_evidence_bytes = 64 << 20;
constexpr off_t most_text_bytes = 1 << 20;

// A regular file of at most that size: what lies there may be anything, also a pipe that nobody writes to.
Result<std::string> read_regular(const std::string& path, off_t most) {
    REFLUX_TRY(const auto fd, open_file(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) {
        return fail_errno("stat " + path);
    }
    if (!S_ISREG(status.st_mode)) {
        return fail(ErrorKind::invalid_input, path + " is not a regular file");
    }
    if (status.st_size > most) {
        return fail(ErrorKind::invalid_input, fmt::format("{} has {} bytes, and no run writes more than {}",
                                                          path, status.st_size, most));
    }
    return read_all(fd.get(), path);
}

class Search {
  public:
    explicit Search(const ReadScenario& read_scenario) : read_scenario_(read_scenario) {}

    void add(const std::string& named) {
        std::error_code error;
        const auto real = fs::canonical(named, error);
        if (error) {
            trouble(named, error.message());
        } else if (!fs::is_directory(real, error)) {
            trouble(named, "it is not a folder");
        } else {
            walk(real.string(), 0);
        }
    }

    Runs take() {
        std::ranges::sort(found_.runs, [](const Run& a, const Run& b) {
            return std::tie(a.verdict.scenario, a.verdict.kernel, a.began, a.folder) <
                   std::tie(b.verdict.scenario, b.verdict.kernel, b.began, b.folder);
        });
        return std::move(found_);
    }

  private:
    void trouble(const std::string& path, const std::string& what) {
        found_.troubles.push_back({.path = path, .what = what});
    }

    void claims_nothing(const std::string& folder, const std::string& why) {
        found_.troubles.push_back(
            {.path = folder, .what = why + "; what the scenario claims is not known", .counted = true});
    }

    void walk(const std::string& folder, int depth) {
        if (!seen_.insert(folder).second) {
            return;
        }
        std::error_code error;
        std::vector<std::string> folders;
        std::vector<std::string> files;
        for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
            std::error_code ignored;
            const auto status = at->symlink_status(ignored);
            (fs::is_directory(status) ? folders : files).push_back(at->path().filename().string());
        }
        if (error) {
            trouble(folder, error.message());
            return;
        }
        const auto has = [&files](const char* name) { return std::ranges::find(files, name) != files.end(); };
        if (has("verdict.json")) {
            add_run(folder, files);
        } else if (has("evidence.json") || has("repro.sh")) {
            trouble(folder,
                    fmt::format("no verdict.json: the run was interrupted, or goes on{}",
                                has("evidence.json") ? " (`reflux explain` judges what it has)" : ""));
        } else if (depth == deepest && !folders.empty()) {
            trouble(folder, fmt::format("more than {} folders deep; name what is below it", deepest));
        } else {
            std::ranges::sort(folders);
            for (const auto& name : folders) {
                walk(folder + "/" + name, depth + 1);
            }
        }
    }

    void add_run(const std::string& folder, const std::vector<std::string>& files) {
        const auto text = read_regular(folder + "/verdict.json", most_verdict_bytes);
        if (!text) {
            trouble(folder, text.error().message);
            return;
        }
        auto verdict = parse_verdict(*text);
        if (!verdict || verdict->scenario.empty()) {
            trouble(folder, "verdict.json is no verdict (empty, cut off or damaged)");
            return;
        }
        Run run{
            .folder = folder, .verdict = *std::move(verdict), .fingerprint = std::hash<std::string>{}(*text)};
        if (!runs_.emplace(run.name(), run.fingerprint).second) {
            ++found_.repeated;
            return;
        }
        run.began = began_of(run.name());
        run.facts = facts_of(folder, run.verdict.scenario + ".toml", files);
        found_.runs.push_back(std::move(run));
    }

    std::shared_ptr<const ScenarioFacts> facts_of(const std::string& folder, const std::string& file,
                                                  const std::vector<std::string>& files) {
        if (std::ranges::find(files, file) == files.end()) {
            return none_;
        }
        const auto text = read_regular(folder + "/" + file, most_text_bytes);
        if (!text) {
            claims_nothing(folder, text.error().message);
            return none_;
        }
        // Most runs share a scenario with many: each text is read once.
        auto& facts = facts_[*text];
        if (facts == nullptr) {
            auto read = read_scenario_(*text);
            if (read) {
                facts = std::make_shared<const ScenarioFacts>(*std::move(read));
            } else {
                facts = none_;
                claims_nothing(folder, fmt::format("{} does not load: {}", file, read.error().message));
            }
        }
        return facts;
    }

    const ReadScenario& read_scenario_;
    Runs found_;
    std::set<std::string> seen_;                          // folders, real paths
    std::set<std::pair<std::string, std::size_t>> runs_;  // name of the folder, hash of the verdict
    std::map<std::string, std::shared_ptr<const ScenarioFacts>> facts_;  // by the text of the scenario
    std::shared_ptr<const ScenarioFacts> none_ = std::make_shared<const ScenarioFacts>();
};

}  // namespace

Runs find_runs(const std::vector<std::string>& folders, const ReadScenario& read_scenario) {
    Search search(read_scenario);
    for (const auto& folder : folders) {
        search.add(folder);
    }
    return search.take();
}

Result<evidence::Evidence> read_evidence(const Run& run) {
    const auto file = run.folder + "/evidence.json";
    REFLUX_TRY(const auto text, read_regular(file, most_evidence_bytes));
    auto evidence = evidence::from_json(text);
    return evidence ? std::move(evidence) : fail(evidence.error().within(file));
}

Result<std::string> read_text(const Run& run, const std::string& file) {
    return read_regular(run.folder + "/" + file, most_text_bytes);
}

std::string began_of(std::string_view folder_name) {
    // NAME-YYYYMMDDTHHMMSS-N
    const auto dash = folder_name.rfind('-');
    constexpr std::string_view shape = "-00000000T000000";
    if (dash == std::string_view::npos || dash <= shape.size()) {
        return "";
    }
    const auto stamp = folder_name.substr(dash - shape.size(), shape.size());
    const auto is_digit = [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; };
    const auto number = folder_name.substr(dash + 1);
    const bool fits = std::ranges::equal(stamp, shape,
                                         [&](char found, char wanted) {
                                             return wanted == '0' ? is_digit(found) : found == wanted;
                                         }) &&
                      !number.empty() && std::ranges::all_of(number, is_digit);
    if (!fits) {
        return "";
    }
    return fmt::format("{}-{}-{} {}:{}:{}", stamp.substr(1, 4), stamp.substr(5, 2), stamp.substr(7, 2),
                       stamp.substr(10, 2), stamp.substr(12, 2), stamp.substr(14, 2));
}

}  // namespace reflux::report
