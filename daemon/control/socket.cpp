#include "daemon/control/socket.h"

#include "backend/base/scope_exit.h"

#include <algorithm>
#include <filesystem>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

namespace reflux::control {
namespace {

constexpr std::size_t longest_path = sizeof(sockaddr_un::sun_path) - 1;

sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::copy(path.begin(), path.end(), &address.sun_path[0]);
    return address;
}

// The one cast that the socket calls ask for.
template <class Call>
int with_address(const std::string& path, Call call) {
    const sockaddr_un address = address_of(path);
    return call(reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(sizeof(address)));
}

Result<UniqueFd> make_socket() {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return fail_errno("socket AF_UNIX");
    }
    return UniqueFd(fd);
}

tl::unexpected<Error> taken(const std::string& path, std::string_view why) {
    return fail(ErrorKind::invalid_input, fmt::format("control socket {} {}", path, why));
}

// Makes the path free, if what is there is a socket that nobody listens on.
Status remove_stale(const std::string& path) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) {
        return errno == ENOENT ? Status{} : Status(fail_errno("lstat " + path));
    }
    if (!S_ISSOCK(status.st_mode)) {
        return taken(path, "exists and is not a socket; it is left alone: choose another path");
    }
    REFLUX_TRY(const auto probe, make_socket());
    const int connected = with_address(path, [&](const sockaddr* address, socklen_t length) {
        return ::connect(probe.get(), address, length);
    });
    // EAGAIN: somebody listens, and many wait for him already.
    if (connected == 0 || errno == EAGAIN) {
        return taken(path, "is answered by another process; end that one or choose another path");
    }
    if (errno != ECONNREFUSED) {
        return fail_errno("connect " + path);
    }
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
        return fail_errno("unlink stale socket " + path);
    }
    return {};
}

}  // namespace

Status check_socket_path(const std::string& path) {
    if (path.empty() || path.size() > longest_path) {
        return fail(ErrorKind::invalid_input,
                    fmt::format("control socket path of {} bytes; a unix socket's path has 1 to {}: {}",
                                path.size(), longest_path, path));
    }
    return {};
}

Result<ListeningSocket> ListeningSocket::make(const std::string& path) {
    REFLUX_CHECK(check_socket_path(path));
    std::error_code error;
    const auto absolute = std::filesystem::absolute(path, error);
    if (error) {
        return fail_errno("resolve " + path, error.value());
    }
    REFLUX_CHECK(remove_stale(path));
    REFLUX_TRY(auto fd, make_socket());
    {
        const mode_t before = ::umask(0177);
        const ScopeExit restore([before] { ::umask(before); });
        if (with_address(path, [&](const sockaddr* address, socklen_t length) {
                return ::bind(fd.get(), address, length);
            }) != 0) {
            auto refused = system_error("bind control socket " + path);
            if (refused.errnum == ENOENT || refused.errnum == ENOTDIR || refused.errnum == EACCES) {
                refused.kind = ErrorKind::invalid_input;  // another path mends it
            }
            return fail(std::move(refused));
        }
    }
    ListeningSocket made(std::move(fd), absolute.string());
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) {
        return fail_errno("lstat " + path);
    }
    made.device_ = status.st_dev;
    made.inode_ = status.st_ino;
    if (::listen(made.fd_.get(), SOMAXCONN) != 0) {
        return fail_errno("listen on " + path);
    }
    return made;
}

ListeningSocket::~ListeningSocket() {
    struct stat status {};
    if (!path_.empty() && ::lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ &&
        status.st_ino == inode_) {
        ::unlink(path_.c_str());
    }
}

}  // namespace reflux::control
