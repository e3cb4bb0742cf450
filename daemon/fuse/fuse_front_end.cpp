#include "daemon/fuse/fuse_front_end.h"

#include "backend/base/owner.h"
#include "backend/base/scope_exit.h"
#include "daemon/base/log.h"
#include "daemon/base/self_protection.h"
#include "daemon/fuse/mount_point.h"
#include "daemon/fuse/operations.h"
#include "daemon/fuse/reader.h"

#include <array>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include <poll.h>
#include <pthread.h>
#include <sys/mount.h>

namespace reflux::fuse {
namespace {

struct SessionTraits {
    using Handle = fuse_session*;
    static Handle none() noexcept { return nullptr; }
    static void release(Handle session) noexcept { fuse_session_destroy(session); }
};
using Session = Owner<SessionTraits>;

// libfuse reports trouble as printed lines; the last one becomes part of our error. Only mounting uses it, in
// one thread; later lines go to the log.
std::string* mount_trouble = nullptr;

void on_library_line(fuse_log_level /*level*/, const char* format, va_list arguments) {
    std::array<char, 512> line{};
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): the caller has started the list
    static_cast<void>(std::vsnprintf(line.data(), line.size(), format, arguments));
    std::string_view text = line.data();
    while (!text.empty() && text.back() == '\n') {
        text.remove_suffix(1);
    }
    if (mount_trouble != nullptr) {
        *mount_trouble = text;
    } else {
        log_line(text);
    }
}

Status check_fuse_device() {
    const auto fd = open_file("/dev/fuse", O_RDWR);
    if (fd) {
        return {};
    }
    const int number = fd.error().errnum;
    const bool missing = number == ENOENT || number == ENODEV || number == ENXIO;
    return fail({.kind = ErrorKind::unsupported,
                 .message = fmt::format(
                     "{}; {}", fd.error().message,
                     missing ? "this kernel or container has no FUSE: try modprobe fuse" : "run as root"),
                 .errnum = number});
}

Result<Session> make_session(Server& server) {
    std::array<const char*, 3> arguments{"refluxd", "-o",
                                         "fsname=refluxd,subtype=reflux,default_permissions"};
    // libfuse copies before it changes anything.
    fuse_args args = FUSE_ARGS_INIT(static_cast<int>(arguments.size()),
                                    const_cast<char**>(arguments.data()));  // NOLINT(*-const-cast)
    Session session(fuse_session_new(&args, &operations(), sizeof(fuse_lowlevel_ops), &server));
    fuse_opt_free_args(&args);
    if (!session) {
        return fail(ErrorKind::system, "libfuse made no session");
    }
    return session;
}

Tree tree_of(const Disk& disk, const ZonedDevice& zones) {
    Tree tree{
        .disk_size = disk.size(), .owner = ::geteuid(), .group = ::getegid(), .time = std::time(nullptr)};
    if (!zones.is_translated()) {
        const ZonedGeometry& geometry = zones.geometry();
        tree.conventional = geometry.conventional_count();
        tree.sequential = geometry.zone_count() - geometry.conventional_count();
    }
    return tree;
}

class FuseFrontEnd final : public FrontEnd {
  public:
    FuseFrontEnd(Disk& disk, const ZonedDevice& zones, std::unique_ptr<RequestPool> requests,
                 std::string mountpoint)
        : disk_(disk),
          requests_(std::move(requests)),
          server_{.view = {.tree = tree_of(disk, zones), .disk = disk, .zones = zones}},
          mountpoint_(std::move(mountpoint)) {}
    FuseFrontEnd(const FuseFrontEnd&) = delete;
    FuseFrontEnd& operator=(const FuseFrontEnd&) = delete;
    FuseFrontEnd(FuseFrontEnd&&) = delete;
    FuseFrontEnd& operator=(FuseFrontEnd&&) = delete;
    ~FuseFrontEnd() override {
        if (mounted_) {
            unmount();
        }
    }

    Status mount();
    Result<ServeEnd> serve(StopSource& stop, const std::function<Status()>& ready) override;
    [[nodiscard]] nlohmann::json whereabouts() const override { return {{"mountpoint", mountpoint_}}; }

