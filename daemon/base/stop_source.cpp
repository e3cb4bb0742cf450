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
    if (has_timer_.load()) {
        const itimerspec often{.it_interval = {.tv_sec = 0, .tv_nsec = 10'000'000},
                               .it_value = {.tv_sec = 0, .tv_nsec = 1}};
        ::timer_settime(timer_, 0, &often, nullptr);
    }
}

Result<StopSource::Interruption> StopSource::Interruption::make(StopSource& stop) {
    struct sigaction action {};
    action.sa_handler = [](int) {};  // and no SA_RESTART: that it came is all
    if (::sigaction(SIGALRM, &action, nullptr) != 0) {
        return fail_errno("sigaction SIGALRM");
    }
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGALRM;
    event._sigev_un._tid = ::gettid();  // glibc 2.36 has no other name for it
    if (::timer_create(CLOCK_MONOTONIC, &event, &stop.timer_) != 0) {
        return fail_errno("timer_create");
    }
    stop.has_timer_.store(true);
    return Interruption(stop);
}

StopSource::Interruption::~Interruption() {
    if (stop_ != nullptr) {
        stop_->has_timer_.store(false);
        ::timer_delete(stop_->timer_);
    }
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
