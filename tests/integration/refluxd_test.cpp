// refluxd on the real kernel: needs root and /dev/fuse. Everything is mounted in a mount namespace of the test program's
// own, in a folder of its own, so that nothing is left even when a test dies.
#include "backend/base/kernel_file.h"
#include "backend/base/scope_exit.h"
#include "backend/base/task_stat.h"
#include "tests/integration/support/refluxd_process.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

namespace reflux::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
namespace files = std::filesystem;

bool comes_true(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) {
            return false;
        }
        ::poll(nullptr, 0, 10);
    }
    return true;
}

void run_tool(const std::vector<std::string>& argv) {
    const auto result = run_command(argv, Seconds(30));
    ASSERT_TRUE(result) << result.error().message;
    ASSERT_TRUE(result->exit && result->exit->ok()) << argv[0] << ": " << result->output;
}

// Bytes that depend on seed and place.
std::string pattern(std::size_t size, unsigned seed) {
    std::string text(size, '\0');
    std::uint32_t state = seed * 2654435761U + 1;
    for (char& letter : text) {
        state = state * 1664525U + 1013904223U;
        letter = static_cast<char>(state >> 24U);
    }
    return text;
}

class RefluxdTest : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        if (::geteuid() == 0 && ::unshare(CLONE_NEWNS) == 0) {
            ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
        }
    }
    void SetUp() override {
        if (::geteuid() != 0) {
            GTEST_SKIP() << "needs root";
        }
        if (::access("/dev/fuse", R_OK | W_OK) != 0) {
            GTEST_SKIP() << "needs /dev/fuse";
        }
        std::string name = "/tmp/refluxd_test_XXXXXX";
        folder_ = ::mkdtemp(name.data());
        mountpoint_ = folder_ + "/mnt";
        image_ = folder_ + "/image";
        socket_ = folder_ + "/control";
        files::create_directory(mountpoint_);
        format(image_);
    }
    void TearDown() override {
        if (!folder_.empty()) {
            EXPECT_FALSE(is_mounted()) << "refluxd left its mount";
            ::umount2(mountpoint_.c_str(), MNT_DETACH);
            ::umount2((folder_ + "/lower").c_str(), MNT_DETACH);
            files::remove_all(folder_);
        }
    }

    static void format(const std::string& path) {
        const auto ended = run_refluxd({"format", path, "--size", "16MiB", "--zone-size", "1MiB"});
        ASSERT_EQ(ended.code, 0) << ended.output;
    }
    [[nodiscard]] Result<RefluxdProcess> serve(std::vector<std::string> more = {}) const {
        more.insert(more.begin(), {image_, mountpoint_, "--control", socket_});
        return RefluxdProcess::serve(std::move(more));
    }
    [[nodiscard]] std::string disk() const { return mountpoint_ + "/disk"; }
    [[nodiscard]] nlohmann::json status() const { return ask_control(socket_, "status", Seconds(10)); }
    [[nodiscard]] bool is_mounted() const {
        const auto mounts = read_file("/proc/self/mountinfo");
        return mounts && mounts->find(" " + mountpoint_ + " ") != std::string::npos;
    }
    // Of the mount, as fusectl names it.
    [[nodiscard]] std::string connection() const {
        const auto mounts = read_file("/proc/self/mountinfo");
        for (const auto& line : lines_of(mounts ? *mounts : "")) {
            const auto fields = split(line, ' ');
            if (fields.size() > 4 && fields[4] == mountpoint_) {
                return split(fields[2], ':').at(1);
            }
        }
        return "";
    }
    static void end_well(RefluxdProcess& process) {
        ASSERT_TRUE(process.signal(SIGTERM));
        ASSERT_EQ(process.wait(), 0) << process.errors();
    }
    void expect_refused(const std::vector<std::string>& arguments, int code, const std::string& part) const {
        const auto ended = run_refluxd(arguments);
        EXPECT_EQ(ended.code, code) << ended.output;
        EXPECT_THAT(ended.output, AllOf(testing::StartsWith("refluxd: "), HasSubstr(part)));
        EXPECT_EQ(std::count(ended.output.begin(), ended.output.end(), '\n'), 1) << ended.output;
        EXPECT_FALSE(is_mounted());
        EXPECT_FALSE(files::exists(socket_) && files::is_socket(socket_));
    }

    // A killed daemon leaves its mount; the next one names it, and is free to go on when it is gone.
    void expect_busy_then_free() const {
        const auto busy = run_refluxd({"serve", image_, mountpoint_});
        EXPECT_EQ(busy.code, 2) << busy.output;
        EXPECT_THAT(busy.output, HasSubstr("umount " + mountpoint_));
        ASSERT_EQ(::umount2(mountpoint_.c_str(), MNT_DETACH), 0);
    }
    void format_again() const {
        ASSERT_EQ(run_refluxd({"format", image_, "--size", "16MiB", "--zone-size", "1MiB", "--force"}).code, 0);
    }
    void overwrite(off_t offset, std::string_view bytes) const {
        const auto fd = open_file(image_, O_WRONLY);
        ASSERT_TRUE(fd);
        ASSERT_EQ(::pwrite(fd->get(), bytes.data(), bytes.size(), offset), static_cast<ssize_t>(bytes.size()));
    }

    std::string folder_;
    std::string mountpoint_;
    std::string image_;
    std::string socket_;
};

