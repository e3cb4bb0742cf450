#include "backend/base/command_words.h"

#include <CLI/CLI.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class CommandWordsTest : public testing::Test {
  protected:
    CommandWordsTest() {
        app_.footer("Exit status: 0 well,\n1 not.");
        auto* run = app_.add_subcommand("run", "do it");
        run->add_option("file", text_, "what to run")->required();
        run->add_option("-o,--out", text_, "where to")->type_name("DIR");
        run->add_option("--kernels", text_, "which");
        run->add_option("--mode", text_, "how:\n  fast: not well\n  well: not fast")
            ->check(CLI::IsMember({"fast", "well"}));
        run->add_flag("--json", flag_, "as JSON\\n, with a 'quote', a -dash and an …");
        run->add_option("--vm", text_, "in a guest")->expected(0, 1);
        run->add_flag("--secret", flag_, "not for people")->group("");
        auto* vm = app_.add_subcommand("vm", "guests");
        vm->add_subcommand("list", "all of them");
        vm->add_subcommand("shell", "one")->footer(".leave with exit");
        app_.add_subcommand("internal", "not for people")->group("");
    }
    [[nodiscard]] std::vector<std::string> words(const std::vector<std::string>& typed) const {
        return complete(app_, typed, [](const auto& verb, const auto& option, const auto& value) {
            return option == "--kernels" ? std::optional(in_list(value, ',', {"5.10", "6.1", verb}))
                                         : std::nullopt;
        });
    }

    CLI::App app_{"prog: tries things.", "prog"};
    std::string text_;
    bool flag_ = false;
};

TEST_F(CommandWordsTest, CommandsOptionsAndValuesComeWhereTheyMayStand) {
    EXPECT_THAT(words({""}), ElementsAre("run", "vm"));
    EXPECT_THAT(words({"r"}), ElementsAre("run"));
    EXPECT_THAT(words({"vm", ""}), ElementsAre("list", "shell"));
    EXPECT_THAT(words({"vm", "list", ""}), ElementsAre("--help", "-h")) << "nothing else may stand there";
    EXPECT_THAT(words({"run", ""}), ElementsAre(":files"));
    EXPECT_THAT(words({"run", "--"}),
                ElementsAre("--help", "--out", "--kernels", "--mode", "--json", "--vm"));
    EXPECT_THAT(words({"run", "--o"}), ElementsAre("--out"));
    EXPECT_THAT(words({"run", "--mode", ""}), ElementsAre("fast", "well"));
    EXPECT_THAT(words({"run", "--mode", "w"}), ElementsAre("well"));
    EXPECT_THAT(words({"run", "--mode=w"}), ElementsAre("--mode=well"));
    EXPECT_THAT(words({"run", "-o", "x", "--mode", "f"}), ElementsAre("fast"));
    EXPECT_THAT(words({"run", "--json", "--mode", "f"}), ElementsAre("fast")) << "a flag has no value";
    EXPECT_THAT(words({"run", "--vm", "--mo"}), ElementsAre("--mode")) << "a value that may be left out";
    EXPECT_THAT(words({"run", "a", "--"}), ::testing::Contains("--json"));
}

TEST_F(CommandWordsTest, WhatIsForTheProgramItselfIsNotTold) {
    EXPECT_THAT(words({"int"}), IsEmpty());
    EXPECT_THAT(words({"run", "--sec"}), IsEmpty());
    EXPECT_THAT(manual_page(app_, {}, ""), Not(HasSubstr("not for people")));
}

TEST_F(CommandWordsTest, OfAListTheLastPartIsCompleted) {
    EXPECT_THAT(words({"run", "--kernels", ""}), ElementsAre("5.10", "6.1", "run"));
    EXPECT_THAT(words({"run", "--kernels", "6.1,"}), ElementsAre("6.1,5.10", "6.1,run"));
    EXPECT_THAT(words({"run", "--kernels=6.1,5"}), ElementsAre("--kernels=6.1,5.10"));
    EXPECT_THAT(in_list("a+b+", '+', {"a", "b", "c"}), ElementsAre("a+b+c"));
}

TEST_F(CommandWordsTest, AManualPageHoldsTheHelpAsText) {
    const auto page = manual_page(
        app_, {.version = "1.2", .sections = {{"FILES", {{"a-b", "a file"}, {"", "words"}}}}}, "2026-01-02");
    EXPECT_THAT(page, HasSubstr(".TH PROG 1 \"2026-01-02\" \"reflux 1.2\""));
    EXPECT_THAT(page, HasSubstr(".SH NAME\nprog \\-\ntries things.\n"));
    EXPECT_THAT(page, HasSubstr(".SS \"prog run [OPTIONS] file\"\ndo it\n"));
    EXPECT_THAT(page, HasSubstr(".TP\n\\fB\\-o,\\-\\-out\\fR\\fI DIR\\fR\nwhere to\n"));
    EXPECT_THAT(page, HasSubstr("how:\n.br\nfast: not well\n.br\nwell: not fast\n"));
    EXPECT_THAT(page, HasSubstr("as JSON\\en, with a \\(aqquote\\(aq, a \\-dash and an \\[u2026]\n"));
    EXPECT_THAT(page, HasSubstr(".SS \"prog vm shell\"\none\n.PP\n\\&.leave with exit\n"));
    EXPECT_THAT(page, HasSubstr(".SH \"EXIT STATUS\"\n0 well,\n1 not.\n"));
    EXPECT_THAT(page, HasSubstr(".SH \"FILES\"\n.TP\n\\fBa\\-b\\fR\na file\nwords\n"));
}

TEST_F(CommandWordsTest, BytesThatAreNoTextDoNoHarm) {
    app_.description("prog: \xff\xc3 \xe2\x82 x");
    EXPECT_THAT(manual_page(app_, {}, ""), HasSubstr("prog \\-\n?? ?? x"));
}

TEST_F(CommandWordsTest, OnlyItsOwnCommandLinesAreAnswered) {
    const auto asked = [&](const std::vector<const char*>& argv) {
        return words_of_command(
            app_, static_cast<int>(argv.size()), argv.data(),
            {.values = [](const auto&, const auto&, const auto&) { return std::nullopt; }});
    };
    EXPECT_EQ(asked({"prog", "complete", "r"}), "run\n");
    EXPECT_EQ(asked({"prog", "complete", "run", "--out", "manual"}), ":files\n");
    EXPECT_THAT(asked({"prog", "manual"}).value_or(""), HasSubstr(".TH PROG"));
    EXPECT_EQ(asked({"prog", "run", "complete"}), std::nullopt);
    EXPECT_EQ(asked({"prog"}), std::nullopt);
    EXPECT_EQ(asked({}), std::nullopt);
}

}  // namespace
}  // namespace reflux
