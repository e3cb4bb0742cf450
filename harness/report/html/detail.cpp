#include "harness/report/html/markup.h"
#include "harness/report/html/pictures.h"
#include "harness/report/html/sections.h"
#include "harness/report/wrap.h"
#include "harness/verdict/frames.h"
#include "harness/verdict/stack.h"
#include "harness/verdict/verdict.h"
#include "harness/verdict/words.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace reflux::report::html {
namespace {

using evidence::Evidence;
using verdict::Verdict;

constexpr std::size_t most_frames = 48;
constexpr std::size_t most_lines = 12;

std::string list(const std::vector<std::string>& lines, std::string_view style) {
    std::string text = fmt::format(R"(<ul class="{}">)", style);
    for (std::size_t i = 0; i < std::min(lines.size(), most_lines); ++i) {
        text += fmt::format("<li>{}</li>", escaped(lines[i], 800));
    }
    if (lines.size() > most_lines) {
        text += fmt::format("<li>and {} more, in verdict.json</li>", lines.size() - most_lines);
    }
    return text + "</ul>\n";
}

// What the vocabulary says of a frame: the one wait that the stack ends in, and the regions around it. Empty:
// nothing.
std::string meaning_of(const std::vector<std::string>& stack, std::size_t index,
                       const verdict::Classified& classified) {
    if (classified.wait && classified.wait_frame == index) {
        return std::string(to_string(*classified.wait));
    }
    const auto* frame = verdict::find_frame(stack[index]);
    return frame == nullptr || !frame->region ? "" : std::string(to_string(*frame->region));
}

// Innermost first. What decides is marked by a word, by weight and by a bar beside it.
std::string stack_list(const std::vector<std::string>& stack, const std::vector<std::string>& deciding,
                       const std::string& label) {
    std::string text = fmt::format(
        "<div class=\"scroll\" role=\"group\" aria-label=\"{}\" tabindex=\"0\"><ol "
        "class=\"frames\">\n",
        label);
    const auto classified = verdict::classify_stack(stack);
    for (std::size_t i = 0; i < std::min(stack.size(), most_frames); ++i) {
        const bool decides = std::ranges::find(deciding, stack[i]) != deciding.end();
        const auto meaning = meaning_of(stack, i, classified);
        text += fmt::format(
            "<li{}><code>{}</code>{}{}</li>\n", decides ? R"( class="decides")" : "", escaped(stack[i], 120),
            meaning.empty() ? "" : fmt::format(R"( <span class="meaning">{}</span>)", meaning),
            decides ? R"( <span class="tag">decides</span>)" : "");
    }
    if (stack.size() > most_frames) {
        text += fmt::format("<li>and {} more frames</li>\n", stack.size() - most_frames);
    }
    return text + "</ol></div>\n";
}

std::string proof(const Verdict& verdict) {
    if (!verdict.proof) {
        return "";
    }
    const auto& proof = *verdict.proof;
    const auto name =
        escaped(fmt::format("{}[{}]", proof.thread.empty() ? "thread" : proof.thread, proof.tid), 60);
    return fmt::format(
        "<h4>Proof: the stack of {0}</h4>\n<p>State {1}, {2} in {3:.1f} s, {4}. Innermost first.</p>\n{5}",
        name, escaped(std::string(1, proof.state)),
        fmt::format("{} context switch{}", proof.switches, proof.switches == 1 ? "" : "es"),
        std::clamp(proof.watched_s, 0.0, 1e7), verdict::counted(proof.cpu_ticks, "CPU tick"),
        stack_list(proof.stack, proof.deciding, "Stack of " + name));
}

std::string reclaim_proof(const Verdict& verdict) {
    if (!verdict.recursion_proof) {
        return "";
    }
    const auto& proof = *verdict.recursion_proof;
    std::string text = fmt::format(
        "<h4>How far reclaim went</h4>\n<p>{}[{}], {} reclaim: {}, at {} {}{}; {} reclaimed{}.</p>\n",
        escaped(verdict::text_or(proof.thread, "thread"), 40), proof.tid, escaped(proof.kind, 20),
        escaped(proof.mask, 400), short_time(proof.begin_s),
        proof.duration_s ? "for " + verdict::time_words(*proof.duration_s) : "for an unknown time",
        proof.ended ? "" : " and not ended", verdict::counted(proof.reclaimed_pages, "page"),
        proof.upper ? "; <strong>it reached the upper filesystem</strong>" : "");
    if (!proof.waits.empty()) {
        text += "<p>It slept in:</p>" + list(proof.waits, "plain");
    }
    if (!proof.shrinkers.empty()) {
        text += "<p>It visited:</p>" + list(proof.shrinkers, "plain");
    }
    if (!proof.stack.empty()) {
        text += "<details><summary>Where it slept longest</summary>\n" +
                stack_list(proof.stack, {}, "Stack of the longest sleep in reclaim") + "</details>\n";
    }
    return text;
}

class Facts {
  public:
    void add(std::string_view name, const std::string& value) {
        if (!value.empty()) {
            text_ += fmt::format("<dt>{}</dt><dd>{}</dd>\n", name, escaped(value, 600));
        }
    }
    [[nodiscard]] std::string take() const { return "<dl>\n" + text_ + "</dl>\n"; }

