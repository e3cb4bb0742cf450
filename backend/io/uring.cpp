// Engine uring: one thread takes requests from a bounded queue, has the kernel do them by one io_uring, and
// completes them. While it waits for the ring, it waits for completions alone: who submits wakes it by an
// eventfd that the ring reads.
//
// That thread calls each request's begin(), and nothing else goes on while it waits there: for the zone
// table's commit of a flush (the image's writes, without the ring), for the holes of a discard, for those and
// the sync of a reset or a finish, and for all that a fault lets a request wait, which so delays the others,
// too.
//
// Which thread does the I/O of the rest is the kernel's choice. The engine's thread does what needs no
// waiting, and what the disk does by itself (O_DIRECT). The fdatasync of a flush and, on filesystems that
// cannot write without waiting (ext4 buffered), writes go to io-wq workers: tasks of this process
// (before 5.12 kernel threads) named iou-wrk-* that copy flags and cgroup of this thread. They are bounded by
// EngineOptions::threads, and the kernel lets one at a time write to a file's page cache.
#include "backend/io/engines.h"
#include "backend/io/flush_order.h"
#include "backend/io/lower_file.h"
#include "backend/io/ring.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>

#include <pthread.h>
#include <sys/eventfd.h>

namespace reflux::io {
namespace {

constexpr std::size_t depth = 32;
constexpr std::uint64_t wake_up = depth;  // user_data of the eventfd's read; of a request its slot

class UringEngine final : public Engine {
  public:
    UringEngine(LowerFile file, CallFlags flags, Ring ring, UniqueFd event)
        : file_(std::move(file)),
          flags_(flags),
          ring_(std::move(ring)),
          event_(std::move(event)),
          queue_(depth),
          order_(depth) {
        for (std::size_t i = depth; i > 0; --i) {
            free_.at(free_count_++) = i - 1;
        }
    }
    UringEngine(const UringEngine&) = delete;
    UringEngine& operator=(const UringEngine&) = delete;
    UringEngine(UringEngine&&) = delete;
    UringEngine& operator=(UringEngine&&) = delete;
    ~UringEngine() override {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        wake();
    }

    Status start() {
        try {
            thread_ = std::jthread([this] { run(); });
            ::pthread_setname_np(thread_.native_handle(), "refluxd-io/ring");
        } catch (const std::system_error& error) {
            return fail_errno("start the thread of the ring", error.code().value());
        }
        return {};
    }

    void submit(Request& request) override {
        bool asleep = false;
        {
            std::unique_lock lock(mutex_);
            room_.wait(lock, [this] { return in_flight_ < depth; });
            queue_[(first_ + queued_) % depth] = &request;
            ++queued_;
            ++in_flight_;
            asleep = std::exchange(asleep_, false);
        }
        if (asleep) {
            wake();
        }
    }
    void drain() override {
        std::unique_lock lock(mutex_);
        idle_.wait(lock, [this] { return in_flight_ == 0 && completing_ == 0; });
    }
    [[nodiscard]] bool is_inline() const override { return false; }
    [[nodiscard]] std::size_t max_in_flight() const override { return depth; }
    void offer_memory(std::span<std::byte> memory) override {
        if (registered_.empty() && ring_.register_memory(memory)) {
            registered_ = memory;
            registered_bytes_ = memory.size();
        }
    }
    [[nodiscard]] EngineState state() const override {
        EngineState state = state_of(file_);
        state.registered_bytes = registered_bytes_;
        state.calls.flagged = flagged_.load(std::memory_order_relaxed);
        return state;
    }

  private:
    struct Slot {
        Request* request = nullptr;
        std::size_t done = 0;          // bytes
        std::uint64_t generation = 0;  // of a write, in order_
    };

    void wake() const {
        const std::uint64_t one = 1;
        static_cast<void>(::write(event_.get(), &one, sizeof(one)));  // fails only at 2^64 of them
    }
    // Never null: there is an entry for each slot and for the eventfd, and none has two.
    io_uring_sqe& entry() {
        io_uring_sqe* const sqe = ::io_uring_get_sqe(ring_.get());
        if (sqe == nullptr) {
            std::abort();
        }
        return *sqe;
    }
    void arm_wake_up() {
        io_uring_sqe& sqe = entry();
        ::io_uring_prep_read(&sqe, event_.get(), &event_count_, sizeof(event_count_), 0);
        sqe.user_data = wake_up;
    }