void write_disk(const std::string& path, off_t offset, std::string_view data) {
    const auto fd = open_file(path, O_WRONLY);
    ASSERT_TRUE(fd) << fd.error().message;
    ASSERT_EQ(::pwrite(fd->get(), data.data(), data.size(), offset), static_cast<ssize_t>(data.size()))
        << std::generic_category().message(errno);
    ASSERT_EQ(::fsync(fd->get()), 0);
}

std::string read_disk(const std::string& path, off_t offset, std::size_t size) {
    std::string data(size, '\0');
    const auto fd = open_file(path, O_RDONLY);
    const ssize_t n = fd ? ::pread(fd->get(), data.data(), size, offset) : -1;
    data.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
    return data;
}

class RefluxdEngines : public RefluxdTest, public testing::WithParamInterface<std::string> {};
INSTANTIATE_TEST_SUITE_P(All, RefluxdEngines, testing::Values("sync", "threads"));

TEST_P(RefluxdEngines, KeepsWhatIsWrittenOverARestart) {
    const std::string large = pattern(3 << 20, 1);  // many requests, over zone borders, from unaligned memory
    const std::string small = pattern(512, 2);
    {
        auto process = serve({"--engine", GetParam()});
        ASSERT_TRUE(process) << process.error().message;
        EXPECT_EQ(process->ready()["event"], "ready");
        EXPECT_EQ(process->ready()["pid"], process->pid());
        EXPECT_EQ(process->ready()["size"], 16 << 20);
        EXPECT_EQ(process->ready()["control"], socket_);
        EXPECT_EQ(process->ready()["mountpoint"], mountpoint_);
        write_disk(disk(), 5 * (1 << 20) + 4096, large);
        write_disk(disk(), (16 << 20) - 512, small);
        EXPECT_TRUE(read_disk(disk(), 5 * (1 << 20) + 4096, large.size()) == large);
        end_well(*process);
        EXPECT_FALSE(files::exists(socket_));
        EXPECT_EQ(process->errors(), "");
    }
    auto process = serve({"--engine", GetParam()});
    ASSERT_TRUE(process) << process.error().message;
    EXPECT_TRUE(read_disk(disk(), 5 * (1 << 20) + 4096, large.size()) == large);
    EXPECT_TRUE(read_disk(disk(), (16 << 20) - 512, 4096) == small) << "a read ends at the end of the disk";
    const auto zones = ask_control(socket_, "zones", Seconds(10));
    ASSERT_EQ(zones.size(), 16U);
    EXPECT_EQ(zones[0]["type"], "conventional");
    EXPECT_EQ(zones[5]["condition"], "full");
    EXPECT_EQ(zones[8]["condition"], "closed");
    EXPECT_EQ(zones[8]["write_pointer"], 8 * (1 << 20) + 4096);
    EXPECT_EQ(zones[15]["condition"], "full");
    end_well(*process);
}

