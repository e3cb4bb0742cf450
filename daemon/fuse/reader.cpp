#include "daemon/fuse/reader.h"

#include "daemon/base/self_protection.h"
#include "daemon/fuse/data_path.h"

#include <chrono>
#include <csignal>
#include <utility>

#include <fuse_lowlevel.h>
#include <unistd.h>

namespace reflux::fuse {

Reader::~Reader() {
    if (next_ != nullptr) {
        requests_.give_back(*next_);
    }
}

void Reader::handle(std::span<std::byte> message) {
    const auto parsed = parse_message(message);
    if (parsed && is_served(view_, *parsed)) {
        serve_message(view_, fuse_session_fd(session_), *std::exchange(next_, nullptr), *parsed);
    } else if (!is_interrupt(message)) {
        const fuse_buf whole{.size = message.size(), .flags = {}, .mem = message.data(), .fd = -1, .pos = 0};
        fuse_session_process_buf(session_, &whole);
    }
}

Result<bool> Reader::handle_one() {
    if (next_ == nullptr) {
        next_ = &requests_.take();
    }
    const ssize_t received = ::read(fuse_session_fd(session_), next_->message.data(), next_->message.size());
    if (received > 0) {
        handle(next_->message.first(static_cast<std::size_t>(received)));
        return true;
    }
    if (received == 0 || errno == ENODEV) {
        return false;
    }
    if (errno == EINTR || errno == ENOENT) {  // ENOENT: the request was interrupted before it came here
        return true;
    }
    return fail_errno("read /dev/fuse");
}

Status MoreReaders::start(std::size_t count, fuse_session* session, const View& view, RequestPool& requests) {
    threads_.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        const std::lock_guard lock(mutex_);
        try {
            threads_.emplace_back([this, session, &view, &requests] { run(session, view, requests); });
        } catch (const std::system_error& error) {
            return fail_errno("start a reader of /dev/fuse", error.code().value());
        }
        ++running_;
    }
    return {};
}

void MoreReaders::run(fuse_session* session, const View& view, RequestPool& requests) {
    ::pthread_setname_np(::pthread_self(), io_thread_name);
    Result<bool> connected = true;
    {
        Reader reader(session, view, requests);
        while (connected && *connected && !stopping_) {
            connected = reader.handle_one();
        }
    }
    const std::lock_guard lock(mutex_);
    if (!connected) {
        if (failure_) {
            failure_ = fail(connected.error());
        }
        stop_.request();
    }
    --running_;
    ended_.notify_all();
}

Status MoreReaders::end() {
    stopping_ = true;
    std::unique_lock lock(mutex_);
    // Again and again: one signal could come between a look at stopping_ and the read.
    while (running_ > 0) {
        for (auto& thread : threads_) {
            ::pthread_kill(thread.native_handle(), SIGALRM);
        }
        ended_.wait_for(lock, std::chrono::milliseconds(10), [this] { return running_ == 0; });
    }
    return failure_;
}

}  // namespace reflux::fuse
