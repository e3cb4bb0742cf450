#include "harness/vm/kernel_cache.h"

#include "backend/base/child.h"
#include "backend/base/kernel_file.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/harness/vm/made_kernels.h"

#include <array>
#include <filesystem>

#include <sys/file.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::vm {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* old_release = "6.1.0-56-amd64";
constexpr const char* new_release = "7.2.13+deb14-amd64";

class KernelCacheTest : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!have_apt_and_kmod()) {
            GTEST_SKIP() << "no apt or no kmod on this machine";
        }
    }
    Result<Kernel> fetch(const std::string& release) {
        made_.publish();
        REFLUX_TRY(const auto archive, DebianArchive::open(cache_.apt_folder(), made_.sources()));
        REFLUX_TRY(const auto complaint, archive.refresh());
        return cache_.fetch(archive, release, [&](const std::string& what) { told_.push_back(what); });
    }
    // A kernel as the cache keeps it, whatever its packages look like.
    void expect_whole(const Result<Kernel>& kernel, const std::string& release) {
        ASSERT_TRUE(kernel) << kernel.error().message;
        EXPECT_EQ(kernel->release, release);
        EXPECT_EQ(kernel->root, place(release));
        EXPECT_EQ(release_of_image(kernel->image).value_or("none"), release);
        EXPECT_THAT(read_file(kernel->config).value_or(""), HasSubstr("CONFIG_FUSE_FS=m"));
        EXPECT_THAT(read_file(dependencies(release)).value_or(""), HasSubstr("kernel/fs/fuse/fuse.ko:"));
        EXPECT_THAT(list_directory(folder_ / "kernels").value_or(std::vector<std::string>{}),
                    ElementsAre(release));
    }
    void expect_damaged(const std::string& release, const std::string& why) {
        const auto kernel = cache_.checked(release);
        ASSERT_FALSE(kernel) << why;
        EXPECT_THAT(kernel.error().message, HasSubstr(why));
        EXPECT_THAT(cached_kernels(folder_.path()), IsEmpty());
    }
    [[nodiscard]] std::string place(const std::string& release) const {
        return folder_ / ("kernels/" + release);
    }
    [[nodiscard]] std::string dependencies(const std::string& release) const {
        return fmt::format("{}/lib/modules/{}/modules.dep", place(release), release);
    }

    MadeArchive made_;
    test::TemporaryFolder folder_;
    KernelCache cache_{folder_.path()};
    std::vector<std::string> told_;
};

TEST_F(KernelCacheTest, KernelInOnePackage) {
    made_.add("linux-image-6.1.0-56-amd64", older_layout(old_release), "kmod");
    expect_whole(fetch(old_release), old_release);
    EXPECT_THAT(told_, ElementsAre(HasSubstr("downloading kernel 6.1.0-56-amd64"), HasSubstr("unpacking")));
    const auto record = read_file(place(old_release) + "/packages.json").value_or("");
    EXPECT_THAT(record, HasSubstr("\"name\": \"linux-image-6.1.0-56-amd64\""));
    EXPECT_THAT(record, HasSubstr("\"version\": \"1.0-1\""));
    EXPECT_THAT(record, HasSubstr(sha256_of(place(old_release) + "/vmlinuz").value_or("no sum")));
}

TEST_F(KernelCacheTest, KernelInPartsBelowUsr) {
    const std::string modules = fmt::format("usr/lib/modules/{}/", new_release);
    made_.add("linux-image-7.2.13+deb14-amd64", {},
              "linux-base-7.2.13+deb14-amd64 (= 1.0-1), linux-binary-7.2.13+deb14-amd64 (= 1.0-1), "
              "linux-modules-7.2.13+deb14-amd64 (= 1.0-1)");
    made_.add("linux-base-7.2.13+deb14-amd64", {{modules + "config", "CONFIG_FUSE_FS=m\n"}});
    made_.add("linux-binary-7.2.13+deb14-amd64", {{modules + "vmlinuz", made_image(new_release)}});
    made_.add("linux-modules-7.2.13+deb14-amd64", {{modules + "kernel/fs/fuse/fuse.ko", made_module()}});
    expect_whole(fetch(new_release), new_release);
}

TEST_F(KernelCacheTest, DamageIsSeenAndMendedByTheNextFetch) {
    made_.add("linux-image-6.1.0-56-amd64", older_layout(old_release));
    ASSERT_TRUE(fetch(old_release));
    auto image = read_file(place(old_release) + "/vmlinuz").value_or("");
    ASSERT_FALSE(image.empty());
    image.back() = 'x';
    ASSERT_TRUE(replace_file(place(old_release) + "/vmlinuz", image));
    expect_damaged(old_release, "SHA256");
    ASSERT_TRUE(replace_file(place(old_release) + "/vmlinuz", image.substr(1)));
    expect_damaged(old_release, "bytes, not");
    expect_whole(fetch(old_release), old_release);
    EXPECT_EQ(cached_kernels(folder_.path()).size(), 1U);
}

