#include "backend/base/kernel_file.h"
#include "daemon/control/server.h"
#include "tests/support/ending.h"
#include "tests/support/temporary_folder.h"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace reflux::control {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class ControlTest : public testing::Test {
  protected:
    ControlTest() {
        const auto geometry =
            ZonedGeometry::make({.size = kibibytes(64 * 1000), .zone_size = kibibytes(64), .conventional = 2})
                .value();
        EXPECT_TRUE(format_image(folder_ / "image", geometry, false));
        auto device = ZonedDevice::open(folder_ / "image", {});
        EXPECT_TRUE(device);
        device_ = std::move(*device);
    }

    [[nodiscard]] std::unique_ptr<Server> serve() const {
        auto socket = ListeningSocket::make(path_);
        EXPECT_TRUE(socket) << socket.error().message;
        auto server = Server::start(std::move(*socket), *device_,
                                    {.engine = "sync",
                                     .front_end = "fuse",
                                     .start_ns = monotonic_ns(),
                                     .calls = {.flags = {"nowait"}, .sync_range = 4096},
                                     .protection = {.io_flusher = SelfProtection::IoFlusher::late}});
        EXPECT_TRUE(server) << server.error().message;
        return std::move(*server);
    }
    [[nodiscard]] static UniqueFd make_socket() {
        UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const timeval limit{.tv_sec = 10, .tv_usec = 0};
        ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        return fd;
    }
    [[nodiscard]] sockaddr_un address() const {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::copy(path_.begin(), path_.end(), &address.sun_path[0]);
        return address;
    }
    [[nodiscard]] UniqueFd connect() const {
        auto fd = make_socket();
        const auto to = address();
        EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)), 0);
        return fd;
    }
    // One line without its newline; empty: the connection was closed.
    [[nodiscard]] static std::string read_line(int fd) {
        std::string line;
        char letter = 0;
        while (::read(fd, &letter, 1) == 1 && letter != '\n') {
            line += letter;
        }
        return line;
    }
    [[nodiscard]] static std::string ask(int fd, const std::string& command) {
        EXPECT_TRUE(write_all(fd, command + "\n", "socket"));
        return read_line(fd);
    }

    test::TemporaryFolder folder_;
    std::string path_ = folder_ / "socket";
    std::unique_ptr<ZonedDevice> device_;
};

TEST_F(ControlTest, AnswersLineByLineOnOneConnection) {
    const auto server = serve();
    const auto client = connect();
    const auto status = json::parse(ask(client.get(), "status"));
    EXPECT_EQ(status["pid"], ::getpid());
    EXPECT_EQ(status["engine"], "sync");
    EXPECT_EQ(status["version"], REFLUX_VERSION);
    EXPECT_EQ(status["size"], 64 * 1000 * 1024);
    EXPECT_EQ(status["image"], folder_ / "image");
    EXPECT_EQ(status["zones"]["count"], 1000);
    EXPECT_EQ(status["zones"]["conventional"], 2);
    EXPECT_EQ(status["zones"]["empty"], 998);
    EXPECT_EQ(status["counters"]["completed"], 0);
    EXPECT_EQ(status["in_flight"], json::array());
    for (const auto& asked : {status, json::parse(ask(client.get(), "progress"))}) {
        EXPECT_EQ(asked["io"]["calls"]["flags"], json::array({"nowait"}));
        EXPECT_EQ(asked["io"]["calls"]["sync_range"], 4096);
        EXPECT_EQ(asked["io"]["calls"]["fallbacks"], 0);
    }
    EXPECT_EQ(status["protection"]["io_flusher"], "late");
    EXPECT_EQ(status["protection"]["lock_memory"], false);
    EXPECT_EQ(status["protection"]["buffers"]["bytes"], 0) << "no front end has offered any";
    const auto threads = status["threads"];
    EXPECT_TRUE(std::any_of(threads.begin(), threads.end(), [](const json& thread) {
        return thread["role"] == "control" && thread["flags"] > 0;
    }));
    const auto zones = json::parse(ask(client.get(), "zones"));
    ASSERT_EQ(zones.size(), 1000U);
    EXPECT_EQ(zones[0]["write_pointer"], nullptr);
    EXPECT_EQ(zones[999]["start"], 999 * 65536);
    EXPECT_EQ(zones[999]["write_pointer"], 999 * 65536);
    EXPECT_EQ(zones[999]["condition"], "empty");
    EXPECT_TRUE(json::parse(ask(client.get(), "help")).contains("commands"));
    EXPECT_THAT(ask(client.get(), "selfdestruct"), HasSubstr("unknown command 'selfdestruct'"));
    EXPECT_THAT(ask(client.get(), "\xff\xfe"), HasSubstr("error")) << "not UTF-8";
    EXPECT_THAT(ask(client.get(), "status\r"), HasSubstr("pid"));
}

