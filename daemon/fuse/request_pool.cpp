#include "daemon/fuse/request_pool.h"

#include <cstdlib>

namespace reflux::fuse {

Result<std::unique_ptr<RequestPool>> RequestPool::make(std::size_t count, std::size_t largest) {
    REFLUX_TRY(auto buffers, io::BufferPool::make(largest, count));
    return std::unique_ptr<RequestPool>(new RequestPool(std::move(buffers), count));
}

RequestPool::RequestPool(io::BufferPool buffers, std::size_t count)
    : buffers_(std::move(buffers)), requests_(count) {
    free_.reserve(count);
    // One a request, and the one that the reader receives in.
    messages_.reserve(count + 1);
    for (std::size_t i = 0; i < count; ++i) {
        requests_[i].pool = this;
        requests_[i].read_buffer = buffers_.buffer(i);
        free_.push_back(&requests_[i]);
    }
}

RequestPool::~RequestPool() {
    for (void* message : messages_) {
        std::free(message);  // libfuse's malloc
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
    if (request.message != nullptr) {
        messages_.push_back(request.message);
        request.message = nullptr;
    }
    free_.push_back(&request);
    freed_.notify_one();
}

void* RequestPool::take_message() {
    const std::lock_guard lock(mutex_);
    if (messages_.empty()) {
        return nullptr;
    }
    void* message = messages_.back();
    messages_.pop_back();
    return message;
}

void RequestPool::give_back_message(void* message) {
    if (message != nullptr) {
        const std::lock_guard lock(mutex_);
        messages_.push_back(message);
    }
}

}  // namespace reflux::fuse
