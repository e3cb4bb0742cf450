#include "harness/journal/undo_trace.h"

#include "backend/base/child.h"
#include "backend/base/kernel_file.h"

namespace reflux::journal {
namespace {

constexpr Seconds gone_time{10};

}  // namespace

Status remove_trace_instance(const Object& object) {
    Status removed;
    wait_until(gone_time, [&] {
        removed = call_bounded("rmdir " + object.name, gone_time, [&] {
            return ::rmdir(object.name.c_str()) == 0 || errno == ENOENT
                       ? Status{}
                       : Status(fail_errno("rmdir " + object.name));
        });
        return removed || removed.error().errnum != EBUSY;
    });
    return removed;
}

Status remove_trace_probes(const Object& object) {
    const auto events = object.name.rfind("/events/");
    if (events == std::string::npos) {
        return fail(ErrorKind::invalid_input, object.name + " is no group of trace events");
    }
    const auto list = object.name.substr(0, events) + "/kprobe_events";
    const auto group = object.name.substr(events + 8);
    Status removed;
    const bool gone = wait_until(gone_time, [&] {
        const auto names = list_directory(object.name);
        if (!names) {
            removed = names.error().errnum == ENOENT ? Status{} : Status(fail(names.error()));
            return true;
        }
        removed = call_bounded("removing " + object.name, gone_time, [&]() -> Status {
            for (const auto& name : *names) {
                if (name != "enable" && name != "filter") {  // the group's own files
                    REFLUX_CHECK(write_file(list, fmt::format("-:{}/{}\n", group, name)));
                }
            }
            return {};
        });
        return !removed && removed.error().errnum != EBUSY;
    });
    return gone || !removed ? removed : fail(ErrorKind::timed_out, object.name + " is still there");
}

}  // namespace reflux::journal
