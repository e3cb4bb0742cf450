#include "daemon/ublk/ublk_front_end.h"

#include "backend/io/buffer_pool.h"
#include "daemon/base/log.h"
#include "daemon/base/self_protection.h"
#include "daemon/ublk/control.h"
#include "daemon/ublk/queue.h"
#include "daemon/ublk/shape.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <thread>

#include <pthread.h>

namespace reflux::ublk {
namespace {

// Of a start, which reads zones and partitions.
constexpr Seconds start_limit{120};
// A stop waits for requests, which may wait for anything: the end comes from outside (kill).
constexpr Seconds stop_limit{24.0 * 3600};

// A command to the driver that needs the queues to be served meanwhile.
class Background {
  public:
    void start(std::function<Status()> command, std::function<void()> ended) {
        thread_ = std::jthread([this, command = std::move(command), ended = std::move(ended)] {
            result_ = command();
            has_ended_ = true;
            ended();
        });
    }
    [[nodiscard]] bool is_started() const { return thread_.joinable(); }
    [[nodiscard]] bool has_ended() const { return has_ended_; }
    Status join() {
        thread_.join();
        return std::move(result_);
    }

  private:
    Status result_;
    std::atomic<bool> has_ended_ = false;
    std::jthread thread_;
};

// udev may open the node before us, and devtmpfs makes it a moment after the command: bounded patience.
Result<UniqueFd> open_character_device(std::uint32_t id) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    for (;;) {
        auto fd = open_file(character_path(id), O_RDWR);
        const int number = fd ? 0 : fd.error().errnum;
        const bool may_pass = number == ENOENT || number == EBUSY || number == EACCES;
        if (!may_pass || std::chrono::steady_clock::now() >= deadline) {
            return fd;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
}

// What is dirty in the block device's own page cache must go out before the driver stops it: a device that
// can be recovered fails all that comes later (ublk_force_abort_dev).
void flush_block_device(std::uint32_t id) {
    const auto fd = open_file(block_path(id), O_RDONLY);
    if (fd && ::fsync(fd->get()) != 0) {
        log_line(system_error("fsync " + block_path(id)).message);
    }
}

Status left_waiting(Error error, std::uint32_t id) {
    error.message += fmt::format(
        "; {} is left as it was, its requests wait for a daemon: serve the image with --recover {} again, or "
        "give it up with refluxd ublk delete {}",
        block_path(id), id, id);
    return fail(std::move(error));
}

class UblkFrontEnd final : public FrontEnd {
  public:
    UblkFrontEnd(Disk& disk, const ZonedDevice& zones, ControlDevice control)
        : disk_(disk), zones_(zones), control_(std::move(control)) {}
    UblkFrontEnd(const UblkFrontEnd&) = delete;
    UblkFrontEnd& operator=(const UblkFrontEnd&) = delete;
    UblkFrontEnd(UblkFrontEnd&&) = delete;
    UblkFrontEnd& operator=(UblkFrontEnd&&) = delete;
    ~UblkFrontEnd() override;

    Status add(const Shape& shape);
    Status recover(std::uint32_t id);
    Status make_queues();

    Result<ServeEnd> serve(StopSource& stop, const std::function<Status()>& ready) override;
    [[nodiscard]] nlohmann::json whereabouts() const override {
        return {{"device", block_path(info_.id)},
                {"id", info_.id},
                {"zoned", (info_.features & feature_zoned) != 0},
                {"queues", info_.queues}};
    }

  private:
    void run_queue(Queue& queue, StopSource& stop);
    void on_wake(StopSource& stop, const std::function<Status()>& ready);
    void begin_stop();
    void leave();
    Status end_threads();
    void note_failure(Status status);

    Disk& disk_;
    const ZonedDevice& zones_;
    ControlDevice control_;
    DeviceInfo info_;
    bool is_ours_ = false;  // to be stopped and removed in the end; a recovered one when it is served
    bool recovers_ = false;
    UniqueFd character_;
    std::optional<io::BufferPool> buffers_;
    std::vector<std::unique_ptr<Queue>> queues_;
    Background starting_;
    Background stopping_;
    std::mutex mutex_;  // guards failure_
    Status failure_;
    std::vector<std::jthread> threads_;  // of all queues but the first
};

UblkFrontEnd::~UblkFrontEnd() {
    queues_.clear();
    character_.reset();  // the kernel gives the number back when it is closed
    if (is_ours_) {
        const auto removed = control_.remove(info_.id, command_limit);
        if (!removed && removed.error().errnum != ENODEV) {  // else others have removed it
            log_line(fmt::format("{}; run: refluxd ublk delete {}", removed.error().message, info_.id));
        }
    }
}

std::uint16_t wanted_queues(const Disk& disk) {
    constexpr std::size_t most = 64;
    return static_cast<std::uint16_t>(disk.is_inline() ? std::min(disk.max_in_flight(), most) : 1);
}

Status UblkFrontEnd::add(const Shape& shape) {
    REFLUX_TRY(const std::uint64_t supported, control_.features());
    REFLUX_CHECK(check_features(supported, shape));
    info_ = {.queues = wanted_queues(disk_),
             .queue_depth = queue_depth,
             .largest_transfer = largest_transfer,
             .id = any_id,
             .features = shape.features,
             .daemon_word = image_identity(zones_.superblock())};
    if (auto added = control_.add(info_); !added) {
        const bool no_zones = shape.is_zoned() && added.error().errnum == EINVAL;
        return no_zones ? fail(ErrorKind::unsupported,
                               added.error().message + "; is this kernel without CONFIG_BLK_DEV_ZONED?")
                        : std::move(added);
    }
    is_ours_ = true;
    if ((info_.features & shape.features) != shape.features) {
        return fail(ErrorKind::unsupported,
                    fmt::format("ublk grants features {:#x} of {:#x} only", info_.features, shape.features));
    }
    return control_.set_parameters(info_.id, shape.parameters);
}

Status UblkFrontEnd::recover(std::uint32_t id) {
    REFLUX_TRY(info_, control_.info(id));
    if (info_.daemon_word != image_identity(zones_.superblock())) {
        return fail(ErrorKind::invalid_input,
                    fmt::format("{} is no disk of {}: it was made from another image, or by another program",
                                block_path(id), zones_.image_path()));
    }
    REFLUX_CHECK(zones_.check_goes_on());
    recovers_ = true;
    return control_.start_recovery(id, command_limit);
}

Status UblkFrontEnd::make_queues() {
    REFLUX_TRY(character_, open_character_device(info_.id));
    const std::size_t in_all = disk_.max_in_flight();
    if (disk_.is_inline() && info_.queues > in_all) {
        return fail(ErrorKind::invalid_input,
                    fmt::format("{} has {} queues, of a daemon with as many threads: add --threads {}",
                                block_path(info_.id), info_.queues, info_.queues));
    }
    const std::size_t each = std::max<std::size_t>(
        disk_.is_inline() ? 1 : std::min<std::size_t>(in_all, info_.queue_depth) / info_.queues, 1);
    REFLUX_TRY(buffers_, io::BufferPool::make(info_.largest_transfer, each * info_.queues));
    disk_.offer_memory(buffers_->all());
    for (unsigned index = 0; index < info_.queues; ++index) {
        const std::size_t size = each * info_.largest_transfer;
        REFLUX_TRY(auto queue, Queue::make({.index = index,
                                            .depth = info_.queue_depth,
                                            .character_fd = character_.get(),
                                            .disk = &disk_,
                                            .zones = &zones_,
                                            .buffers = buffers_->all().subspan(index * size, size),
                                            .largest = info_.largest_transfer}));
        queues_.push_back(std::move(queue));
    }
    return {};
}

void UblkFrontEnd::note_failure(Status status) {
    const std::lock_guard lock(mutex_);
    if (failure_ && !status) {
        failure_ = std::move(status);
    }
}

void UblkFrontEnd::run_queue(Queue& queue, StopSource& stop) {
    ::pthread_setname_np(::pthread_self(), disk_.is_inline() ? io_thread_name : ublk_thread_name);
    auto status = queue.begin(-1);
    if (status) {
        status = queue.run([] {});
    }
    if (!status) {
        note_failure(std::move(status));
        stop.request();
    }
}

void UblkFrontEnd::begin_stop() {
    stopping_.start(
        [this] {
            flush_block_device(info_.id);
            return control_.stop(info_.id, stop_limit);
        },
        [] {});
}

// In the first queue's thread, while all are served: the device has started, or a stop is asked for.
void UblkFrontEnd::on_wake(StopSource& stop, const std::function<Status()>& ready) {
    if (!starting_.has_ended()) {
        return;
    }
    if (starting_.is_started()) {
        auto begun = starting_.join();
        if (begun) {
            begun = ready();
        }
        is_ours_ = is_ours_ || begun;
        if (!begun) {
            note_failure(is_ours_ ? std::move(begun) : left_waiting(std::move(begun).error(), info_.id));
            stop.request();
        }
    }
    if (!is_ours_) {
        leave();
    } else if (stop.requested() && !stopping_.is_started()) {
        begin_stop();
    }
}

// A device that could not be taken over: to stop it would fail all that its host waits for.
void UblkFrontEnd::leave() {
    for (const auto& queue : queues_) {
        queue->leave();
    }
}

Status UblkFrontEnd::end_threads() {
    for (auto& thread : threads_) {
        thread.join();
    }
    threads_.clear();
    if (starting_.is_started()) {
        note_failure(starting_.join());
    }
    if (stopping_.is_started()) {
        note_failure(stopping_.join());
    }
    disk_.drain();
    const std::lock_guard lock(mutex_);
    return failure_;
}

Result<ServeEnd> UblkFrontEnd::serve(StopSource& stop, const std::function<Status()>& ready) {
    ::pthread_setname_np(::pthread_self(), disk_.is_inline() ? io_thread_name : ublk_thread_name);
    Queue& first = *queues_.front();
    REFLUX_CHECK(first.begin(stop.fd()));
    for (std::size_t index = 1; index < queues_.size(); ++index) {
        threads_.emplace_back([this, index, &stop] { run_queue(*queues_[index], stop); });
    }
    starting_.start(
        [this] {
            return recovers_ ? control_.end_recovery(info_.id, start_limit)
                             : control_.start(info_.id, start_limit);
        },
        [&first] { first.wake(); });
    note_failure(first.run([&] { on_wake(stop, ready); }));
    const bool was_asked = stop.requested();
    REFLUX_CHECK(end_threads());
    return was_asked ? ServeEnd::stopped : ServeEnd::taken_away;
}

}  // namespace

Status check_ublk(std::optional<std::uint32_t> recover) {
    REFLUX_TRY(const auto control, ControlDevice::open());
    if (!recover) {
        return {};
    }
    REFLUX_TRY(const auto info, control.info(*recover));
    if ((info.features & feature_user_recovery) == 0) {
        return fail(ErrorKind::invalid_input,
                    fmt::format("{} cannot be recovered: a translated disk ends with its daemon, for what "
                                "was not flushed is lost; run: refluxd ublk delete {}",
                                block_path(*recover), *recover));
    }
    return {};
}

Result<std::unique_ptr<FrontEnd>> make_ublk_front_end(Disk& disk, const ZonedDevice& zones,
                                                      std::optional<std::uint32_t> recover) {
    REFLUX_TRY(auto control, ControlDevice::open());
    REFLUX_TRY(const auto shape, shape_of(zones.geometry(), disk.size(), zones.is_translated()));
    auto front_end = std::make_unique<UblkFrontEnd>(disk, zones, std::move(control));
    REFLUX_CHECK(recover ? front_end->recover(*recover) : front_end->add(shape));
    REFLUX_CHECK(front_end->make_queues());
    return front_end;
}

}  // namespace reflux::ublk