    // Memory that is registered is not looked up and pinned again for a transfer.
    [[nodiscard]] int opcode(Operation operation, std::span<const std::byte> memory) const {
        const bool registered = !registered_.empty() && memory.data() >= registered_.data() &&
                                memory.data() + memory.size() <= registered_.data() + registered_.size();
        if (operation == Operation::read) {
            return registered ? IORING_OP_READ_FIXED : IORING_OP_READ;
        }
        return registered ? IORING_OP_WRITE_FIXED : IORING_OP_WRITE;
    }

    void run();
    std::size_t take();
    void take_one(Request& request);
    void begin_flushes();
    void begin(std::size_t slot);
    void prepare(std::size_t slot);
    void on_completion(const io_uring_cqe& cqe);
    void complete(std::size_t slot, int error);

    LowerFile file_;
    CallFlags flags_;
    std::atomic<std::uint64_t> flagged_ = 0;
    Ring ring_;
    UniqueFd event_;
    std::span<std::byte> registered_;  // set before the first request, read by the thread after it
    std::atomic<std::size_t> registered_bytes_ = 0;  // its size for state(), which may come at any time

    std::mutex mutex_;  // guards what follows up to stopping_; never held across I/O or a callback
    std::condition_variable room_;
    std::condition_variable idle_;
    std::vector<Request*> queue_;
    std::size_t first_ = 0;
    std::size_t queued_ = 0;
    std::size_t in_flight_ = 0;   // submitted, callback not called
    std::size_t completing_ = 0;  // callback not returned
    bool asleep_ = true;          // the thread waits for the ring: only the eventfd tells it of more
    bool stopping_ = false;

    // The thread's own.
    std::array<Request*, depth> taken_{};
    std::array<Slot, depth> slots_{};
    std::array<std::size_t, depth> free_{};
    std::size_t free_count_ = 0;
    FlushOrder order_;
    std::uint64_t event_count_ = 0;

