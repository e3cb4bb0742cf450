#include "backend/base/child.h"
#include "backend/base/kernel_file.h"
#include "backend/io/buffer_pool.h"
#include "daemon/base/detach.h"
#include "daemon/base/log.h"
#include "daemon/base/self_protection.h"
#include "daemon/base/stop_source.h"
#include "tests/support/sanitizer.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <functional>
#include <thread>

#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux {
namespace {

using testing::HasSubstr;

struct Pipe {
    UniqueFd read_end;
    UniqueFd write_end;
};

Pipe make_pipe() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    return {.read_end = UniqueFd(ends[0]), .write_end = UniqueFd(ends[1])};
}

bool is_readable(int fd, int timeout_ms) {
    pollfd poller{.fd = fd, .events = POLLIN, .revents = 0};
    return ::poll(&poller, 1, timeout_ms) == 1;
}

TEST(StopSource, StaysRequested) {
    const auto stop = StopSource::make();
    ASSERT_TRUE(stop);
    EXPECT_FALSE((*stop)->requested());
    EXPECT_FALSE(is_readable((*stop)->fd(), 0));
    (*stop)->request();
    (*stop)->request();
    EXPECT_TRUE((*stop)->requested());
    EXPECT_TRUE(is_readable((*stop)->fd(), 0));
    EXPECT_TRUE(is_readable((*stop)->fd(), 0)) << "polling does not use it up";
}

// A read that nothing else would end, reached before the request or after it.
TEST(StopSource, InterruptsAReadWheneverItBegins) {
    for (int round = 0; round < 50; ++round) {
        const auto stop = StopSource::make();
        ASSERT_TRUE(stop);
        const auto pipe = make_pipe();
        const auto interruption = StopSource::Interruption::make(**stop);
        ASSERT_TRUE(interruption) << interruption.error().message;
        std::jthread requester([&, round] {
            for (int i = 0; i < round * 100; ++i) {
                std::this_thread::yield();
            }
            (*stop)->request();
        });
        char byte = 0;
        int interrupted = 0;
        while (!(*stop)->requested()) {
            interrupted += ::read(pipe.read_end.get(), &byte, 1) < 0 && errno == EINTR ? 1 : 0;
        }
        EXPECT_LE(interrupted, 1);
    }
}

TEST(StopSource, ASignalWakesOneWhoWaits) {
    if (test::is_thread_sanitized) {
        GTEST_SKIP() << "in a forked child ThreadSanitizer keeps a signal back for good, in one run of four; "
                        "the other builds run this";
    }
    for (const int number : {SIGTERM, SIGINT}) {
        auto pipe = make_pipe();
        const int ready = pipe.write_end.get();
        auto child = fork_call(
            [ready]() -> Status {
                REFLUX_TRY(const auto stop, StopSource::make());
                REFLUX_CHECK(stop_on_signals(*stop));
                REFLUX_CHECK(write_all(ready, "r", "pipe"));
                // Interrupted or not, the next poll finds it. Short ones: ThreadSanitizer may keep a signal
                // back until the next call.
                for (int i = 0; i < 200 && !is_readable(stop->fd(), 50); ++i) {
                }
                return is_readable(stop->fd(), 0) && stop->requested()
                           ? Status{}
                           : Status(fail(ErrorKind::timed_out, "not woken"));
            },
            {.inherit = {ready}});
        ASSERT_TRUE(child);
        ASSERT_TRUE(is_readable(pipe.read_end.get(), 10000));
        ASSERT_TRUE(send_signal(*child, number));
        const auto ended = wait_for(*child, Seconds(25));
        ASSERT_TRUE(ended && *ended);
        EXPECT_TRUE((*ended)->ok()) << to_string(**ended);
    }
}

TEST(Log, IsBoundedForTheLifeOfTheProcess) {
    auto pipe = make_pipe();
    // Nobody reads while it writes: without a bound the child would hang on the full pipe.
    auto child = fork_call(
        []() -> Status {
            for (int i = 0; i < 20000; ++i) {
                log_line(fmt::format("line {} {}", i, std::string(static_cast<std::size_t>(i % 2000), 'x')));
            }
            return {};
        },
        {.stderr_fd = pipe.write_end.get()});
    ASSERT_TRUE(child);
    const auto ended = wait_for(*child, Seconds(20));
    ASSERT_TRUE(ended && *ended && (*ended)->ok());
    pipe.write_end.reset();
    const auto text = read_all(pipe.read_end.get(), "pipe");
    ASSERT_TRUE(text);
    EXPECT_LE(text->size(), log_limit + 1024);
    EXPECT_THAT(*text, testing::StartsWith("refluxd: line 0 \nrefluxd: line 1 x\n"));
    EXPECT_THAT(*text, testing::EndsWith("refluxd: log limit reached; what follows is not logged\n"));
}

void expect_listed(const char* name, std::string_view role) {
    std::jthread thread([name](const std::stop_token& token) {
        ::pthread_setname_np(::pthread_self(), name);
        while (!token.stop_requested()) {
            ::poll(nullptr, 0, 1);
        }
    });
    const auto is_listed = [&] {
        const auto threads = list_threads();
        return threads && std::any_of(threads->begin(), threads->end(), [&](const ThreadInfo& one) {
                   return one.role == role && one.name == name && one.tid > 0 && one.flags != 0;
               });
    };
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    bool found = false;
    while (!found && std::chrono::steady_clock::now() < end) {
        found = is_listed();
    }
    EXPECT_TRUE(found) << name;
}

TEST(Threads, AreListedWithRolesAndFlags) {
    expect_listed(control_thread_name, "control");
    expect_listed(front_end_thread_name, "front_end");
    expect_listed(ublk_thread_name, "front_end");
}

