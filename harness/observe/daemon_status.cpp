#include "harness/observe/daemon_status.h"

#include "backend/base/unique_fd.h"

#include <array>
#include <chrono>
#include <limits>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <nlohmann/json.hpp>

namespace reflux::observe {
namespace {

std::string_view to_string(Question question) {
    return question == Question::status ? "status" : "progress";
}

using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;

constexpr std::size_t longest_answer = 4U << 20U;

// Reads fields of objects; the first one of a wrong type is remembered as the problem.
class Fields {
  public:
    std::uint64_t number(const Json& object, const char* key) {
        return get<std::uint64_t>(object, key, "a number that is not negative",
                                  [](const Json& value) { return value.is_number_unsigned(); });
    }
    int id(const Json& object, const char* key) {
        const auto value = number(object, key);
        if (value > static_cast<std::uint64_t>(std::numeric_limits<int>::max())) {
            wrong(key, "a task's id");
            return 0;
        }
        return static_cast<int>(value);
    }
    double real(const Json& object, const char* key) {
        return get<double>(object, key, "a number", [](const Json& value) { return value.is_number(); });
    }
    std::string text(const Json& object, const char* key) {
        return get<std::string>(object, key, "text", [](const Json& value) { return value.is_string(); });
    }
    bool truth(const Json& object, const char* key) {
        return get<bool>(object, key, "true or false", [](const Json& value) { return value.is_boolean(); });
    }
    // The objects of a list; empty where there is none.
    std::vector<Json> objects(const Json& object, const char* key) {
        std::vector<Json> found;
        for (const auto& element :
             get<Json>(object, key, "a list", [](const Json& v) { return v.is_array(); })) {
            if (!element.is_object()) {
                wrong(key, "a list of objects");
                return {};
            }
            found.push_back(element);
        }
        return found;
    }
    Json object(const Json& parent, const char* key) {
        auto found = get<Json>(parent, key, "an object", [](const Json& value) { return value.is_object(); });
        return found.is_object() ? found : Json::object();
    }
    [[nodiscard]] const std::string& problem() const { return problem_; }

  private:
    template <class T, class Check>
    T get(const Json& object, const char* key, const char* expected, Check check) {
        const auto found = object.find(key);
        if (found == object.end()) {
            return T{};
        }
        if (!check(*found)) {
            wrong(key, expected);
            return T{};
        }
        return found->template get<T>();
    }
    void wrong(const char* key, const char* expected) {
        if (problem_.empty()) {
            problem_ = fmt::format("its status has no {} in \"{}\"", expected, key);
        }
    }
    std::string problem_;
};

DaemonReport no_answer(double at_s, std::string problem) {
    DaemonReport report;
    report.status.at_s = at_s;
    report.problem = std::move(problem);
    return report;
}

// Waits until the socket is ready for `events`; false: the deadline is over.
bool ready(int fd, short events, Clock::time_point deadline) {
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
        pollfd waited{.fd = fd, .events = events, .revents = 0};
        const int n = ::poll(&waited, 1, left > 0 ? static_cast<int>(left) : 0);
        if (n > 0) {
            return true;
        }
        if (n == 0 || errno != EINTR) {
            return false;
        }
    }
}

Result<UniqueFd> connect_to(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        return fail(ErrorKind::invalid_input,
                    fmt::format("the control socket's path is over {} bytes long: {}",
                                sizeof address.sun_path - 1, path));
    }
    path.copy(&address.sun_path[0], path.size());
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) {
        return fail_errno("socket");
    }
    // A unix socket connects at once or not at all: EAGAIN means that its queue is full.
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket interface
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        return fail_errno("connect " + path);
    }
    return fd;
}

// The first line that the daemon sends, without its newline.
Result<std::string> ask(const std::string& path, std::string_view line, Clock::time_point deadline) {
    const std::string question = fmt::format("{}\n", line);
    const auto late = [&] { return fail(ErrorKind::timed_out, path + ": no answer within the deadline"); };
    REFLUX_TRY(const auto socket, connect_to(path));
    // The first few bytes of a new connection always find room.
    if (::send(socket.get(), question.data(), question.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(question.size())) {
        return fail_errno("send to " + path);
    }
    std::string answer;
    std::array<char, 16384> chunk{};
    for (;;) {
        if (!ready(socket.get(), POLLIN, deadline)) {
            return late();
        }
        const ssize_t n = ::recv(socket.get(), chunk.data(), chunk.size(), 0);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            return fail_errno("receive from " + path);
        }
        if (n == 0) {
            return fail(ErrorKind::system, path + ": it closed the connection before its answer was whole");
        }
        answer.append(chunk.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
        if (const auto end = answer.find('\n'); end != std::string::npos) {
            return answer.substr(0, end);
        }
        if (answer.size() > longest_answer) {
            return fail(ErrorKind::system, path + ": its answer has no end");
        }
        if (Clock::now() >= deadline) {  // it may send slowly for ever
            return late();
        }
    }
}

std::optional<evidence::DaemonIo> io_of(const Json& status, std::uint64_t completed, Fields& fields) {
    const auto io = fields.object(status, "io");
    if (!io.contains("short_transfers") || !io.contains("errors")) {
        return std::nullopt;
    }
    evidence::DaemonIo told{
        .requests = completed, .short_transfers = fields.number(io, "short_transfers"), .errors = {}};
    for (const auto& error : fields.objects(io, "errors")) {
        told.errors.push_back({.error = fields.text(error, "error"), .count = fields.number(error, "count")});
    }
    return told;
}

}  // namespace

DaemonReport parse_daemon_report(std::string_view text, double at_s) {
    const auto json = Json::parse(text, nullptr, false);
    if (!json.is_object()) {
        return no_answer(at_s, "its status is not a JSON object");
    }
    DaemonReport report;
    report.status.at_s = at_s;
    Fields fields;
    report.pid = fields.id(json, "pid");
    report.engine = fields.text(json, "engine");
    const auto counters = fields.object(json, "counters");
    report.completed = fields.number(counters, "completed");
    report.errors = fields.number(counters, "errors");
    report.io = io_of(json, report.completed, fields);
    for (const auto& thread : fields.objects(json, "threads")) {
        report.threads.push_back({.tid = fields.id(thread, "tid"),
                                  .name = fields.text(thread, "name"),
                                  .role = fields.text(thread, "role"),
                                  .flags = fields.number(thread, "flags"),
                                  .io_flusher = fields.truth(thread, "io_flusher")});
    }
    for (const auto& request : fields.objects(json, "in_flight")) {
        report.status.in_flight.push_back({.id = fields.number(request, "id"),
                                           .operation = fields.text(request, "op"),
                                           .offset = fields.number(request, "offset"),
                                           .length = fields.number(request, "length"),
                                           .tid = fields.id(request, "tid"),
                                           .age_s = fields.real(request, "age_s")});
    }
    if (!fields.problem().empty()) {
        return no_answer(at_s, fields.problem());
    }
    report.status.answered = true;
    return report;
}

Result<std::string> ask_line(const std::string& socket_path, std::string_view line, Seconds deadline) {
    return ask(socket_path, line, Clock::now() + std::chrono::duration_cast<Clock::duration>(deadline));
}

DaemonReport ask_daemon(const std::string& socket_path, Seconds deadline, double at_s, Question question) {
    const auto answer = ask_line(socket_path, to_string(question), deadline);
    return answer ? parse_daemon_report(*answer, at_s) : no_answer(at_s, answer.error().message);
}

}  // namespace reflux::observe