TEST_F(ControlTest, FaultsAreSwitchedAndShown) {
    const auto server = serve();
    const auto client = connect();
    const auto faults = [&](const std::string& command) {
        return json::parse(ask(client.get(), command))["faults"];
    };
    EXPECT_EQ(faults("fault"), json::array());
    const auto set = faults("fault set delay time=200ms operations=write");
    ASSERT_EQ(set.size(), 1U);
    EXPECT_EQ(set[0]["name"], "delay");
    EXPECT_EQ(set[0]["options"], "time=200ms operations=write");
    EXPECT_EQ(set[0]["requests"], 0);
    EXPECT_EQ(faults("fault check error every=3"), set) << "a check changes nothing";
    EXPECT_EQ(faults("fault  set  error").size(), 2U);
    EXPECT_EQ(faults("status").size(), 2U);
    EXPECT_EQ(faults("fault clear error"), set);
    EXPECT_EQ(faults("fault clear"), json::array());
    EXPECT_FALSE(device_->faults().any());
    EXPECT_THAT(json::parse(ask(client.get(), "help"))["commands"]["fault"].get<std::string>(),
                HasSubstr("delay time=DURATION;"));
}

TEST_F(ControlTest, FaultsThatCannotBeAreOneLineOfError) {
    const auto server = serve();
    const auto client = connect();
    const auto error = [&](const std::string& command) {
        return json::parse(ask(client.get(), command)).value("error", "");
    };
    EXPECT_THAT(error("fault set"), HasSubstr("fault takes: nothing, set NAME"));
    EXPECT_THAT(error("fault unset delay"), HasSubstr("fault takes: nothing"));
    EXPECT_THAT(error("fault clear delay error"), HasSubstr("fault takes: nothing"));
    EXPECT_THAT(error("fault set storm"), HasSubstr("no fault 'storm'; there are: delay, "));
    EXPECT_THAT(error("fault check delay"), HasSubstr("time is missing"));
    EXPECT_THAT(error("fault clear storm"), HasSubstr("no fault 'storm'"));
    EXPECT_THAT(error("fault set \xff"), HasSubstr("no fault")) << "not UTF-8";
    EXPECT_FALSE(device_->faults().any());
}

// The control socket must answer while the disk's I/O does not come to its end.
TEST_F(ControlTest, AnswersWhileARequestWaitsInAFault) {
    struct Flush : DeviceRequest, test::Ending {};
    const auto server = serve();
    const auto client = connect();
    EXPECT_THAT(ask(client.get(), "fault set delay time=600s"), HasSubstr("600s"));
    Flush flush;
    flush.operation = DeviceOperation::flush;
    flush.done = [](DeviceRequest& request, int error) { static_cast<Flush&>(request).end(error); };
    std::jthread submitter([&] { device_->submit(flush); });
    json in_flight = json::array();
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while ((in_flight.empty() || in_flight[0]["tid"] == 0) && std::chrono::steady_clock::now() < end) {
        in_flight = json::parse(ask(client.get(), "progress"))["in_flight"];
    }
    EXPECT_EQ(in_flight.size(), 1U);
    EXPECT_THAT(in_flight.dump(), HasSubstr("flush"));
    EXPECT_EQ(json::parse(ask(client.get(), "fault clear"))["faults"], json::array());
    EXPECT_EQ(flush.wait(), 0);
}

