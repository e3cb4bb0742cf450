// The names of keys and values are those of the schema of kcidb-io, version 5.3:
// github.com/kernelci/kcidb-io.
#include "harness/report/machine/cases.h"
#include "harness/report/machine/formats.h"

#include <cctype>
#include <set>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace reflux::report::machine {
namespace {

using Json = nlohmann::ordered_json;

// Of the CI system that submits; who has another name there replaces it.
constexpr std::string_view origin = "reflux";

std::string id_of(std::string_view rest) {
    return fmt::format("{}:{}", origin, rest);
}

// A part of a test's path: letters, digits, '_' and '-'.
std::string path_part(std::string name) {
    for (char& c : name) {
        c = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' ? c : '_';
    }
    return name;
}

// What a status claims there: FAIL, the tested code is faulty; ERROR, the test did not come to its end and
// says nothing of the code; MISS, it was not run, for the harness failed; DONE, it says nothing of right and
// wrong.
std::string_view status_word(const Case& one) {
    const auto& verdict = one.run->verdict;
    switch (one.status) {
        case Status::passed:
            return "PASS";
        case Status::unjudged:
            return "DONE";
        case Status::failed:
            return verdict.outcome == "inconclusive" ? "ERROR" : "FAIL";
        case Status::skipped:
            return "SKIP";
        case Status::broken:
            break;
    }
    return verdict.outcome == "harness_error" ? "MISS" : "ERROR";
}

// "2026-11-22T02:30:23+00:00"
std::string date_time(std::string began) {
    began.replace(began.find(' '), 1, "T");
    return began + "+00:00";
}

Json environment_of(const RunVerdict& verdict) {
    Json misc{{"cgroup_version", verdict.cgroup},
              {"upper_fs", verdict.upper_fs},
              {"lower_fs", verdict.lower_fs},
              {"front_end", verdict.front_end}};
    if (verdict.guest) {
        misc["guest"] = {{"accelerator", verdict.guest->accelerator}, {"kernel", verdict.guest->kernel}};
    }
    return {{"comment", verdict.guest ? "a virtual machine (" + verdict.guest->accelerator + ")"
                                      : std::string("the machine itself")},
            {"misc", misc}};
}

Json misc_of(const Case& one) {
    const auto& verdict = one.run->verdict;
    Json misc{
        {"outcome", verdict.outcome},
        {"recursion", verdict.recursion},
        {"expected", {{"outcome", verdict.expected.outcome}, {"recursion", verdict.expected.recursion}}},
        {"cycle", verdict.cycle},
        {"run_dir", one.run->folder}};
    if (!verdict.relief.empty()) {
        misc["relief"] = verdict.relief;
    }
    return {{"reflux", misc}};
}

Json test_of(const Case& one) {
    constexpr std::size_t most_excerpt = 16384;
    const auto& verdict = one.run->verdict;
    Json test{{"id", id_of(fmt::format("{}/{}-{:016x}", one.kernel, one.run->name(), one.run->fingerprint))},
              {"build_id", id_of(one.kernel)},
              {"origin", origin},
              {"path", "reflux." + path_part(verdict.scenario)},
              {"comment", one.summary},
              {"status", status_word(one)},
              {"duration", verdict.duration_s},
              {"environment", environment_of(verdict)},
              {"misc", misc_of(one)}};
    if (!one.run->began.empty()) {
        test["start_time"] = date_time(one.run->began);
    }
    std::string excerpt = fmt::format("{}", fmt::join(details_of(verdict), "\n"));
    excerpt.resize(std::min(excerpt.size(), most_excerpt));
    test["log_excerpt"] = std::move(excerpt);
    return test;
}

}  // namespace

std::string kcidb(const Report& report) {
    Json checkouts = Json::array();
    Json builds = Json::array();
    Json tests = Json::array();
    std::set<std::string> seen;
    for (const auto& one : cases_of(report)) {
        const std::string kernel = id_of(one.kernel);
        if (seen.insert(one.kernel).second) {
            // What commit a kernel was built from reflux does not know.
            checkouts.push_back(
                {{"id", kernel}, {"origin", origin}, {"comment", "the sources of Linux " + one.kernel}});
            builds.push_back({{"id", kernel},
                              {"checkout_id", kernel},
                              {"origin", origin},
                              {"comment", "Linux " + one.kernel + ", as it was found; not built here"}});
        }
        tests.push_back(test_of(one));
    }
    const Json submission{{"version", {{"major", 5}, {"minor", 3}}},
                          {"checkouts", checkouts},
                          {"builds", builds},
                          {"tests", tests}};
    return submission.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace reflux::report::machine
