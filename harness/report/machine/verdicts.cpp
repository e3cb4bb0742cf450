#include "harness/report/json.h"
#include "harness/report/machine/formats.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace reflux::report::machine {
namespace {

using Json = nlohmann::ordered_json;

// Runs are moved and merged: what was written where they were made is not where they are. Nor does the
// scenario's name tell which of several definitions it was.
std::string as_reported(const std::string& verdict, const std::string& folder,
                        const std::string& counted_as) {
    auto json = Json::parse(verdict, nullptr, false);
    if (!json.is_object()) {
        return "";
    }
    json["run_dir"] = folder;
    if (json["scenario"] != counted_as) {
        json["counted_as"] = counted_as;
    }
    return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string json(const Report& report) {
    std::vector<std::string> elements;
    for (std::size_t i = 0; i < report.found.runs.size(); ++i) {
        const Run& run = report.found.runs[i];
        const auto text = read_text(run, "verdict.json");
        const auto verdict = text ? as_reported(*text, run.folder, report.counted.batch[i].scenario) : "";
        if (!verdict.empty()) {  // else it went away since it was found
            elements.push_back(
                with_batch(verdict, report.counted.batch[i], report.counted.proofs, report.counted.costs));
        }
    }
    return fmt::format("[{}]\n", fmt::join(elements, ",\n"));
}

}  // namespace reflux::report::machine
