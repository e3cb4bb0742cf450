#include "harness/run/own_files.h"

#include "tests/support/temporary_folder.h"

#include <filesystem>

#include <gtest/gtest.h>

namespace reflux::run {
namespace {

class OwnFiles : public ::testing::Test {
  protected:
    void SetUp() override {
        folder_.write("daemon.py", "");
        folder_.write("bin/daemon", "");
        folder_.write("disk", "");
        folder_.write("python3", "");
    }
    // With FOLDER for the folder, so that it can be compared.
    [[nodiscard]] std::string made(const std::string& command) const {
        std::string text = with_files_of(command, folder_.path());
        for (auto at = text.find(folder_.path()); at != std::string::npos; at = text.find(folder_.path())) {
            text.replace(at, folder_.path().size(), "FOLDER");
        }
        return text;
    }
    test::TemporaryFolder folder_;
};

TEST_F(OwnFiles, AreMadeAbsolute) {
    EXPECT_EQ(made("bin/daemon {image}"), "FOLDER/bin/daemon {image}");
    EXPECT_EQ(made("./bin/../daemon.py"), "FOLDER/daemon.py");
    EXPECT_EQ(made("python3 daemon.py --config=bin/daemon"),
              "python3 FOLDER/daemon.py --config=FOLDER/bin/daemon");
    EXPECT_EQ(made("sh -c 'touch {mount}/disk && exec \"./daemon.py\"'"),
              "sh -c 'touch {mount}/disk && exec \"FOLDER/daemon.py\"'");
}

TEST_F(OwnFiles, WhatIsNoneOfThemStays) {
    for (const std::string command :
         {"", "python3 {mount}/disk", "daemon.py {image}", "qemu id=disk", "./absent --x",
          "sh -c '. /etc/absent; cd ..'", "sh -c 'cat $X/bin/daemon *bin/daemon ~/bin/daemon'",
          "/bin/daemon file://bin/daemon", "nbdkit --filter=x file {image}"}) {
        EXPECT_EQ(made(command), command);
    }
}

TEST_F(OwnFiles, OfAConfigStandBehindTheHandlersName) {
    scenario::Daemon daemon;
    daemon.command = "bin/daemon";
    daemon.config = "file/bin/daemon,x";
    const auto filled = with_files_of(daemon, folder_.path());
    EXPECT_EQ(filled.command, folder_ / "bin/daemon");
    EXPECT_EQ(filled.config, "file/" + folder_ / "bin/daemon" + ",x");
    daemon.config = "file/daemon.py";
    EXPECT_EQ(with_files_of(daemon, folder_.path()).config, "file/" + folder_ / "daemon.py");
    daemon.config = "zbc/model-HM/zsize-64/conv-8@{image}";
    EXPECT_EQ(with_files_of(daemon, folder_.path()).config, daemon.config);
}

TEST_F(OwnFiles, AFolderThatAShellTakesApartChangesNothing) {
    folder_.write("a b/daemon.py", "");
    EXPECT_EQ(with_files_of("python3 ./daemon.py", folder_ / "a b"), "python3 ./daemon.py");
}

}  // namespace
}  // namespace reflux::run