TEST_P(RefluxdEngines, CarriesAFilesystemOnALoopDevice) {
    auto process = serve({"--engine", GetParam()});
    ASSERT_TRUE(process) << process.error().message;
    const std::string upper = folder_ + "/upper";
    files::create_directory(upper);
    run_tool({"mkfs.ext4", "-q", disk()});
    run_tool({"mount", "-o", "loop", disk(), upper});
    const ScopeExit unmount([&] { ::umount2(upper.c_str(), MNT_DETACH); });
    const std::string data = pattern(2 << 20, 3);
    ASSERT_TRUE(replace_file(upper + "/file", data));
    run_tool({"umount", upper});  // syncs; the loop device goes with it
    run_tool({"fsck.ext4", "-f", "-n", disk()});
    run_tool({"mount", "-o", "loop", disk(), upper});
    EXPECT_TRUE(read_file(upper + "/file").value_or("") == data);
    run_tool({"umount", upper});
    EXPECT_GT(status()["counters"]["flushes"], 0) << "the filesystem's flushes arrive";
    EXPECT_EQ(status()["counters"]["errors"], 0);
    end_well(*process);
}

TEST_P(RefluxdEngines, StatusNamesItsThreads) {
    auto process = serve({"--engine", GetParam(), "--threads", "3"});
    ASSERT_TRUE(process) << process.error().message;
    const auto reported = status();
    ASSERT_TRUE(reported.is_object());
    EXPECT_EQ(reported["pid"], process->pid());
    EXPECT_EQ(reported["engine"], GetParam());
    std::vector<std::string> roles;
    for (const auto& thread : reported["threads"]) {
        roles.push_back(thread["role"]);
        const auto stat =
            read_task_stat(fmt::format("/proc/{}/task/{}/stat", process->pid(), thread["tid"].get<int>()));
        ASSERT_TRUE(stat);
        EXPECT_EQ(stat->name, thread["name"]);
    }
    if (GetParam() == "sync") {
        EXPECT_THAT(roles, testing::UnorderedElementsAre("io", "control"));
    } else {
        EXPECT_THAT(roles, testing::UnorderedElementsAre("front_end", "io", "io", "io", "control"));
    }
    end_well(*process);
}

// A lower ext4 of the test's own that a helper process freezes: whoever writes to it then sleeps in the kernel until
// it is thawed. The helper thaws when it is told to, when the test program ends, and after 60 s in any case.
class FrozenLower : public RefluxdEngines {
  protected:
    void SetUp() override {
        RefluxdEngines::SetUp();
        if (testing::Test::IsSkipped()) {
            return;
        }
        const std::string backing = folder_ + "/lower.img";
        lower_ = folder_ + "/lower";
        files::create_directory(lower_);
        run_tool({"truncate", "-s", "64M", backing});
        run_tool({"mkfs.ext4", "-q", backing});
        run_tool({"mount", "-o", "loop", backing, lower_});
        image_ = lower_ + "/image";
        format(image_);
    }
    void TearDown() override {
        thaw();
        if (freezer_) {
            EXPECT_TRUE(wait_for(*freezer_, Seconds(20)).value_or(std::nullopt)) << "the freezer did not end";
        }
        RefluxdEngines::TearDown();
    }
    void freeze() {
        std::array<int, 2> told{};
        std::array<int, 2> frozen{};
        ASSERT_EQ(::pipe2(told.data(), O_CLOEXEC), 0);
        ASSERT_EQ(::pipe2(frozen.data(), O_CLOEXEC), 0);
        UniqueFd told_read(told[0]);
        thaw_ = UniqueFd(told[1]);
        const UniqueFd frozen_read(frozen[0]);
        UniqueFd frozen_write(frozen[1]);
        auto child = fork_call(
            [&]() -> Status {
                thaw_.reset();
                REFLUX_TRY(const auto fd, open_file(lower_, O_RDONLY | O_DIRECTORY));
                if (::ioctl(fd.get(), FIFREEZE, 0) != 0) {
                    return fail_errno("FIFREEZE");
                }
                REFLUX_CHECK(write_all(frozen_write.get(), "!", "pipe"));
                pollfd end{.fd = told_read.get(), .events = POLLIN, .revents = 0};
                ::poll(&end, 1, 60000);
                return ::ioctl(fd.get(), FITHAW, 0) == 0 ? Status{} : Status(fail_errno("FITHAW"));
            },
            {.die_with_parent = false});
        ASSERT_TRUE(child) << child.error().message;
        freezer_ = std::move(*child);
        frozen_write.reset();
        const auto answer = read_all_of_one(frozen_read.get());
        ASSERT_EQ(answer, "!") << "not frozen";
    }
    void thaw() { thaw_.reset(); }

