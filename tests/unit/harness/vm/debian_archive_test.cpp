#include "harness/vm/debian_archive.h"

#include "backend/base/kernel_file.h"
#include "harness/vm/tool.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/harness/vm/made_kernels.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::vm {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(ReleasesTest, PlainKernelsNewestFirst) {
    EXPECT_THAT(releases_of("W: some warning\n"
                            "linux-image-6.1.0-9-amd64 - Linux 6.1 for 64-bit PCs (signed)\n"
                            "linux-image-6.1.0-56-amd64 - Linux 6.1 for 64-bit PCs (signed)\n"
                            "linux-image-6.1.0-0.deb11.52-amd64 - Linux 6.1 for 64-bit PCs (signed)\n"
                            "linux-image-7.2.13+deb14-amd64 - Linux 7.2.13 for 64-bit PCs\n"
                            "linux-image-6.12.90+deb12-amd64 - Linux 6.12 for 64-bit PCs (signed)\n"
                            "linux-image-6.12.90+deb12.1-amd64 - Linux 6.12 for 64-bit PCs (signed)\n"
                            "linux-image-6.1.0-56-amd64 - the same from another suite\n"),
                ElementsAre("7.2.13+deb14-amd64", "6.12.90+deb12.1-amd64", "6.12.90+deb12-amd64",
                            "6.1.0-56-amd64", "6.1.0-9-amd64", "6.1.0-0.deb11.52-amd64"));
}

TEST(ReleasesTest, OtherPackagesAreLeftOut) {
    for (const auto* name : {"linux-image-6.1-amd64", "linux-image-amd64", "linux-image-6.1.0-56-cloud-amd64",
                             "linux-image-6.1.0-56-rt-amd64", "linux-image-6.1.0-56-amd64-unsigned",
                             "linux-image-6.1.0-56-amd64-dbg", "linux-image-6.12.90+deb12-rt-amd64",
                             "linux-image-6.1.0-56-arm64", "linux-headers-6.1.0-56-amd64",
                             "linux-image-amd64-signed-template", "linux-image-6.12.90+deb13/../x-amd64"}) {
        EXPECT_THAT(releases_of(name), IsEmpty()) << name;
    }
}

TEST(SourcesTest, DebiansArchivesAmongOthers) {
    const auto sources = sources_of(
        "Docker|https://vendor.example/linux/debian/\n"
        "Debian|http://mirror.example/debian/\n"
        "Debian|http://other.example/debian/\n"
        "Debian|http://mirror.example/debian-security/\n");
    EXPECT_EQ(sources.archive, "http://mirror.example/debian");
    EXPECT_EQ(sources.security, "http://mirror.example/debian-security");
}

TEST(SourcesTest, OriginIsUnknownBeforeTheFirstUpdate) {
    EXPECT_EQ(sources_of("|http://mirror.example/debian\n").archive, "http://mirror.example/debian");
    EXPECT_EQ(sources_of("|http://first.example/debian\nDebian|http://known.example/debian/\n").archive,
              "http://known.example/debian");
}

TEST(SourcesTest, ListOfMirrorsServesToo) {
    const auto sources = sources_of(
        "Debian|mirror+file:/etc/apt/mirrors/debian.list/\n"
        "Debian|mirror+file:/etc/apt/mirrors/debian-security.list/\n");
    EXPECT_EQ(sources.archive, "mirror+file:/etc/apt/mirrors/debian.list");
    EXPECT_EQ(sources.security, "mirror+file:/etc/apt/mirrors/debian-security.list");
}

TEST(SourcesTest, NoneOnAnotherDistribution) {
    const auto sources = sources_of(
        "Ubuntu|http://archive.example/ubuntu/\nDocker|https://vendor.example/linux/debian/\n"
        "N: a notice\n");
    EXPECT_EQ(sources.archive, "");
    EXPECT_EQ(sources.security, "");
}

constexpr const char* record =
    "Package: linux-image-7.2.13+deb14-amd64\n"
    "Version: 7.2.13-1\n"
    "Installed-Size: 15\n"
    "Depends: dracut | initramfs-tools (>= 0.120), kmod, linux-base-7.2.13+deb14-amd64 (= 7.2.13-1), "
    "plain:any\n"
    "Size: 1892\n"
    "SHA256: 28dc3dd3\n"
    "\n"
    "Package: linux-image-7.2.13+deb14-amd64\n"
    "Version: 7.2.13-0\n";

