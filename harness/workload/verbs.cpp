#include "harness/workload/verbs.h"

#include "harness/workload/generator.h"

#include <cstdio>

#include <sys/prctl.h>

namespace reflux::workload {
namespace {

constexpr int could_not_run = 4;

int could_not(const Error& error) {
    fmt::print(stderr, "{}\n", error.message);
    return could_not_run;
}

}  // namespace

int workload_verb(int fd, const std::string& directory) {
    // Started through /proc/self/exe it is called "exe"; its workers inherit the name.
    static_cast<void>(::prctl(PR_SET_NAME, "reflux-workload", 0, 0, 0));
    const auto state = SharedState::attach(fd);
    if (!state) {
        return could_not(state.error());
    }
    const auto done = run_workload(*state, directory);
    if (done) {
        return 0;
    }
    // began_ns is set when the workers are about to start.
    if (done.error().kind == ErrorKind::invalid_input || state->began_ns().load() == 0) {
        return could_not(done.error());
    }
    fmt::print(stderr, "{}\n", done.error().message);
    return 1;
}

int verify_verb(int fd, const std::string& directory, std::string_view mode) {
    const auto parsed = parse_verify_mode(mode);
    if (!parsed) {
        return could_not(parsed.error());
    }
    const auto state = SharedState::attach(fd);
    if (!state) {
        return could_not(state.error());
    }
    const auto report = verify(*state, directory, *parsed);
    if (!report) {
        return could_not(report.error());
    }
    if (report->files_wrong != 0) {
        fmt::print(stderr, "{} wrong; {}\n", report->files_wrong, report->first_difference);
        return 1;
    }
    return 0;
}

}  // namespace reflux::workload