TEST_F(KernelCacheTest, EveryPartIsNeeded) {
    made_.add("linux-image-6.1.0-56-amd64", older_layout(old_release));
    ASSERT_TRUE(fetch(old_release));
    const auto record = read_file(place(old_release) + "/packages.json").value_or("");
    for (const auto* text : {"", "{}", "not JSON", "[1]", R"({"image": {"size": "big", "sha256": 5}})"}) {
        ASSERT_TRUE(replace_file(place(old_release) + "/packages.json", text));
        expect_damaged(old_release, "packages.json");
    }
    ASSERT_TRUE(replace_file(place(old_release) + "/packages.json", record));
    ASSERT_TRUE(cache_.checked(old_release));
    ASSERT_TRUE(replace_file(dependencies(old_release), ""));
    expect_damaged(old_release, "modules.dep is empty");
    std::filesystem::remove(dependencies(old_release));
    expect_damaged(old_release, "modules.dep");
}

TEST_F(KernelCacheTest, InterruptedFetchIsNoKernelAndIsCleared) {
    folder_.write("kernels/.fetch/tree/boot/vmlinuz-6.1.0-56-amd64", "half");
    folder_.write("kernels/.fetch/made/vmlinuz", "half");
    EXPECT_THAT(cache_.releases(), IsEmpty());
    made_.add("linux-image-6.1.0-56-amd64", older_layout(old_release));
    expect_whole(fetch(old_release), old_release);
}

TEST_F(KernelCacheTest, AnInterruptionEndsTheDownloadAtOnceAndLeavesNothing) {
    made_.add("linux-image-6.1.0-56-amd64", older_layout(old_release));
    {
        const Interruptible now([&] { return std::filesystem::exists(folder_ / "kernels/.fetch/tree"); });
        const auto kernel = fetch(old_release);
        ASSERT_FALSE(kernel);
        EXPECT_TRUE(is_interruption(kernel.error())) << kernel.error().message;
    }
    EXPECT_THAT(told_, ElementsAre(HasSubstr("downloading")));
    EXPECT_THAT(list_directory(folder_ / "kernels").value_or(std::vector<std::string>{"?"}), IsEmpty());
    expect_whole(fetch(old_release), old_release);
}

TEST_F(KernelCacheTest, AnInterruptionEndsTheUnpackingToo) {
    made_.add("linux-image-6.1.0-56-amd64", older_layout(old_release));
    {
        const Interruptible now(
            [&] { return !told_.empty() && told_.back().find("unpacking") != std::string::npos; });
        const auto kernel = fetch(old_release);
        ASSERT_FALSE(kernel);
        EXPECT_TRUE(is_interruption(kernel.error())) << kernel.error().message;
    }
    EXPECT_THAT(cache_.releases(), IsEmpty());
    EXPECT_THAT(list_directory(folder_ / "kernels").value_or(std::vector<std::string>{"?"}), IsEmpty());
}

TEST_F(KernelCacheTest, PackagesWithoutAKernelLeaveNothing) {
    auto files = older_layout(old_release);
    files.erase("boot/vmlinuz-6.1.0-56-amd64");
    made_.add("linux-image-6.1.0-56-amd64", files);
    const auto kernel = fetch(old_release);
    ASSERT_FALSE(kernel);
    EXPECT_THAT(kernel.error().message, HasSubstr("hold no vmlinuz"));
    EXPECT_THAT(list_directory(folder_ / "kernels").value_or(std::vector<std::string>{"?"}), IsEmpty());
}

TEST_F(KernelCacheTest, ModulesThatDepmodCannotReadAreRefused) {
    auto files = older_layout(old_release);
    files["lib/modules/6.1.0-56-amd64/kernel/fs/fuse/fuse.ko"] = "no object file";
    made_.add("linux-image-6.1.0-56-amd64", files);
    const auto kernel = fetch(old_release);
    ASSERT_FALSE(kernel);
    EXPECT_EQ(kernel.error().kind, ErrorKind::unsupported);
    EXPECT_THAT(kernel.error().message, HasSubstr("fuse.ko"));
}

TEST_F(KernelCacheTest, LockIsWaitedFor) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    const UniqueFd read_end(ends[0]);
    UniqueFd write_end(ends[1]);
    auto held = cache_.lock({});
    ASSERT_TRUE(held) << held.error().message;
    // Another process has the lock, until it is told to end.
    auto holder = fork_call(
        [&]() -> Status {
            REFLUX_TRY(const bool told, wait_readable(read_end.get(), Seconds(20)));
            return told ? Status{} : fail(ErrorKind::timed_out, "not told to end");
        },
        {.inherit = {held->get(), read_end.get()}});
    ASSERT_TRUE(holder) << holder.error().message;
    held->reset();
    {
        bool told = false;
        const Interruptible now([&] { return told; });
        const auto interrupted = cache_.lock([&](const std::string&) { told = true; });
        ASSERT_FALSE(interrupted);
        EXPECT_TRUE(is_interruption(interrupted.error()));
    }
    int waited = 0;
    const auto lock = cache_.lock([&](const std::string&) {
        ++waited;
        write_end.reset();
    });
    EXPECT_TRUE(lock) << lock.error().message;
    EXPECT_EQ(waited, 1);
    const auto ended = wait_for(*holder, Seconds(10));
    ASSERT_TRUE(ended && *ended);
    EXPECT_TRUE((*ended)->ok());
    // It is ours now: nobody else gets it.
    const auto other = open_file(folder_ / "lock", O_RDWR);
    ASSERT_TRUE(other);
    EXPECT_EQ(::flock(other->get(), LOCK_EX | LOCK_NB), -1);
}

}  // namespace
}  // namespace reflux::vm
