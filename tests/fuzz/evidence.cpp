// evidence.json: read, judged, explained and written. judge() is a function over all evidence, not over the
// likely one.
#include "harness/evidence/json.h"
#include "harness/report/html/pictures.h"
#include "harness/report/json.h"
#include "harness/report/text.h"
#include "harness/verdict/verdict.h"
#include "tests/fuzz/support/seeds.h"
#include "tests/fuzz/support/target.h"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace reflux::fuzz {
namespace {

void check_verdict(const evidence::Evidence& evidence, const verdict::Verdict& verdict) {
    require(!verdict.reasons.empty(), "a verdict has a reason");
    require((verdict.outcome == verdict::Outcome::deadlock) == !verdict.cycle.empty(),
            "a deadlock has a cycle, and nothing else has");
    const std::string text = report::explain(evidence, verdict);
    require(std::ranges::count(text, '\n') <= report::explain_max_lines, "an explanation is short");
    require(!text.empty() && text.back() == '\n', "an explanation ends its last line");
    const auto is_control = [](unsigned char c) { return (c < 0x20 && c != '\n') || c == 0x7f; };
    require(std::ranges::none_of(text, is_control), "an explanation can be shown on a terminal");
    const std::string whole = report::explain_whole(evidence, verdict);
    require(!whole.empty() && std::ranges::none_of(whole, is_control), "nor does the whole of it harm one");
    const std::string line = report::one_line(evidence, verdict);
    require(line.find('\n') == std::string::npos && std::ranges::none_of(line, is_control),
            "one line is one line");
}

void check_pictures(const evidence::Evidence& evidence) {
    constexpr std::size_t most = 400'000;
    for (const auto& picture : {report::html::timeline(evidence, "d0"),
                                report::html::diagram(evidence, verdict::wait_graph(evidence), "d0")}) {
        require(picture.size() < most, "a picture is small, whatever it shows");
        for (const auto* wrong : {"=\"nan", "=\"-nan", "=\"inf", "=\"-inf", "<script"}) {
            require(picture.find(wrong) == std::string::npos, "a picture is drawn with numbers");
        }
    }
}

bool run(std::string_view input) {
    const auto evidence = evidence::from_json(input);
    if (!evidence) {
        require(evidence.error().message.starts_with("evidence: "), "a refusal says of what");
        return false;
    }
    const verdict::Verdict verdict = verdict::judge(*evidence);
    check_verdict(*evidence, verdict);
    check_pictures(*evidence);
    const std::string json = report::verdict_json(*evidence, verdict, "/run");
    require(nlohmann::json::accept(json), "verdict.json is JSON");

    const std::string saved = evidence::to_json(*evidence);
    const auto again = evidence::from_json(saved);
    require(again.has_value(), "what was written can be read");
    require(evidence::to_json(*again) == saved, "what was written is read back as it was");
    return true;
}

// Without blanks, which a JSON parser passes over, and with the last few counters alone: of a long recording
// they are most, and one is like the other.
std::string shortened(const std::string& text) {
    constexpr std::size_t most_points = 12;
    auto json = nlohmann::ordered_json::parse(text);
    auto& progress = json["progress"];
    if (progress.size() > most_points) {
        progress.erase(progress.begin(), progress.end() - most_points);
    }
    return json.dump();
}

}  // namespace

Target make_target() {
    Target target{.run = run,
                  .words = {"7:0",
                            "7:1",
                            "loop",
                            "fuse",
                            "daemon",
                            "upper",
                            "lower",
                            "folio_wait_writeback",
                            "wait_on_page_writeback",
                            "balance_dirty_pages",
                            "reclaim_throttle",
                            "try_to_free_mem_cgroup_pages",
                            "try_to_free_pages",
                            "mem_cgroup_charge",
                            "jbd2_log_wait_commit",
                            "xfs_buf_lock",
                            "down_write",
                            "rwsem_down_write_slowpath",
                            "schedule",
                            "io_schedule",
                            "abort",
                            "wait",
                            "raise_limit",
                            "kill_workload",
                            "GFP_NOIO",
                            "GFP_NOFS",
                            "GFP_HIGHUSER_MOVABLE",
                            "memcg",
                            "direct",
                            "\xff\xfe"},
                  .format = Format::json,
                  .rounds = 300,
                  .round_bytes = 8000};
    for (const std::string& text : seed_texts("tests/fixtures/evidence", "/evidence.json")) {
        target.seeds.push_back(shortened(text));
    }
    return target;
}

}  // namespace reflux::fuzz
