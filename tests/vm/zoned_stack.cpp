// The harness' functions that put something on a zoned block device, one at a time, for a guest
// (vm_dm_zoned_test.cpp):
//
//     zoned_stack format DEVICE             dm-zoned's metadata
//     zoned_stack mkfs TYPE DEVICE          a filesystem; prints the options to mount it with
//     zoned_stack up DEVICE NAME            the mapping, journalled in STATE/NAME; prints its device
//     zoned_stack down NAME [escape]        what that journal says, undone by another process than made it
//
// STATE: $REFLUX_STATE. What DEVICE holds is lost. Exit status 0, or 1 with the error.
#include "harness/journal/undo.h"
#include "harness/stack/dm_zoned.h"
#include "harness/stack/mounts.h"

#include <fmt/ranges.h>

namespace reflux {
namespace {

Status up(const std::string& device, const std::string& name) {
    REFLUX_TRY(auto journal, journal::Journal::create(journal::default_state_root(), name));
    REFLUX_TRY(const auto mapped, stack::dm_zoned_up(device, name, journal));
    fmt::print("{}\n", mapped.path);
    return {};
}

Status down(const std::string& name, journal::Mode mode) {
    REFLUX_TRY(auto journal, journal::Journal::open(journal::default_state_root() + "/" + name));
    const auto report = journal::undo(journal, mode);
    if (!report.leftovers.empty()) {
        return fail(ErrorKind::system, fmt::format("{}", fmt::join(report.leftovers, "; ")));
    }
    fmt::print("undone{}\n", report.escaped ? ", escaped" : "");
    return journal.remove();
}

Status run(const std::vector<std::string>& arguments) {
    const auto is = [&](const char* verb, std::size_t most) {
        return arguments.size() >= 2 && arguments.size() <= most && arguments[0] == verb;
    };
    if (is("format", 2)) {
        return stack::format_dm_zoned(arguments[1]);
    }
    if (is("mkfs", 3) && arguments.size() == 3) {
        REFLUX_CHECK(stack::make_filesystem(arguments[1], arguments[2], ""));
        fmt::print("{}\n", stack::mount_options(arguments[1]));
        return {};
    }
    if (is("up", 3) && arguments.size() == 3) {
        return up(arguments[1], arguments[2]);
    }
    if (is("down", 3)) {
        return down(arguments[1], arguments.size() == 3 ? journal::Mode::escape : journal::Mode::orderly);
    }
    return fail(ErrorKind::invalid_input,
                "format DEVICE | mkfs TYPE DEVICE | up DEVICE NAME | down NAME [escape]");
}

}  // namespace
}  // namespace reflux

int main(int argc, char** argv) {
    if (const auto done = reflux::run({argv + 1, argv + argc}); !done) {
        fmt::print(stderr, "zoned_stack: {}\n", done.error().message);
        return 1;
    }
    return 0;
}