  private:
    Result<bool> read_requests(StopSource& stop, const std::function<Status()>& ready);
    [[nodiscard]] bool is_still_mounted() const;
    void unmount();

    Disk& disk_;
    std::unique_ptr<RequestPool> requests_;
    Server server_;
    std::string mountpoint_;
    Session session_;
    std::optional<MountEntry> mounted_;
};

Status FuseFrontEnd::mount() {
    REFLUX_TRY(session_, make_session(server_));
    std::string trouble = "libfuse gives no reason";
    mount_trouble = &trouble;
    const int result = fuse_session_mount(session_.get(), mountpoint_.c_str());
    mount_trouble = nullptr;
    if (result != 0) {
        return fail(ErrorKind::system, fmt::format("cannot mount on {}: {}", mountpoint_, trouble));
    }
    REFLUX_TRY(mounted_, find_mount(mountpoint_));
    return {};
}

// Until a stop (true) or the end of the connection (false). However it ends, no request is under way then.
Result<bool> FuseFrontEnd::read_requests(StopSource& stop, const std::function<Status()>& ready) {
    // First, so that it comes after the readers' end: the engine answers from memory that we free, by a
    // session that we destroy.
    const ScopeExit drained([this] { disk_.drain(); });
    REFLUX_TRY(const auto interruption, StopSource::Interruption::make(stop));
    Reader reader(session_.get(), server_.view, *requests_);
    MoreReaders more(stop);  // where each does its own I/O: as many as the device takes requests
    bool told = false;
    bool connected = true;
    while (connected && !stop.requested()) {
        REFLUX_TRY(connected, reader.handle_one());
        if (server_.initialised && !told) {
            told = true;
            const std::size_t count = disk_.is_inline() ? disk_.max_in_flight() - 1 : 0;
            REFLUX_CHECK(more.start(count, session_.get(), server_.view, *requests_));
            REFLUX_CHECK(ready());
        }
    }
    REFLUX_CHECK(more.end());
    return connected;
}

Result<ServeEnd> FuseFrontEnd::serve(StopSource& stop, const std::function<Status()>& ready) {
    ::pthread_setname_np(::pthread_self(), disk_.is_inline() ? io_thread_name : front_end_thread_name);
    REFLUX_TRY(const bool connected, read_requests(stop, ready));
    if (connected) {
        return ServeEnd::stopped;
    }
    if (is_still_mounted()) {
        return fail(ErrorKind::system,
                    fmt::format("the FUSE connection of {} was aborted from outside", mountpoint_));
    }
    return ServeEnd::taken_away;
}

bool FuseFrontEnd::is_still_mounted() const {
    const auto now = find_mount(mountpoint_);
    return now && *now == mounted_;
}

void FuseFrontEnd::unmount() {
    // By its path, so only while that is ours; with a dead connection it does no more than free its memory.
    pollfd connection{.fd = fuse_session_fd(session_.get()), .events = 0, .revents = 0};
    const bool dead = ::poll(&connection, 1, 0) == 1;
    if (dead || is_still_mounted()) {
        fuse_session_unmount(session_.get());
    }
    // libfuse takes an aborted connection for an unmounted one.
    if (is_still_mounted() && ::umount2(mountpoint_.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0) {
        log_line(fmt::format("{}; run: fusermount3 -u {}", system_error("umount " + mountpoint_).message,
                             mountpoint_));
    }
}

}  // namespace

Result<std::unique_ptr<FrontEnd>> make_fuse_front_end(Disk& disk, const ZonedDevice& zones,
                                                      const std::string& mountpoint) {
    REFLUX_CHECK(check_fuse_device());
    fuse_set_log_func(on_library_line);
    REFLUX_TRY(auto requests, RequestPool::make(disk.max_in_flight(), largest_transfer));
    disk.offer_memory(requests->memory());
    auto front_end = std::make_unique<FuseFrontEnd>(disk, zones, std::move(requests), mountpoint);
    REFLUX_CHECK(front_end->mount());
    return front_end;
}

}  // namespace reflux::fuse
