#include "daemon/base/stop_source.h"

#include <cstdint>

#include <signal.h>
#include <sys/eventfd.h>

namespace reflux {
namespace {

// What the signal handler stops; it has no other way to its object.
std::atomic<StopSource*> stopped_by_signal = nullptr;
static_assert(std::atomic<StopSource*>::is_always_lock_free);

void on_signal(int /*number*/) {
    const int saved = errno;
    if (StopSource* stop = stopped_by_signal.load()) {
        stop->request();
    }
    errno = saved;
}

}  // namespace

Result<std::unique_ptr<StopSource>> StopSource::make() {
    const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) {
        return fail_errno("eventfd");
    }
    return std::unique_ptr<StopSource>(new StopSource(UniqueFd(fd)));
}

void StopSource::request() {
    requested_.store(true);
    const std::uint64_t one = 1;
    // Fails only when the counter is full, and then it is readable anyway.
    [[maybe_unused]] const auto written = ::write(event_.get(), &one, sizeof(one));
}

Status stop_on_signals(StopSource& stop) {
    stopped_by_signal.store(&stop);
    struct sigaction action {};
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    for (const int number : {SIGTERM, SIGINT}) {
        if (::sigaction(number, &action, nullptr) != 0) {
            return fail_errno("sigaction");
        }
    }
    action.sa_handler = SIG_IGN;
    if (::sigaction(SIGPIPE, &action, nullptr) != 0) {
        return fail_errno("sigaction SIGPIPE");
    }
    return {};
}

}  // namespace reflux
