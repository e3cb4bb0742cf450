#include "harness/run/reclaim_module.h"

#include "backend/base/kernel_file.h"
#include "backend/base/reflux_reclaim.h"
#include "harness/journal/undo.h"

#include <algorithm>

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace reflux::run {
namespace {

constexpr const char* loaded = "/sys/module/" REFLUX_RECLAIM_MODULE;
constexpr Seconds device_time{5};  // for devtmpfs, or udev, to make the device's file

bool exists(const char* path) {
    return ::access(path, F_OK) == 0;
}

}  // namespace

bool needs_reclaim_module(const std::vector<mitigation::Row>& rows) {
    return std::ranges::any_of(
        rows, [](const mitigation::Row& row) { return row.place == mitigation::Place::module; });
}

bool needs_reclaim_module(const scenario::Scenario& scenario) {
    const auto rows = mitigation::find_all(scenario.mitigations);
    return rows && needs_reclaim_module(*rows);
}

Status load_reclaim_module(const std::string& module, journal::Journal& journal, Console& console) {
    if (exists(loaded)) {
        return fail(
            ErrorKind::unsupported,
            "the kernel module " REFLUX_RECLAIM_MODULE
            " is loaded already, by another run or by hand: its counts would not be this run's, and who "
            "loaded it may unload it; rmmod " REFLUX_RECLAIM_MODULE ", or run with --vm");
    }
    if (module.empty()) {
        return fail(
            ErrorKind::unsupported,
            "the prototype kernel module " REFLUX_RECLAIM_MODULE
            " is not loaded; run with --vm, or with --load-module to have it loaded into this kernel");
    }
    REFLUX_TRY(const auto file, open_file(module, O_RDONLY));
    REFLUX_TRY(const auto id, journal.intend(journal::Kind::kernel_module, REFLUX_RECLAIM_MODULE));
    if (::syscall(SYS_finit_module, file.get(), "", 0) != 0) {
        const int why = errno;
        REFLUX_CHECK(journal.gone(id));  // EEXIST: another run's
        return fail(ErrorKind::unsupported,
                    fmt::format("insmod {}: {}; the kernel's log may say why (a function that the compiler "
                                "inlined, a lockdown, another kernel)",
                                module, std::generic_category().message(why)));
    }
    if (!journal::wait_until(device_time, [] { return exists(REFLUX_SCOPE_DEVICE); })) {
        return fail(ErrorKind::timed_out, "no " REFLUX_SCOPE_DEVICE " came of " + module);
    }
    console.step("kernel module " REFLUX_RECLAIM_MODULE " loaded for the time of the run");
    return {};
}

}  // namespace reflux::run
