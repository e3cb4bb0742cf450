#include "harness/pressure/io_cgroups.h"

#include "backend/base/kernel_file.h"
#include "harness/pressure/shared_counters.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <thread>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>

namespace reflux::pressure {
namespace {

constexpr std::size_t block = 4096;
// Each waits for its reads; together they keep the rate where the device is slow.
constexpr unsigned processes = 8;
// No device of a test comes near it: the policy is there, and stops nothing.
constexpr std::uint64_t no_limit = 1ULL << 34U;  // bytes a second

using Clock = std::chrono::steady_clock;

std::uint64_t us_since(Clock::time_point begin) {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin).count());
}

void raise_to(std::atomic<std::uint64_t>& most, std::uint64_t value) {
    for (auto seen = most.load(); seen < value && !most.compare_exchange_weak(seen, value);) {
    }
}

Status make_folder(const std::string& path) {
    return ::mkdir(path.c_str(), 0755) == 0 ? Status{} : Status(fail_errno("mkdir " + path));
}

Status remove_folder(const std::string& path) {
    return ::rmdir(path.c_str()) == 0 ? Status{} : Status(fail_errno("rmdir " + path));
}

bool has_word(const std::string& file, const std::string& word) {
    const auto text = read_file(file);
    const auto words = split(trimmed(text.value_or("")), ' ');
    return std::ranges::find(words, word) != words.end();
}

// A read from the device into memory of its own; the block differs, so that nothing above the device has it.
Status read_block(int device, std::uint64_t number) {
    struct Free {
        void operator()(void* memory) const { std::free(memory); }
    };
    static const std::unique_ptr<void, Free> memory(std::aligned_alloc(block, block));
    constexpr std::uint64_t blocks = 1024;
    const ssize_t n = ::pread(device, memory.get(), block, static_cast<off_t>(number % blocks * block));
    return n == static_cast<ssize_t>(block) ? Status{}
                                            : Status(fail_errno("read the device", n < 0 ? errno : EIO));
}

// Where the kernel tells what a cgroup's I/O on each device was.
bool is_accounted(const std::string& cgroup, Version version, const std::string& number) {
    const auto text =
        read_file(cgroup + (version == Version::v2 ? "/io.stat" : "/blkio.throttle.io_serviced"));
    const auto lines = lines_of(text.value_or(""));
    return std::ranges::any_of(lines, [&](const auto& line) { return line.starts_with(number + " "); });
}

bool exists(const std::string& path) {
    return ::access(path.c_str(), F_OK) == 0;
}

// iocost works on a device only where it was turned on for it, in the root.
std::string cost_file(const IoCgroupsPlan& plan) {
    return plan.controller.hierarchy + "/io.cost.qos";
}

Status turn_cost_on(const IoCgroupsPlan& plan, journal::Journal& journal) {
    const std::string path = cost_file(plan);
    REFLUX_TRY(const auto id, journal.intend(journal::Kind::setting, path));
    REFLUX_CHECK(journal.note(id, plan.number + " enable=0"));
    return write_file(path, plan.number + " enable=1");
}

}  // namespace

struct IoCgroups::Counters {
    std::atomic<std::uint64_t> made{0};
    std::atomic<std::uint64_t> reads{0};
    std::atomic<std::uint64_t> accounted{0};
    std::atomic<std::uint64_t> failed{0};
    std::atomic<std::uint64_t> worked_us{0};
    std::atomic<std::uint64_t> longest_us{0};
    std::atomic<std::uint32_t> error_length{0};
    std::array<char, 256> error{};
};

std::vector<PolicyFile> policy_files(const std::string& policy, Version version, const std::string& number) {
    const auto bytes = std::to_string(no_limit);
    std::vector<PolicyFile> files;
    const auto add = [&](const char* name, const std::string& value) {
        files.push_back({.name = name, .value = number + " " + value});
    };
    const bool v2 = version == Version::v2;
    if (policy == "throttle" && v2) {
        add("io.max", fmt::format("rbps={} wbps={}", bytes, bytes));
    } else if (policy == "throttle") {
        add("blkio.throttle.read_bps_device", bytes);
        add("blkio.throttle.write_bps_device", bytes);
    } else if (policy == "latency" && v2) {
        add("io.latency", "target=10000000");
    } else if (policy == "cost" && v2) {
        add("io.weight", "50");
    }
    return files;
}

Result<IoCgroups> IoCgroups::make(const IoCgroupsPlan& plan, const Memcg& memcg, journal::Journal& journal) {
    IoCgroups made;
    made.plan_ = plan;
    REFLUX_CHECK(made.make_tree(memcg, journal));
    REFLUX_CHECK(made.choose_policies(journal));
    REFLUX_TRY(made.shared_, make_shared_counters<Counters>());
    return made;
}