TEST(PackageTest, FirstRecordIsRead) {
    const auto package = parse_package(record);
    ASSERT_TRUE(package) << package.error().message;
    EXPECT_EQ(package->name, "linux-image-7.2.13+deb14-amd64");
    EXPECT_EQ(package->version, "7.2.13-1");
    EXPECT_EQ(package->size, Bytes{1892});
    EXPECT_EQ(package->installed, kibibytes(15));
    EXPECT_EQ(package->sha256, "28dc3dd3");
    std::vector<std::string> depends;
    for (const auto& [name, version] : package->depends) {
        depends.push_back(name + "=" + version);
    }
    EXPECT_THAT(depends, ElementsAre("dracut=", "kmod=", "linux-base-7.2.13+deb14-amd64=7.2.13-1", "plain="));
}

// Found by fuzzing: std::regex recurses once a letter.
TEST(PackageTest, LongWordsAreNoTrouble) {
    const std::string word(1U << 20U, '1');
    const auto package = parse_package("Package: p\nVersion: 1\nSize: 1\nSHA256: 1\nDepends: " + word +
                                       " (= " + word + " ) | x,,  | y, a(=3), b (>= 2)\n");
    ASSERT_TRUE(package) << package.error().message;
    ASSERT_EQ(package->depends.size(), 3U);
    EXPECT_TRUE(package->depends[0].name == word && package->depends[0].version == word);
    EXPECT_EQ(package->depends[1].name + "=" + package->depends[1].version, "a=3");
    EXPECT_EQ(package->depends[2].name + "=" + package->depends[2].version, "b=");
    EXPECT_THAT(releases_of("linux-image-6.1.0-" + word + "-amd64 - Linux\n"), IsEmpty());
}

TEST(PackageTest, WhatCannotBeCheckedIsAnError) {
    for (const std::string field : {"Package", "Version", "Size", "SHA256"}) {
        std::string text;
        for (const auto& line : lines_of(std::string(record).substr(0, std::string(record).find("\n\n")))) {
            text += line.starts_with(field + ":") ? "" : line + "\n";
        }
        const auto package = parse_package(text);
        EXPECT_FALSE(package) << "without " << field;
    }
    EXPECT_FALSE(parse_package(""));
}

TEST(PackageTest, FileMustHaveSizeAndChecksum) {
    const test::TemporaryFolder folder;
    folder.write("a.deb", "content");
    DebianPackage package{.name = "a", .size = {7}};
    package.sha256 = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73";  // of "content"
    const auto good = check_package(package, folder / "a.deb");
    EXPECT_TRUE(good) << good.error().message;

    folder.write("a.deb", "c0ntent");
    const auto changed = check_package(package, folder / "a.deb");
    ASSERT_FALSE(changed);
    EXPECT_THAT(changed.error().message, HasSubstr("SHA256"));

    folder.write("a.deb", "conten");
    const auto cut = check_package(package, folder / "a.deb");
    ASSERT_FALSE(cut);
    EXPECT_THAT(cut.error().message, HasSubstr("has 6 bytes, not 7"));

    EXPECT_FALSE(check_package(package, folder / "b.deb"));
}

// The rest drives apt, on an archive in a folder.
class DebianArchiveTest : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!have_apt_and_kmod()) {
            GTEST_SKIP() << "no apt or no kmod on this machine";
        }
    }
    [[nodiscard]] DebianArchive opened() const {
        auto archive = DebianArchive::open(folder_ / "apt", made_.sources());
        EXPECT_TRUE(archive) << archive.error().message;
        return *std::move(archive);
    }
    // Publishes a kernel that is split as Debian splits it from 6.19 on.
    void publish_split_kernel() {
        made_.add(
            "linux-image-7.2.13+deb14-amd64", {},
            "kmod, linux-binary-7.2.13+deb14-amd64 (= 1.0-1), linux-modules-7.2.13+deb14-amd64 (= 1.0-1)");
        made_.add("linux-binary-7.2.13+deb14-amd64", {}, "linux-base-7.2.13+deb14-amd64 (= 1.0-1)");
        made_.add("linux-modules-7.2.13+deb14-amd64", {}, "linux-base-7.2.13+deb14-amd64 (= 1.0-1)");
        made_.add("linux-base-7.2.13+deb14-amd64", {{"usr/share/doc/a", "a\n"}});
        made_.add("linux-image-7.2.13+deb14-cloud-amd64", {});
        made_.publish();
    }

    MadeArchive made_;
    test::TemporaryFolder folder_;
};

