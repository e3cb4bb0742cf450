#include "backend/io/engine.h"

#include "backend/base/unique_fd.h"
#include "backend/io/buffer_pool.h"
#include "tests/support/ending.h"

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>

#include <sys/mman.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::io {
namespace {

using testing::HasSubstr;

UniqueFd memory_file(std::size_t size) {
    UniqueFd fd(::memfd_create("engine_test", MFD_CLOEXEC));
    EXPECT_EQ(::ftruncate(fd.get(), static_cast<off_t>(size)), 0);
    return fd;
}

// A request whose end can be waited for.
struct Waited : Request, test::Ending {
    int begin_result = 0;
    std::thread::id worker;

    Waited(Operation what, std::uint64_t where, std::span<std::byte> data) {
        operation = what;
        offset = where;
        buffer = data;
        begin = [](Request& request) {
            auto& self = static_cast<Waited&>(request);
            self.worker = std::this_thread::get_id();
            return self.begin_result;
        };
        complete = [](Request& request, int error) { static_cast<Waited&>(request).end(error); };
    }
};

class EveryEngine : public testing::TestWithParam<std::string_view> {
  protected:
    static std::unique_ptr<Engine> make(int fd, unsigned threads = 4) {
        auto engine = make_engine(GetParam(), {.fd = fd, .threads = threads});
        EXPECT_TRUE(engine) << engine.error().message;
        return std::move(*engine);
    }
    static int run(Engine& engine, Operation what, std::uint64_t where, std::span<std::byte> data) {
        Waited request(what, where, data);
        engine.submit(request);
        const int result = request.wait();
        engine.drain();  // the worker has let go of the request
        return result;
    }
};
INSTANTIATE_TEST_SUITE_P(All, EveryEngine, testing::ValuesIn([] {
                             std::vector<std::string_view> names;
                             for (const auto& engine : engine_list()) {
                                 names.push_back(engine.name);
                             }
                             return names;
                         }()));

TEST_P(EveryEngine, WhatIsWrittenIsRead) {
    const auto file = memory_file(1U << 20U);
    const auto engine = make(file.get());
    std::vector<std::byte> written(70000, std::byte{0x5a});
    ASSERT_EQ(run(*engine, Operation::write, 4096, written), 0);
    ASSERT_EQ(run(*engine, Operation::flush, 0, {}), 0);
    std::vector<std::byte> read(written.size());
    ASSERT_EQ(run(*engine, Operation::read, 4096, read), 0);
    EXPECT_EQ(read, written);
}

TEST_P(EveryEngine, FailuresAreErrnoValues) {
    const auto file = memory_file(4096);
    std::vector<std::byte> data(4096);
    {
        const auto engine = make(file.get());
        EXPECT_EQ(run(*engine, Operation::read, 2048, data), EIO) << "the file ends in the middle";
        EXPECT_EQ(run(*engine, Operation::write, std::uint64_t{1} << 63U, data), EINVAL);
    }
    const auto read_only = open_file("/dev/null", O_RDONLY);
    ASSERT_TRUE(read_only);
    const auto engine = make(read_only->get());
    EXPECT_EQ(run(*engine, Operation::write, 0, data), EBADF);
    EXPECT_EQ(run(*engine, Operation::flush, 0, {}), EINVAL) << "no such thing as fdatasync on it";
}

TEST_P(EveryEngine, AFullDiskIsEnospc) {
    const auto full = open_file("/dev/full", O_RDWR);
    ASSERT_TRUE(full);
    const auto engine = make(full->get());
    std::vector<std::byte> data(4096);
    EXPECT_EQ(run(*engine, Operation::write, 0, data), ENOSPC);
}

TEST_P(EveryEngine, BeginRunsInTheThreadOfTheIoAndCanRefuse) {
    const auto file = memory_file(8192);
    const auto engine = make(file.get());
    std::vector<std::byte> data(4096, std::byte{1});
    Waited request(Operation::write, 0, data);
    request.begin_result = ENOMEM;
    engine->submit(request);
    EXPECT_EQ(request.wait(), ENOMEM);
    engine->drain();
    EXPECT_EQ(request.worker == std::this_thread::get_id(), engine->is_inline());
    std::vector<std::byte> read(4096, std::byte{2});
    ASSERT_EQ(run(*engine, Operation::read, 0, read), 0);
    EXPECT_EQ(read, std::vector<std::byte>(4096)) << "nothing was written";
}

TEST_P(EveryEngine, ManySubmittersAtOnce) {
    constexpr std::size_t submitters = 4;
    constexpr std::size_t blocks = 50;
    constexpr std::size_t size = 4096;
    const auto file = memory_file(submitters * blocks * size);
    const auto engine = make(file.get(), 3);
    std::atomic<int> failures = 0;
    {
        std::vector<std::jthread> threads;
        for (std::size_t t = 0; t < submitters; ++t) {
            threads.emplace_back([&, t] {
                std::vector<std::byte> data(size, static_cast<std::byte>(t + 1));
                std::vector<std::byte> back(size);
                for (std::size_t i = 0; i < blocks; ++i) {
                    const std::uint64_t offset = (i * submitters + t) * size;
                    Waited write(Operation::write, offset, data);
                    engine->submit(write);
                    failures += write.wait() != 0 ? 1 : 0;
                    Waited read(Operation::read, offset, back);
                    engine->submit(read);
                    failures += read.wait() != 0 || back != data ? 1 : 0;
                }
            });
        }
    }
    EXPECT_EQ(failures, 0);
}

TEST_P(EveryEngine, EndsWhatWasSubmitted) {
    const auto file = memory_file(1U << 20U);
    std::atomic<int> completed = 0;
    struct Counted : Request {
        std::atomic<int>* counter = nullptr;
    };
    std::vector<std::byte> data(4096);
    std::vector<Counted> requests(100);
    {
        const auto engine = make(file.get(), 2);
        for (auto& request : requests) {
            request.operation = Operation::write;
            request.buffer = data;
            request.counter = &completed;
            request.complete = [](Request& done, int error) {
                *static_cast<Counted&>(done).counter += error == 0 ? 1 : 0;
            };
            engine->submit(request);
        }
    }
    EXPECT_EQ(completed, 100);
}

// As a durable write does, which comes again as a flush: all at once, and the engine is full of them.
TEST_P(EveryEngine, RequestsMayBeSubmittedAgainWhereTheyEnd) {
    const auto file = memory_file(4096);
    auto engine = make_engine(GetParam(), {.fd = file.get(), .threads = 2});
    ASSERT_TRUE(engine);
    struct Again : Request {
        Engine* engine = nullptr;
        int left = 50;
        std::atomic<int>* ended = nullptr;
    };
    std::atomic<int> ended = 0;
    std::vector<Again> requests((*engine)->max_in_flight());
    for (auto& request : requests) {
        request.operation = Operation::flush;
        request.engine = engine->get();
        request.ended = &ended;
        request.complete = [](Request& done, int) {
            auto& again = static_cast<Again&>(done);
            if (--again.left == 0) {
                ++*again.ended;
            } else {
                again.engine->submit(again);
            }
        };
    }
    for (auto& request : requests) {
        (*engine)->submit(request);
    }
    (*engine)->drain();
    EXPECT_EQ(ended, static_cast<int>(requests.size()));
}

TEST(ThreadsEngine, SubmitWaitsWhileItIsFull) {
    const auto file = memory_file(4096);
    auto engine = make_engine("threads", {.fd = file.get(), .threads = 1});
    ASSERT_TRUE(engine);
    ASSERT_EQ((*engine)->max_in_flight(), 2U);
    struct Gate {
        std::mutex mutex;
        std::condition_variable changed;
        bool open = false;
    } gate;
    struct Held : Request {
        Gate* gate = nullptr;
    };
    std::vector<Held> requests(3);
    std::atomic<int> submitted = 0;
    for (auto& request : requests) {
        request.operation = Operation::flush;
        request.gate = &gate;
        request.begin = [](Request& held) {
            Gate& closed = *static_cast<Held&>(held).gate;
            std::unique_lock lock(closed.mutex);
            closed.changed.wait(lock, [&] { return closed.open; });
            return 0;
        };
        request.complete = [](Request&, int) {};
    }
    (*engine)->submit(requests[0]);
    (*engine)->submit(requests[1]);
    submitted = 2;
    std::jthread third([&] {
        (*engine)->submit(requests[2]);
        submitted = 3;
    });
    EXPECT_EQ(submitted, 2) << "one is worked on, one is queued";
    {
        const std::lock_guard lock(gate.mutex);
        gate.open = true;
    }
    gate.changed.notify_all();
    third.join();
    EXPECT_EQ(submitted, 3);
    (*engine)->drain();
}

TEST(Engines, UnknownNamesAndBadOptionsAreRefused) {
    const auto unknown = make_engine("quantum", {});
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().kind, ErrorKind::invalid_input);
    EXPECT_THAT(unknown.error().message, HasSubstr("sync, threads, uring"));
    EXPECT_FALSE(make_engine("threads", {.fd = -1, .threads = 0}));
    EXPECT_FALSE(make_engine("threads", {.fd = -1, .threads = 65}));
}

TEST(BufferPool, BuffersAreAlignedApartAndWritable) {
    const auto pool = BufferPool::make(5000, 3);
    ASSERT_TRUE(pool) << pool.error().message;
    EXPECT_EQ(pool->buffer_size(), 8192U);
    for (std::size_t i = 0; i < pool->count(); ++i) {
        const auto buffer = pool->buffer(i);
        ASSERT_EQ(buffer.size(), 8192U);
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % 4096, 0U);
        std::memset(buffer.data(), static_cast<int>(i + 1), buffer.size());
    }
    EXPECT_EQ(pool->buffer(0).back(), std::byte{1});
    EXPECT_EQ(pool->buffer(1).front(), std::byte{2});
}

}  // namespace
}  // namespace reflux::io
