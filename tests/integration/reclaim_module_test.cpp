// The prototype module (harness/mitigation/kernel), loaded, used and unloaded. It loads what
// $REFLUX_RECLAIM_KO names into the running kernel, which is meant to be a guest's
// (tests/vm/vm_privileged_test.cpp); without it nothing is tested.
#include "backend/base/child.h"
#include "backend/base/kernel_file.h"
#include "backend/base/reflux_reclaim.h"
#include "backend/base/scope_exit.h"
#include "backend/base/task_stat.h"
#include "harness/observe/gfp_mask.h"
#include "tests/integration/support/tools.h"

#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::test {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::size_t block = 4096;
constexpr const char* instance = "/sys/kernel/tracing/instances/reclaim-module-test";
constexpr const char* begin_event = "events/vmscan/mm_vmscan_memcg_reclaim_begin";

// 0 or an errno value.
int write_block(int fd, std::uint64_t offset, int flags) {
    std::array<std::byte, block> bytes{};
    const iovec part{.iov_base = bytes.data(), .iov_len = bytes.size()};
    const auto n = ::pwritev2(fd, &part, 1, static_cast<off_t>(offset), flags);
    return n == static_cast<ssize_t>(block) ? 0 : n < 0 ? errno : EIO;
}

int read_block(int fd, std::uint64_t offset, int flags) {
    std::array<std::byte, block> bytes{};
    const iovec part{.iov_base = bytes.data(), .iov_len = bytes.size()};
    const auto n = ::preadv2(fd, &part, 1, static_cast<off_t>(offset), flags);
    return n == static_cast<ssize_t>(block) ? 0 : n < 0 ? errno : EIO;
}

std::uint64_t own_flags() {
    const auto stat = read_task_stat("/proc/thread-self/stat");
    EXPECT_TRUE(stat);
    return stat ? stat->flags : 0;
}

std::uint64_t counter(const std::string& name) {
    const auto number = read_number(REFLUX_SCOPE_COUNTERS "/" + name);
    EXPECT_TRUE(number) << name;
    return number.value_or(0);
}

int unload() {
    return ::syscall(SYS_delete_module, REFLUX_RECLAIM_MODULE, O_NONBLOCK) == 0 ? 0 : errno;
}

// Capabilities are of threads: others keep theirs.
void drop_sys_resource() {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    std::array<__user_cap_data_struct, 2> sets{};
    ASSERT_EQ(::syscall(SYS_capget, &header, sets.data()), 0);
    sets[0].effective &= ~(1U << static_cast<unsigned>(CAP_SYS_RESOURCE));
    ASSERT_EQ(::syscall(SYS_capset, &header, sets.data()), 0);
}

// A cgroup with a limit, of whichever version the machine has.
class SmallCgroup {
  public:
    SmallCgroup() {
        const bool v1 = std::filesystem::exists("/sys/fs/cgroup/memory");
        path_ = std::string(v1 ? "/sys/fs/cgroup/memory" : "/sys/fs/cgroup") + "/reclaim-module-test";
        EXPECT_EQ(::mkdir(path_.c_str(), 0755), 0);
        EXPECT_TRUE(write_file(path_ + (v1 ? "/memory.limit_in_bytes" : "/memory.max"), "16777216"));
    }
    SmallCgroup(const SmallCgroup&) = delete;
    SmallCgroup& operator=(const SmallCgroup&) = delete;
    SmallCgroup(SmallCgroup&&) = delete;
    SmallCgroup& operator=(SmallCgroup&&) = delete;
    ~SmallCgroup() {
        EXPECT_TRUE(comes_true([&] { return ::rmdir(path_.c_str()) == 0; }));
    }
    [[nodiscard]] std::string procs() const { return path_ + "/cgroup.procs"; }

  private:
    std::string path_;
};

