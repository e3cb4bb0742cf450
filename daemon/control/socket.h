// The control socket's place in the filesystem: made with mode 0600 from its first moment, and removed at the
// end if it is still ours.
#pragma once

#include "backend/base/unique_fd.h"

#include <string>

#include <sys/types.h>

namespace reflux::control {

// invalid_input: longer than a unix socket's path may be (the limit is named), or empty.
Status check_socket_path(const std::string& path);

class ListeningSocket {
  public:
    // Binds and listens. A socket that nobody answers on is replaced; one that is answered, and whatever is
    // no socket, is left alone and is invalid_input. Call it before other threads make files: it sets the
    // umask for a moment.
    static Result<ListeningSocket> make(const std::string& path);
    ListeningSocket(ListeningSocket&&) = default;
    ListeningSocket& operator=(ListeningSocket&&) = delete;
    ListeningSocket(const ListeningSocket&) = delete;
    ListeningSocket& operator=(const ListeningSocket&) = delete;
    ~ListeningSocket();

    // Gives away the descriptor; the path stays ours.
    [[nodiscard]] int give_up_fd() { return fd_.give_up(); }

  private:
    ListeningSocket(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

    UniqueFd fd_;
    std::string path_;  // absolute; empty when moved from
    dev_t device_ = 0;
    ino_t inode_ = 0;
};

}  // namespace reflux::control
