// Requests to a disk that are waited for.
#pragma once

#include "backend/disk.h"
#include "tests/support/ending.h"

namespace reflux::test {

struct WaitedRequest : DeviceRequest, Ending {
    WaitedRequest(DeviceOperation what, std::uint64_t where, std::span<std::byte> data) {
        operation = what;
        offset = where;
        buffer = data;
        done = [](DeviceRequest& request, int error) { static_cast<WaitedRequest&>(request).end(error); };
    }
};

// The error that it ended with.
inline int run(Disk& disk, DeviceOperation what, std::uint64_t where, std::span<std::byte> data = {}) {
    WaitedRequest request(what, where, data);
    disk.submit(request);
    return request.wait();
}
inline int discard(Disk& disk, std::uint64_t where, std::uint64_t length) {
    WaitedRequest request(DeviceOperation::discard, where, {});
    request.length = length;
    disk.submit(request);
    return request.wait();
}

}  // namespace reflux::test
