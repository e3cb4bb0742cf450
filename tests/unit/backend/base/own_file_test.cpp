#include "backend/base/own_file.h"

#include "backend/base/kernel_file.h"
#include "tests/support/temporary_folder.h"

#include <filesystem>
#include <thread>

#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux {
namespace {

namespace fs = std::filesystem;

using testing::ElementsAre;

class OwnFileTest : public testing::Test {
  protected:
    [[nodiscard]] std::vector<std::string> names() const { return list_directory(folder_.path()).value(); }

    test::TemporaryFolder folder_;
};

TEST_F(OwnFileTest, FilesOfOthersBesideItStay) {
    folder_.write("page.new", "precious");
    folder_.write("page.0.new", "precious");
    folder_.write("elsewhere", "precious");
    fs::create_symlink(folder_ / "elsewhere", folder_ / "page.1.new");
    for (const auto durable : {Durable::no, Durable::yes}) {
        ASSERT_TRUE(put_file(folder_ / "page", "ours", durable));
    }
    EXPECT_EQ(read_file(folder_ / "page").value(), "ours");
    for (const auto* other : {"page.new", "page.0.new", "elsewhere"}) {
        EXPECT_EQ(read_file(folder_ / other).value(), "precious") << other;
    }
    EXPECT_THAT(names(), ElementsAre("elsewhere", "page", "page.0.new", "page.1.new", "page.new"));
}

TEST_F(OwnFileTest, TheModeStays) {
    folder_.write("secret", "old");
    ASSERT_EQ(::chmod((folder_ / "secret").c_str(), 0600), 0);
    ASSERT_TRUE(put_file(folder_ / "secret", "new", Durable::no));
    EXPECT_EQ(fs::status(folder_ / "secret").permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(OwnFileTest, OnAnErrorNothingIsLeft) {
    fs::create_directories(folder_ / "place/full");
    EXPECT_FALSE(put_file(folder_ / "place", "text", Durable::no));
    EXPECT_THAT(names(), ElementsAre("place"));
}

TEST_F(OwnFileTest, OfSeveralOneMakesIt) {
    EXPECT_TRUE(make_file(folder_ / "file", "a").value());
    EXPECT_FALSE(make_file(folder_ / "file", "b").value());
    EXPECT_EQ(read_file(folder_ / "file").value(), "a");
    EXPECT_THAT(names(), ElementsAre("file"));
}

// Each has a temporary name of its own: no text is a mixture, no rename finds its file gone.
TEST_F(OwnFileTest, WritersAtOnceDoNotMix) {
    constexpr std::size_t length = 100'000;
    constexpr int rounds = 50;
    std::vector<std::thread> threads;
    for (const char letter : {'a', 'b', 'c'}) {
        threads.emplace_back([&, letter] {
            for (int i = 0; i < rounds; ++i) {
                EXPECT_TRUE(put_file(folder_ / "file", std::string(length, letter), Durable::no));
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    const auto text = read_file(folder_ / "file").value();
    EXPECT_EQ(text, std::string(length, text.at(0)));
    EXPECT_THAT(names(), ElementsAre("file"));
}

}  // namespace
}  // namespace reflux
