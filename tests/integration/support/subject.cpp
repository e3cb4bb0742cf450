#include "tests/integration/support/subject.h"

#include "backend/base/kernel_file.h"
#include "backend/base/task_stat.h"
#include "backend/base/units.h"
#include "tests/integration/support/tools.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <ctime>
#include <future>
#include <string_view>
#include <thread>

#include <linux/io_uring.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>

namespace reflux::test {
namespace {

constexpr Seconds time_limit{20};

[[noreturn]] void sleep_for_good() {
    for (;;) {
        ::pause();
    }
}

struct Ring {
    int fd = -1;  // open until the process ends
    io_uring_params params{};
};

Result<Ring> set_up_ring(unsigned flags) {
    Ring ring;
    ring.params.flags = flags;
    constexpr unsigned entries = 4;
    ring.fd = static_cast<int>(::syscall(SYS_io_uring_setup, entries, &ring.params));
    if (ring.fd < 0) {
        auto error = system_error("io_uring_setup");
        error.kind = ErrorKind::unsupported;
        return fail(std::move(error));
    }
    return ring;
}

Result<std::byte*> map_ring(int fd, std::size_t size, off_t offset) {
    void* mapped = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, offset);
    if (mapped == MAP_FAILED) {
        return fail_errno("mmap of an io_uring");
    }
    return static_cast<std::byte*>(mapped);
}

// io_uring makes its threads and says so before they have named themselves.
Status await_thread_named(std::string_view prefix) {
    const bool found = comes_true([&] {
        const auto threads = read_threads("/proc/self");
        return threads && std::any_of(threads->begin(), threads->end(), [&](const ThreadStat& thread) {
                   return thread.stat.name.starts_with(prefix);
               });
    });
    return found ? Status{} : Status(fail(ErrorKind::timed_out, fmt::format("no thread {}* came", prefix)));
}

}  // namespace

Result<Subject> Subject::start(const std::function<Status()>& prepare, Then then) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return fail_errno("pipe2");
    }
    const UniqueFd answers(ends[0]);
    UniqueFd answer(ends[1]);
    const int answer_fd = answer.get();
    auto child = fork_call(
        [&prepare, then, answer_fd]() -> Status {
            const auto prepared = prepare();
            REFLUX_CHECK(write_all(answer_fd, prepared ? "ready" : prepared.error().message, "pipe"));
            if (!prepared) {
                return {};
            }
            ::close(answer_fd);
            if (then == Then::end_main_thread) {
                ::syscall(SYS_exit, 0);  // of this thread alone
            }
            sleep_for_good();
        },
        {.inherit = {answer_fd}});
    if (!child) {
        return fail(child.error());
    }
    Subject subject(*std::move(child));
    answer.reset();
    REFLUX_TRY(const bool answered, wait_readable(answers.get(), time_limit));
    if (!answered) {
        return fail(ErrorKind::timed_out, "the subject did not become ready");
    }
    REFLUX_TRY(const auto text, read_all(answers.get(), "pipe"));
    return text == "ready" ? Result<Subject>(std::move(subject))
                           : Result<Subject>(fail(ErrorKind::system, "subject: " + text));
}

Subject::~Subject() {
    if (child_.pidfd) {
        static_cast<void>(send_signal(child_, SIGKILL));
        static_cast<void>(wait_for(child_, time_limit));
    }
}

Status Subject::kill_unreaped() {
    REFLUX_CHECK(send_signal(child_, SIGKILL));
    REFLUX_TRY(const bool ended, wait_readable(child_.pidfd.get(), time_limit));
    return ended ? Status{} : Status(fail(ErrorKind::timed_out, "the subject did not end"));
}

void start_thread(const std::string& name) {
    std::promise<void> named;
    std::thread([&] {
        ::pthread_setname_np(::pthread_self(), name.c_str());
        named.set_value();
        sleep_for_good();
    }).detach();
    named.get_future().wait();
}

void next_tick() {
    const auto tick = [] {
        timespec now{};
        ::clock_gettime(CLOCK_BOOTTIME, &now);
        const long per_second = ::sysconf(_SC_CLK_TCK);
        return now.tv_sec * per_second + now.tv_nsec / (1000000000 / per_second);
    };
    const auto begin = tick();
    while (tick() == begin) {
        ::poll(nullptr, 0, 1);
    }
}

Status start_sqpoll() {
    REFLUX_TRY(const auto ring, set_up_ring(IORING_SETUP_SQPOLL));
    static_cast<void>(ring);
    return await_thread_named("iou-sqp-");
}

Status start_io_wq_worker() {
    REFLUX_TRY(const auto ring, set_up_ring(0));
    const auto& offsets = ring.params.sq_off;
    REFLUX_TRY(auto* const queue,
               map_ring(ring.fd, offsets.array + ring.params.sq_entries * sizeof(std::uint32_t),
                        IORING_OFF_SQ_RING));
    REFLUX_TRY(auto* const entries,
               map_ring(ring.fd, ring.params.sq_entries * sizeof(io_uring_sqe), IORING_OFF_SQES));
    io_uring_sqe request{};
    request.opcode = IORING_OP_NOP;
    request.flags = IOSQE_ASYNC;
    std::memcpy(entries, &request, sizeof(request));
    // The array's first element, 0, names it; the kernel reads the tail in the call below.
    const std::uint32_t tail = 1;
    std::memcpy(queue + offsets.tail, &tail, sizeof(tail));
    if (::syscall(SYS_io_uring_enter, ring.fd, 1, 0, 0, nullptr, 0) != 1) {
        return fail_errno("io_uring_enter");
    }
    return await_thread_named("iou-wrk-");
}

}  // namespace reflux::test
