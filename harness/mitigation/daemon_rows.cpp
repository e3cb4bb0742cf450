// Mitigations that are options of refluxd.
#include "backend/base/io_flusher.h"
#include "backend/base/kernel_file.h"
#include "backend/base/task_stat.h"
#include "harness/mitigation/refluxd_status.h"
#include "harness/mitigation/rows.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include <fcntl.h>

namespace reflux::mitigation {
namespace {

// daemon/base/self_protection.h: how the names of threads that do I/O and nothing else begin; a pool's are
// numbered ("refluxd-io/0").
constexpr std::string_view io_thread_name = "refluxd-io";

std::string folder_of(const Target& target) {
    return fmt::format("{}/{}", target.proc, target.pid);
}

// Field 9 of every thread's stat.
evidence::Mitigation io_flusher_read_back(const Row& row, const Target& target) {
    std::vector<int> processes{target.pid};
    processes.insert(processes.end(), target.others.begin(), target.others.end());
    std::vector<std::string> marked;
    for (const int pid : processes) {
        const auto threads = read_threads(fmt::format("{}/{}", target.proc, pid));
        if (!threads) {
            return not_in_force(row, threads.error().message);
        }
        for (const auto& [tid, stat] : *threads) {
            if (!is_io_flusher(stat)) {
                return not_in_force(row, fmt::format("thread {} ({}) is not marked: flags {:#x}", tid,
                                                     stat.name, stat.flags));
            }
            marked.push_back(fmt::format("{} {:#x}", tid, stat.flags));
        }
    }
    return in_force(row, fmt::format("PF_MEMALLOC_NOIO and PF_LOCAL_THROTTLE on every thread: {}",
                                     fmt::join(marked, ", ")));
}

// The main thread has the mark; who does I/O without it is what the run is about.
evidence::Mitigation io_flusher_late_read_back(const Row& row, const Target& target) {
    const auto threads = read_threads(folder_of(target));
    if (!threads) {
        return not_in_force(row, threads.error().message);
    }
    std::vector<std::string> unmarked;
    bool main_marked = false;
    bool io_unmarked = false;
    for (const auto& [tid, stat] : *threads) {
        if (is_io_flusher(stat)) {
            main_marked = main_marked || tid == target.pid;
        } else {
            io_unmarked = io_unmarked || stat.name.starts_with(io_thread_name);
            unmarked.push_back(fmt::format("{} ({})", tid, stat.name));
        }
    }
    if (!main_marked) {
        return not_in_force(row, fmt::format("the main thread {} is not marked", target.pid));
    }
    if (!io_unmarked) {
        return not_in_force(row, "no thread that does I/O is without the mark, which is then not late");
    }
    return in_force(row,
                    fmt::format("PF_MEMALLOC_NOIO and PF_LOCAL_THROTTLE on the main thread {}; unmarked: {}",
                                target.pid, fmt::join(unmarked, ", ")));
}

evidence::Mitigation no_status(const Row& row) {
    return not_in_force(row, "refluxd's status does not tell");
}

// Each flag was tried when refluxd made its engine; that calls are made with it is a count.
ReadBack flag_read_back(const std::string& word) {
    return [word](const Row& row, const Target& target) {
        const auto calls = calls_of(target);
        if (!calls.told || !calls.has("flags", word)) {
            return no_status(row);
        }
        if (calls.count("flagged") == 0) {
            return not_in_force(row, fmt::format("no call was made with {} yet", word));
        }
        return in_force(row, fmt::format("{} calls with {}, {} of them refused and made again without it",
                                         calls.count("flagged"), word, calls.count("fallbacks")));
    };
}

// The kernel shows the mark of a thread only while the call lasts. What proves it are refluxd's first
// bracket, which reads the flags of its thread inside and behind, the counts, and the gfp mask of every
// reclaim in the trace.
ReadBack scope_read_back(const std::string& word) {
    return [word](const Row& row, const Target& target) {
        const auto calls = calls_of(target);
        if (!calls.told || !calls.has("scopes", word)) {
            return no_status(row);
        }
        if (calls.count("scope_failures") > 0 || calls.count("scoped") == 0) {
            return not_in_force(row, fmt::format("{} reads and writes inside of {}, {} without it",
                                                 calls.count("scoped"), word, calls.count("scope_failures")));
        }
        return in_force(row, fmt::format("seen on the thread at refluxd's start; {} reads and writes inside "
                                         "of {}, none without it",
                                         calls.count("scoped"), word));
    };
}

// Of a stall that came before the first round they say nothing: with longer intervals (64 writes) the
// baseline's deadlock comes earlier, after some 40 requests. The count tells.
ReadBack bound_read_back(const char* key, std::uint64_t wanted) {
    return [key, wanted](const Row& row, const Target& target) {
        const auto calls = calls_of(target);
        if (!calls.told || calls.count(key) != wanted) {
            return no_status(row);
        }
        if (calls.count("bound_failures") > 0) {
            return not_in_force(row, fmt::format("{} of {} rounds of writeback failed",
                                                 calls.count("bound_failures"), calls.count("bounded")));
        }
        return in_force(row,
                        fmt::format("{} {}: {} rounds of writeback", key, wanted, calls.count("bounded")));
    };
}

// The open flags of the daemon's descriptors, as proc(5) shows them in octal.
evidence::Mitigation o_direct_read_back(const Row& row, const Target& target) {
    const std::string folder = folder_of(target) + "/fdinfo";
    const auto names = list_directory(folder);
    if (!names) {
        return not_in_force(row, names.error().message);
    }
    for (const auto& name : *names) {
        const auto text = read_file(fmt::format("{}/{}", folder, name));
        for (const auto& line : lines_of(text.value_or(""))) {
            constexpr std::string_view key = "flags:\t";
            unsigned flags = 0;
            if (line.starts_with(key)) {
                std::from_chars(line.data() + key.size(), line.data() + line.size(), flags, 8);
            }
            if ((flags & static_cast<unsigned>(O_DIRECT)) != 0) {
                const auto io = io_of(target);
                return in_force(row, fmt::format("descriptor {} of refluxd has O_DIRECT; {} transfers went "
                                                 "through the page cache, unaligned",
                                                 name, io.is_object() ? io.value("unaligned", 0U) : 0U));
            }
        }
    }
    return not_in_force(row, "no descriptor of refluxd has O_DIRECT");
}

evidence::Mitigation mlock_read_back(const Row& row, const Target& target) {
    const auto text = read_file(folder_of(target) + "/status");
    if (!text) {
        return not_in_force(row, text.error().message);
    }
    for (const auto& line : lines_of(*text)) {
        if (line.starts_with("VmLck:")) {
            const auto digits = line.find_first_of("123456789");
            return digits == std::string::npos ? not_in_force(row, "VmLck of refluxd is 0")
                                               : in_force(row, "VmLck of refluxd is " + line.substr(digits));
        }
    }
    return not_in_force(row, "the status of refluxd has no VmLck");
}

Row marks_of_process(std::string name, std::string description, std::string argument, ReadBack read_back) {
    return {.name = std::move(name),
            .description = std::move(description),
            .place = Place::daemon,
            .needs = {.sys_resource = true},
            .effect = {.daemon_arguments = {std::move(argument)}},
            .read_back = std::move(read_back)};
}

Row of_calls(std::string name, std::string description, std::vector<std::string> arguments,
             ReadBack read_back) {
    return {.name = std::move(name),
            .description = std::move(description),
            .place = Place::call,
            .effect = {.daemon_arguments = std::move(arguments)},
            .read_back = std::move(read_back),
            .counts = true};
}

}  // namespace

std::vector<Row> daemon_rows() {
    auto io_flusher =
        marks_of_process("io_flusher", "prctl(PR_SET_IO_FLUSHER) before the daemon makes its first thread",
                         "--io-flusher", io_flusher_read_back);
    io_flusher.mark_caller = mark_io_flusher;
    io_flusher.excludes = {"io_flusher_late", "per_call"};
    auto late = marks_of_process("io_flusher_late",
                                 "the same when all threads are there, so that the main thread alone gets it",
                                 "--io-flusher-late", io_flusher_late_read_back);
    late.excludes = {"per_call"};
    late.effect.engine = "threads";  // sync does its I/O in the main thread
    auto per_call = of_calls("per_call", "PR_SET_IO_FLUSHER on and off around each read and write",
                             {"--call-scope", "io_flusher"}, scope_read_back("io_flusher"));
    per_call.needs.sys_resource = true;
    return {
        io_flusher,
        late,
        per_call,
        {.name = "o_direct",
         .description = "the daemon's I/O past the page cache (O_DIRECT)",
         .place = Place::daemon,
         .effect = {.daemon_arguments = {"--direct"}},
         .read_back = o_direct_read_back,
         .excludes = {"sync_range"}},
        of_calls("rwf_nowait", "RWF_NOWAIT, and again without it where the kernel refuses",
                 {"--call-flag", "nowait"}, flag_read_back("nowait")),
        of_calls("rwf_dontcache", "RWF_DONTCACHE (6.14): out of the page cache when it is done",
                 {"--call-flag", "dontcache"}, flag_read_back("dontcache")),
        of_calls("sync_range", "sync_file_range after each 256 KiB that the daemon writes",
                 {"--sync-range", "256KiB"}, bound_read_back("sync_range", 256U << 10U)),
        of_calls("fdatasync_every", "fdatasync after 8 writes of the daemon", {"--fdatasync-every", "8"},
                 bound_read_back("fdatasync_every", 8)),
        {.name = "mlock",
         .description = "mlockall(MCL_CURRENT|MCL_FUTURE) in the daemon",
         .place = Place::daemon,
         .effect = {.daemon_arguments = {"--mlock"}},
         .read_back = mlock_read_back},
    };
}

}  // namespace reflux::mitigation
