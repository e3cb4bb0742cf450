#include "backend/io/engine.h"

#include "backend/io/engines.h"

#include <array>

namespace reflux::io {
namespace {

struct Row {
    EngineInfo info;
    Result<std::unique_ptr<Engine>> (*make)(const EngineOptions& options);
};

constexpr std::array rows{
    Row{.info = {.name = "sync",
                 .description =
                     "the thread that takes a request does its I/O; one, or as many as --threads says"},
        .make = make_sync_engine},
    Row{.info = {.name = "threads", .description = "a fixed pool of threads: pread, pwrite, fdatasync"},
        .make = make_threads_engine},
    Row{.info = {.name = "uring",
                 .description = "one thread and an io_uring; what it cannot do without waiting, the kernel's "
                                "io-wq workers do"},
        .make = make_uring_engine},
};

}  // namespace

std::string_view to_string(Operation operation) {
    switch (operation) {
        case Operation::read:
            return "read";
        case Operation::write:
            return "write";
        case Operation::flush:
            return "flush";
    }
    return "unknown";
}

Result<unsigned> thread_count(const EngineOptions& options, unsigned own) {
    constexpr unsigned most = 64;
    const unsigned count = options.threads.value_or(own);
    if (count == 0 || count > most) {
        return fail(ErrorKind::invalid_input, fmt::format("{} threads: choose 1 to {}", count, most));
    }
    return count;
}

const std::vector<EngineInfo>& engine_list() {
    static const std::vector<EngineInfo> list = [] {
        std::vector<EngineInfo> infos;
        infos.reserve(rows.size());
        for (const Row& row : rows) {
            infos.push_back(row.info);
        }
        return infos;
    }();
    return list;
}

Result<std::unique_ptr<Engine>> make_engine(std::string_view name, const EngineOptions& options) {
    std::string known;
    for (const Row& row : rows) {
        if (row.info.name == name) {
            return row.make(options);
        }
        known += fmt::format("{}{}", known.empty() ? "" : ", ", row.info.name);
    }
    return fail(ErrorKind::invalid_input, fmt::format("no engine '{}'; there are: {}", name, known));
}

}  // namespace reflux::io
