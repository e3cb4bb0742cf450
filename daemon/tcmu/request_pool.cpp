#include "daemon/tcmu/request_pool.h"

namespace reflux::tcmu {

Result<std::unique_ptr<RequestPool>> RequestPool::make(std::size_t count) {
    REFLUX_TRY(auto buffers, io::BufferPool::make(largest_transfer, count));
    return std::unique_ptr<RequestPool>(new RequestPool(std::move(buffers), count));
}

RequestPool::RequestPool(io::BufferPool buffers, std::size_t count)
    : buffers_(std::move(buffers)), requests_(count) {
    free_.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        requests_[i].bounce = buffers_.buffer(i);
        free_.push_back(&requests_[i]);
    }
}

TcmuRequest* RequestPool::take() {
    std::unique_lock lock(mutex_);
    freed_or_stopped_.wait(lock, [this] { return stopped_ || !free_.empty(); });
    if (stopped_) {
        return nullptr;
    }
    TcmuRequest* const request = free_.back();
    free_.pop_back();
    return request;
}

void RequestPool::give_back(TcmuRequest& request) {
    const std::lock_guard lock(mutex_);
    free_.push_back(&request);
    freed_or_stopped_.notify_one();
}

void RequestPool::stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    freed_or_stopped_.notify_all();
}

void RequestPool::start() {
    const std::lock_guard lock(mutex_);
    stopped_ = false;
}

}  // namespace reflux::tcmu