  private:
    std::string text_;
};

std::string bytes_or(const std::optional<std::uint64_t>& bytes, std::string_view otherwise) {
    return bytes ? short_bytes(static_cast<double>(*bytes)) : std::string(otherwise);
}

std::string machine_of(const Evidence& evidence) {
    const auto& environment = evidence.environment;
    return environment.machine.empty()
               ? ""
               : fmt::format(
                     "{}, {}, {}{}", environment.machine,
                     verdict::counted(static_cast<std::uint64_t>(std::max(environment.cpus, 0)), "CPU"),
                     short_bytes(static_cast<double>(environment.memory_bytes)),
                     evidence.guest ? fmt::format(", a guest ({}, kernel asked for: {})",
                                                  evidence.guest->accelerator, evidence.guest->kernel)
                                    : ", the machine itself");
}

std::string environment(const Evidence& evidence) {
    Facts facts;
    facts.add("Kernel",
              fmt::format("{} {}", evidence.environment.kernel_release, evidence.environment.kernel_version));
    facts.add("Machine", machine_of(evidence));
    if (evidence.limits.time_factor > 1) {
        facts.add("Times", fmt::format("stretched by {:.3g}: the guest is slower than its host",
                                       evidence.limits.time_factor));
    }
    facts.add("Memory cgroup",
              fmt::format("{}, limit {}, placement {}{}",
                          verdict::text_or(evidence.environment.cgroup_version, "?"),
                          bytes_or(evidence.limits.memcg_limit_bytes, "none"),
                          verdict::text_or(evidence.placement, "?"),
                          evidence.limits.daemon_limit_bytes
                              ? ", daemon's own limit " + bytes_or(evidence.limits.daemon_limit_bytes, "")
                              : ""));
    facts.add("Judged by",
              fmt::format("stall window {}, time budget {}", short_time(evidence.limits.stall_window_s),
                          short_time(evidence.limits.time_budget_s)));
    for (std::size_t i = 0; i < std::min(evidence.mitigations.size(), most_lines); ++i) {
        const auto& mitigation = evidence.mitigations[i];
        facts.add("Mitigation",
                  fmt::format("{}: {}{}{}", mitigation.name, mitigation.applied ? "in force" : "NOT in force",
                              mitigation.detail.empty() ? "" : ", ", mitigation.detail));
    }
    for (std::size_t i = 0; i < std::min(evidence.faults.size(), most_lines); ++i) {
        facts.add("Fault", evidence.faults[i].name + ": " + evidence.faults[i].detail);
    }
    facts.add("Trace", evidence.trace.available
                           ? fmt::format("{}{}", verdict::counted(evidence.trace.events.size(), "tracepoint"),
                                         evidence.trace.missing.empty()
                                             ? ""
                                             : ", not here: " + verdict::join(evidence.trace.missing, ", "))
                           : "none: " + verdict::text_or(evidence.trace.unavailable_reason, "not told"));
    return "<h4>Environment</h4>\n" + facts.take();
}

std::string repetition(const Run& run) {
    const auto script = read_text(run, "repro.sh");
    std::string text = fmt::format("<h4>Run it again</h4>\n<pre><code>sh {}</code></pre>\n",
                                   escaped(shell_quoted(run.folder + "/repro.sh"), 1200));
    if (script) {
        text += fmt::format(
            "<details><summary>What that script runs</summary><pre><code>{}</code></pre></details>\n",
            escaped(*script, 4000));
    }
    return text;
}

std::string expectation(const RunVerdict& verdict) {
    if (!verdict.is_judged()) {
        return R"(<span class="x">nothing expected</span>)";
    }
    const auto words = verdict.expected_words();
    return verdict.met
               ? fmt::format(R"(<span class="x yes">as expected</span> ({}))", escaped(words, 300))
               : fmt::format(R"(<span class="x no">not as expected</span> ({}))", escaped(words, 300));
}

std::string head(const Page& page, const Shown& shown) {
    const auto& run = page.report.found.runs[shown.run];
    const auto& tally = page.report.counted.tallies[shown.cell];
    const auto runs = page.report.counted.cells[shown.cell].runs.size();
    std::string text = fmt::format(
        "<h3 id=\"d{0}-h\">{1} <span class=\"name\">{2}</span> <span class=\"on\">on {3}</span></h3>\n",
        shown.cell, outcome_mark(run.verdict.outcome), escaped(tally.scenario, 200),
        escaped(words_of(tally.place), 100));
    if (!run.facts->question.empty()) {
        text += fmt::format("<p class=\"question\">{}</p>\n", escaped(run.facts->question, 600));
    }
    text +=
        fmt::format("<p class=\"meta\">{} · recursion {} · relief {}{} · {} · <a href=\"#{}\">{}</a>{}</p>\n",
                    expectation(run.verdict), escaped(run.verdict.recursion, 40),
                    run.verdict.relief.empty() ? "not tried" : escaped(run.verdict.relief, 40),
                    run.verdict.relief_after_s ? " after " + short_time(*run.verdict.relief_after_s) : "",
                    "took " + short_time(run.verdict.duration_s), page.list_anchor_of(shown.cell),
                    runs == 1 ? "the only run" : fmt::format("one of {} runs", runs),
                    run.began.empty() ? "" : fmt::format(" · {} UTC", run.began));
    return text;
}

std::string reasons(const RunVerdict& verdict) {
    return verdict.reasons.empty() ? "" : list(verdict.reasons, "reasons");
}

// All that rests on evidence.json.
std::string evidence_of(const Run& run, const std::string& id) {
    const auto evidence = read_evidence(run);
    if (!evidence) {
        return fmt::format("<p class=\"note\">Its evidence cannot be shown: {}</p>\n",
                           escaped(evidence.error().message, 600));
    }
    const auto verdict = verdict::judge(*evidence);
    std::string text;
    if (to_string(verdict.outcome) != run.verdict.outcome) {
        text += fmt::format(
            "<p class=\"note\">verdict.json says {}; this program judges the same evidence as {}.</p>\n",
            escaped(run.verdict.outcome, 40), to_string(verdict.outcome));
    }
    if (const auto picture = timeline(*evidence, id); !picture.empty()) {
        text += "<h4>What happened when</h4>\n" + picture;
    }
    const auto stack = proof(verdict);
    text +=
        fmt::format("<div class=\"two\"><div>\n<h4>{}</h4>\n{}</div><div>\n{}{}</div></div>\n",
                    verdict.cycle.empty() ? "The stack" : "The stack and its wait cycle",
                    diagram(*evidence, verdict::wait_graph(*evidence), id), stack, reclaim_proof(verdict));
    if (!verdict.waiting.empty()) {
        text +=
            "<details><summary>Who else waits</summary>" + list(verdict.waiting, "plain") + "</details>\n";
    }
    return text + environment(*evidence);
}

}  // namespace

std::string detail(const Page& page, const Shown& shown) {
    const auto& run = page.report.found.runs[shown.run];
    const auto id = fmt::format("d{}", shown.cell);
    return fmt::format(
        "<article id=\"{0}\" aria-labelledby=\"{0}-h\" class=\"{1}\">\n{2}{3}{4}{5}</article>\n", id,
        look_of(run.verdict.outcome).style, head(page, shown), reasons(run.verdict), evidence_of(run, id),
        repetition(run));
}

}  // namespace reflux::report::html
