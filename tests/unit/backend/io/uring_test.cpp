// What is engine uring's alone; what all engines do is in engine_test.cpp.
#include "backend/base/kernel_file.h"
#include "backend/base/task_stat.h"
#include "backend/io/buffer_pool.h"
#include "backend/io/engine.h"
#include "tests/support/ending.h"
#include "tests/support/temporary_folder.h"

#include <array>
#include <cstdio>
#include <cstring>
#include <vector>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <gtest/gtest.h>

namespace reflux::io {
namespace {

// Makes io_uring_setup fail in this process, as a container's filter does.
bool forbid_io_uring(unsigned error) {
    // NOLINTBEGIN(*-c-arrays): BPF_STMT's macros
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    // NOLINTEND(*-c-arrays)
    const sock_fprog filter{.len = std::size(program), .filter = &program[0]};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

// In a process of its own: prints the error of the engine that cannot be made.
void make_where_it_is_forbidden(unsigned error) {
    if (!forbid_io_uring(error)) {
        std::fputs("no seccomp", stderr);
        std::_Exit(2);
    }
    const auto engine = make_engine("uring", {.fd = 0});
    std::fputs(engine ? "made" : engine.error().message.c_str(), stderr);
    std::_Exit(!engine && engine.error().kind == ErrorKind::unsupported ? 3 : 1);
}

TEST(UringDeathTest, WhereItIsForbiddenOneLineSaysWhatForbidsIt) {
    testing::GTEST_FLAG(death_test_style) = "threadsafe";
    EXPECT_EXIT(make_where_it_is_forbidden(EPERM), testing::ExitedWithCode(3),
                "io_uring_setup: Operation not permitted: (a seccomp filter|the sysctl).*; choose another");
    EXPECT_EXIT(make_where_it_is_forbidden(ENOSYS), testing::ExitedWithCode(3),
                "this kernel has no io_uring; choose another engine");
}

std::vector<ThreadStat> io_workers() {
    auto threads = read_threads("/proc/self").value_or(std::vector<ThreadStat>{});
    std::erase_if(threads, [](const ThreadStat& one) { return (one.stat.flags & pf_io_worker) == 0; });
    return threads;
}

struct Counted : Request {
    std::atomic<int>* done = nullptr;
    std::atomic<int>* failed = nullptr;
};

// Many flushes and buffered writes at once, which the kernel hands to workers.
TEST(Uring, TheKernelMakesNoMoreWorkersThanAllowed) {
    const test::TemporaryFolder folder;
    const auto file = open_file(folder / "file", O_RDWR | O_CREAT);
    ASSERT_TRUE(file);
    auto engine = make_engine("uring", {.fd = file->get(), .threads = 2});
    ASSERT_TRUE(engine) << engine.error().message;
    std::vector<std::byte> data(65536, std::byte{1});
    std::atomic<int> done = 0;
    std::atomic<int> failed = 0;
    std::vector<Counted> requests(400);
    std::size_t most = 0;
    for (std::size_t i = 0; i < requests.size(); ++i) {
        Counted& request = requests[i];
        request.operation = i % 8 == 7 ? Operation::flush : Operation::write;
        request.offset = i * data.size();
        request.buffer = i % 8 == 7 ? std::span<std::byte>{} : std::span(data);
        request.done = &done;
        request.failed = &failed;
        request.complete = [](Request& ended, int error) {
            auto& self = static_cast<Counted&>(ended);
            ++*self.done;
            *self.failed += error != 0 ? 1 : 0;
        };
        (*engine)->submit(request);
        if (i % 10 == 0) {
            most = std::max(most, io_workers().size());
        }
    }
    (*engine)->drain();
    EXPECT_EQ(done, 400);
    EXPECT_EQ(failed, 0);
    EXPECT_GE(most, 1U) << "a flush is a worker's business";
    EXPECT_LE(most, 2U);
}

TEST(Uring, RegisteredMemoryIsUsedAndNeedNotBe) {
    const test::TemporaryFolder folder;
    const auto file = open_file(folder / "file", O_RDWR | O_CREAT);
    ASSERT_TRUE(file);
    const auto pool = BufferPool::make(8192, 2);
    ASSERT_TRUE(pool);
    auto engine = make_engine("uring", {.fd = file->get()});
    ASSERT_TRUE(engine);
    (*engine)->offer_memory(pool->all());
    EXPECT_EQ((*engine)->state().registered_bytes, 16384U);
    std::vector<std::byte> foreign(8192, std::byte{7});
    struct Waited : Request, test::Ending {};
    const auto run = [&](Operation what, std::span<std::byte> data) {
        Waited request;
        request.operation = what;
        request.buffer = data;
        request.complete = [](Request& ended, int error) { static_cast<Waited&>(ended).end(error); };
        (*engine)->submit(request);
        const int error = request.wait();
        (*engine)->drain();
        return error;
    };
    ASSERT_EQ(run(Operation::write, foreign), 0);
    ASSERT_EQ(run(Operation::read, pool->buffer(0)), 0);
    EXPECT_EQ(pool->buffer(0)[8191], std::byte{7});
    std::memset(pool->buffer(1).data(), 9, 8192);
    ASSERT_EQ(run(Operation::write, pool->buffer(1).subspan(512, 4096)), 0);
    ASSERT_EQ(run(Operation::read, foreign), 0);
    EXPECT_EQ(foreign[4095], std::byte{9});
    EXPECT_EQ(foreign[4096], std::byte{7});
}

// A flush begins when the writes before it are complete.
TEST(Uring, AFlushWaitsForTheWritesBeforeIt) {
    const test::TemporaryFolder folder;
    const auto file = open_file(folder / "file", O_RDWR | O_CREAT);
    ASSERT_TRUE(file);
    auto engine = make_engine("uring", {.fd = file->get()});
    ASSERT_TRUE(engine);
    struct Noted : Request {
        std::vector<char>* order = nullptr;
        char name = 0;
    };
    std::vector<char> order;  // of the ring's thread until drain
    std::vector<std::byte> data(1U << 20U);
    for (int round = 0; round < 50; ++round) {
        order.clear();
        std::array<Noted, 3> requests;
        for (std::size_t i = 0; i < requests.size(); ++i) {
            requests[i].operation = i < 2 ? Operation::write : Operation::flush;
            requests[i].offset = i * data.size();
            requests[i].buffer = i < 2 ? std::span(data) : std::span<std::byte>{};
            requests[i].order = &order;
            requests[i].name = i < 2 ? 'w' : 'f';
            requests[i].begin = [](Request& request) {
                auto& self = static_cast<Noted&>(request);
                if (self.name == 'f') {
                    self.order->push_back('F');
                }
                return 0;
            };
            requests[i].complete = [](Request& request, int) {
                auto& self = static_cast<Noted&>(request);
                self.order->push_back(self.name);
            };
            (*engine)->submit(requests[i]);
        }
        (*engine)->drain();
        ASSERT_EQ(std::string(order.begin(), order.end()), "wwFf");
    }
}

}  // namespace
}  // namespace reflux::io
