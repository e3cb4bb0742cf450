// Serves the control protocol on a unix socket, in a thread of its own that never does the disk's I/O.
#pragma once

#include "daemon/control/commands.h"
#include "daemon/control/socket.h"

#include <memory>

namespace reflux::control {

inline constexpr std::size_t longest_line = 4096;    // bytes, with the newline
inline constexpr std::size_t most_connections = 32;  // one more is closed at once
inline constexpr int line_deadline_s = 60;  // for the next line to come whole, and for the answer to go

class Server {
  public:
    // Answers when it returns. `device` outlives the server.
    static Result<std::unique_ptr<Server>> start(ListeningSocket socket, ZonedDevice& device,
                                                 Identity identity);
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    Server(Server&&) = delete;
    Server& operator=(Server&&) = delete;
    // Closes all connections, ends the thread, removes the socket.
    ~Server();

  private:
    struct State;
    explicit Server(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace reflux::control
