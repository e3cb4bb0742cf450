// Requests to a zoned disk that are waited for.
#pragma once

#include "backend/zoned_device.h"
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
inline int run(ZonedDevice& device, DeviceOperation what, std::uint64_t where,
               std::span<std::byte> data = {}) {
    WaitedRequest request(what, where, data);
    device.submit(request);
    return request.wait();
}

}  // namespace reflux::test