    std::jthread thread_;  // last: joined before the rest goes
};

void UringEngine::run() {
    // Until the first request memory may be registered, by the maker, so the ring stays disabled.
    while (::read(event_.get(), &event_count_, sizeof(event_count_)) < 0 && errno == EINTR) {
    }
    if (!ring_.enable()) {
        std::abort();  // it was made disabled, by us
    }
    arm_wake_up();
    for (;;) {
        while (take() > 0) {
        }
        {
            const std::lock_guard lock(mutex_);
            if (stopping_ && in_flight_ == 0) {
                break;
            }
        }
        ring_.submit_and_wait();
        {
            const std::lock_guard lock(mutex_);
            asleep_ = false;
        }
        ring_.take_completions([this](const io_uring_cqe& cqe) { on_completion(cqe); });
    }
    // The kernel takes a ring down after its file is closed, some time later; until then it would hold the
    // image open, and locked.
    static_cast<void>(::io_uring_unregister_files(ring_.get()));
}

// Takes what is queued; 0: nothing was, and who queues more wakes us.
std::size_t UringEngine::take() {
    std::size_t count = 0;
    {
        const std::lock_guard lock(mutex_);
        for (; queued_ > 0; --queued_) {
            taken_.at(count++) = queue_[first_];
            first_ = (first_ + 1) % depth;
        }
        asleep_ = count == 0;
    }
    for (std::size_t i = 0; i < count; ++i) {
        take_one(*taken_.at(i));
    }
    return count;
}

void UringEngine::take_one(Request& request) {
    const std::size_t slot = free_.at(--free_count_);
    slots_.at(slot) = {.request = &request};
    if (request.operation == Operation::flush) {
        order_.take_flush(slot);
        begin_flushes();
        return;
    }
    if (request.operation == Operation::write) {
        slots_.at(slot).generation = order_.take_write();
    }
    begin(slot);
}

void UringEngine::begin_flushes() {
    while (const auto slot = order_.next()) {
        begin(*slot);
    }
}

void UringEngine::begin(std::size_t slot) {
    Request& request = *slots_.at(slot).request;
    if (const int error = request.begin != nullptr ? request.begin(request) : 0; error != 0) {
        complete(slot, error);
    } else if (request.operation != Operation::flush && request.buffer.empty()) {
        complete(slot, 0);
    } else {
        prepare(slot);
    }
}

void UringEngine::prepare(std::size_t slot) {
    const Request& request = *slots_.at(slot).request;
    io_uring_sqe& sqe = entry();
    constexpr int buffered_file = 0;  // as register_files() had them
    constexpr int direct_file = 1;
    if (request.operation == Operation::flush) {
        ::io_uring_prep_fsync(&sqe, buffered_file, IORING_FSYNC_DATASYNC);
    } else {
        const std::uint64_t offset = request.offset + slots_.at(slot).done;
        const auto rest = request.buffer.subspan(slots_.at(slot).done);
        const int file = file_.goes_direct(offset, rest) ? direct_file : buffered_file;
        ::io_uring_prep_rw(opcode(request.operation, rest), &sqe, file, rest.data(),
                           static_cast<unsigned>(rest.size()), offset);
        if (flags_.all != 0) {
            sqe.rw_flags = flags_.all;
            flagged_.fetch_add(1, std::memory_order_relaxed);
        }
    }
    sqe.flags |= IOSQE_FIXED_FILE;
    sqe.user_data = slot;
}

void UringEngine::on_completion(const io_uring_cqe& cqe) {
    if (cqe.user_data == wake_up) {
        arm_wake_up();
        return;
    }
    const auto slot = static_cast<std::size_t>(cqe.user_data);
    Slot& state = slots_.at(slot);
    if (cqe.res == -EINTR || cqe.res == -EAGAIN) {
        prepare(slot);
        return;
    }
    const Request& request = *state.request;
    if (cqe.res < 0 || request.operation == Operation::flush) {
        complete(slot, cqe.res < 0 ? -cqe.res : 0);
        return;
    }
    state.done += static_cast<std::size_t>(cqe.res);
    if (cqe.res == 0) {
        complete(slot, EIO);  // the lower file is shorter than the disk that it holds
    } else if (state.done == request.buffer.size()) {
        complete(slot, 0);
    } else {
        file_.note_short();
        prepare(slot);
    }
}

void UringEngine::complete(std::size_t slot, int error) {
    const Slot state = slots_.at(slot);
    free_.at(free_count_++) = slot;
    {
        // There is room before the answer goes out: whoever gets it may submit the next request at once.
        const std::lock_guard lock(mutex_);
        --in_flight_;
        ++completing_;
        room_.notify_one();
    }
    const bool is_write = state.request->operation == Operation::write;
    state.request->complete(*state.request, error);
    {
        const std::lock_guard lock(mutex_);
        if (--completing_ == 0 && in_flight_ == 0) {
            idle_.notify_all();
        }
    }
    // After the callback, in which the owner notes what was written: a flush's begin() may need it.
    if (is_write) {
        order_.write_done(state.generation);
        begin_flushes();
    }
}

}  // namespace

Result<std::unique_ptr<Engine>> make_uring_engine(const EngineOptions& options) {
    REFLUX_TRY(const unsigned workers, thread_count(options, 4));
    REFLUX_CHECK(check_for_ring(options.calls));
    REFLUX_TRY(auto file, LowerFile::make(options));
    REFLUX_TRY(const auto flags, parse_call_flags(options.calls.flags));
    REFLUX_CHECK(try_call_flags(options.fd, flags, options.calls.flags));
    auto made = Ring::make(2 * depth);
    if (!made) {
        Error refusal = made.error().within("engine uring");
        refusal.message += "; choose another engine";
        return fail(std::move(refusal));
    }
    Ring ring = std::move(*made);
    const std::array<int, 2> fds{file.buffered(), file.direct()};  // -1: an empty place
    REFLUX_CHECK(ring.register_files(fds));
    REFLUX_CHECK(ring.limit_workers(workers));
    UniqueFd event(::eventfd(0, EFD_CLOEXEC));
    if (!event) {
        return fail_errno("eventfd");
    }
    auto engine = std::make_unique<UringEngine>(std::move(file), flags, std::move(ring), std::move(event));
    REFLUX_CHECK(engine->start());
    return engine;
}

}  // namespace reflux::io
