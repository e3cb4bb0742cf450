// Engine threads: a fixed pool of threads takes requests from a bounded queue, each doing one at a time.
#include "backend/io/engines.h"
#include "backend/io/lower_calls.h"

#include <condition_variable>
#include <mutex>
#include <thread>

#include <pthread.h>

namespace reflux::io {
namespace {

class ThreadsEngine final : public Engine {
  public:
    // Twice as many requests as threads: each thread finds its next one queued when it ends one, and memory
    // for buffers stays small.
    ThreadsEngine(std::unique_ptr<LowerCalls> calls, unsigned threads)
        : calls_(std::move(calls)), ring_(std::size_t{2} * threads) {
        threads_.reserve(threads);
    }
    ThreadsEngine(const ThreadsEngine&) = delete;
    ThreadsEngine& operator=(const ThreadsEngine&) = delete;
    ThreadsEngine(ThreadsEngine&&) = delete;
    ThreadsEngine& operator=(ThreadsEngine&&) = delete;
    ~ThreadsEngine() override {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        work_.notify_all();
        threads_.clear();  // joins
    }

    Status start(unsigned threads) {
        for (unsigned i = 0; i < threads; ++i) {
            try {
                threads_.emplace_back([this] { work(); });
                // Here and not by itself: by its name a thread is known as soon as the engine stands.
                ::pthread_setname_np(threads_.back().native_handle(),
                                     fmt::format("refluxd-io/{}", i).c_str());
            } catch (const std::system_error& error) {
                return fail_errno("start an I/O thread", error.code().value());
            }
        }
        return {};
    }

    void submit(Request& request) override {
        {
            std::unique_lock lock(mutex_);
            room_.wait(lock, [this] { return in_flight_ < ring_.size(); });
            ring_[(first_ + queued_) % ring_.size()] = &request;
            ++queued_;
            ++in_flight_;
        }
        work_.notify_one();
    }

    void drain() override {
        std::unique_lock lock(mutex_);
        idle_.wait(lock, [this] { return in_flight_ == 0 && completing_ == 0; });
    }

    [[nodiscard]] bool is_inline() const override { return false; }
    [[nodiscard]] std::size_t max_in_flight() const override { return ring_.size(); }
    [[nodiscard]] EngineState state() const override { return calls_->state(); }

  private:
    // The next request, or null when the engine ends and nothing is queued.
    Request* take() {
        std::unique_lock lock(mutex_);
        work_.wait(lock, [this] { return queued_ > 0 || stopping_; });
        if (queued_ == 0) {
            return nullptr;
        }
        Request* request = ring_[first_];
        first_ = (first_ + 1) % ring_.size();
        --queued_;
        return request;
    }

    void work() {
        while (Request* request = take()) {
            const int error = calls_->perform(*request);
            {
                // There is room before the answer goes out: whoever gets it may submit the next request at
                // once, in this thread too.
                const std::lock_guard lock(mutex_);
                --in_flight_;
                ++completing_;
                room_.notify_one();
            }
            request->complete(*request, error);
            const std::lock_guard lock(mutex_);
            // Notified under the lock: a waiter that ends the engine must not do so before this returns.
            if (--completing_ == 0 && in_flight_ == 0) {
                idle_.notify_all();
            }
        }
    }

    std::unique_ptr<LowerCalls> calls_;
    std::mutex mutex_;  // guards all below; never held across I/O or a callback
    std::condition_variable work_;
    std::condition_variable room_;
    std::condition_variable idle_;
    std::vector<Request*> ring_;
    std::size_t first_ = 0;
    std::size_t queued_ = 0;
    std::size_t in_flight_ = 0;   // queued and being worked on
    std::size_t completing_ = 0;  // their callbacks run
    bool stopping_ = false;
    std::vector<std::jthread> threads_;  // last: joined before the rest goes
};

}  // namespace

Result<std::unique_ptr<Engine>> make_threads_engine(const EngineOptions& options) {
    REFLUX_TRY(const unsigned threads, thread_count(options, 4));
    REFLUX_TRY(auto calls, LowerCalls::make(options));
    auto engine = std::make_unique<ThreadsEngine>(std::move(calls), threads);
    REFLUX_CHECK(engine->start(threads));
    return engine;
}

}  // namespace reflux::io
