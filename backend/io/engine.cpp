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
                 .description = "one thread, one request at a time: pread, pwrite, fdatasync"},
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