class ReclaimModuleTest : public testing::Test {
  protected:
    void SetUp() override {
        const char* module = std::getenv("REFLUX_RECLAIM_KO");
        if (module == nullptr) {
            GTEST_SKIP() << "REFLUX_RECLAIM_KO names no module for this kernel";
        }
        module_ = module;
        const char* folder = std::getenv("TMPDIR");
        path_ = std::string(folder != nullptr ? folder : "/var/tmp") + "/reclaim-module-test";
        fd_ = UniqueFd(::open(path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
        ASSERT_TRUE(fd_);
        ASSERT_EQ(write_block(fd_.get(), 0, 0), 0);
        ASSERT_EQ(write_block(fd_.get(), 0, RWF_NOFSRECLAIM), EOPNOTSUPP);
        const UniqueFd file(::open(module_.c_str(), O_RDONLY | O_CLOEXEC));
        ASSERT_TRUE(file) << module_;
        ASSERT_EQ(::syscall(SYS_finit_module, file.get(), "", 0), 0)
            << std::generic_category().message(errno);
        loaded_ = true;
        ASSERT_TRUE(comes_true([] { return ::access(REFLUX_SCOPE_DEVICE, R_OK) == 0; }));
        device_ = open_device();
        ASSERT_TRUE(device_);
    }

    void TearDown() override {
        device_ = UniqueFd();
        if (loaded_) {
            EXPECT_EQ(unload(), 0);
            EXPECT_EQ(write_block(fd_.get(), 0, RWF_NOFSRECLAIM), EOPNOTSUPP);
            EXPECT_EQ(read_block(fd_.get(), 0, RWF_NOFSRECLAIM), EOPNOTSUPP);
            EXPECT_FALSE(std::filesystem::exists(REFLUX_SCOPE_DEVICE));
            EXPECT_EQ(own_flags() & (pf_memalloc | pf_memalloc_nofs | pf_memalloc_noio), 0U);
            const auto log = run_tool({"dmesg"});
            for (const char* word : {"WARNING:", "BUG:", "Oops", "rethook:", "Call Trace"}) {
                EXPECT_THAT(log, Not(HasSubstr(word)));
            }
        }
        ::unlink(path_.c_str());
    }

    static UniqueFd open_device() { return UniqueFd(::open(REFLUX_SCOPE_DEVICE, O_RDWR | O_CLOEXEC)); }

    // 0 or an errno value.
    [[nodiscard]] int call(unsigned long request, int argument) const {
        return ::ioctl(device_.get(), request, argument) == 0 ? 0 : errno;
    }

    // Writes more than a small cgroup holds, by this flag of pwritev2 and in these scopes; the lines of the
    // trace in which that entered reclaim.
    std::vector<std::string> reclaims_of(int flags, int scopes);

    std::string module_;
    std::string path_;
    UniqueFd fd_;
    UniqueFd device_;
    bool loaded_ = false;
};

// Not by reads: readahead is NOFS by itself. And little is dirty at any time, for where all is, the writer
// may be killed for want of memory.
std::vector<std::string> ReclaimModuleTest::reclaims_of(int flags, int scopes) {
    EXPECT_TRUE(::access("/sys/kernel/tracing/trace", F_OK) == 0 ||
                ::mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, nullptr) == 0);
    const int fd = fd_.get();
    const int device = device_.get();
    constexpr std::size_t batches = 64;
    constexpr std::size_t batch = 256;  // blocks: 1 MiB
    EXPECT_EQ(::mkdir(instance, 0700), 0);
    const ScopeExit no_instance([] { EXPECT_EQ(::rmdir(instance), 0); });
    EXPECT_TRUE(write_file(fmt::format("{}/{}/enable", instance, begin_event), "1"));
    const SmallCgroup cgroup;
    const auto written = call_bounded(
        "writing in a small cgroup", Seconds(60),
        [&]() -> Status {
            for (std::size_t i = 0; i < batches * batch; ++i) {
                if (scopes != 0 && i % batch == 0 && ::ioctl(device, REFLUX_SCOPE_ENTER, scopes) != 0) {
                    return fail_errno("REFLUX_SCOPE_ENTER");
                }
                if (const int error = write_block(fd, i * block, flags); error != 0) {
                    return fail_errno("pwritev2", error);
                }
                if (i % batch != batch - 1) {
                    continue;
                }
                if (::fdatasync(fd) != 0) {
                    return fail_errno("fdatasync");
                }
                if (scopes != 0 && ::ioctl(device, REFLUX_SCOPE_LEAVE, scopes) != 0) {
                    return fail_errno("REFLUX_SCOPE_LEAVE");
                }
            }
            return {};
        },
        {.cgroup_procs = {cgroup.procs()}, .inherit = {fd, device}});
    EXPECT_TRUE(written) << written.error().message;
    std::vector<std::string> lines;
    for (const auto& line : lines_of(read_file(std::string(instance) + "/trace").value_or(""))) {
        if (line.find("gfp_flags=") != std::string::npos) {
            lines.push_back(line);
        }
    }
    EXPECT_EQ(::ftruncate(fd, static_cast<off_t>(block)), 0);
    return lines;
}

// How many of these have the flag; EXPECTs that each can be read.
std::size_t with_flag(const std::vector<std::string>& lines, std::string_view flag) {
    const auto format = read_file(fmt::format("/sys/kernel/tracing/{}/format", begin_event));
    const auto table = observe::GfpTable::parse(format.value_or(""));
    EXPECT_TRUE(table);
    std::size_t count = 0;
    for (const auto& line : table ? lines : std::vector<std::string>{}) {
        const auto at = line.find("gfp_flags=") + 10;
        const auto bits = table->bits_of(line.substr(at, line.find(' ', at) - at));
        EXPECT_TRUE(bits) << line;
        count += bits && table->has(*bits, flag).value_or(false) ? 1U : 0U;
    }
    return count;
}

TEST_F(ReclaimModuleTest, TheFlagIsTakenByThoseWhoMay) {
    EXPECT_EQ(write_block(fd_.get(), 0, RWF_NOFSRECLAIM), 0);
    EXPECT_EQ(read_block(fd_.get(), 0, RWF_NOFSRECLAIM), 0);
    EXPECT_EQ(write_block(fd_.get(), 0, RWF_NOFSRECLAIM | RWF_DSYNC), 0);
    EXPECT_EQ(own_flags() & pf_memalloc_nofs, 0U);
    EXPECT_EQ(counter("rwf_calls"), 3U);
    EXPECT_EQ(counter("rwf_in_flight"), 0U);
    EXPECT_EQ(write_block(fd_.get(), 0, 0x20000000), EOPNOTSUPP);  // others are as unknown as before
    std::thread([&] {
        drop_sys_resource();
        EXPECT_EQ(write_block(fd_.get(), 0, RWF_NOFSRECLAIM), EPERM);
        EXPECT_EQ(read_block(fd_.get(), 0, RWF_NOFSRECLAIM), EPERM);
        EXPECT_EQ(write_block(fd_.get(), 0, 0), 0);
        EXPECT_EQ(call(REFLUX_SCOPE_ENTER, REFLUX_SCOPE_NOFS), EPERM);
        EXPECT_EQ(call(REFLUX_MAPPING_MASK, fd_.get()), EPERM);
    }).join();
    EXPECT_EQ(counter("rwf_refused"), 2U);
    EXPECT_EQ(counter("rwf_calls"), 3U);
}

TEST_F(ReclaimModuleTest, ACallThatSleepsHoldsTheModuleAndIsMarkedTillItsEnd) {
    auto pipe = make_pipe();
    ASSERT_TRUE(pipe);
    std::atomic<pid_t> tid = 0;
    std::thread reader([&] {
        tid = ::gettid();
        std::byte byte{};
        const iovec part{.iov_base = &byte, .iov_len = 1};
        EXPECT_EQ(::preadv2(pipe->read_end.get(), &part, 1, -1, RWF_NOFSRECLAIM), 1);
        EXPECT_EQ(own_flags() & pf_memalloc_nofs, 0U);
    });
    EXPECT_TRUE(comes_true([] { return counter("rwf_in_flight") == 1; }));
    const auto inside = read_task_stat(fmt::format("/proc/self/task/{}/stat", tid.load()));
    EXPECT_TRUE(inside && (inside->flags & pf_memalloc_nofs) != 0);
    device_ = UniqueFd();
    EXPECT_EQ(unload(), EWOULDBLOCK);
    EXPECT_EQ(write_block(fd_.get(), 0, RWF_NOFSRECLAIM), 0) << "it works on";
    EXPECT_EQ(::write(pipe->write_end.get(), "x", 1), 1);
    reader.join();
    EXPECT_EQ(counter("rwf_in_flight"), 0U);
}

TEST_F(ReclaimModuleTest, ScopesAreOfTheThreadAndEndWithIt) {
    const auto expect_flag = [&](int scope, std::uint64_t flag) {
        EXPECT_EQ(call(REFLUX_SCOPE_ENTER, scope), 0);
        EXPECT_NE(own_flags() & flag, 0U);
        EXPECT_EQ(call(REFLUX_SCOPE_ENTER, scope), EBUSY);
        EXPECT_EQ(call(REFLUX_SCOPE_LEAVE, scope), 0);
        EXPECT_EQ(own_flags() & flag, 0U);
        EXPECT_EQ(call(REFLUX_SCOPE_LEAVE, scope), EINVAL);
    };
    expect_flag(REFLUX_SCOPE_NOFS, pf_memalloc_nofs);
    expect_flag(REFLUX_SCOPE_NOIO, pf_memalloc_noio);
    expect_flag(REFLUX_SCOPE_MEMALLOC, pf_memalloc);
    EXPECT_EQ(call(REFLUX_SCOPE_ENTER, 8), EINVAL);
    // Different ones nest, in any order.
    EXPECT_EQ(call(REFLUX_SCOPE_ENTER, REFLUX_SCOPE_NOFS), 0);
    EXPECT_EQ(call(REFLUX_SCOPE_ENTER, REFLUX_SCOPE_NOIO), 0);
    EXPECT_EQ(call(REFLUX_SCOPE_LEAVE, REFLUX_SCOPE_NOFS), 0);
    EXPECT_EQ(own_flags() & (pf_memalloc_nofs | pf_memalloc_noio), pf_memalloc_noio);
    EXPECT_EQ(counter("scope_threads"), 1U);
    // The call's own scope inside of it takes nothing away.
    EXPECT_EQ(write_block(fd_.get(), 0, RWF_NOFSRECLAIM), 0);
    EXPECT_EQ(call(REFLUX_SCOPE_LEAVE, REFLUX_SCOPE_NOIO), 0);
    EXPECT_EQ(counter("scope_threads"), 0U);
    // It outlives the descriptor, holds the module, and ends with the thread.
    std::thread([&] {
        UniqueFd other = open_device();
        EXPECT_EQ(::ioctl(other.get(), REFLUX_SCOPE_ENTER, REFLUX_SCOPE_NOFS), 0);
        other = UniqueFd();
        EXPECT_NE(own_flags() & pf_memalloc_nofs, 0U);
        device_ = UniqueFd();
        EXPECT_EQ(unload(), EWOULDBLOCK);
    }).join();
    EXPECT_TRUE(comes_true([] { return counter("scope_threads") == 0; }));
}

TEST_F(ReclaimModuleTest, AMaskIsOfTheFileUntilItsHolderCloses) {
    const auto has_fs = [&] { return ::ioctl(device_.get(), REFLUX_MAPPING_HAS_FS, fd_.get()); };
    ASSERT_EQ(has_fs(), 1);
    UniqueFd other = open_device();
    EXPECT_EQ(::ioctl(other.get(), REFLUX_MAPPING_MASK, fd_.get()), 0);
    EXPECT_EQ(has_fs(), 0);
    EXPECT_EQ(call(REFLUX_MAPPING_MASK, fd_.get()), EALREADY);
    EXPECT_EQ(call(REFLUX_MAPPING_UNMASK, fd_.get()), EINVAL);
    other = UniqueFd();
    EXPECT_EQ(has_fs(), 1);
    EXPECT_EQ(call(REFLUX_MAPPING_MASK, fd_.get()), 0);
    EXPECT_EQ(counter("mappings_masked"), 1U);
    EXPECT_EQ(call(REFLUX_MAPPING_MASK, fd_.get()), EBUSY);
    EXPECT_EQ(call(REFLUX_MAPPING_UNMASK, fd_.get()), 0);
    EXPECT_EQ(has_fs(), 1);
    EXPECT_EQ(call(REFLUX_MAPPING_MASK, device_.get()), EINVAL);
    EXPECT_EQ(call(REFLUX_MAPPING_MASK, -1), EBADF);
}

TEST_F(ReclaimModuleTest, TheMaskOfReclaimsShowsEachRemedy) {
    const auto unmarked = reclaims_of(0, 0);
    ASSERT_FALSE(unmarked.empty());
    // What ext4 allocates for its journal and in fdatasync has none.
    EXPECT_GT(with_flag(unmarked, "__GFP_FS"), unmarked.size() / 2) << unmarked.front();
    const auto expect_nofs = [](const std::vector<std::string>& lines) {
        ASSERT_FALSE(lines.empty());
        EXPECT_EQ(with_flag(lines, "__GFP_FS"), 0U) << lines.front();
        EXPECT_EQ(with_flag(lines, "__GFP_IO"), lines.size()) << lines.front();
        fmt::print("seen: {}\n", trimmed(lines.front()));
    };
    expect_nofs(reclaims_of(RWF_NOFSRECLAIM, 0));
    EXPECT_EQ(counter("rwf_missed"), 0U);
    expect_nofs(reclaims_of(0, REFLUX_SCOPE_NOFS));
    const auto noio = reclaims_of(0, REFLUX_SCOPE_NOIO);
    ASSERT_FALSE(noio.empty());
    EXPECT_EQ(with_flag(noio, "__GFP_FS") + with_flag(noio, "__GFP_IO"), 0U) << noio.front();
    EXPECT_EQ(reclaims_of(0, REFLUX_SCOPE_MEMALLOC).size(), 0U);
    // Of the page cache alone: what else a write allocates has its own mask.
    ASSERT_EQ(call(REFLUX_MAPPING_MASK, fd_.get()), 0);
    const auto masked = reclaims_of(0, 0);
    ASSERT_FALSE(masked.empty());
    fmt::print("masked mapping: {} of {} reclaims with __GFP_FS\n", with_flag(masked, "__GFP_FS"),
               masked.size());
    EXPECT_LT(with_flag(masked, "__GFP_FS"), masked.size() / 10 + 1);
    EXPECT_EQ(call(REFLUX_MAPPING_UNMASK, fd_.get()), 0);
}

}  // namespace
}  // namespace reflux::test