Status IoCgroups::make_tree(const Memcg& memcg, journal::Journal& journal) {
    const std::string root = memcg.pressed.substr(0, memcg.pressed.rfind('/'));
    const std::string& hierarchy = plan_.controller.hierarchy;
    if (plan_.controller.version == Version::v1) {
        tree_ = hierarchy + "/" + root.substr(root.rfind('/') + 1) + "-io";
        home_procs_ = hierarchy + "/cgroup.procs";
        REFLUX_CHECK(journal.intend(journal::Kind::cgroup_tree, tree_));
        return make_folder(tree_);
    }
    if (!has_word(hierarchy + "/cgroup.subtree_control", "io")) {
        return fail(ErrorKind::unsupported,
                    fmt::format("the io controller is not on for children of the root: echo +io >"
                                "{}/cgroup.subtree_control",
                                hierarchy));
    }
    // Below the limit where it may have children: daemon and workload are siblings there.
    const bool split_up = memcg.workload != memcg.pressed;
    tree_ = (split_up ? memcg.pressed : root) + "/io";
    home_procs_ = memcg.helper_procs;
    REFLUX_CHECK(write_file(root + "/cgroup.subtree_control", "+io"));
    if (split_up) {
        REFLUX_CHECK(write_file(memcg.pressed + "/cgroup.subtree_control", "+io"));
    }
    REFLUX_CHECK(journal.intend(journal::Kind::cgroup_tree, tree_));
    REFLUX_CHECK(make_folder(tree_));
    return write_file(tree_ + "/cgroup.subtree_control", "+io");
}

// What a cgroup has is seen in one.
Status IoCgroups::choose_policies(journal::Journal& journal) {
    const std::string trial = tree_ + "/trial";
    REFLUX_CHECK(make_folder(trial));
    for (const auto& policy : plan_.policies) {
        const auto files = policy_files(policy, plan_.controller.version, plan_.number);
        const bool there = !files.empty() && std::ranges::all_of(files, [&](const PolicyFile& file) {
            return exists(trial + "/" + file.name);
        });
        if (!there || (policy == "cost" && !exists(cost_file(plan_)))) {
            missing_.push_back(policy);
            continue;
        }
        files_.insert(files_.end(), files.begin(), files.end());
        if (policy == "cost") {
            REFLUX_CHECK(turn_cost_on(plan_, journal));
        }
    }
    return remove_folder(trial);
}

Status IoCgroups::start() {
    SpawnOptions options;
    options.cgroup_procs = {home_procs_};
    for (unsigned process = 0; process < processes; ++process) {
        REFLUX_TRY(auto child, fork_call([this, process] { return work(process); }, options));
        children_.push_back(std::move(child));
    }
    return {};
}

Status IoCgroups::work(unsigned process) const {
    static_cast<void>(::prctl(PR_SET_NAME, "reflux-io", 0, 0, 0));
    const UniqueFd device(::open(plan_.device.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
    if (!device) {
        return fail_errno("open " + plan_.device);
    }
    auto& counters = counters_in<Counters>(shared_);
    const auto begin = Clock::now();
    for (std::uint64_t number = process;; number += processes) {
        const auto began = Clock::now();
        if (const auto done = one(number, device.get()); !done) {
            const auto& message = done.error().message;
            if (counters.failed.fetch_add(1) == 0) {
                const auto length = std::min(message.size(), counters.error.size());
                std::copy_n(message.begin(), length, counters.error.begin());
                counters.error_length.store(static_cast<std::uint32_t>(length));
            }
        }
        raise_to(counters.longest_us, us_since(began));
        raise_to(counters.worked_us, us_since(begin));
        // In step with the clock: what took long is made up for.
        const std::chrono::duration<double> due(static_cast<double>(number + processes) / plan_.rate);
        std::this_thread::sleep_until(begin + std::chrono::duration_cast<Clock::duration>(due));
    }
}

Status IoCgroups::one(std::uint64_t number, int device) const {
    auto& counters = counters_in<Counters>(shared_);
    const std::string cgroup = fmt::format("{}/{}", tree_, number);
    REFLUX_CHECK(make_folder(cgroup));
    counters.made.fetch_add(1);
    Status done;
    for (const auto& file : files_) {
        done = done ? write_file(cgroup + "/" + file.name, file.value) : std::move(done);
    }
    done = done ? write_file(cgroup + "/cgroup.procs", "0") : std::move(done);
    if (done) {
        done = read_block(device, number);
        counters.reads.fetch_add(done ? 1 : 0);
        counters.accounted.fetch_add(is_accounted(cgroup, plan_.controller.version, plan_.number) ? 1 : 0);
    }
    auto left = write_file(home_procs_, "0");
    auto removed = remove_folder(cgroup);
    return done ? (left ? std::move(removed) : std::move(left)) : std::move(done);
}

evidence::IoCgroups IoCgroups::figures() const {
    const auto& counters = counters_in<Counters>(shared_);
    return {.version = plan_.controller.version == Version::v2 ? "v2" : "v1",
            .policies = plan_.policies,
            .missing = missing_,
            .made = counters.made.load(),
            .reads = counters.reads.load(),
            .accounted = counters.accounted.load(),
            .failed = counters.failed.load(),
            .first_error = std::string(counters.error.data(), counters.error_length.load()),
            .worked_s = static_cast<double>(counters.worked_us.load()) * 1e-6,
            .longest_s = static_cast<double>(counters.longest_us.load()) * 1e-6};
}

}  // namespace reflux::pressure
