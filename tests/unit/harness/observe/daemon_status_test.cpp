#include "harness/observe/daemon_status.h"

#include "backend/base/unique_fd.h"
#include "temporary_tree.h"

#include <array>
#include <chrono>
#include <functional>
#include <thread>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace reflux::observe {
namespace {

using testing::HasSubstr;

// A control socket whose one client is served by `serve`, given the connection.
class FakeDaemon {
  public:
    explicit FakeDaemon(std::function<void(int)> serve) : path_(tree_.path("control")) {
        listener_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path_.copy(&address.sun_path[0], path_.size());
        EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
                  0);  // NOLINT
        EXPECT_EQ(::listen(listener_.get(), 1), 0);
        thread_ = std::jthread([this, serve = std::move(serve)] {
            const UniqueFd client(::accept(listener_.get(), nullptr, nullptr));
            std::array<char, 64> question{};
            const auto n = ::read(client.get(), question.data(), question.size());
            question_.assign(question.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
            serve(client.get());
        });
    }
    [[nodiscard]] const std::string& path() const { return path_; }
    std::string question() {
        thread_.join();
        return question_;
    }

  private:
    TemporaryTree tree_;
    std::string path_;
    UniqueFd listener_;
    std::string question_;
    std::jthread thread_;
};

void say(int fd, std::string_view text) {
    EXPECT_EQ(::send(fd, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
}

void wait_for_hang_up(int fd) {
    pollfd waited{.fd = fd, .events = POLLRDHUP, .revents = 0};
    ::poll(&waited, 1, 5000);
}

TEST(DaemonStatus, ItsIoIsToldWhereItTellsIt) {
    const auto report =
        parse_daemon_report(R"({"counters":{"completed":9},"io":{"direct":false,"short_transfers":2,)"
                            R"("errors":[{"error":"ENOMEM","count":3},{"error":"EIO","count":1}]}})",
                            1);
    ASSERT_TRUE(report.io) << report.problem;
    EXPECT_EQ(report.io->requests, 9U);
    EXPECT_EQ(report.io->short_transfers, 2U);
    ASSERT_EQ(report.io->errors.size(), 2U);
    EXPECT_EQ(report.io->errors[0].error, "ENOMEM");
    EXPECT_EQ(report.io->errors[0].count, 3U);
    // Older ones, and foreign ones.
    EXPECT_FALSE(parse_daemon_report("{}", 1).io);
    EXPECT_FALSE(parse_daemon_report(R"({"io":{"direct":false}})", 1).io);
    const auto wrong = parse_daemon_report(R"({"io":{"short_transfers":-1,"errors":[]}})", 1);
    EXPECT_FALSE(wrong.status.answered);
    EXPECT_THAT(wrong.problem, HasSubstr("short_transfers"));
}

TEST(DaemonStatus, ReadsAllOfIt) {
    const auto report = parse_daemon_report(fixture("daemon_status.json"), 7.5);
    ASSERT_TRUE(report.status.answered) << report.problem;
    EXPECT_DOUBLE_EQ(report.status.at_s, 7.5);
    EXPECT_EQ(report.pid, 4242);
    EXPECT_EQ(report.engine, "sync");
    EXPECT_EQ(report.completed, 990U);
    EXPECT_EQ(report.errors, 1U);
    ASSERT_EQ(report.threads.size(), 3U);
    EXPECT_EQ(report.threads[2].role, "io");
    EXPECT_EQ(report.threads[2].flags, 0x580040U);
    EXPECT_TRUE(report.threads[2].io_flusher);
    ASSERT_EQ(report.status.in_flight.size(), 2U);
    EXPECT_EQ(report.status.in_flight[0].operation, "write");
    EXPECT_EQ(report.status.in_flight[0].offset, 1048576U);
    EXPECT_EQ(report.status.in_flight[0].length, 131072U);
    EXPECT_EQ(report.status.in_flight[0].tid, 4244);
    EXPECT_DOUBLE_EQ(report.status.in_flight[0].age_s, 8.25);
}

TEST(DaemonStatus, MissingFieldsKeepTheirDefaults) {
    const auto report = parse_daemon_report(R"({"in_flight":[{"id":1}]})", 0);
    EXPECT_TRUE(report.status.answered);
    EXPECT_EQ(report.completed, 0U);
    EXPECT_EQ(report.status.in_flight.size(), 1U);
}

TEST(DaemonStatus, WrongAnswersAreNone) {
    for (const auto* text :
         {"", "{", "[]", "7", "null", R"({"pid":-1})", R"({"pid":"1"})", R"({"pid":99999999999})",
          R"({"engine":1})", R"({"counters":[]})", R"({"counters":{"completed":-5}})",
          R"({"counters":{"completed":1.5}})", R"({"threads":{}})", R"({"threads":[1]})",
          R"({"threads":[{"io_flusher":1}]})", R"({"in_flight":[{"age_s":"x"}]})", "{\"engine\":\"\xff\"}"}) {
        const auto report = parse_daemon_report(text, 0);
        EXPECT_FALSE(report.status.answered) << text;
        EXPECT_FALSE(report.problem.empty()) << text;
        EXPECT_TRUE(report.status.in_flight.empty()) << text;
    }
}

TEST(AskDaemon, AsksForTheStatusAndReadsOneLine) {
    FakeDaemon daemon([](int fd) {
        const auto json = fixture("daemon_status.json");
        say(fd, json.substr(0, 100));  // an answer may come in pieces
        say(fd, json.substr(100) + "something else\n");
        wait_for_hang_up(fd);
    });
    const auto report = ask_daemon(daemon.path(), Seconds(5), 1.0);
    EXPECT_TRUE(report.status.answered) << report.problem;
    EXPECT_EQ(report.completed, 990U);
    EXPECT_EQ(daemon.question(), "status\n");
}

TEST(AskDaemon, ASilentDaemonCostsTheDeadlineAndNoMore) {
    FakeDaemon daemon(wait_for_hang_up);
    const auto begin = std::chrono::steady_clock::now();
    const auto report = ask_daemon(daemon.path(), Seconds(0.05), 1.0);
    const Seconds took = std::chrono::steady_clock::now() - begin;
    EXPECT_FALSE(report.status.answered);
    EXPECT_THAT(report.problem, HasSubstr("deadline"));
    EXPECT_GE(took.count(), 0.05);
    EXPECT_LT(took.count(), 2.0);
}

TEST(AskDaemon, AnEndlessAnswerIsCutOff) {
    FakeDaemon daemon([](int fd) {
        const std::string noise(65536, 'x');
        while (::send(fd, noise.data(), noise.size(), MSG_NOSIGNAL) > 0) {
        }
    });
    const auto report = ask_daemon(daemon.path(), Seconds(5), 1.0);
    EXPECT_FALSE(report.status.answered);
    EXPECT_THAT(report.problem, HasSubstr("no end"));
}

TEST(AskDaemon, AHalfAnswerIsNone) {
    FakeDaemon daemon([](int fd) { say(fd, R"({"pid":1)"); });
    const auto report = ask_daemon(daemon.path(), Seconds(5), 1.0);
    EXPECT_FALSE(report.status.answered);
    EXPECT_THAT(report.problem, HasSubstr("closed"));
}

TEST(AskDaemon, NoSocketOrAPathThatIsTooLong) {
    EXPECT_THAT(ask_daemon("/nowhere/control", Seconds(1), 0).problem, HasSubstr("/nowhere/control"));
    EXPECT_THAT(ask_daemon("/" + std::string(200, 'x'), Seconds(1), 0).problem, HasSubstr("107 bytes"));
    TemporaryTree tree;
    tree.file("control", "");
    EXPECT_FALSE(ask_daemon(tree.path("control"), Seconds(1), 0).status.answered);
}

}  // namespace
}  // namespace reflux::observe
