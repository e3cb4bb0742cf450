// The manual pages and the completion of both programs, as people meet them: through man and in a bash.
#include "backend/base/kernel_file.h"
#include "tests/integration/support/reflux_run.h"

#include <cctype>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsSupersetOf;
using testing::Not;

// With one blank where there are some, or a newline.
std::string flat(const std::string& text) {
    std::string words;
    for (const char c : text) {
        const bool blank = std::isspace(static_cast<unsigned char>(c)) != 0;
        if (!blank || (!words.empty() && words.back() != ' ')) {
            words += blank ? ' ' : c;
        }
    }
    return words;
}

class ManualTest : public testing::TestWithParam<const char*> {
  protected:
    void SetUp() override {
        const Ran made = run_shell(fmt::format("{} manual 2026-01-02", program()));
        ASSERT_EQ(made.code, 0) << made.errors;
        folder_.write("page.1", made.output);
    }
    [[nodiscard]] std::string program() const { return std::string(REFLUX_BUILD_DIR "/") + GetParam(); }
    [[nodiscard]] Ran man(const std::string& options) const {
        return run_shell(
            fmt::format("LC_ALL=C.UTF-8 MANWIDTH=400 man {} -l {}/page.1 | cat", options, folder_.path()));
    }
    // What --help tells, each with its description: "-o,--out TEXT" with defaults and such, but --help.
    [[nodiscard]] std::vector<std::string> told_by_help(const std::string& verb) const {
        std::vector<std::string> told;
        bool commands = false;
        for (const auto& line : lines_of(run_shell(fmt::format("{} {} --help", program(), verb)).output)) {
            commands = commands ? line.starts_with(' ') : line.starts_with("Subcommands:");
            if (!line.starts_with("  ") || commands || line.find("-h,--help") != std::string::npos) {
                continue;
            }
            if (line[2] != ' ') {
                told.push_back(line);
            } else if (!told.empty()) {
                told.back() += "\n" + line;
            }
        }
        return told;
    }
    // The commands that a help lists.
    [[nodiscard]] std::vector<std::string> verbs_in(const std::string& verb) const {
        std::vector<std::string> verbs;
        bool commands = false;
        for (const auto& line : lines_of(run_shell(fmt::format("{} {} --help", program(), verb)).output)) {
            if (commands && line.starts_with("  ") && line[2] != ' ') {
                verbs.push_back(split(line, ' ').front());
            }
            commands = commands ? line.starts_with(' ') : line.starts_with("Subcommands:");
        }
        return verbs;
    }
    // Looks into the verb's own part of the page; `page` as man prints it.
    void expect_told(const std::string& page, const std::string& verb) const {
        const auto begin = page.find(fmt::format("\n   {} {}", GetParam(), verb));
        ASSERT_NE(begin, std::string::npos) << verb;
        const std::string part =
            flat(page.substr(begin, page.find("\n   " + std::string(GetParam()), begin + 1) - begin));
        const auto told = told_by_help(verb);
        for (const auto& one : told) {
            EXPECT_THAT(part, HasSubstr(flat(trimmed(one)))) << verb;
        }
        options_ += static_cast<int>(told.size());
    }

    TemporaryFolder folder_;
    mutable int options_ = 0;
};

TEST_P(ManualTest, HasNothingThatManWarnsOf) {
    const Ran ran = man("--warnings");
    EXPECT_EQ(ran.code, 0);
    EXPECT_EQ(ran.errors, "");
    EXPECT_THAT(ran.output, HasSubstr("EXIT STATUS"));
    EXPECT_THAT(run_shell(fmt::format("lexgrog {}/page.1", folder_.path())).output,
                HasSubstr(fmt::format("\"{} - ", GetParam())))
        << "what whatis(1) and apropos(1) read";
}

TEST_P(ManualTest, TellsEveryOptionOfEveryCommandAsHelpDoes) {
    const std::string page = man("").output;
    const auto verbs = verbs_in("");
    EXPECT_GT(verbs.size(), 4U);
    for (const auto& verb : verbs) {
        const auto nested = verbs_in(verb);
        if (nested.empty()) {
            expect_told(page, verb);
        }
        for (const auto& one : nested) {
            expect_told(page, verb + " " + one);
        }
    }
    EXPECT_GT(options_, 20);
}

INSTANTIATE_TEST_SUITE_P(Programs, ManualTest, testing::Values("reflux", "refluxd"),
                         [](const auto& test) { return std::string(test.param); });