    static std::string read_all_of_one(int fd) {
        pollfd poller{.fd = fd, .events = POLLIN, .revents = 0};
        char letter = 0;
        return ::poll(&poller, 1, 20000) == 1 && ::read(fd, &letter, 1) == 1 ? std::string(1, letter) : "";
    }
    // Starts a write to the disk in a child and waits until an I/O thread of refluxd sleeps in it; gives its entry.
    nlohmann::json get_stuck(RefluxdProcess& process) {
        auto writer = fork_call([this]() -> Status {
            thaw_.reset();  // an open end here would keep the freezer waiting
            const std::string data = pattern(4096, 9);
            REFLUX_TRY(const auto fd, open_file(disk(), O_WRONLY));
            return ::pwrite(fd.get(), data.data(), data.size(), 8192) == 4096 ? Status{}
                                                                             : Status(fail_errno("pwrite"));
        });
        EXPECT_TRUE(writer);
        writer_ = std::move(*writer);
        nlohmann::json stuck;
        EXPECT_TRUE(comes_true([&] {
            const auto reported = status();
            if (!reported.is_object() || reported["in_flight"].size() != 1) {
                return false;
            }
            stuck = reported["in_flight"][0];
            const auto stat =
                read_task_stat(fmt::format("/proc/{}/task/{}/stat", process.pid(), stuck["tid"].get<int>()));
            return stat && stat->state == 'D';
        })) << "no I/O thread sleeps in the write";
        return stuck;
    }

    std::string lower_;
    UniqueFd thaw_;
    std::optional<Child> freezer_;
    Child writer_;
};
INSTANTIATE_TEST_SUITE_P(All, FrozenLower, testing::Values("sync", "threads"));

TEST_P(FrozenLower, StatusAnswersWhileAnIoThreadIsStuck) {
    auto process = serve({"--engine", GetParam()});
    ASSERT_TRUE(process) << process.error().message;
    freeze();
    const auto stuck = get_stuck(*process);
    EXPECT_EQ(stuck["op"], "write");
    EXPECT_EQ(stuck["offset"], 8192);
    EXPECT_EQ(stuck["length"], 4096);
    const auto later = status();
    ASSERT_TRUE(later.is_object());
    ASSERT_EQ(later["in_flight"].size(), 1U);
    EXPECT_EQ(later["in_flight"][0]["id"], stuck["id"]);
    EXPECT_GE(later["in_flight"][0]["age_s"], stuck["age_s"]);
    EXPECT_EQ(ask_control(socket_, "zones", Seconds(10)).size(), 16U) << "the table is not locked";
    thaw();
    const auto written = wait_for(writer_, Seconds(20));
    ASSERT_TRUE(written && *written);
    EXPECT_TRUE((*written)->ok());
    EXPECT_TRUE(read_disk(disk(), 8192, 4096) == pattern(4096, 9));
    EXPECT_TRUE(status()["in_flight"].empty());
    end_well(*process);
}

TEST_P(FrozenLower, AStopWaitsForWhatIsInFlight) {
    auto process = serve({"--engine", GetParam()});
    ASSERT_TRUE(process) << process.error().message;
    freeze();
    const auto stuck = get_stuck(*process);
    ASSERT_TRUE(process->signal(SIGTERM));
    EXPECT_EQ(status()["in_flight"][0]["id"], stuck["id"]) << "it neither drops the request nor stops answering";
    thaw();
    EXPECT_EQ(process->wait(), 0) << process->errors();
    const auto written = wait_for(writer_, Seconds(20));
    ASSERT_TRUE(written && *written);
    EXPECT_TRUE((*written)->ok()) << "it was answered";
}

TEST_F(RefluxdTest, EndsOnEitherSignalWhenIdle) {
    for (const int number : {SIGTERM, SIGINT}) {
        auto process = serve();
        ASSERT_TRUE(process) << process.error().message;
        ASSERT_TRUE(process->signal(number));
        EXPECT_EQ(process->wait(), 0);
        EXPECT_FALSE(is_mounted());
    }
}

