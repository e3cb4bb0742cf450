// A request of an engine that a test waits for.
#pragma once

#include "backend/io/engine.h"
#include "tests/support/ending.h"

namespace reflux::io {

struct WaitedRequest : Request, test::Ending {
    WaitedRequest(Operation what, std::uint64_t where, std::span<std::byte> data) {
        operation = what;
        offset = where;
        buffer = data;
        complete = [](Request& request, int error) { static_cast<WaitedRequest&>(request).end(error); };
    }
};

// Its result; the engine has let go of it.
inline int run(Engine& engine, Operation what, std::uint64_t where, std::span<std::byte> data) {
    WaitedRequest request(what, where, data);
    engine.submit(request);
    const int result = request.wait();
    engine.drain();
    return result;
}

}  // namespace reflux::io
