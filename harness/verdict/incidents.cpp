#include "harness/verdict/incidents.h"

#include "harness/verdict/words.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace reflux::verdict {

using evidence::Evidence;
using evidence::OomVictim;

namespace {

using Sentences = std::vector<std::string>;

constexpr std::size_t most_told = 3;  // of each kind

double mebibytes_of(std::uint64_t bytes) {
    return static_cast<double>(bytes) / mebibyte;
}

// Index of the first frame that begins with one of the names; past the end: none does.
template <class Names>
std::size_t frame_of(const std::vector<std::string>& stack, const Names& names) {
    const auto found = std::ranges::find_if(stack, [&](const std::string& frame) {
        const std::string_view bare = std::string_view(frame).substr(0, frame.find('.'));
        return std::ranges::find(names, bare) != names.end();
    });
    return static_cast<std::size_t>(found - stack.begin());
}

// fs/xfs/xfs_log_cil.c: a commit, and what pushes the committed items to the log. Both take xc_ctx_lock; up
// to 4.7 the commit allocated under it.
constexpr auto commits = std::to_array<std::string_view>({"xfs_log_commit_cil", "xlog_cil_commit"});
constexpr auto pushes =
    std::to_array<std::string_view>({"xlog_cil_push_work", "xlog_cil_push", "xlog_cil_push_now",
                                     "xlog_cil_push_background", "xlog_cil_force_seq", "xlog_cil_force_lsn"});
constexpr auto allocations = std::to_array<std::string_view>(
    {"kmem_alloc", "kmem_zalloc", "kmem_alloc_large", "kvmalloc_node", "xlog_kvmalloc", "xlog_cil_kvmalloc",
     "__kvmalloc_node_noprof", "xlog_cil_alloc_shadow_bufs", "__alloc_pages", "__alloc_pages_nodemask",
     "__alloc_pages_slowpath", "__alloc_frozen_pages_noprof", "__alloc_pages_noprof"});

// It sits in an allocation that its commit made.
bool allocates_in_commit(const Watched& task) {
    const auto& stack = task.last.stack;
    const std::size_t commit = frame_of(stack, commits);
    return commit < stack.size() && task.last.state != 'Z' &&
           (frame_of(stack, allocations) < commit ||
            (task.classified.reclaim && task.classified.reclaim_frame < commit));
}

std::string names_of(const std::vector<const Watched*>& tasks) {
    std::vector<std::string> names;
    for (const Watched* task : tasks) {
        if (names.size() < most_told) {
            names.push_back(name_of(task->last));
        }
    }
    return join(names, ", ") +
           (tasks.size() > most_told ? fmt::format(" and {} more", tasks.size() - most_told) : "");
}

void add_commit(const std::vector<Watched>& tasks, Sentences& sentences) {
    std::vector<const Watched*> allocating;
    std::vector<const Watched*> pushing;
    for (const Watched& task : tasks) {
        if (allocates_in_commit(task)) {
            allocating.push_back(&task);
        } else if (task.last.state == 'D' && frame_of(task.last.stack, pushes) < task.last.stack.size()) {
            pushing.push_back(&task);
        }
    }
    if (allocating.empty()) {
        return;
    }
    const Watched& first = *allocating.front();
    const std::string wait = first.classified.wait ? in_wait(*first.classified.wait) : "allocating";
    sentences.push_back(fmt::format(
        "XFS commits a transaction in an allocation: {}, {}{}; {}", names_of(allocating), wait,
        first.classified.reclaim ? fmt::format(" inside {}", to_string(*first.classified.reclaim)) : "",
        pushing.empty() ? "no task waits for a push of committed items (CIL)"
                        : fmt::format("{} waits for a push of committed items (CIL)", names_of(pushing))));
}

void add_allocations(const Evidence& evidence, Sentences& sentences) {
    std::uint64_t lines = 0;
    for (const auto& stall : evidence.allocation_stalls) {
        lines += stall.count;
    }
    if (lines == 0) {
        return;
    }
    const auto most =
        std::ranges::max_element(evidence.allocation_stalls, {}, &evidence::AllocationStall::count);
    sentences.push_back(fmt::format(
        "the kernel warned {} of a possible memory allocation deadlock, most often in {}{}, mode {}, of {}, "
        "from "
        "{:.1f} s to {:.1f} s",
        counted(lines, "time"), text_or(most->function, "an unnamed function"),
        most->bytes ? fmt::format(" for {} bytes", *most->bytes) : "", text_or(most->mode, "not told"),
        text_or(most->task, "a task that it does not name"), most->first_s, most->last_s));
}

// Under which rung of the relief it ended; empty: under none.
std::string rung_at(const Evidence& evidence, double at_s) {
    std::string rung;
    for (const evidence::ReliefRung& tried : evidence.relief) {
        if (tried.applied && tried.begin_s <= at_s) {
            rung = tried.rung;
        }
    }
    return rung;
}

std::string fate_of(const Evidence& evidence, const OomVictim& victim) {
    const std::string reaped = victim.reaped_s
                                   ? fmt::format(", its memory was taken after {}",
                                                 time_words(std::max(0.0, *victim.reaped_s - victim.at_s)))
                                   : std::string();
    if (victim.gone_s) {
        const std::string rung = rung_at(evidence, *victim.gone_s);
        return fmt::format("gone after {} at most{}{}",
                           time_words(std::max(0.0, *victim.gone_s - victim.at_s)),
                           rung.empty() ? "" : ", under relief (" + rung + ")", reaped);
    }
    const auto wait = classify_stack(victim.stack).wait;
    return fmt::format("NOT GONE {} after it was chosen, in state {}{}{}",
                       time_words(victim.seen_s - victim.at_s), victim.state,
                       wait                   ? ", " + in_wait(*wait)
                       : victim.stack.empty() ? ""
                                              : " at " + victim.stack.front(),
                       reaped);
}

// Those that did not go, and those that went only under relief, before the others.
void add_victims(const Evidence& evidence, Sentences& sentences) {
    if (evidence.oom_victims.empty()) {
        return;
    }
    std::vector<const OomVictim*> victims;
    std::vector<double> times;
    for (const OomVictim& victim : evidence.oom_victims) {
        victims.push_back(&victim);
        if (victim.gone_s) {
            times.push_back(*victim.gone_s - victim.at_s);
        }
    }
    std::ranges::stable_sort(victims, [](const OomVictim* a, const OomVictim* b) {
        constexpr double never = 1e9;
        return a->gone_s.value_or(never) - a->at_s > b->gone_s.value_or(never) - b->at_s;
    });
    if (victims.size() > 1) {
        std::ranges::sort(times);
        sentences.push_back(fmt::format(
            "the OOM killer chose {}; {} gone{}", counted(victims.size(), "victim"), times.size(),
            times.empty() ? ""
                          : fmt::format(", after {} at most, half of them after {}", time_words(times.back()),
                                        time_words(times[times.size() / 2]))));
    }
    for (std::size_t i = 0; i < std::min(victims.size(), most_told); ++i) {
        const OomVictim& victim = *victims[i];
        sentences.push_back(
            fmt::format("OOM victim {}[{}] ({}, {}, {:.1f} MiB anonymous, at {:.1f} s): {}", victim.name,
                        victim.pid, victim.role, victim.of_memcg ? "of the memcg" : "of the machine",
                        mebibytes_of(victim.anon_bytes), victim.at_s, fate_of(evidence, victim)));
    }
}

void add_lock_reports(const Evidence& evidence, Sentences& sentences) {
    for (std::size_t i = 0; i < std::min(evidence.lock_reports.size(), most_told); ++i) {
        const auto& report = evidence.lock_reports[i];
        sentences.push_back(fmt::format("lockdep at {:.1f} s: {}{}; locks: {}{}", report.at_s, report.kind,
                                        report.task.empty() ? "" : ", " + report.task,
                                        text_or(join(report.locks, ", "), "not told"),
                                        report.reclaim ? "; reclaim is among them" : ""));
    }
}

void add_io_cgroups(const Evidence& evidence, Sentences& sentences) {
    if (!evidence.io_cgroups) {
        return;
    }
    const auto& io = *evidence.io_cgroups;
    sentences.push_back(fmt::format(
        "{} io cgroups ({}) made in {:.1f} s, {:.0f} a second, the slowest used and removed in {}; policies "
        "{}{}; "
        "first "
        "I/O completed in {}, accounted by the kernel in {}{}",
        io.made, io.version, io.worked_s, io.worked_s > 0 ? static_cast<double>(io.made) / io.worked_s : 0.0,
        time_words(io.longest_s), text_or(join(io.policies, ", "), "none"),
        io.missing.empty() ? "" : fmt::format(" (this kernel has no {})", join(io.missing, ", ")), io.reads,
        io.accounted,
        io.failed == 0 ? ""
                       : fmt::format("; {} failed, first: {}", io.failed, text_or(io.first_error, "?"))));
    if (evidence.lock_reports.empty() && evidence.lockdep == false) {
        sentences.emplace_back("this kernel has no lockdep: the order of its locks was not looked at");
    }
}

void add_memory(const Evidence& evidence, Sentences& sentences) {
    if (evidence.progress.empty() || !evidence.progress.back().swap_free_bytes) {
        return;
    }
    const double until = evidence.stall ? evidence.stall->detected_s : evidence.progress.back().at_s;
    const auto later =
        std::ranges::find_if(evidence.progress, [&](const auto& point) { return point.at_s > until; });
    const auto& point = later == evidence.progress.begin() ? *later : *(later - 1);
    sentences.push_back(fmt::format(
        "the machine at {:.1f} s: {:.1f} MiB free, {:.1f} MiB of swap free, {:.1f} MiB in reclaimable slabs",
        point.at_s, mebibytes_of(point.memory_free_bytes.value_or(0)),
        mebibytes_of(point.swap_free_bytes.value_or(0)),
        mebibytes_of(point.slab_reclaimable_bytes.value_or(0))));
}

}  // namespace

std::vector<std::string> incident_sentences(const Evidence& evidence, const std::vector<Watched>& tasks) {
    Sentences sentences;
    add_commit(tasks, sentences);
    add_allocations(evidence, sentences);
    add_victims(evidence, sentences);
    add_lock_reports(evidence, sentences);
    add_io_cgroups(evidence, sentences);
    add_memory(evidence, sentences);
    return sentences;
}

}  // namespace reflux::verdict