TEST_F(DebianArchiveTest, NothingIsKnownBeforeTheFirstRefresh) {
    const auto releases = opened().releases();
    ASSERT_TRUE(releases) << releases.error().message;
    EXPECT_THAT(*releases, IsEmpty());
}

TEST_F(DebianArchiveTest, MissingSuitesAreToldAndLeaveTheRest) {
    publish_split_kernel();
    const auto archive = opened();
    const auto complaint = archive.refresh();
    ASSERT_TRUE(complaint) << complaint.error().message;
    EXPECT_THAT(*complaint, HasSubstr("bullseye"));
    const auto releases = archive.releases();
    ASSERT_TRUE(releases) << releases.error().message;
    EXPECT_THAT(*releases, ElementsAre("7.2.13+deb14-amd64"));
}

TEST_F(DebianArchiveTest, SplitKernelIsDownloadedWhole) {
    publish_split_kernel();
    const auto archive = opened();
    ASSERT_TRUE(archive.refresh());
    const auto packages = archive.packages_of("7.2.13+deb14-amd64");
    ASSERT_TRUE(packages) << packages.error().message;
    std::vector<std::string> names;
    for (const auto& package : *packages) {
        names.push_back(package.name.substr(0, package.name.find("-7")));
    }
    EXPECT_THAT(names, ElementsAre("linux-image", "linux-binary", "linux-modules", "linux-base"));

    const test::TemporaryFolder downloads;
    const auto files = archive.download(*packages, downloads.path());
    ASSERT_TRUE(files) << files.error().message;
    ASSERT_EQ(files->size(), packages->size());
    for (std::size_t i = 0; i < files->size(); ++i) {
        EXPECT_THAT((*files)[i], HasSubstr((*packages)[i].name + "_1.0-1"));
        EXPECT_TRUE(check_package((*packages)[i], (*files)[i]));
    }
}

TEST_F(DebianArchiveTest, ReleaseThatIsNotThereIsAnError) {
    publish_split_kernel();
    const auto archive = opened();
    ASSERT_TRUE(archive.refresh());
    EXPECT_FALSE(archive.packages_of("9.9.9-amd64"));
}

TEST_F(DebianArchiveTest, PackageThatChangedUnderItsNameIsRefused) {
    publish_split_kernel();
    const auto archive = opened();
    ASSERT_TRUE(archive.refresh());
    const auto packages = archive.packages_of("7.2.13+deb14-amd64");
    ASSERT_TRUE(packages) << packages.error().message;
    const auto deb = made_.deb("linux-base-7.2.13+deb14-amd64");
    auto text = read_file(deb).value_or("");
    text.at(text.size() / 2) ^= 1;
    ASSERT_TRUE(replace_file(deb, text));
    const test::TemporaryFolder downloads;
    const auto files = archive.download(*packages, downloads.path());
    ASSERT_FALSE(files);
    EXPECT_THAT(files.error().message, HasSubstr("linux-"));
}

TEST_F(DebianArchiveTest, PackageThatIsGoneSaysWhatToDo) {
    publish_split_kernel();
    const auto archive = opened();
    ASSERT_TRUE(archive.refresh());
    const auto packages = archive.packages_of("7.2.13+deb14-amd64");
    ASSERT_TRUE(packages) << packages.error().message;
    std::filesystem::remove(made_.deb("linux-base-7.2.13+deb14-amd64"));
    const test::TemporaryFolder downloads;
    const auto files = archive.download(*packages, downloads.path());
    ASSERT_FALSE(files);
    EXPECT_EQ(files.error().kind, ErrorKind::unsupported);
    EXPECT_THAT(files.error().message, HasSubstr("check the network"));
}

}  // namespace
}  // namespace reflux::vm