TEST_F(ControlTest, TwoCommandsInOneWriteGetTwoAnswers) {
    const auto server = serve();
    const auto client = connect();
    ASSERT_TRUE(write_all(client.get(), "help\nstatus\n", "socket"));
    EXPECT_THAT(read_line(client.get()), HasSubstr("commands"));
    EXPECT_THAT(read_line(client.get()), HasSubstr("pid"));
}

TEST_F(ControlTest, AClientWithoutANewlineIsCutOff) {
    const auto server = serve();
    const auto client = connect();
    // The write itself may fail when the server has closed already.
    static_cast<void>(::send(client.get(), std::string(1 << 20, 'x').data(), 1 << 20, MSG_NOSIGNAL));
    EXPECT_EQ(read_line(client.get()), "");
    EXPECT_THAT(ask(connect().get(), "status"), HasSubstr("pid")) << "others are served";
}

TEST_F(ControlTest, OneClientTooManyIsClosedAndTheOthersAreServed) {
    const auto server = serve();
    std::vector<UniqueFd> clients;
    for (std::size_t i = 0; i < most_connections; ++i) {
        clients.push_back(connect());
        EXPECT_THAT(ask(clients.back().get(), "help"), HasSubstr("commands"));
    }
    EXPECT_EQ(read_line(connect().get()), "");
    EXPECT_THAT(ask(clients.front().get(), "help"), HasSubstr("commands"));
}

TEST_F(ControlTest, TheSocketIsPrivateAndGoesWithTheServer) {
    {
        const auto server = serve();
        const auto idle = connect();
        struct stat status {};
        ASSERT_EQ(::lstat(path_.c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 0777U, 0600U);
    }
    EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(ControlTest, AnAnsweredSocketIsLeftAlone) {
    const auto server = serve();
    const auto second = ListeningSocket::make(path_);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().kind, ErrorKind::invalid_input);
    EXPECT_THAT(second.error().message, HasSubstr("answered by another"));
    EXPECT_THAT(ask(connect().get(), "help"), HasSubstr("commands"));
}

TEST_F(ControlTest, AStaleSocketIsReplaced) {
    {
        const auto fd = make_socket();
        const auto at = address();
        ASSERT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof(at)), 0);
    }
    ASSERT_TRUE(std::filesystem::exists(path_));
    const auto server = serve();
    EXPECT_THAT(ask(connect().get(), "help"), HasSubstr("commands"));
}

TEST_F(ControlTest, WhatIsNoSocketIsNeverRemoved) {
    ASSERT_TRUE(replace_file(path_, "precious"));
    const auto socket = ListeningSocket::make(path_);
    ASSERT_FALSE(socket);
    EXPECT_EQ(socket.error().kind, ErrorKind::invalid_input);
    EXPECT_EQ(read_file(path_).value(), "precious");
}

TEST_F(ControlTest, AForeignFileInTheSocketsPlaceStaysAtTheEnd) {
    {
        const auto server = serve();
        ASSERT_EQ(::unlink(path_.c_str()), 0);
        ASSERT_TRUE(replace_file(path_, "precious"));
    }
    EXPECT_EQ(read_file(path_).value(), "precious");
}

TEST_F(ControlTest, PathsThatCannotBeAreRefused) {
    const auto longest = ListeningSocket::make("/tmp/" + std::string(200, 'x'));
    ASSERT_FALSE(longest);
    EXPECT_EQ(longest.error().kind, ErrorKind::invalid_input);
    EXPECT_THAT(longest.error().message, HasSubstr("107"));
    EXPECT_TRUE(check_socket_path(std::string(107, 'x')));
    EXPECT_FALSE(check_socket_path(std::string(108, 'x')));
    EXPECT_FALSE(check_socket_path(""));
    const auto nowhere = ListeningSocket::make(folder_ / "missing/socket");
    ASSERT_FALSE(nowhere);
    EXPECT_EQ(nowhere.error().kind, ErrorKind::invalid_input);
}

}  // namespace
}  // namespace reflux::control
