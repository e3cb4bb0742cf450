// Run folders for the tests of reports: made of the recorded evidence, or of a few words.
#pragma once

#include "harness/report/counted.h"
#include "harness/report/json.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/harness/verdict/fixture.h"

#include <string>

#include <nlohmann/json.hpp>

namespace reflux::testing {

// Whatever a name, a log line or a device may hold.
inline const std::string hostile =
    "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;</title></style>]]><!--\x1b[31m\x07\x7f"
    "\xff\xfe\xc0\x80\xed\xa0\x80\xf5\x80\x80\x80\xef\xbf\xbf\xe2\x80\xae\xc2\x85|\r\n\t";

// As much of a verdict.json as a count needs; `more` replaces or adds keys.
inline std::string verdict_text(const std::string& scenario, const std::string& outcome,
                                const nlohmann::json& more = {}) {
    nlohmann::json json = {{"schema", 1},
                           {"scenario", scenario},
                           {"outcome", outcome},
                           {"recursion", "none"},
                           {"met", true},
                           {"expected", {{"outcome", {outcome}}, {"recursion", nlohmann::json::array()}}},
                           {"reasons", {"why"}},
                           {"leftovers", nlohmann::json::array()},
                           {"kernel", "6.1.0-49-amd64"},
                           {"cgroup_version", "v1"},
                           {"guest", {{"accelerator", "tcg"}, {"kernel", "6.1"}}}};
    json.update(more.is_null() ? nlohmann::json::object() : more);
    return json.dump();
}

// A run's folder with what a run of that evidence would have left.
inline void write_run(const test::TemporaryFolder& folder, const std::string& name,
                      const evidence::Evidence& evidence) {
    folder.write(name + "/evidence.json", evidence::to_json(evidence));
    folder.write(name + "/verdict.json",
                 report::verdict_json(evidence, verdict::judge(evidence), folder / name));
    folder.write(name + "/repro.sh", "#!/bin/sh\nexec reflux run x.toml\n");
}

// A scenario's text in these tests is what it claims: "cure BASELINE CONTROL", or "CONTROL" of a baseline,
// then more of its definition.
inline Result<report::ScenarioFacts> read_scenario(const std::string& text) {
    const auto end = text.find('\n');
    const auto words = split(text.substr(0, end), ' ');
    if (words.empty() || words.front() == "damaged") {
        return fail(ErrorKind::invalid_input, "line:1: no");
    }
    const bool cure = words.front() == "cure";
    return report::ScenarioFacts{.question = "Does it?",
                                 .claim = {.cure = cure,
                                           .baseline = cure ? words.at(1) : "",
                                           .control = cure ? words.at(2) : words.front()},
                                 .definition = "defined\n" + text.substr(std::min(end, text.size() - 1) + 1)};
}

inline report::Report report_of(const std::vector<std::string>& folders) {
    report::Report report{.found = report::find_runs(folders, read_scenario)};
    report.counted = report::count(report.found.runs);
    return report;
}

}  // namespace reflux::testing
