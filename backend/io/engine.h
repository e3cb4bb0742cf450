// I/O engines: how a request reaches the lower file. One file an engine; engine.cpp lists them.
//
// No engine allocates after construction, and requests are intrusive: the caller owns them and keeps them and
// their buffers alive until `complete` is called.
#pragma once

#include "backend/base/result.h"
#include "backend/io/call_options.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace reflux::io {

enum class Operation : std::uint8_t { read, write, flush };
std::string_view to_string(Operation operation);

// One read, write or flush of the lower file. Callbacks are plain functions: a derived request finds its own
// state by static_cast.
struct Request {
    Operation operation = Operation::read;
    std::uint64_t offset = 0;     // bytes in the lower file; unused by flush
    std::span<std::byte> buffer;  // what is written, or filled by a read
    // Called in the thread that does the I/O, right before it; not 0: the request fails with that errno and
    // no I/O is done. May be null.
    int (*begin)(Request& request) = nullptr;
    // Called once when the request is done, with 0 or an errno value, in any thread; the engine does not
    // touch the request afterwards, so it may be reused or submitted again at once.
    void (*complete)(Request& request, int error) = nullptr;
};

struct EngineOptions {
    int fd = -1;  // lower file, open for reading and writing; not owned
    // Of a pool; of sync those that submit at once; of uring the most workers that the kernel may make for
    // it. Not set: what the engine thinks right.
    std::optional<unsigned> threads;
    bool direct = false;  // past the page cache, where a request's alignment allows it (lower_file.h)
    CallOptions calls;    // what an engine cannot do of it is unsupported
};

// What an engine tells about itself.
struct EngineState {
    bool direct = false;
    std::uint64_t unaligned = 0;       // transfers of the direct mode that went through the page cache
    std::size_t registered_bytes = 0;  // of memory that the kernel keeps pinned for it
    CallState calls;
};

class Engine {
  public:
    Engine() = default;
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;
    Engine(Engine&&) = delete;
    Engine& operator=(Engine&&) = delete;
    // Completes what was submitted first.
    virtual ~Engine() = default;

    // Hands over a request. Blocks while max_in_flight() requests are not complete. Threads: any.
    virtual void submit(Request& request) = 0;
    // Returns when every request submitted before is complete.
    virtual void drain() = 0;
    // True when submit() does the I/O itself, in the calling thread, and has completed the request when it
    // returns.
    [[nodiscard]] virtual bool is_inline() const = 0;
    [[nodiscard]] virtual std::size_t max_in_flight() const = 0;
    // Memory in which buffers of requests are going to lie, kept until no request uses it. An engine that
    // gains by it registers it with the kernel, if a limit allows (state() tells). Before the first request.
    virtual void offer_memory(std::span<std::byte> /*memory*/) {}
    // Threads: any.
    [[nodiscard]] virtual EngineState state() const = 0;
};

struct EngineInfo {
    std::string_view name;
    std::string_view description;
};
const std::vector<EngineInfo>& engine_list();
// An unknown name is invalid_input and lists the known ones.
Result<std::unique_ptr<Engine>> make_engine(std::string_view name, const EngineOptions& options);

}  // namespace reflux::io
