#include "harness/run/audit_verbs.h"

#include "backend/base/exec_arguments.h"
#include "backend/base/kernel_file.h"
#include "harness/mitigation/mitigation.h"
#include "harness/report/wrap.h"

#include <algorithm>
#include <cstdio>
#include <string_view>

#include <unistd.h>

#include <nlohmann/json.hpp>

namespace reflux::run {
namespace {

using mitigation::Audit;
using mitigation::AuditedThread;
using Json = nlohmann::ordered_json;

std::string headline(const Audit& audit) {
    const auto which = audit.passed() ? fmt::format("all {}", audit.on_io_path)
                                      : fmt::format("{} of {}", audit.unmarked, audit.on_io_path);
    return fmt::format("process {} ({}): {} threads on the I/O path are {}marked as I/O flushers\n",
                       audit.pid, report::printable(audit.name, '?'), which, audit.passed() ? "" : "not ");
}

// "io flusher, NOFS"
std::string marks(const AuditedThread& audited) {
    const auto flags = audited.thread.stat.flags;
    std::vector<std::string> words;
    const auto add = [&](bool holds, const char* word) {
        if (holds) {
            words.emplace_back(word);
        }
    };
    add(audited.marked, "io flusher");
    add(!audited.marked, audited.on_io_path ? "UNMARKED" : "none");
    add(!audited.marked && (flags & pf_memalloc_noio) != 0, "NOIO");
    add(!audited.marked && (flags & pf_local_throttle) != 0, "local throttle");
    add((flags & pf_memalloc_nofs) != 0, "NOFS");
    add((flags & pf_memalloc) != 0, "memalloc");
    return fmt::format("{}", fmt::join(words, ", "));
}

// "SQPOLL thread of 4711; made before thread 4711 was marked"
std::string remarks(const AuditedThread& audited) {
    std::vector<std::string> phrases;
    if (audited.kind != mitigation::Kind::other) {
        phrases.push_back(to_string(audited.kind) +
                          (audited.works_for ? fmt::format(" of {}", *audited.works_for) : ""));
    }
    if (audited.ended) {
        phrases.emplace_back("ended");
    } else if (!audited.on_io_path) {
        phrases.emplace_back("not on the I/O path");
    }
    if (audited.origin && !audited.ended) {
        phrases.push_back(to_string(*audited.origin));
    }
    return fmt::format("{}", fmt::join(phrases, "; "));
}

std::string table_row(std::string_view tid, std::string_view name, std::string_view started,
                      std::string_view flags, std::string_view marks, std::string_view remarks) {
    return trimmed(fmt::format("  {:<8} {:<16} {:>12}  {:<10}  {:<18} {}", tid, name, started, flags, marks,
                               remarks)) +
           "\n";
}

constexpr const char* explanation =
    "\n"
    "UNMARKED: what this thread allocates may enter reclaim that waits for I/O, its own included.\n"
    "The threads that a marked thread makes are marked, those that exist already are not, and exec keeps "
    "marks:\n"
    "`reflux exec --mitigation io_flusher -- PROGRAM` starts a program in which all threads are.\n"
    "(A thread that took its own mark off again cannot be told from one that never had it.)\n";

Json thread_json(const AuditedThread& audited) {
    const auto& stat = audited.thread.stat;
    const auto has = [&](std::uint64_t bit) { return (stat.flags & bit) != 0; };
    Json json;
    json["tid"] = audited.thread.tid;
    json["name"] = stat.name;
    json["kind"] = to_string(audited.kind);
    json["works_for"] = audited.works_for ? Json(*audited.works_for) : Json(nullptr);
    json["state"] = std::string(1, stat.state);
    json["started_s"] = audited.started_s;
    json["flags"] = stat.flags;
    json["nofs"] = has(pf_memalloc_nofs);
    json["noio"] = has(pf_memalloc_noio);
    json["local_throttle"] = has(pf_local_throttle);
    json["memalloc"] = has(pf_memalloc);
    json["io_flusher"] = audited.marked;
    json["on_io_path"] = audited.on_io_path;
    // Null where it is not known.
    json["made_before_mark"] = audited.origin && audited.origin->before_mark() ? Json(true) : Json(nullptr);
    json["origin"] = audited.origin ? Json(to_string(*audited.origin)) : Json(nullptr);
    return json;
}

// Marks this process and reads that back.
Status apply(const mitigation::Row& row) {
    auto marked = row.mark_caller();
    if (!marked) {
        return fail(marked.error().within(row.name));
    }
    const auto seen = row.read_back(row, {.pid = ::getpid()});
    if (!seen.applied) {
        return fail(ErrorKind::system, fmt::format("{} did not take: {}", row.name, seen.detail));
    }
    fmt::print(stderr, "reflux: {} holds: {}\n", row.name, seen.detail);
    return {};
}

// Returns only with an error.
Error become(const std::vector<std::string>& program) {
    ::execvp(program.front().c_str(), exec_arguments(program).data());
    Error error = system_error("exec " + program.front());
    error.kind = ErrorKind::invalid_input;
    return error;
}

Result<std::vector<mitigation::Row>> rows_of(const std::vector<std::string>& names) {
    std::vector<mitigation::Row> rows;
    for (const auto& name : names) {
        REFLUX_TRY(rows.emplace_back(), mitigation::find_for_programs(name));
    }
    return rows;
}

// Returns only with an error.
Error start(const ExecOptions& options) {
    const auto rows = rows_of(options.mitigations);
    if (!rows) {
        return rows.error();
    }
    for (const auto& row : *rows) {
        if (const auto applied = apply(row); !applied) {
            return applied.error();
        }
    }
    return become(options.program);
}

}  // namespace

std::string audit_text(const Audit& audit) {
    std::string text = headline(audit) + "\n";
    text += table_row("thread", "name", "started", "flags", "marks", "");
    for (const auto& audited : audit.threads) {
        text +=
            table_row(std::to_string(audited.thread.tid), report::printable(audited.thread.stat.name, '?'),
                      fmt::format("+{:.2f} s", audited.started_s),
                      fmt::format("{:#010x}", audited.thread.stat.flags), marks(audited), remarks(audited));
    }
    return audit.passed() ? text : text + explanation;
}

std::string audit_json(const Audit& audit) {
    Json json;
    json["schema"] = 1;
    json["pid"] = audit.pid;
    json["name"] = audit.name;
    json["marked"] = audit.passed();
    json["on_io_path"] = audit.on_io_path;
    json["unmarked"] = audit.unmarked;
    json["threads"] = Json::array();
    for (const auto& audited : audit.threads) {
        json["threads"].push_back(thread_json(audited));
    }
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

ExitCode audit_verb(const AuditOptions& options) {
    const auto process = mitigation::read_process("/proc", options.pid);
    if (!process) {
        return complain(process.error());
    }
    const auto audit = mitigation::audit(*process, options.io_path);
    if (!audit) {
        return complain(audit.error());
    }
    fmt::print("{}", options.json ? audit_json(*audit) : audit_text(*audit));
    return audit->passed() ? ExitCode::met : ExitCode::differs;
}

ExitCode exec_verb(const ExecOptions& options) {
    const Error error = start(options);
    return complain(error.kind == ErrorKind::invalid_input
                        ? error
                        : Error{.kind = error.kind,
                                .message = fmt::format("{}; {} was not started", error.message,
                                                       options.program.front())});
}

}  // namespace reflux::run
