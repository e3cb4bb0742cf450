#include "harness/vm/kernel.h"

#include "backend/base/kernel_file.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/harness/vm/made_kernels.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include <sys/utsname.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::vm {
namespace {

using ::testing::HasSubstr;

constexpr const char* release = "6.1.0-56-amd64";

TEST(ReleaseOrderTest, NumbersDecide) {
    const std::vector<std::string> ordered{
        "5.10.0-46-amd64",    "6.1.0-0.deb11.52-amd64", "6.1.0-9-amd64",         "6.1.0-56-amd64",
        "6.12.3-amd64",       "6.12.90+deb12-amd64",    "6.12.90+deb12.1-amd64", "6.12.100+deb12-amd64",
        "7.2.12+deb13-amd64", "7.2.12+deb14-amd64",     "7.2.13+deb13-amd64"};
    for (std::size_t i = 0; i < ordered.size(); ++i) {
        for (std::size_t j = 0; j < ordered.size(); ++j) {
            EXPECT_EQ(older(ordered[i], ordered[j]), i < j) << ordered[i] << " and " << ordered[j];
        }
    }
    EXPECT_TRUE(older("6.1.0-9", "6.1.0-56"));
    EXPECT_NE(older("6.1.0-custom", "6.1.0-other"), older("6.1.0-other", "6.1.0-custom"));
}

TEST(ReleaseNameTest, VersionNamesItsReleases) {
    for (const auto* wanted : {"6", "6.1", "6.1.0", "6.1.0-56", "6.1.0-56-amd64"}) {
        EXPECT_TRUE(names_release(wanted, release)) << wanted;
    }
    for (const auto* wanted : {"6.12", "6.1.0-5", "6.1.0-56-amd6", "5", "6.", "1"}) {
        EXPECT_FALSE(names_release(wanted, release)) << wanted;
    }
    EXPECT_FALSE(names_release("6.1", "6.12.3-amd64"));
    EXPECT_TRUE(names_release("7.2.13", "7.2.13+deb14-amd64"));
    EXPECT_FALSE(names_release("6.12.90+deb12", "6.12.90+deb12.1-amd64"));
}

class ImageTest : public ::testing::Test {
  protected:
    void expect_refused(const std::string& content, const std::string& why) {
        folder_.write("image", content);
        const auto found = release_of_image(folder_ / "image");
        ASSERT_FALSE(found) << *found;
        EXPECT_EQ(found.error().kind, ErrorKind::invalid_input);
        EXPECT_THAT(found.error().message, HasSubstr(why));
    }
    test::TemporaryFolder folder_;
};

TEST_F(ImageTest, HeaderNamesTheRelease) {
    for (const std::size_t version_at : {0x220U, 0x3000U, 0x101FFU}) {
        folder_.write("image", made_image(release, version_at));
        const auto found = release_of_image(folder_ / "image");
        ASSERT_TRUE(found) << found.error().message;
        EXPECT_EQ(*found, release);
    }
}

TEST_F(ImageTest, OtherFilesAreRefused) {
    expect_refused("", "HdrS");
    expect_refused(
        "\x7F"
        "ELF" +
            std::string(4096, '\0'),
        "HdrS");
    expect_refused(made_image(release).substr(0, 0x20F), "HdrS");
    auto image = made_image(release);
    image[0x20E] = image[0x20F] = '\0';
    expect_refused(image, "names no version");
    expect_refused(made_image(release, 0x4000).substr(0, 0x4000), "names no version");
    expect_refused(made_image(""), "names no version");
    expect_refused(made_image("../../etc"), "names no version");
    const auto missing = release_of_image(folder_ / "none");
    ASSERT_FALSE(missing);
    EXPECT_THAT(missing.error().message, HasSubstr("none"));
}

// What a system has installed, in a folder that stands for "/".
class InstalledTest : public ::testing::Test {
  protected:
    void expect_unsupported(const std::string& what) {
        const auto kernel = installed_kernel(release, root());
        ASSERT_FALSE(kernel) << what;
        EXPECT_EQ(kernel.error().kind, ErrorKind::unsupported);
        EXPECT_THAT(kernel.error().message, HasSubstr(what));
        EXPECT_THAT(kernel.error().message, HasSubstr("--vm 6.1"));
    }
    [[nodiscard]] const std::string& root() const { return tree_.path(); }
    test::TemporaryFolder tree_;
};

TEST_F(InstalledTest, ImageInBoot) {
    tree_.write("boot/vmlinuz-6.1.0-56-amd64", made_image(release));
    tree_.write("boot/config-6.1.0-56-amd64", "CONFIG_X=y\n");
    tree_.write("lib/modules/6.1.0-56-amd64/modules.dep", "a:\n");
    const auto kernel = installed_kernel(release, root());
    ASSERT_TRUE(kernel) << kernel.error().message;
    EXPECT_EQ(kernel->name, "running");
    EXPECT_EQ(kernel->release, release);
    EXPECT_EQ(kernel->image, tree_ / "boot/vmlinuz-6.1.0-56-amd64");
    EXPECT_EQ(kernel->root, root());
    EXPECT_EQ(kernel->config, tree_ / "boot/config-6.1.0-56-amd64");
}

TEST_F(InstalledTest, ImageAmongItsModules) {
    tree_.write("lib/modules/6.1.0-56-amd64/vmlinuz", made_image(release));
    tree_.write("lib/modules/6.1.0-56-amd64/modules.dep", "a:\n");
    const auto kernel = installed_kernel(release, root());
    ASSERT_TRUE(kernel) << kernel.error().message;
    EXPECT_EQ(kernel->image, tree_ / "lib/modules/6.1.0-56-amd64/vmlinuz");
    EXPECT_EQ(kernel->config, "");
}

TEST_F(InstalledTest, WhatIsMissingIsNamed) {
    expect_unsupported(tree_ / "boot/vmlinuz-6.1.0-56-amd64");
    expect_unsupported(tree_ / "lib/modules/6.1.0-56-amd64/vmlinuz");
    tree_.write("boot/vmlinuz-6.1.0-56-amd64", made_image("6.1.0-57-amd64"));
    expect_unsupported("is 6.1.0-57-amd64");
    tree_.write("boot/vmlinuz-6.1.0-56-amd64", made_image(release));
    expect_unsupported(tree_ / "lib/modules/6.1.0-56-amd64/modules.dep");
}

TEST(FindKernelTest, RunningIsTheOneOfThisMachine) {
    utsname system{};
    ASSERT_EQ(::uname(&system), 0);
    const auto expected = installed_kernel(&system.release[0], "/");
    for (const auto* wanted : {"", "running"}) {
        const auto kernel = find_kernel(wanted, "/nonexistent", {});
        ASSERT_EQ(kernel.has_value(), expected.has_value());
        if (kernel) {
            EXPECT_EQ(kernel->image, expected->image);
        } else {
            EXPECT_EQ(kernel.error().message, expected.error().message);
        }
    }
}

class BuildTest : public ::testing::Test {
  protected:
    BuildTest() { tree_.write("linux/arch/x86/boot/bzImage", made_image("6.1.0-mine")); }
    [[nodiscard]] static Result<Kernel> find(const std::string& wanted) {
        return find_kernel(wanted, "/nonexistent", {});
    }
    [[nodiscard]] std::string image() const { return tree_ / "linux/arch/x86/boot/bzImage"; }
    test::TemporaryFolder tree_;
};

TEST_F(BuildTest, ImageAlone) {
    const auto kernel = find(image());
    ASSERT_TRUE(kernel) << kernel.error().message;
    EXPECT_EQ(kernel->name, image());
    EXPECT_EQ(kernel->release, "6.1.0-mine");
    EXPECT_EQ(kernel->image, image());
    EXPECT_EQ(kernel->root, "");
    EXPECT_EQ(kernel->config, "");
}

TEST_F(BuildTest, ImageWithItsModulesAndConfig) {
    tree_.write("linux/.config", "CONFIG_X=y\n");
    tree_.write("out/lib/modules/6.1.0-mine/modules.dep", "a:\n");
    const auto kernel = find(image() + ":" + (tree_ / "out"));
    ASSERT_TRUE(kernel) << kernel.error().message;
    EXPECT_EQ(kernel->image, image());
    EXPECT_EQ(kernel->root, tree_ / "out");
    EXPECT_EQ(kernel->config, tree_ / "linux/.config");
}

TEST_F(BuildTest, ModulesWithoutDependenciesSayHowToMakeThem) {
    tree_.write("out/lib/modules/6.1.0-mine/kernel/a.ko", "");
    const auto kernel = find(image() + ":" + (tree_ / "out"));
    ASSERT_FALSE(kernel);
    EXPECT_EQ(kernel.error().kind, ErrorKind::invalid_input);
    EXPECT_THAT(kernel.error().message, HasSubstr("depmod -b " + (tree_ / "out") + " 6.1.0-mine"));
}

TEST_F(BuildTest, ColonInAFileName) {
    tree_.write("a:b/bzImage", made_image("6.1.0-mine"));
    const auto kernel = find(tree_ / "a:b/bzImage");
    ASSERT_TRUE(kernel) << kernel.error().message;
    EXPECT_EQ(kernel->image, tree_ / "a:b/bzImage");
}

TEST_F(BuildTest, NoSuchImage) {
    const auto kernel = find(tree_ / "none:/");
    ASSERT_FALSE(kernel);
    EXPECT_EQ(kernel.error().kind, ErrorKind::invalid_input);
    EXPECT_THAT(kernel.error().message, HasSubstr(tree_ / "none: "));
}

// A cache with kernels in it as a fetch leaves them.
class CachedTest : public ::testing::Test {
  protected:
    void add(const std::string& name) const {
        const std::string folder = "kernels/" + name;
        folder_.write(folder + "/vmlinuz", made_image(name));
        folder_.write(fmt::format("{}/lib/modules/{}/modules.dep", folder, name), "a:\n");
        folder_.write(folder + "/packages.json",
                      fmt::format(R"({{"image": {{"size": {}, "sha256": "{}"}}}})", made_image(name).size(),
                                  sha256_of(folder_ / (folder + "/vmlinuz")).value_or("")));
    }
    // Without an archive: what the cache cannot give is an error.
    [[nodiscard]] std::string find(const std::string& wanted) const {
        const auto kernel = find_kernel(wanted, folder_.path(), {});
        EXPECT_TRUE(kernel) << kernel.error().message;
        EXPECT_EQ(kernel ? kernel->name : wanted, wanted);
        return kernel ? kernel->release : "";
    }
    test::TemporaryFolder folder_;
};

TEST_F(CachedTest, NewestThatIsWhole) {
    for (const auto* name : {"6.1.0-9-amd64", "6.1.0-56-amd64", "6.12.3-amd64"}) {
        add(name);
    }
    EXPECT_EQ(find("6.1"), "6.1.0-56-amd64");
    EXPECT_EQ(find("6.1.0-9"), "6.1.0-9-amd64");
    EXPECT_EQ(find("6"), "6.12.3-amd64");
    folder_.write("kernels/6.1.0-56-amd64/vmlinuz", "damaged");
    EXPECT_EQ(find("6.1"), "6.1.0-9-amd64");
    const auto kernels = cached_kernels(folder_.path());
    ASSERT_EQ(kernels.size(), 2U);
    EXPECT_EQ(kernels[0].release, "6.12.3-amd64");
    EXPECT_EQ(kernels[1].release, "6.1.0-9-amd64");
}

TEST_F(CachedTest, WordThatNamesNoKernel) {
    add(release);
    for (const std::string wanted : {"fuse-ext4-shared-memcg", "6.x", "6.", ".1", "v6.1", "6.1 "}) {
        for (const auto& kernel :
             {find_kernel(wanted, folder_.path(), {}), fetch_kernel(wanted, folder_.path(), {})}) {
            ASSERT_FALSE(kernel) << wanted;
            EXPECT_EQ(kernel.error().kind, ErrorKind::invalid_input);
            EXPECT_THAT(kernel.error().message, HasSubstr("'" + wanted + "'"));
            EXPECT_THAT(kernel.error().message, HasSubstr("IMAGE:MODULES_ROOT"));
            EXPECT_THAT(kernel.error().message, HasSubstr(release));
        }
    }
}

// Environment variables of a test's own, put back at its end.
class DefaultCacheTest : public ::testing::Test {
  protected:
    DefaultCacheTest() {
        for (const auto* name : names) {
            const char* value = std::getenv(name);
            before_.push_back(value != nullptr ? std::optional<std::string>(value) : std::nullopt);
            ::unsetenv(name);
        }
    }
    ~DefaultCacheTest() override {
        for (std::size_t i = 0; i < before_.size(); ++i) {
            before_[i] ? ::setenv(names.at(i), before_[i]->c_str(), 1) : ::unsetenv(names.at(i));
        }
    }
    static constexpr std::array<const char*, 3> names{"REFLUX_CACHE", "XDG_CACHE_HOME", "HOME"};
    std::vector<std::optional<std::string>> before_;
};

TEST_F(DefaultCacheTest, NearestVariableWins) {
    EXPECT_EQ(default_cache(), "/var/cache/reflux");
    ::setenv("HOME", "/home/somebody", 1);
    EXPECT_EQ(default_cache(), "/home/somebody/.cache/reflux");
    ::setenv("XDG_CACHE_HOME", "relative", 1);
    EXPECT_EQ(default_cache(), "/home/somebody/.cache/reflux");
    ::setenv("XDG_CACHE_HOME", "/caches", 1);
    EXPECT_EQ(default_cache(), "/caches/reflux");
    ::setenv("REFLUX_CACHE", "/work/cache", 1);
    EXPECT_EQ(default_cache(), "/work/cache");
    ::setenv("REFLUX_CACHE", "here", 1);
    EXPECT_EQ(default_cache(), std::filesystem::current_path() / "here");
}

}  // namespace
}  // namespace reflux::vm
