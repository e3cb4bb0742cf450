// `reflux report --format` of recorded evidence, and of a run made now, read by programs that are not ours.
// The schemas are ours, their validator is not.
#include "backend/base/kernel_file.h"
#include "tests/integration/support/reflux_run.h"
#include "tests/support/documented_keys.h"

#include <algorithm>
#include <memory>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::test {
namespace {

using testing::HasSubstr;

constexpr const char* verdict_schema = REFLUX_SOURCE_DIR "/docs/verdict.schema.json";
constexpr const char* kcidb_schema = REFLUX_FIXTURES "/report/kcidb-5.3.schema.json";

// What a validator says of a file; "" when it is valid.
std::string faults(const std::string& schema, const std::string& file) {
    const Ran ran = run_shell(
        fmt::format("/usr/bin/python3 -c 'import json,sys,jsonschema as j\n"
                    "s=json.load(open(sys.argv[1])); j.Draft202012Validator.check_schema(s)\n"
                    "[print(list(e.absolute_path), e.message[:300], [c.message[:300] for c in "
                    "e.context][:3]) for e in "
                    "j.Draft202012Validator(s).iter_errors(json.load(open(sys.argv[2])))]' {} {} 2>&1",
                    schema, file));
    return ran.output;
}

// Folders of runs, one for each recorded evidence, judged by the program as it is now.
class FormatsTest : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        runs_ = std::make_unique<TemporaryFolder>();
        int second = 10;
        const auto recorded = list_directory(REFLUX_FIXTURES "/evidence").value();
        for (const auto& name : recorded) {
            const Ran ran = run_reflux(fmt::format("explain {}/evidence/{} --json", REFLUX_FIXTURES, name));
            const auto verdict = ran.verdict();
            ASSERT_TRUE(verdict.is_object()) << name << ran.errors;
            runs_->write(fmt::format("{}-20260101T0000{}-1/verdict.json", name, ++second), verdict.dump(2));
            verdicts_.push_back(verdict);
        }
    }
    static void TearDownTestSuite() {
        runs_.reset();
        verdicts_.clear();
    }
    // The report of them all, in a file.
    [[nodiscard]] std::string report(const std::string& format) const {
        const std::string file = folder_ / format;
        const Ran ran = run_reflux(fmt::format("report {} --format {} -o {}", runs_->path(), format, file));
        EXPECT_EQ(ran.code, 0) << ran.errors;
        return file;
    }
    static std::string xpath(const std::string& file, const std::string& path) {
        return trimmed(run_shell(fmt::format("xmllint --xpath '{}' {}", path, file)).output);
    }
    // Recorded evidence with that outcome.
    static long recorded(const std::string& outcome) {
        return std::ranges::count_if(verdicts_,
                                     [&](const auto& verdict) { return verdict["outcome"] == outcome; });
    }

    TemporaryFolder folder_;
    static std::unique_ptr<TemporaryFolder> runs_;
    static std::vector<nlohmann::json> verdicts_;
};
std::unique_ptr<TemporaryFolder> FormatsTest::runs_;
std::vector<nlohmann::json> FormatsTest::verdicts_;

TEST_F(FormatsTest, EveryRecordedVerdictIsOfItsSchema) {
    const std::string file = report("json");
    EXPECT_EQ(faults(verdict_schema, file), "");
    const auto verdicts = nlohmann::json::parse(read_file(file).value());
    EXPECT_EQ(verdicts.size(), verdicts_.size());
    EXPECT_GT(verdicts.size(), 40U);
    EXPECT_THAT(text_of(verdicts[0]["run_dir"]), testing::StartsWith(runs_->path())) << "where it is now";
    // And one by itself, as it stands in a run's folder.
    const auto runs = list_directory(runs_->path()).value();
    EXPECT_EQ(faults(verdict_schema, fmt::format("{}/{}/verdict.json", runs_->path(), runs.front())), "");
}

TEST_F(FormatsTest, TheSchemaRefusesWhatIsNoVerdict) {
    const auto refused = [&](const char* key, const nlohmann::json& value) {
        auto verdict = verdicts_[0];
        if (value.is_discarded()) {
            verdict.erase(key);
        } else {
            verdict[key] = value;
        }
        folder_.write("verdict.json", verdict.dump());
        EXPECT_NE(faults(verdict_schema, folder_ / "verdict.json"), "") << key << value;
    };
    const nlohmann::json gone(nlohmann::json::value_t::discarded);
    refused("outcome", "completed");
    refused("outcome", gone);
    refused("recursion", "lower");
    refused("schema", 2);
    refused("met", "true");
    refused("reasons", {1});
    refused("relief", {{"rung", "abort"}});
    refused("cost", {{"steps", nlohmann::json::array()}});
    refused("proof_of_cure", {{"proven", true}, {"missing", nlohmann::json::array()}, {"chance", 2}});
}

// "relief.rung" of what the schema describes.
void add_keys(const nlohmann::json& schema, const std::string& path, std::set<std::string>& keys) {
    if (schema.contains("items")) {
        add_keys(schema["items"], path + "[]", keys);
    }
    const auto properties = schema.find("properties");
    if (properties == schema.end()) {
        return;
    }
    for (const auto& [key, property] : properties->items()) {
        const std::string name = path.empty() ? key : path + "." + key;
        keys.insert(name);
        add_keys(property, name, keys);
    }
}

