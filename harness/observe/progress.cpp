#include "harness/observe/progress.h"

#include "backend/base/kernel_file.h"
#include "backend/base/meminfo.h"

#include <array>
#include <charconv>
#include <filesystem>
#include <string_view>

namespace reflux::observe {
namespace {

// Fields of /sys/block/…/stat, counted from 0.
constexpr std::size_t reads_field = 0;
constexpr std::size_t sectors_read_field = 2;
constexpr std::size_t writes_field = 4;
constexpr std::size_t sectors_written_field = 6;
constexpr std::size_t in_flight_field = 8;
constexpr std::size_t discards_field = 11;  // 4.18
constexpr std::size_t flushes_field = 15;   // 5.5

Result<std::vector<std::uint64_t>> numbers_in(const std::string& path) {
    REFLUX_TRY(const auto text, read_file(path));
    std::vector<std::uint64_t> numbers;
    for (const auto& field : split(trimmed(text), ' ')) {
        std::uint64_t number = 0;
        const char* end = field.data() + field.size();
        if (const auto read = std::from_chars(field.data(), end, number);
            read.ec != std::errc{} || read.ptr != end) {
            return fail(ErrorKind::system,
                        fmt::format("{} holds '{}' where a number should be", path, field));
        }
        numbers.push_back(number);
    }
    return numbers;
}

// avg10 of a pressure file's line, "some avg10=0.00 avg60=…".
std::optional<double> average(std::string_view line_head, std::string_view text) {
    constexpr std::string_view key = "avg10=";
    for (const auto& line : lines_of(text)) {
        if (!line.starts_with(line_head)) {
            continue;
        }
        for (const auto& pair : split(line, ' ')) {
            double value = 0;
            if (pair.starts_with(key) &&
                std::from_chars(pair.data() + key.size(), pair.data() + pair.size(), value).ec ==
                    std::errc{}) {
                return value;
            }
        }
    }
    return std::nullopt;
}

// Of the line "KEY 12", with whatever stands behind the number.
Result<std::uint64_t> count_in(const std::string& path, std::string_view key) {
    REFLUX_TRY(const auto text, read_file(path));
    for (const auto& line : lines_of(text)) {
        if (!line.starts_with(key)) {
            continue;
        }
        const auto digits = line.find_first_not_of(' ', key.size());
        std::uint64_t count = 0;
        if (digits != std::string::npos &&
            std::from_chars(line.data() + digits, line.data() + line.size(), count).ec == std::errc{}) {
            return count;
        }
    }
    return fail(ErrorKind::unsupported, fmt::format("{} has no {}", path, trimmed(key)));
}

// Of one cgroup without those below it.
Result<std::uint64_t> own_oom_kills(const std::string& cgroup) {
    constexpr std::string_view key = "oom_kill ";  // and not "oom_kill_disable"
    auto v2 = count_in(cgroup + "/memory.events.local", key);
    return v2 || v2.error().errnum != ENOENT ? v2 : count_in(cgroup + "/memory.oom_control", key);
}

}  // namespace

Result<BlockCounters> block_counters(const std::string& sys_root, const std::string& number) {
    const auto device = fmt::format("{}/dev/block/{}", sys_root, number);
    REFLUX_TRY(const auto stat, numbers_in(device + "/stat"));
    if (stat.size() <= in_flight_field) {
        return fail(ErrorKind::system, fmt::format("{}/stat has only {} fields", device, stat.size()));
    }
    BlockCounters counters;
    for (const auto field : {reads_field, writes_field, discards_field, flushes_field}) {
        counters.completed += field < stat.size() ? stat[field] : 0;
    }
    constexpr std::uint64_t sector_bytes = 512;  // whatever the device's own are
    counters.bytes = sector_bytes * (stat[sectors_read_field] + stat[sectors_written_field]);
    counters.in_flight = stat[in_flight_field];
    if (const auto inflight = numbers_in(device + "/inflight"); inflight && inflight->size() == 2) {
        counters.in_flight = inflight->front() + inflight->back();  // reads, writes
    }
    return counters;
}

std::optional<std::string> btrfs_bdi_name(const std::string& sys_root, const std::string& block_name) {
    const auto btrfs = sys_root + "/fs/btrfs";
    for (const auto& uuid : list_directory(btrfs).value_or(std::vector<std::string>{})) {
        const auto filesystem = btrfs + "/" + uuid;
        if (::access(fmt::format("{}/devices/{}", filesystem, block_name).c_str(), F_OK) != 0) {
            continue;
        }
        std::array<char, 256> target{};
        const ssize_t n = ::readlink((filesystem + "/bdi").c_str(), target.data(), target.size());
        if (n > 0) {
            const std::string_view link(target.data(), static_cast<std::size_t>(n));
            return std::string(link.substr(link.rfind('/') + 1));
        }
    }
    return std::nullopt;
}

Result<std::uint64_t> fuse_waiting(const std::string& connection_dir) {
    return read_number(connection_dir + "/waiting");
}

Result<std::uint64_t> memory_usage(const std::string& cgroup_dir) {
    if (auto current = read_number(cgroup_dir + "/memory.current"); current) {
        return current;
    }
    return read_number(cgroup_dir + "/memory.usage_in_bytes");
}

Result<std::uint64_t> cgroup_oom_kills(const std::string& tree) {
    REFLUX_TRY(std::uint64_t kills, own_oom_kills(tree));
    std::error_code problem;
    std::filesystem::recursive_directory_iterator entries(tree, problem);
    for (; !problem && entries != std::filesystem::recursive_directory_iterator();
         entries.increment(problem)) {
        if (entries->is_directory(problem)) {
            REFLUX_TRY(const std::uint64_t more, own_oom_kills(entries->path().string()));
            kills += more;
        }
    }
    if (problem) {
        return fail_errno("read the folders below " + tree, problem.value());
    }
    return kills;
}

Result<std::uint64_t> machine_oom_kills(const std::string& proc_root) {
    return count_in(proc_root + "/vmstat", "oom_kill ");
}

Result<MachineMemory> machine_memory(const std::string& proc_root) {
    const std::string path = proc_root + "/meminfo";
    REFLUX_TRY(const auto text, read_file(path));
    MachineMemory memory;
    std::uint64_t swap = 0;
    std::uint64_t swap_free = 0;
    for (const auto& [key, value] :
         {std::pair("MemFree", &memory.free_bytes), std::pair("SReclaimable", &memory.slab_reclaimable_bytes),
          std::pair("SwapTotal", &swap), std::pair("SwapFree", &swap_free)}) {
        const auto field = meminfo_field(text, key);
        if (!field) {
            return fail(ErrorKind::unsupported, fmt::format("{} has no {}", path, key));
        }
        *value = field->value;
    }
    if (swap > 0) {
        memory.swap_free_bytes = swap_free;
    }
    return memory;
}

Result<std::optional<MemoryPressure>> memory_pressure(const std::string& cgroup_dir,
                                                      const std::string& proc_root) {
    for (const auto& path : {cgroup_dir + "/memory.pressure", proc_root + "/pressure/memory"}) {
        const auto text = read_file(path);
        if (!text) {
            const int errnum = text.error().errnum;
            // ENODEV, ENOTDIR: no such cgroup file; EOPNOTSUPP: off by psi=0 or by cgroup.pressure
            if (errnum == ENOENT || errnum == EOPNOTSUPP || errnum == ENOTDIR || errnum == ENODEV) {
                continue;
            }
            return fail(text.error());
        }
        const auto some = average("some ", *text);
        const auto full = average("full ", *text);
        if (!some || !full) {
            return fail(ErrorKind::system, fmt::format("{} has no avg10: '{}'", path, trimmed(*text)));
        }
        return std::optional(MemoryPressure{.some_avg10 = *some, .full_avg10 = *full});
    }
    return std::optional<MemoryPressure>{};
}

}  // namespace reflux::observe
