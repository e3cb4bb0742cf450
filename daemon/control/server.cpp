#include "daemon/control/server.h"

#include "daemon/base/log.h"
#include "daemon/base/self_protection.h"

#include <chrono>
#include <exception>
#include <thread>
#include <tuple>

#include <pthread.h>

#include <boost/asio.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>

namespace reflux::control {
namespace {

namespace asio = boost::asio;
using Protocol = asio::local::stream_protocol;
using asio::awaitable;
constexpr auto use_tuple = asio::as_tuple(asio::use_awaitable);

// The tuple of an operation, or nothing when the deadline came first (the operation is cancelled then).
template <class Operation>
awaitable<std::optional<std::size_t>> within_deadline(Operation operation) {
    using namespace asio::experimental::awaitable_operators;
    asio::steady_timer deadline(co_await asio::this_coro::executor, std::chrono::seconds(line_deadline_s));
    const auto first = co_await (std::move(operation) || deadline.async_wait(use_tuple));
    if (first.index() == 0) {
        const auto& [error, bytes] = std::get<0>(first);
        if (!error) {
            co_return bytes;
        }
    }
    co_return std::nullopt;
}

}  // namespace

struct Server::State {
    State(ListeningSocket listening, ZonedDevice& served, Identity who)
        : socket(std::move(listening)), device(served), identity(std::move(who)) {}

    awaitable<void> accept_all();
    awaitable<void> converse(Protocol::socket client);
    void run();

    ListeningSocket socket;
    ZonedDevice& device;
    Identity identity;
    std::size_t connections = 0;
    asio::io_context context{1};
    Protocol::acceptor acceptor{context};
    std::jthread thread;  // last: joined first
};

awaitable<void> Server::State::converse(Protocol::socket client) {
    std::string received;
    for (;;) {
        const auto length = co_await within_deadline(
            asio::async_read_until(client, asio::dynamic_buffer(received, longest_line), '\n', use_tuple));
        if (!length) {
            co_return;
        }
        const std::string reply =
            answer(std::string_view(received).substr(0, *length), device, identity) + "\n";
        received.erase(0, *length);
        if (!co_await within_deadline(asio::async_write(client, asio::buffer(reply), use_tuple))) {
            co_return;
        }
    }
}

awaitable<void> Server::State::accept_all() {
    for (;;) {
        auto [error, client] = co_await acceptor.async_accept(use_tuple);
        if (error) {
            // Out of descriptors or memory: a moment later may be better.
            asio::steady_timer pause(context, std::chrono::seconds(1));
            co_await pause.async_wait(use_tuple);
            continue;
        }
        if (connections == most_connections) {
            continue;  // closes the client
        }
        ++connections;
        asio::co_spawn(context, converse(std::move(client)), [this](const std::exception_ptr& /*lost*/) {
            --connections;  // whatever went wrong concerned one client
        });
    }
}

void Server::State::run() {
    ::pthread_setname_np(::pthread_self(), control_thread_name);
    for (;;) {
        try {
            context.run();
            return;
        } catch (const std::exception& error) {
            log_line(fmt::format("control socket: {}", error.what()));
        }
    }
}

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}

Server::~Server() {
    state_->context.stop();
    state_->thread.join();
}

Result<std::unique_ptr<Server>> Server::start(ListeningSocket socket, ZonedDevice& device,
                                              Identity identity) {
    try {
        auto state = std::make_unique<State>(std::move(socket), device, std::move(identity));
        state->acceptor.assign(Protocol(), state->socket.give_up_fd());
        asio::co_spawn(state->context, state->accept_all(), asio::detached);
        state->thread = std::jthread([raw = state.get()] { raw->run(); });
        return std::unique_ptr<Server>(new Server(std::move(state)));
    } catch (const std::exception& error) {
        return fail(ErrorKind::system, fmt::format("cannot serve the control socket: {}", error.what()));
    }
}

}  // namespace reflux::control
