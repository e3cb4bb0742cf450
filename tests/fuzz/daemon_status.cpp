// What a daemon answers on its control socket.
#include "harness/observe/daemon_status.h"

#include "tests/fuzz/support/seeds.h"
#include "tests/fuzz/support/target.h"

namespace reflux::fuzz {
namespace {

bool run(std::string_view input) {
    const observe::DaemonReport report = observe::parse_daemon_report(input, 7.5);
    require(report.status.answered == report.problem.empty(), "no answer has a reason");
    require(report.status.at_s == 7.5, "it is of the moment that was given");
    require(report.status.answered || (report.threads.empty() && report.status.in_flight.empty()),
            "no answer tells nothing");
    return report.status.answered;
}

}  // namespace

Target make_target() {
    return {.run = run,
            .seeds = seed_texts("tests/fixtures/observe", "daemon_status.json"),
            .words = {"read", "write", "flush", "io", "front_end"},
            .format = Format::json};
}

}  // namespace reflux::fuzz