TEST_F(RefluxdTest, AfterAKillTheImageOpensWithAWarning) {
    const std::string data = pattern(8192, 4);
    {
        auto process = serve();
        ASSERT_TRUE(process) << process.error().message;
        write_disk(disk(), 6 << 20, data);
        ASSERT_TRUE(process->signal(SIGKILL));
        ASSERT_EQ(process->wait(), 128 + SIGKILL);
    }
    expect_busy_then_free();
    auto process = serve();
    ASSERT_TRUE(process) << process.error().message;
    EXPECT_TRUE(read_disk(disk(), 6 << 20, data.size()) == data);
    EXPECT_EQ(ask_control(socket_, "zones", Seconds(10))[6]["write_pointer"], (6 << 20) + 8192) << "it was flushed";
    end_well(*process);
    EXPECT_THAT(process->errors(), HasSubstr("not closed cleanly"));
    auto again = serve();
    ASSERT_TRUE(again) << again.error().message;
    end_well(*again);
    EXPECT_EQ(again->errors(), "");
}

TEST_F(RefluxdTest, AnAbortedConnectionIsOneLineAndExit4) {
    const std::string fusectl = folder_ + "/fusectl";
    files::create_directory(fusectl);
    ASSERT_EQ(::mount("none", fusectl.c_str(), "fusectl", 0, nullptr), 0);
    const ScopeExit unmount([&] { ::umount2(fusectl.c_str(), MNT_DETACH); });
    auto process = serve();
    ASSERT_TRUE(process) << process.error().message;
    ASSERT_TRUE(write_file(fusectl + "/" + connection() + "/abort", "1"));
    EXPECT_EQ(process->wait(), 4);
    const auto errors = process->errors();
    EXPECT_THAT(errors, HasSubstr("aborted from outside"));
    EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n'), 1) << errors;
    EXPECT_FALSE(files::exists(socket_));
}

TEST_F(RefluxdTest, AnUnmountFromOutsideIsACleanEnd) {
    auto process = serve();
    ASSERT_TRUE(process) << process.error().message;
    run_tool({"umount", mountpoint_});
    EXPECT_EQ(process->wait(), 0);
    EXPECT_THAT(process->errors(), HasSubstr("unmounted from outside"));
}

