// The keys of incidents.h in evidence.json, as fields.h has the others.
#pragma once

#include "harness/evidence/incidents.h"

#include <concepts>
#include <type_traits>

namespace reflux::evidence {

template <class T, class U>
concept Is = std::same_as<std::remove_const_t<T>, U>;

template <class Visit, Is<OomVictim> T>
void fields(Visit& visit, T& it) {
    visit("pid", it.pid);
    visit("name", it.name);
    visit("role", it.role);
    visit("of_memcg", it.of_memcg);
    visit("at_s", it.at_s);
    visit("anon_bytes", it.anon_bytes);
    visit("reaped_s", it.reaped_s);
    visit("gone_s", it.gone_s);
    visit("seen_s", it.seen_s);
    visit("state", it.state);
    visit("stack", it.stack);
}

template <class Visit, Is<LockReport> T>
void fields(Visit& visit, T& it) {
    visit("at_s", it.at_s);
    visit("kind", it.kind);
    visit("task", it.task);
    visit("locks", it.locks);
    visit("reclaim", it.reclaim);
}

template <class Visit, Is<AllocationStall> T>
void fields(Visit& visit, T& it) {
    visit("task", it.task);
    visit("function", it.function);
    visit("mode", it.mode);
    visit("bytes", it.bytes);
    visit("count", it.count);
    visit("first_s", it.first_s);
    visit("last_s", it.last_s);
}

template <class Visit, Is<IoCgroups> T>
void fields(Visit& visit, T& it) {
    visit("version", it.version);
    visit("policies", it.policies);
    visit("missing", it.missing);
    visit("made", it.made);
    visit("reads", it.reads);
    visit("accounted", it.accounted);
    visit("failed", it.failed);
    visit("first_error", it.first_error);
    visit("worked_s", it.worked_s);
    visit("longest_s", it.longest_s);
}

template <class Visit, Is<Hog> T>
void fields(Visit& visit, T& it) {
    visit("asked_bytes", it.asked_bytes);
    visit("place", it.place);
    visit("began_s", it.began_s);
    visit("started", it.started);
    visit("oom_killed", it.oom_killed);
    visit("failed", it.failed);
    visit("first_failure", it.first_failure);
    visit("most_taken_bytes", it.most_taken_bytes);
    visit("at_work", it.at_work);
    visit("syncs", it.syncs);
}

template <class Visit, Is<DaemonFailure> T>
void fields(Visit& visit, T& it) {
    visit("command", it.command);
    visit("waited_for", it.waited_for);
    visit("waited_s", it.waited_s);
    visit("ended", it.ended);
    visit("trouble", it.trouble);
    visit("last_lines", it.last_lines);
}

}  // namespace reflux::evidence