// What a bash offers at the end of a command line.
class BashTest : public testing::Test {
  protected:
    [[nodiscard]] std::vector<std::string> offered(const std::string& line) const {
        folder_.write("ask.sh", fmt::format("set -u\n"
                                            "cd '{0}' && PATH={1}:$PATH\n"
                                            "source {2}/scripts/packaging/reflux.bash\n"
                                            "COMP_LINE=$1 COMP_POINT=${{#1}} COMP_WORDS=($1) COMP_CWORD=0\n"
                                            "complete -p \"${{2##*/}}\" | grep -q _reflux || exit\n"
                                            "_reflux \"$2\"\n"
                                            "printf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
                                            folder_.path(), REFLUX_BUILD_DIR, REFLUX_SOURCE_DIR));
        const auto words = split(line, ' ');
        const std::string program = words.front() == "sudo" ? words[1] : words.front();
        const Ran ran =
            run_shell(fmt::format("bash --norc {}/ask.sh '{}' '{}'", folder_.path(), line, program));
        EXPECT_EQ(ran.errors, "") << line;
        return lines_of(ran.output);
    }

    TemporaryFolder folder_;
};

TEST_F(BashTest, OffersVerbsOptionsAndNames) {
    EXPECT_THAT(offered("reflux "), IsSupersetOf({"run", "matrix", "explain", "vm"}));
    EXPECT_THAT(offered("reflux vm s"), ElementsAre("shell"));
    EXPECT_THAT(offered("sudo reflux run fuse-ext4-own-c"), ElementsAre("fuse-ext4-own-cgroup"));
    EXPECT_THAT(offered("reflux run fuse-ext4-shared-memcg+own"),
                ElementsAre("fuse-ext4-shared-memcg+own_cgroup"));
    EXPECT_THAT(offered("reflux matrix a"), ElementsAre("all"));
    EXPECT_THAT(offered("reflux matrix all --sh"), ElementsAre("--shard"));
    EXPECT_THAT(offered("reflux run x --mitigation own_cgroup+mlo"), ElementsAre("own_cgroup+mlock"));
    EXPECT_THAT(offered("reflux list f"), ElementsAre("faults", "front-ends"));
    EXPECT_THAT(offered("reflux list k"), ElementsAre("keys"));
    EXPECT_THAT(offered("reflux matrix all --kernels hos"), ElementsAre("host"));
    EXPECT_THAT(offered("refluxd serve x --front-end u"), ElementsAre("ublk"));
    EXPECT_THAT(offered("refluxd serve x --engine "), ElementsAre("sync", "threads", "uring"));
    EXPECT_THAT(offered(REFLUX_BUILD_DIR "/refluxd fs"), ElementsAre("fsck"));
    EXPECT_THAT(offered("reflux run --no-such-option x --guest"), testing::IsEmpty());
}

// One table is behind both.
TEST_F(BashTest, EveryKeyThatIsOfferedIsListed) {
    const Ran listed = run_reflux("list keys");
    EXPECT_EQ(listed.code, 0) << listed.errors;
    const auto keys = offered("reflux run x --set ");
    EXPECT_GT(keys.size(), 50U);
    for (const auto& key : keys) {
        EXPECT_THAT(listed.output, HasSubstr("\n  " + key.substr(0, key.find('=')) + " "));
    }
    EXPECT_THAT(listed.output, HasSubstr("\n  memcg.limit "));
    EXPECT_THAT(listed.output, HasSubstr("; default \"ext4\"\n"));
}

// Readline breaks words at '=' and ':', and only what is behind is replaced.
TEST_F(BashTest, OffersWhatIsBehindAnEqualsSign) {
    EXPECT_THAT(offered("reflux run x --set memcg.li"), ElementsAre("memcg.limit="));
    EXPECT_THAT(offered("reflux vm shell --cgroup=a"), ElementsAre("auto"));
    EXPECT_THAT(offered("reflux matrix all --kernels=host,run"), ElementsAre("host,running"));
}

TEST_F(BashTest, OffersFilesWhereAFileMayStand) {
    folder_.write("runs/one/evidence.json", "");
    folder_.write("disk.img", "");
    EXPECT_THAT(offered("reflux explain ru"), ElementsAre("runs"));
    EXPECT_THAT(offered("reflux explain d"), testing::IsEmpty()) << "no folder";
    EXPECT_THAT(offered("reflux run ./d"), ElementsAre("./disk.img"));
    EXPECT_THAT(offered("refluxd fsck d"), ElementsAre("disk.img"));
    EXPECT_THAT(offered("refluxd serve disk.img r"), ElementsAre("runs")) << "a mount point";
}

// A person at a terminal: types, presses the tabulator, and the completed command runs.
TEST_F(BashTest, ATabulatorAtATerminalCompletesTheWord) {
    folder_.write("typed", "reflux check fuse-ext4-own-c\t\nexit\n");
    folder_.write("rc", fmt::format("PATH={}:$PATH\nsource {}/scripts/packaging/reflux.bash\n",
                                    REFLUX_BUILD_DIR, REFLUX_SOURCE_DIR));
    const Ran ran = run_shell(
        fmt::format("TERM=xterm script -qec 'bash --noprofile --rcfile {0}/rc -i' /dev/null <{0}/typed",
                    folder_.path()),
        Seconds(30));
    EXPECT_THAT(ran.output, HasSubstr("ok    fuse-ext4-own-cgroup"));
}

}  // namespace
}  // namespace reflux::test
