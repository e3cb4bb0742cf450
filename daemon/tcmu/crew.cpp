#include "daemon/tcmu/crew.h"

#include <pthread.h>

namespace reflux::tcmu {

Crew::~Crew() {
    detach();
    const std::lock_guard lock(mutex_);
    ending_ = true;
    changed_.notify_all();
}

Status Crew::start(std::size_t count, const char* thread_name) {
    threads_.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        try {
            threads_.emplace_back([this, thread_name] { run(thread_name); });
        } catch (const std::system_error& error) {
            return fail_errno("start a thread that serves the ring", error.code().value());
        }
    }
    return {};
}

void Crew::run(const char* thread_name) {
    ::pthread_setname_np(::pthread_self(), thread_name);
    std::uint64_t last = 0;
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [&] { return ending_ || (session_ != nullptr && sessions_ != last); });
        if (ending_) {
            return;
        }
        last = sessions_;
        Session& session = *session_;
        ++working_;
        lock.unlock();
        session.work();
        lock.lock();
        --working_;
        changed_.notify_all();
    }
}

void Crew::attach(Session& session) {
    const std::lock_guard lock(mutex_);
    session_ = &session;
    ++sessions_;
    changed_.notify_all();
}

void Crew::detach() {
    std::unique_lock lock(mutex_);
    if (session_ == nullptr) {
        return;
    }
    std::exchange(session_, nullptr)->stop();
    changed_.wait(lock, [this] { return working_ == 0; });
}

}  // namespace reflux::tcmu
