#include "harness/run/event_loop.h"

#include <csignal>
#include <optional>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace reflux::run {

namespace asio = boost::asio;
// NOLINTNEXTLINE(misc-unused-using-decls): round() uses it
using asio::experimental::awaitable_operators::operator||;
using Descriptor = asio::posix::stream_descriptor;

namespace {

// Whoever started us under nohup(1) wants the run to outlive its terminal.
bool hang_up_is_ignored() {
    struct sigaction now {};
    return ::sigaction(SIGHUP, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}

}  // namespace

struct EventLoop::Parts {
    Parts() {
        if (!hang_up_is_ignored()) {
            signals.add(SIGHUP);
        }
    }

    asio::io_context context{1};
    asio::signal_set signals{context, SIGINT, SIGTERM};
    asio::steady_timer timer{context};
    std::optional<Descriptor> workload;
    std::optional<Descriptor> daemon;
    int signal = 0;

    // A process that is not watched never ends: the timer of the same round bounds the wait.
    asio::awaitable<void> ended(std::optional<Descriptor>& process) {
        boost::system::error_code error;
        if (process) {
            co_await process->async_wait(Descriptor::wait_read,
                                         asio::redirect_error(asio::use_awaitable, error));
        } else {
            asio::steady_timer never(context, asio::steady_timer::time_point::max());
            co_await never.async_wait(asio::redirect_error(asio::use_awaitable, error));
        }
    }

    asio::awaitable<void> time_over() {
        boost::system::error_code error;
        co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
    }

    asio::awaitable<void> signalled() {
        boost::system::error_code error;
        const int number = co_await signals.async_wait(asio::redirect_error(asio::use_awaitable, error));
        if (!error) {
            signal = number;
        }
    }

    asio::awaitable<void> round(Event& event) {
        const auto first = co_await (signalled() || ended(daemon) || ended(workload) || time_over());
        constexpr std::array events{Event::interrupted, Event::daemon_ended, Event::workload_ended,
                                    Event::tick};
        event = events[first.index()];
    }
};

namespace {

Status watch(asio::io_context& context, std::optional<Descriptor>& slot, const Child& child) {
    // A duplicate, for the descriptor object closes what it holds.
    const int fd = ::fcntl(child.pidfd.get(), F_DUPFD_CLOEXEC, 0);
    if (fd < 0) {
        return fail_errno("fcntl F_DUPFD_CLOEXEC");
    }
    slot.emplace(context, fd);
    return {};
}

}  // namespace

EventLoop::EventLoop() : parts_(std::make_unique<Parts>()) {}
EventLoop::~EventLoop() = default;

Status EventLoop::watch_workload(const Child& child) {
    return watch(parts_->context, parts_->workload, child);
}
Status EventLoop::watch_daemon(const Child& child) {
    return watch(parts_->context, parts_->daemon, child);
}
void EventLoop::forget_workload() {
    parts_->workload.reset();
}
void EventLoop::forget_daemon() {
    parts_->daemon.reset();
}

Event EventLoop::next(Seconds time) {
    if (parts_->signal != 0) {
        return Event::interrupted;
    }
    Event event = Event::tick;
    parts_->timer.expires_after(std::chrono::duration_cast<std::chrono::nanoseconds>(time));
    parts_->context.restart();
    asio::co_spawn(parts_->context, parts_->round(event), asio::detached);
    parts_->context.run();
    return event;
}

int EventLoop::interrupted() {
    next(Seconds(0));
    return parts_->signal;
}

}  // namespace reflux::run