TEST_F(RefluxdTest, TheDiskCannotBeChangedButInItsData) {
    auto process = serve();
    ASSERT_TRUE(process) << process.error().message;
    const auto error_of = [](int result) { return result == 0 ? 0 : errno; };
    EXPECT_EQ(error_of(::truncate(disk().c_str(), 0)), EINVAL);
    EXPECT_EQ(error_of(::chmod(disk().c_str(), 0666)), EPERM);
    EXPECT_EQ(error_of(::unlink(disk().c_str())), EROFS);
    EXPECT_EQ(error_of(::mkdir((mountpoint_ + "/x").c_str(), 0700)), EROFS);
    EXPECT_EQ(error_of(::rename(disk().c_str(), (mountpoint_ + "/x").c_str())), EROFS);
    EXPECT_FALSE(open_file(mountpoint_ + "/x", O_WRONLY | O_CREAT));
    EXPECT_EQ(list_directory(mountpoint_).value(), std::vector<std::string>{"disk"});
    struct stat status {};
    ASSERT_EQ(::stat(disk().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode, S_IFREG | 0600U);
    EXPECT_EQ(status.st_size, 16 << 20);
    const auto fd = open_file(disk(), O_RDWR);
    ASSERT_TRUE(fd);
    const std::string data(1024, 'x');
    EXPECT_EQ(::pwrite(fd->get(), data.data(), 1024, (16 << 20) - 512) < 0 ? errno : 0, ENOSPC);
    end_well(*process);
}

TEST_F(RefluxdTest, GoesIntoTheBackground) {
    const auto ended = run_refluxd({"serve", image_, mountpoint_, "--control", socket_, "--daemonize"});
    ASSERT_EQ(ended.code, 0) << ended.output;
    const auto ready = nlohmann::json::parse(ended.output, nullptr, false);
    ASSERT_TRUE(ready.is_object()) << ended.output;
    const pid_t pid = ready["pid"];
    const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    ASSERT_TRUE(process);
    EXPECT_EQ(status()["pid"], pid);
    EXPECT_EQ(files::read_symlink(fmt::format("/proc/{}/cwd", pid)), "/");
    write_disk(disk(), 0, pattern(4096, 5));
    ASSERT_EQ(::kill(pid, SIGTERM), 0);
    pollfd end{.fd = process.get(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(::poll(&end, 1, 20000), 1);
    EXPECT_FALSE(files::exists(socket_));
    // A failure comes through to the first process.
    expect_refused({"serve", folder_ + "/none", mountpoint_, "--daemonize"}, 2, "does not exist");
}

TEST_F(RefluxdTest, RefusesBadImages) {
    const auto expect = [&](const std::string& part) {
        expect_refused({"serve", image_, mountpoint_, "--control", socket_}, 2, part);
    };
    ASSERT_EQ(::truncate(image_.c_str(), 1 << 20), 0);
    expect("truncated image: expected 17825792 bytes, the file has 1048576");
    format_again();
    overwrite(8, "\x09");
    expect("newer refluxd: version 9");
    format_again();
    overwrite(100, "x");
    expect("checksum");
    format_again();
    overwrite(4096 + 100, "x");
    expect("checksum of zone table block 0");
    overwrite(0, "ELF");
    expect("not a refluxd image");
    expect_refused({"serve", folder_ + "/none", mountpoint_}, 2, "refluxd format");
    expect_refused({"format", image_, "--size", "16MiB"}, 2, "--force");
}

TEST_F(RefluxdTest, RefusesBadPlaces) {
    expect_refused({"serve", image_, mountpoint_, "--control", folder_ + "/" + std::string(108, 'x')}, 2, "107");
    expect_refused({"serve", image_, folder_ + "/none"}, 2, "does not exist");
    expect_refused({"serve", image_, image_}, 2, "not a directory");
    ASSERT_TRUE(replace_file(folder_ + "/file", "precious"));
    expect_refused({"serve", image_, mountpoint_, "--control", folder_ + "/file"}, 2, "not a socket");
    EXPECT_EQ(read_file(folder_ + "/file").value(), "precious");
    expect_refused({"serve", image_, mountpoint_, "--engine", "quantum"}, 2, "sync, threads");
    auto process = serve();
    ASSERT_TRUE(process) << process.error().message;
    const auto busy = run_refluxd({"serve", image_, mountpoint_});
    EXPECT_EQ(busy.code, 2);
    EXPECT_THAT(busy.output, HasSubstr("busy"));
    files::create_directory(folder_ + "/other");
    const auto used = run_refluxd({"serve", image_, folder_ + "/other"});
    EXPECT_EQ(used.code, 2);
    EXPECT_THAT(used.output, HasSubstr("in use"));
    end_well(*process);
    EXPECT_EQ(process->errors(), "") << "and none of that marked the image";
}

TEST_F(RefluxdTest, WithoutAFuseDeviceItSaysSo) {
    // A container without FUSE: a /dev with nothing in it, in a namespace of its own.
    const auto result = run_command({"unshare", "-m", "sh", "-c",
                                     "mount -t tmpfs none /dev && exec \"$0\" \"$@\"", refluxd_program(), "serve", image_,
                                     mountpoint_},
                                    Seconds(20));
    ASSERT_TRUE(result && result->exit);
    EXPECT_EQ(result->exit->code, 3) << result->output;
    EXPECT_THAT(result->output, AllOf(HasSubstr("/dev/fuse"), HasSubstr("no FUSE")));
}

TEST_F(RefluxdTest, IoFlusherMarksEveryThreadOrSaysWhatIsMissing) {
    constexpr std::uint64_t cap_sys_resource = std::uint64_t{1} << 24U;
    const auto text = read_file("/proc/self/status").value();
    const auto capabilities = std::stoull(text.substr(text.find("CapEff:") + 7), nullptr, 16);
    if ((capabilities & cap_sys_resource) == 0) {
        expect_refused({"serve", image_, mountpoint_, "--io-flusher"}, 3, "CAP_SYS_RESOURCE");
        return;
    }
    auto process = serve({"--io-flusher", "--engine", "threads"});
    ASSERT_TRUE(process) << process.error().message;
    for (const auto& thread : status()["threads"]) {
        EXPECT_TRUE(thread["io_flusher"]) << thread;
    }
    end_well(*process);
}

TEST_F(RefluxdTest, ListIsJson) {
    const auto listed = run_refluxd({"list"});
    ASSERT_EQ(listed.code, 0);
    const auto list = nlohmann::json::parse(listed.output, nullptr, false);
    ASSERT_TRUE(list.is_object()) << listed.output;
    EXPECT_EQ(list["engines"][0]["name"], "sync");
    EXPECT_EQ(list["engines"][1]["name"], "threads");
    EXPECT_EQ(list["front_ends"][0]["name"], "fuse");
}

}  // namespace
}  // namespace reflux::test
