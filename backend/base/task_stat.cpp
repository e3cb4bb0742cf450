#include "backend/base/task_stat.h"

#include "backend/base/kernel_file.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

namespace reflux {
namespace {

// Those of the threads in `tids` that still exist.
Result<std::vector<ThreadStat>> read_existing(const std::string& folder,
                                              const std::vector<std::string>& tids) {
    std::vector<ThreadStat> threads;
    for (const auto& tid : tids) {
        auto stat = read_task_stat(fmt::format("{}/{}/stat", folder, tid));
        if (stat) {
            threads.push_back({.tid = std::atoi(tid.c_str()), .stat = *std::move(stat)});
        } else if (stat.error().errnum != ENOENT && stat.error().errnum != ESRCH) {
            return fail(std::move(stat).error());
        }
    }
    return threads;
}

}  // namespace

Result<TaskStat> parse_task_stat(std::string_view text) {
    const auto open = text.find('(');
    const auto close = text.rfind(')');
    if (open == std::string_view::npos || close == std::string_view::npos || close < open) {
        return fail(ErrorKind::system, "a stat line has no name in parentheses");
    }
    // What follows the name begins with field 3.
    const auto fields = split(text.substr(close + 1), ' ');
    constexpr std::size_t first_field = 3;
    constexpr std::size_t last_field = 22;
    if (fields.size() <= last_field - first_field || fields[0].size() != 1) {
        return fail(ErrorKind::system, "a stat line has too few fields");
    }
    const auto number = [&](std::size_t field) {
        std::uint64_t value = 0;
        const std::string& word = fields[field - first_field];
        std::from_chars(word.data(), word.data() + word.size(), value);
        return value;
    };
    return TaskStat{.name = std::string(text.substr(open + 1, close - open - 1)),
                    .state = fields[0][0],
                    .parent = static_cast<int>(number(4)),
                    .flags = number(9),
                    .cpu_ticks = number(14) + number(15),
                    .start_time = number(22)};
}

Result<int> process_of(const std::string& proc, int tid) {
    const std::string path = fmt::format("{}/{}/status", proc, tid);
    REFLUX_TRY(const auto text, read_file(path));
    constexpr std::string_view key = "Tgid:\t";
    for (const auto& line : lines_of(text)) {
        int pid = 0;
        if (line.starts_with(key) &&
            std::from_chars(line.data() + key.size(), line.data() + line.size(), pid).ec == std::errc{}) {
            return pid;
        }
    }
    return fail(ErrorKind::system, path + " has no Tgid");
}

Result<TaskStat> read_task_stat(const std::string& path) {
    REFLUX_TRY(const auto text, read_file(path));
    auto stat = parse_task_stat(text);
    return stat ? stat : Result<TaskStat>(fail(stat.error().within(path)));
}

Result<std::vector<ThreadStat>> read_threads(const std::string& process_folder) {
    constexpr int most_rounds = 16;
    const std::string folder = process_folder + "/task";
    REFLUX_TRY(auto tids, list_directory(folder));
    for (int round = 0; round < most_rounds; ++round) {
        REFLUX_TRY(auto threads, read_existing(folder, tids));
        if (threads.empty()) {
            return fail_errno("read " + folder, ESRCH);
        }
        REFLUX_TRY(auto tids_now, list_directory(folder));
        if (std::includes(tids.begin(), tids.end(), tids_now.begin(), tids_now.end())) {
            std::sort(threads.begin(), threads.end(),
                      [](const ThreadStat& a, const ThreadStat& b) { return a.tid < b.tid; });
            return threads;
        }
        tids = std::move(tids_now);
    }
    return fail(ErrorKind::timed_out, folder + ": threads are made faster than they can be read");
}

}  // namespace reflux
