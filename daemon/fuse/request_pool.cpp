#include "daemon/fuse/request_pool.h"

namespace reflux::fuse {
namespace {

constexpr std::size_t page = 4096;
static_assert(transfer_header <= page);

}  // namespace

Result<std::unique_ptr<RequestPool>> RequestPool::make(std::size_t count, std::size_t largest) {
    REFLUX_TRY(auto buffers, io::BufferPool::make(page + largest, count));
    return std::unique_ptr<RequestPool>(new RequestPool(std::move(buffers), count));
}

RequestPool::RequestPool(io::BufferPool buffers, std::size_t count)
    : buffers_(std::move(buffers)), requests_(count) {
    free_.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        const auto memory = buffers_.buffer(i);
        requests_[i].pool = this;
        requests_[i].message = memory.subspan(page - transfer_header);
        requests_[i].data = memory.subspan(page);
        free_.push_back(&requests_[i]);
    }
}

FuseRequest& RequestPool::take() {
    std::unique_lock lock(mutex_);
    freed_.wait(lock, [this] { return !free_.empty(); });
    FuseRequest* request = free_.back();
    free_.pop_back();
    return *request;
}

void RequestPool::give_back(FuseRequest& request) {
    const std::lock_guard lock(mutex_);
    free_.push_back(&request);
    freed_.notify_one();
}

}  // namespace reflux::fuse
