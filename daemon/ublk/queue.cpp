#include "daemon/ublk/queue.h"

#include "daemon/base/log.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include <poll.h>
#include <sys/eventfd.h>

namespace reflux::ublk {
namespace {

// user_data of what is no request; those have their tag.
constexpr std::uint64_t wake_up = 1U << 16U;
constexpr std::uint64_t watched_is_ready = wake_up + 1;

// Answers that are held back at most while other requests wait for this thread.
constexpr std::size_t most_unsent = 8;
constexpr std::size_t most_unsent_bytes = 64 << 10;

}  // namespace

Result<std::unique_ptr<Queue>> Queue::make(const QueueSetting& setting) {
    auto ring = io::Ring::make(setting.depth + 2);  // a command each, the two below
    if (!ring) {
        return fail(ring.error().within("front end ublk"));
    }
    UniqueFd event(::eventfd(0, EFD_CLOEXEC));
    if (!event) {
        return fail_errno("eventfd");
    }
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const std::size_t length = (setting.depth * sizeof(IoDescriptor) + page - 1) / page * page;
    void* const address = ::mmap(nullptr, length, PROT_READ, MAP_SHARED | MAP_POPULATE, setting.character_fd,
                                 static_cast<off_t>(descriptors_offset(setting.index)));
    if (address == MAP_FAILED) {
        return fail_errno(fmt::format("mmap queue {} of the ublk device", setting.index));
    }
    Mapping descriptors({.address = address, .length = length});
    return std::unique_ptr<Queue>(
        new Queue(setting, std::move(*ring), std::move(event), std::move(descriptors)));
}

Queue::Queue(const QueueSetting& setting, io::Ring ring, UniqueFd event, Mapping descriptors)
    : setting_(setting),
      ring_(std::move(ring)),
      event_(std::move(event)),
      descriptors_(std::move(descriptors)),
      requests_(setting.depth),
      waiting_(setting.depth) {
    for (std::size_t tag = 0; tag < requests_.size(); ++tag) {
        requests_[tag].queue = this;
        requests_[tag].tag = static_cast<std::uint16_t>(tag);
        requests_[tag].done = on_done;
    }
    for (auto rest = setting.buffers; rest.size() >= setting.largest; rest = rest.subspan(setting.largest)) {
        free_buffers_.push_back(rest.first(setting.largest));
    }
}

// Never null: there is one for each request, and none has two commands under way.
io_uring_sqe& Queue::entry() {
    io_uring_sqe* const sqe = ::io_uring_get_sqe(ring_.get());
    if (sqe == nullptr) {
        std::abort();
    }
    return *sqe;
}

void Queue::send(std::uint32_t operation, const IoCommand& command) {
    io_uring_sqe& sqe = entry();
    ::io_uring_prep_rw(IORING_OP_URING_CMD, &sqe, setting_.character_fd, nullptr, 0, 0);
    sqe.cmd_op = operation;
    sqe.user_data = command.tag;
    std::memcpy(static_cast<void*>(sqe.cmd), &command, sizeof(command));
}

void Queue::arm_wake_up() {
    io_uring_sqe& sqe = entry();
    ::io_uring_prep_read(&sqe, event_.get(), &event_count_, sizeof(event_count_), 0);
    sqe.user_data = wake_up;
}

void Queue::wake() {
    const std::uint64_t one = 1;
    static_cast<void>(::write(event_.get(), &one, sizeof(one)));  // fails only at 2^64 of them
}

void Queue::leave() {
    leaves_ = true;
    wake();
}

Status Queue::begin(int watched) {
    REFLUX_CHECK(ring_.enable());
    thread_ = std::this_thread::get_id();
    arm_wake_up();
    if (watched >= 0) {
        io_uring_sqe& sqe = entry();
        ::io_uring_prep_poll_add(&sqe, watched, POLLIN);
        sqe.user_data = watched_is_ready;
    }
    for (std::size_t tag = 0; tag < requests_.size(); ++tag) {
        send(io_fetch,
             {.queue = static_cast<std::uint16_t>(setting_.index), .tag = static_cast<std::uint16_t>(tag)});
    }
    const int submitted = ::io_uring_submit(ring_.get());
    return submitted >= 0 ? Status{} : Status(fail_errno("io_uring_enter", -submitted));
}

Status Queue::run(const std::function<void()>& woken) {
    while (ended_ < requests_.size() && !leaves_) {
        while (work()) {
        }
        unsent_ = 0;
        unsent_bytes_ = 0;
        ring_.submit_and_wait();
        ring_.take_completions([this](const io_uring_cqe& cqe) { on_completion(cqe); });
        if (std::exchange(woken_, false)) {
            woken();
        }
    }
    return failure_;
}

void Queue::on_completion(const io_uring_cqe& cqe) {
    if (cqe.user_data == wake_up) {
        woken_ = true;
        arm_wake_up();
        return;
    }
    if (cqe.user_data == watched_is_ready) {
        woken_ = true;
        return;
    }
    Request& request = requests_.at(cqe.user_data);
    if (cqe.res < 0) {
        ++ended_;
        const bool is_stopped = cqe.res == -ENODEV;  // UBLK_IO_RES_ABORT
        if (!is_stopped && failure_) {
            failure_ = fail_errno(
                fmt::format("ublk: fetch request {} of queue {}", request.tag, setting_.index), -cqe.res);
            log_line(failure_.error().message);  // the others may go on for long
        }
        return;
    }
    waiting_[(first_waiting_ + waiting_count_++) % waiting_.size()] = request.tag;
}

bool Queue::work() {
    bool worked = answer_all(answered_elsewhere_.exchange(nullptr, std::memory_order_acquire));
    while (waiting_count_ > 0 && !free_buffers_.empty()) {
        worked = true;
        Request& request = requests_[waiting_[first_waiting_]];
        first_waiting_ = (first_waiting_ + 1) % waiting_.size();
        --waiting_count_;
        begin(request);
        answer_all(std::exchange(answered_here_, nullptr));
        if (waiting_count_ > 0 && (unsent_ >= most_unsent || unsent_bytes_ >= most_unsent_bytes)) {
            submit();
        }
    }
    return worked;
}

void Queue::submit() {
    unsent_ = 0;
    unsent_bytes_ = 0;
    static_cast<void>(::io_uring_submit(ring_.get()));  // what was not stays in the ring
}

void Queue::begin(Request& request) {
    request.memory = free_buffers_.back();
    free_buffers_.pop_back();
    const auto& descriptor = static_cast<const IoDescriptor*>(descriptors_.get().address)[request.tag];
    request.plan = plan_for(descriptor, setting_.largest);
    const Plan& plan = request.plan;
    int error = plan.error;
    request.buffer = request.memory.first(plan.transfer == Transfer::none ? 0 : plan.length);
    if (error == 0 && plan.reports_zones) {
        hand_over(request, report_zones(request));
        return;
    }
    if (error == 0 && plan.transfer == Transfer::from_kernel) {
        error = copy(request, request.buffer);
    }
    if (error != 0) {
        hand_over(request, error);
        return;
    }
    request.operation = plan.operation;
    request.offset = plan.offset;
    request.length = plan.length;
    request.all_zones = plan.all_zones;
    setting_.disk->submit(request);
}

// Into the request's buffer, and from there to the kernel, which has filled its own with zeroes: what is
// behind the last zone ends the report.
int Queue::report_zones(const Request& request) const {
    const ZoneId first = setting_.zones->geometry().zone_of({request.plan.offset});
    const std::size_t wanted =
        std::min<std::size_t>(request.plan.zones, request.memory.size() / sizeof(blk_zone));
    std::array<ZoneDescriptor, 64> portion;
    std::size_t done = 0;
    while (done < wanted) {
        const auto room = std::span(portion).first(std::min(portion.size(), wanted - done));
        const std::size_t count = setting_.zones->report(first + ZoneId{done}, room);
        for (const ZoneDescriptor& zone : room.first(count)) {
            const blk_zone described = to_blk_zone(zone);
            std::memcpy(&request.memory[done++ * sizeof(blk_zone)], &described, sizeof(described));
        }
        if (count < room.size()) {
            break;
        }
    }
    return copy(request, request.memory.first(done * sizeof(blk_zone)));
}

// Moves the request's data between our memory and the kernel, by pread and pwrite of the character device.
int Queue::copy(const Request& request, std::span<std::byte> data) const {
    const std::uint64_t begin = data_offset(setting_.index, request.tag);
    std::size_t done = 0;
    while (done < data.size()) {
        const auto rest = data.subspan(done);
        const auto offset = static_cast<off_t>(begin + done);
        const ssize_t moved = request.plan.transfer == Transfer::from_kernel
                                  ? ::pread(setting_.character_fd, rest.data(), rest.size(), offset)
                                  : ::pwrite(setting_.character_fd, rest.data(), rest.size(), offset);
        if (moved < 0 && errno == EINTR) {
            continue;
        }
        if (moved <= 0) {
            return moved == 0 ? EIO : errno;
        }
        done += static_cast<std::size_t>(moved);
    }
    return 0;
}

// The disk has done it; any thread.
void Queue::on_done(DeviceRequest& done, int error) {
    auto& request = static_cast<Request&>(done);
    if (error == 0 && request.plan.transfer == Transfer::to_kernel) {
        error = request.queue->copy(request, request.buffer);
    }
    request.queue->hand_over(request, error);
}

void Queue::hand_over(Request& request, int error) {
    request.result = result_of(request.plan, error, setting_.largest);
    if (std::this_thread::get_id() == thread_) {
        request.next = answered_here_;
        answered_here_ = &request;
        return;
    }
    Request* head = answered_elsewhere_.load(std::memory_order_relaxed);
    do {
        request.next = head;
    } while (!answered_elsewhere_.compare_exchange_weak(head, &request, std::memory_order_release,
                                                        std::memory_order_relaxed));
    if (head == nullptr) {
        wake();
    }
}

bool Queue::answer_all(Request* list) {
    const bool any = list != nullptr;
    while (list != nullptr) {
        Request& request = *list;
        list = request.next;
        answer(request);
    }
    return any;
}

void Queue::answer(Request& request) {
    free_buffers_.push_back(request.memory);
    const bool is_append = request.plan.operation == DeviceOperation::append &&
                           request.plan.transfer != Transfer::none && request.result >= 0;
    send(io_commit_and_fetch, {.queue = static_cast<std::uint16_t>(setting_.index),
                               .tag = request.tag,
                               .result = request.result,
                               .append_sector = is_append ? request.placed_at / sector_size : 0});
    ++unsent_;
    unsent_bytes_ += request.plan.length;
}

}  // namespace reflux::ublk
