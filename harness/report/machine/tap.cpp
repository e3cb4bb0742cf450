#include "harness/report/harmless.h"
#include "harness/report/machine/cases.h"
#include "harness/report/machine/formats.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace reflux::report::machine {
namespace {

using Json = nlohmann::ordered_json;

// In a line of a test '#' begins a directive, and the line is all there is.
std::string described(const std::string& raw) {
    std::string text = harmless(raw);
    for (char& c : text) {
        c = c == '#' ? '*' : static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    }
    return text;
}

// YAML has JSON's scalars and lists in it.
std::string yaml_of(const Case& one) {
    const auto& verdict = one.run->verdict;
    const Json block{{"message", one.summary},
                     {"severity", one.status == Status::failed   ? "fail"
                                  : one.status == Status::broken ? "error"
                                                                 : "comment"},
                     {"outcome", verdict.outcome},
                     {"recursion", verdict.recursion},
                     {"expected_outcome", verdict.expected.outcome},
                     {"expected_recursion", verdict.expected.recursion},
                     {"kernel", one.kernel},
                     {"duration_ms", static_cast<std::int64_t>(verdict.duration_s * 1000)},
                     {"details", details_of(verdict)},
                     {"run_dir", one.run->folder}};
    std::string text = "  ---\n";
    for (const auto& [key, value] : block.items()) {
        text += fmt::format("  {}: {}\n", key, value.dump(-1, ' ', true, Json::error_handler_t::replace));
    }
    return text + "  ...\n";
}

}  // namespace

std::string tap(const Report& report) {
    const auto cases = cases_of(report);
    std::string text = fmt::format("TAP version 13\n1..{}\n", cases.size());
    std::size_t number = 0;
    for (const auto& one : cases) {
        const bool skipped = is_skipped(one);
        text += fmt::format("{} {} - {} {}{}\n", one.status == Status::passed || skipped ? "ok" : "not ok",
                            ++number, described(one.kernel), described(one.name),
                            skipped ? " # SKIP " + described(one.summary) : "");
        text += yaml_of(one);
    }
    return text;
}

}  // namespace reflux::report::machine