TEST_F(FormatsTest, TheSchemaHasTheKeysThatThePageHas) {
    std::set<std::string> keys;
    add_keys(nlohmann::json::parse(read_file(verdict_schema).value())["$defs"]["verdict"], "", keys);
    std::erase_if(keys, [](const std::string& key) {  // told in the page's text, for they are in no file
        return key.starts_with("proof_of_cure") || key.starts_with("cost_against_control") ||
               key == "counted_as";
    });
    const auto documented = documented_keys(REFLUX_SOURCE_DIR "/docs/evidence.md", "verdict.json");
    EXPECT_THAT(keys, testing::UnorderedElementsAreArray(documented));
}

TEST_F(FormatsTest, JunitIsWellFormedAndCounts) {
    const std::string file = report("junit");
    const Ran lint = run_shell("xmllint --noout " + file);
    EXPECT_EQ(lint.code, 0) << lint.errors;
    EXPECT_EQ(xpath(file, "count(//testcase)"), std::to_string(verdicts_.size()));
    for (const auto* what : {"skipped", "failure", "error"}) {
        const std::string attribute = what == std::string("failure") ? "failures"
                                      : what == std::string("error") ? "errors"
                                                                     : what;
        EXPECT_EQ(xpath(file, fmt::format("sum(/testsuites/testsuite/@{})", attribute)),
                  xpath(file, fmt::format("count(//{})", what)));
        EXPECT_EQ(xpath(file, fmt::format("string(/testsuites/@{})", attribute)),
                  xpath(file, fmt::format("count(//{})", what)));
    }
    EXPECT_EQ(xpath(file, "count(//error[@type=\"harness_error\"])"),
              std::to_string(recorded("harness_error")));
    EXPECT_EQ(xpath(file, "sum(//testsuite/@tests)"), std::to_string(verdicts_.size()));
    EXPECT_EQ(xpath(file, "count(//testsuite[@name=following-sibling::testsuite/@name])"), "0");
    EXPECT_THAT(xpath(file, "string(//testcase[contains(@name,\"fuse-ext4-shared-memcg\")]/system-out)"),
                HasSubstr("run folder: " + runs_->path()));
}

TEST_F(FormatsTest, TapIsTakenByProve) {
    const std::string file = report("tap");
    const Ran ran = run_shell(fmt::format("prove --parse --verbose --exec cat {} 2>&1", file));
    EXPECT_THAT(ran.output, HasSubstr(fmt::format("Tests={}", verdicts_.size())));
    EXPECT_THAT(ran.output, testing::Not(HasSubstr("Parse errors")));
    EXPECT_EQ(ran.code != 0, xpath(report("junit"), "count(//failure|//error)") != "0")
        << "prove fails where a test does";
    // Of each block the values are JSON, which YAML has in it.
    for (const auto& line : lines_of(read_file(file).value())) {
        if (line.starts_with("  ") && line.find(": ") != std::string::npos) {
            EXPECT_TRUE(nlohmann::json::accept(line.substr(line.find(": ") + 2))) << line;
        }
    }
}

// The schema is our excerpt of KCIDB's, so it tells what we have understood of that one.
TEST_F(FormatsTest, TheSubmissionIsOfOurExcerptOfKcidbsSchema) {
    const std::string file = report("kcidb");
    EXPECT_EQ(faults(kcidb_schema, file), "");
    const std::string text = read_file(file).value();
    EXPECT_EQ(text.find(": null"), std::string::npos);
    const auto json = nlohmann::json::parse(text);
    std::set<std::string> builds;
    std::set<std::string> tests;
    for (const auto& build : json["builds"]) {
        builds.insert(text_of(build["id"]));
    }
    for (const auto& test : json["tests"]) {
        EXPECT_TRUE(builds.contains(text_of(test["build_id"])));
        tests.insert(text_of(test["id"]));
    }
    EXPECT_EQ(tests.size(), verdicts_.size()) << "each has an id of its own";
}

class FormatsRunTest : public RefluxTest {};

TEST_F(FormatsRunTest, ARunMadeNowIsOfTheSchema) {
    const Ran ran = run_reflux(
        fmt::format("run fuse-ext4-shared-memcg-control --set workload.work=40MiB --json --out {}", out()));
    ASSERT_EQ(ran.code, 0) << ran.errors;
    folder_.write("printed.json", ran.output);
    const Ran reported =
        run_reflux(fmt::format("report {} --format json -o {}/reported.json", out(), folder_.path()));
    EXPECT_EQ(reported.code, 0) << reported.errors;
    for (const auto* file : {"printed.json", "reported.json"}) {
        EXPECT_EQ(faults(verdict_schema, folder_ / file), "") << file;
    }
    EXPECT_EQ(nlohmann::json::parse(read_file(folder_ / "printed.json").value()),
              nlohmann::json::parse(read_file(folder_ / "reported.json").value()));
}

}  // namespace
}  // namespace reflux::test
