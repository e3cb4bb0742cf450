#include "harness/report/html/markup.h"
#include "harness/report/html/sections.h"
#include "harness/verdict/confidence.h"
#include "harness/verdict/words.h"

#include <algorithm>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace reflux::report::html {
namespace {

constexpr std::size_t most_matrix_bytes = 1'100'000;
constexpr std::size_t most_cure_bytes = 250'000;

// The outcomes of a cell, the gravest first: shape, word, k/n, and what that says of the true share.
std::string outcomes(const verdict::Tally& tally, const std::string& anchor) {
    std::vector<std::pair<std::string, unsigned>> sorted(tally.made.begin(), tally.made.end());
    std::ranges::stable_sort(sorted, std::ranges::greater{},
                             [](const auto& one) { return look_of(one.first).gravity; });
    std::string text;
    for (const auto& [outcome, count] : sorted) {
        const verdict::Share share{.count = count, .trials = tally.runs};
        text += fmt::format(R"(<a class="c" href="#{}">{} <b>{}/{}</b></a><span class="ci">{}</span>)",
                            anchor, outcome_mark(outcome), count, tally.runs, to_string(bounds_of(share)));
    }
    for (const auto& [outcome, count] : tally.not_made) {
        text += fmt::format(R"(<a class="c" href="#{}">{} {}</a><span class="ci">not counted</span>)", anchor,
                            outcome_mark(outcome), count);
    }
    return text;
}

std::string expectation(const Report& report, std::size_t index) {
    const auto& cell = report.counted.cells[index];
    const auto& tally = report.counted.tallies[index];
    if (cell.missed > 0) {
        return fmt::format(R"(<span class="x no">{} of {} not as expected</span>)", cell.missed, tally.runs);
    }
    const bool foreseen = std::ranges::any_of(
        cell.runs, [&](std::size_t run) { return report.found.runs[run].verdict.foreseen(); });
    return foreseen         ? R"(<span class="x yes">as expected</span>)"
           : tally.runs > 0 ? R"(<span class="x">nothing expected</span>)"
                            : "";
}

std::string_view style_of(const verdict::ProofOfCure& proof) {
    return proof.proven ? "proven" : proof.missing.empty() ? "seen" : "unproven";
}

std::string cure(const Report& report, std::size_t index) {
    const auto* proof = report.counted.proof_of(report.counted.tallies[index]);
    if (proof == nullptr || report.counted.tallies[index].runs == 0) {
        return "";
    }
    return fmt::format(R"(<a class="cure {}" href="#cures">{}</a>)", style_of(*proof), proof->word());
}

std::string cell(const Page& page, std::size_t index) {
    const auto& tally = page.report.counted.tallies[index];
    return fmt::format(R"(<td class="{}{}">{}{}{}</td>)", look_of(gravest_of(tally)).style,
                       page.report.counted.cells[index].missed > 0 ? " missed" : "",
                       outcomes(tally, page.anchor_of(index)), expectation(page.report, index),
                       cure(page.report, index));
}

// A scenario's name, and below it in what it is not the scenario of that name, and more.
std::string row_head(const std::string& scenario, const std::string& more) {
    const auto [name, variant] = name_and_variant(scenario);
    std::string text = R"(<th scope="row">)" + escaped(name, 200);
    for (const auto& note : {variant, more}) {
        if (!note.empty()) {
            text += fmt::format(R"(<span class="sub">{}</span>)", escaped(note, 300));
        }
    }
    return text + "</th>";
}

std::string row_head(const Row& row) {
    std::vector<std::string> notes;
    if (!row.mitigations.empty()) {
        notes.push_back("under " + verdict::join(row.mitigations, ", "));
    }
    if (!row.claim.baseline.empty()) {
        notes.push_back("cure of " + name_and_variant(row.claim.baseline).first);
    }
    return row_head(row.scenario, verdict::join(notes, "; "));
}

std::string legend() {
    std::string text = R"(<ul class="legend" aria-label="What the words mean">)";
    constexpr std::pair<std::string_view, std::string_view> words[] = {
        {"completes", "all work done and read back"},
        {"slow", "it went on, and missed its time"},
        {"livelock", "nothing completed, though the daemon ran or slept in bounded waits"},
        {"deadlock", "the daemon waits for what only it can complete"},
        {"daemon_killed", "by a signal or the OOM killer"},
        {"io_error", "I/O failed, or data is wrong"},
        {"inconclusive", "the evidence does not decide"},
        {"unsupported", "not made"},
        {"harness_error", "nothing is known"},
    };
    for (const auto& [word, meaning] : words) {
        text += fmt::format("<li>{} {}</li>", outcome_mark(word), meaning);
    }
    return text + "</ul>\n";
}

// The kernel as a link's target would break anywhere; a release breaks behind its dashes.
std::string column_head(const verdict::Place& place) {
    return fmt::format(R"(<th scope="col">{}{}</th>)", escaped(place.kernel, 100),
                       place.cgroup.empty()
                           ? ""
                           : fmt::format(R"(<span class="sub">cgroup {}</span>)", escaped(place.cgroup, 20)));
}

std::string proof_row(const verdict::ProofOfCure& proof) {
    // The line begins with the name and the word, which have columns of their own.
    const auto word = fmt::format(": {}: ", proof.word());
    const auto at = proof.line.find(word);
    const auto why = at == std::string::npos ? proof.line : proof.line.substr(at + word.size());
    return fmt::format(
        "<tr>{}<td>{}</td><td><span class=\"cure {}\">{}</span></td><td "
        "class=\"why\">{}</td></tr>\n",
        row_head(proof.scenario, ""), escaped(words_of(proof.place), 100), style_of(proof), proof.word(),
        escaped(why, 800));
}

std::string megabytes_a_second(const std::optional<double>& bytes) {
    return bytes ? short_bytes(*bytes) + "/s" : "–";
}

std::string cost_row(const verdict::CostSummary& cost) {
    std::vector<std::string> tails;
    for (const auto& one : cost.p99) {
        tails.push_back(fmt::format("{} ×{:.3g}", one.kind, one.ratio));
    }
    return fmt::format(
        "<tr>{}<td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td "
        "class=\"n\">{}</td><td>{}</td></tr>\n",
        row_head(cost.scenario, ""), escaped(words_of(cost.place), 100), cost.runs,
        megabytes_a_second(cost.figures.throughput_bytes_s),
        cost.throughput ? fmt::format("×{:.2g}", *cost.throughput) : "–",
        tails.empty() ? "–" : escaped(verdict::join(tails, ", "), 300));
}

template <class Rows, class Line>
std::string rows_of(const Rows& rows, Line line, std::size_t columns) {
    std::string text;
    std::size_t left = rows.size();
    for (const auto& row : rows) {
        if (text.size() > most_cure_bytes) {
            return text + fmt::format("<tr><td colspan=\"{}\">and {} more</td></tr>\n", columns, left);
        }
        text += line(row);
        --left;
    }
    return text;
}

template <class Rows, class Line>
std::string table(std::string_view id, std::string_view caption, const std::vector<std::string_view>& heads,
                  const Rows& rows, Line line) {
    std::string text = fmt::format(
        R"(<div class="scroll" role="region" aria-labelledby="{0}" tabindex="0"><table><caption id="{0}">)"
        R"(<span class="cap">{1}</span></caption>)"
        "\n<thead><tr>",
        id, caption);
    for (const auto head : heads) {
        text += fmt::format(R"(<th scope="col">{}</th>)", head);
    }
    return text + "</tr></thead>\n<tbody>\n" + rows_of(rows, line, heads.size()) + "</tbody></table></div>\n";
}

}  // namespace

std::string matrix_section(const Page& page) {
    std::string text =
        "<section id=\"matrix\" aria-labelledby=\"matrix-h\">\n<h2 id=\"matrix-h\">Matrix</h2>\n"
        "<div class=\"scroll\" role=\"region\" aria-labelledby=\"matrix-c\" tabindex=\"0\"><table "
        "class=\"matrix\"><caption id=\"matrix-c\"><span class=\"cap\">Scenarios by kernels: how often each "
        "outcome came, with 95% "
        "bounds of its true share (exact binomial; one-sided where it was all or none)</span></caption>\n"
        "<thead><tr><th scope=\"col\">Scenario</th>";
    for (const auto& column : page.grid.columns) {
        text += column_head(column);
    }
    text += "</tr></thead>\n<tbody>\n";
    std::size_t left = page.grid.rows.size();
    for (const auto& row : page.grid.rows) {
        if (text.size() > most_matrix_bytes) {
            text += fmt::format(
                "<tr><th scope=\"row\">and {} more scenarios, in the list of all runs</th></tr>\n", left);
            break;
        }
        text += fmt::format("<tr{}>{}", row.leads ? R"( class="leads")" : "", row_head(row));
        for (const auto& index : row.cells) {
            text += index ? cell(page, *index) : R"(<td class="empty">–</td>)";
        }
        text += "</tr>\n";
        --left;
    }
    text += "</tbody></table></div>\n";
    if (page.grid.columns_left_out > 0) {
        text += fmt::format("<p>{} more kernels have no room here; their runs are in the list.</p>\n",
                            page.grid.columns_left_out);
    }
    return text + legend() + "</section>\n";
}

std::string cure_section(const Page& page) {
    const auto& counted = page.report.counted;
    if (counted.proofs.empty() && counted.costs.empty()) {
        return "";
    }
    std::string text =
        "<section id=\"cures\" aria-labelledby=\"cures-h\">\n<h2 id=\"cures-h\">Cures and costs</h2>\n";
    if (!counted.proofs.empty()) {
        text +=
            "<p class=\"lead\">A cure counts only beside a baseline that stalled and a control without "
            "pressure "
            "that completed, on the same kernel and cgroup version. It is proven when chance alone would "
            "deal the "
            "stalls out so in less than 5%.</p>\n" +
            table("proofs-c", "What the runs prove of cures", {"Cure", "Kernel", "Proof", "Why"},
                  counted.proofs, proof_row);
    }
    if (!counted.costs.empty()) {
        text +=
            table("costs-c", "What it costs: medians, and against the control without pressure",
                  {"Scenario", "Kernel", "Runs", "Throughput", "To control", "99th percentile, to control"},
                  counted.costs, cost_row);
    }
    return text + "</section>\n";
}

}  // namespace reflux::report::html