// In a child of its own.
void expect_well(const std::function<Status()>& body) {
    auto child = fork_call(body);
    ASSERT_TRUE(child);
    const auto ended = wait_for(*child, Seconds(20));
    ASSERT_TRUE(ended && *ended);
    EXPECT_TRUE((*ended)->ok()) << to_string(**ended);
}

TEST(SelfProtection, IoFlusherIsReadBackOrRefusedWithTheCapability) {
    using When = SelfProtection::IoFlusher;
    for (const auto when : {When::start, When::late}) {
        expect_well([when]() -> Status {
            const SelfProtection wanted{.io_flusher = when};
            if (when == When::start && protect_when_ready(wanted)) {
                return fail(ErrorKind::system, "threads are marked before anybody asked");
            }
            auto marked = protect_at_start(wanted);
            if (marked) {
                marked = protect_when_ready(wanted);
            }
            const bool told = !marked && marked.error().kind == ErrorKind::unsupported &&
                              marked.error().message.find("CAP_SYS_RESOURCE") != std::string::npos &&
                              marked.error().message.find("--io-flusher") != std::string::npos;
            return told ? Status{} : marked;
        });
    }
}

TEST(SelfProtection, LockedMemoryIsReadBack) {
    REFLUX_NOT_SANITIZED();
    expect_well([]() -> Status {
        const SelfProtection wanted{.lock_memory = true};
        if (protect_when_ready(wanted)) {
            return fail(ErrorKind::system, "memory is locked before anybody asked");
        }
        REFLUX_CHECK(protect_at_start(wanted));
        REFLUX_CHECK(protect_when_ready(wanted));
        REFLUX_TRY(const std::uint64_t before, locked_memory());
        // What is mapped later, too. VmLck counts what malloc reserves for a thread, twice 64 MiB at most.
        std::jthread thread([] {});
        const auto more = io::BufferPool::make(std::size_t{1} << 20U, 1);
        REFLUX_TRY(const std::uint64_t after, locked_memory());
        return more && after >= before + (1U << 20U) && after < before + (256U << 20U)
                   ? Status{}
                   : fail(ErrorKind::system, fmt::format("{} bytes, then {}", before, after));
    });
}

TEST(SelfProtection, MemoryBeyondTheLimitIsRefusedWithIt) {
    REFLUX_NOT_SANITIZED();
    expect_well([]() -> Status {
        const rlimit none{.rlim_cur = 0, .rlim_max = 0};
        if (::setrlimit(RLIMIT_MEMLOCK, &none) != 0 || ::setgid(65534) != 0 || ::setuid(65534) != 0) {
            return fail_errno("give up CAP_IPC_LOCK");
        }
        const auto refused = protect_at_start({.lock_memory = true});
        return !refused && refused.error().kind == ErrorKind::unsupported &&
                       refused.error().message.find("RLIMIT_MEMLOCK (now 0 KiB)") != std::string::npos
                   ? Status{}
                   : fail(ErrorKind::system, "not refused as it should be");
    });
}

TEST(SelfProtection, ResidentIsWhatWasTouched) {
    constexpr std::size_t page = 4096;
    const auto pool = io::BufferPool::make(8 * page, 1);
    ASSERT_TRUE(pool);
    EXPECT_EQ(resident_bytes(pool->all()), 8 * page);
    void* const untouched =
        ::mmap(nullptr, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(untouched, MAP_FAILED);
    const std::span<std::byte> memory(static_cast<std::byte*>(untouched), 4 * page);
    EXPECT_EQ(resident_bytes(memory), 0U);
    memory[page] = std::byte{1};
    EXPECT_EQ(resident_bytes(memory), page);
    ::munmap(untouched, 4 * page);
    EXPECT_EQ(resident_bytes(memory), 0U) << "it is gone";
    EXPECT_EQ(resident_bytes({}), 0U);
}

// Detaches in a child of the test and lets the daemon do `body`; gives the first process' exit code and the
// child's output.
std::pair<int, std::string> detached(const std::function<int(ReadyLine&)>& body) {
    auto pipe = make_pipe();
    auto child = fork_call(
        [&]() -> Status {
            auto outcome = detach();
            if (!outcome) {
                ::_exit(99);
            }
            ::_exit(outcome->first_process_status ? *outcome->first_process_status : body(outcome->ready));
        },
        {.stdout_fd = pipe.write_end.get()});
    EXPECT_TRUE(child);
    pipe.write_end.reset();
    const auto ended = wait_for(*child, Seconds(20));
    const auto text = read_all(pipe.read_end.get(), "pipe");
    return {ended && *ended ? (*ended)->code : -1, text ? *text : ""};
}

TEST(Detach, TheFirstProcessEndsWhenTheDaemonIsReady) {
    const auto [code, text] = detached([](ReadyLine& ready) { return ready.tell("{}") ? 7 : 8; });
    EXPECT_EQ(code, 0) << "what the daemon ends with later is its own";
    EXPECT_EQ(text, "{}\n");
}

TEST(Detach, TheFirstProcessEndsAsADaemonThatFailed) {
    const auto [code, text] = detached([](ReadyLine& /*unused*/) { return 3; });
    EXPECT_EQ(code, 3);
    EXPECT_EQ(text, "");
}

TEST(Detach, AKilledDaemonIsAnError) {
    const auto [code, text] = detached([](ReadyLine& /*unused*/) {
        ::raise(SIGKILL);
        return 0;
    });
    EXPECT_EQ(code, 99);
}

}  // namespace
}  // namespace reflux
