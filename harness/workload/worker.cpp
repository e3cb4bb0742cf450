// What a worker does next.
#include "harness/workload/worker.h"

#include <algorithm>
#include <cerrno>
#include <ctime>

namespace reflux::workload {
namespace {

bool out_of_space(const Error& error) {
    return error.errnum == ENOSPC;
}

// One step in so many removes a directory of names, or makes one.
constexpr std::uint32_t names_turn_every = 32;

bool any_file(const FileSlot&) {
    return true;
}

}  // namespace

std::uint64_t monotonic_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

Worker::Worker(const SharedState& state, std::uint32_t index, UniqueFd root)
    : state_(state),
      plan_(state.plan()),
      index_(index),
      progress_(state.worker(index)),
      root_(std::move(root)),
      folder_(worker_name(index)),
      random_(plan_.seed, index, 0),
      filled_(state.layout().files_per_directory),
      buffer_(large_write.value),
      names_(root_.get(), folder_, plan_.names) {}

Status Worker::run() {
    const auto end_ns =
        state_.began_ns().load() + static_cast<std::uint64_t>(std::max(0.0, plan_.time_limit.count()) * 1e9);
    const Bytes share = share_of(plan_, index_);
    const auto ends = [this](WorkerState how) {
        doing(Operation::none);
        progress_.state.store(static_cast<std::uint32_t>(how), std::memory_order_release);
    };
    if (auto made = make_names(end_ns); !made) {
        record(made.error());
        return made;
    }
    while (progress_.bytes_written.load(std::memory_order_relaxed) < share.value) {
        if (monotonic_ns() >= end_ns) {
            ends(WorkerState::time_limit);
            return {};
        }
        auto done = step();
        if (!done && out_of_space(done.error()) && !syncing()) {
            done = make_room(done.error());
        }
        if (!done) {
            record(done.error());
            return done;
        }
        end_operation();
        progress_.steps.fetch_add(1, std::memory_order_relaxed);
    }
    ends(WorkerState::finished);
    return {};
}

Status Worker::make_names(std::uint64_t end_ns) {
    if (plan_.names == 0) {
        return {};
    }
    doing(Operation::make_directory);
    return names_.fill([&] {
        end_operation();
        doing(Operation::make_directory);
        progress_.steps.fetch_add(1, std::memory_order_relaxed);
        return monotonic_ns() < end_ns;
    });
}

Status Worker::turn_names() {
    doing(names_.removes_next() ? Operation::remove_directory : Operation::make_directory);
    return names_.turn();
}

void Worker::record(const Error& error) {
    end_operation();
    progress_.error_number.store(error.errnum);
    progress_.error_operation.store(progress_.operation.load());
    progress_.error.set(error.message);
    progress_.errors.fetch_add(1);
    progress_.state.store(static_cast<std::uint32_t>(WorkerState::failed), std::memory_order_release);
}

Status Worker::step() {
    // A stream for each step: an ENOSPC, which depends on the filesystem, does not derange the steps after
    // it.
    random_ = Random(plan_.seed, index_, progress_.steps.load(std::memory_order_relaxed));
    if (plan_.names > 0 && random_.one_in(names_turn_every)) {
        return turn_names();
    }
    if (index_ == 0 && plan_.large_file.value > 0) {
        // Alone, the worker stands in for the others too.
        const std::uint32_t large_percent = plan_.workers > 1 ? 80 : 40;
        if (random_.below(100) < large_percent) {
            return random_.one_in(32) ? read_back_large() : rewrite_large();
        }
    }
    return small_step();
}

Status Worker::small_step() {
    const std::uint32_t kind = random_.below(100);
    const std::uint32_t middle = oldest_ + (next_ - oldest_ + 1) / 2;
    if (kind < 10) {  // one that was not touched for long
        if (const auto place = pick(oldest_, middle, any_file)) {
            return read_back(*place);
        }
    } else if (kind < 18) {
        if (const auto place = pick(oldest_, next_, any_file)) {
            return write_small(*place, Operation::rewrite_file);
        }
    } else if (kind < 26) {
        const auto plain = [this](const FileSlot& file) {
            return file.size.load() <= plan_.small_file.value;
        };
        if (auto place = pick(oldest_, next_, plain)) {
            place->index -= place->index % plan_.append_every;
            if (const auto& file = slot(*place); file.present.load() != 0 && plain(file)) {
                return append(*place);
            }
        }
    } else if (kind < 32) {
        if (const auto place = pick(oldest_, next_, any_file)) {
            return rename(*place);
        }
    } else if (kind < 36) {
        if (const auto from = pick(oldest_, next_, any_file)) {
            const auto to = pick(from->number, from->number + 1, any_file);
            // An appended file stays where appended files are counted.
            if (to && to->index != from->index && slot(*from).size.load() <= plan_.small_file.value) {
                return replace(*from, *to);
            }
        }
    } else if (kind < 41) {
        if (const auto place = pick(oldest_, next_, any_file)) {
            doing(Operation::unlink_file);
            return unlink(*place);
        }
    } else if (kind < 43) {
        if (oldest_ != next_) {
            return sync_directory(oldest_ + random_.below(next_ - oldest_));
        }
    } else if (kind < 44 && oldest_ + 1 < next_ && random_.one_in(4)) {
        // Rarely: a full ring is what removes directories, so that the live ones are many and grow cold.
        return remove_oldest();
    }
    return create_next();
}

// Out of space is no error of the filesystem: what the worker can spare goes, and it carries on.
Status Worker::make_room(const Error& error) {
    progress_.out_of_space.fetch_add(1, std::memory_order_relaxed);
    if (oldest_ != next_) {
        return remove_oldest();
    }
    if (state_.large_file(index_).size.load() > 0) {
        return truncate_large();
    }
    return fail(error.within("nothing left to remove"));
}

Status Worker::create_next() {
    if (!filling()) {
        if (next_ - oldest_ == state_.layout().directories) {
            return remove_oldest();
        }
        return make_directory();
    }
    return write_small({.number = next_ - 1, .index = filled_++}, Operation::create_file);
}

void Worker::doing(Operation operation) {
    end_operation();
    progress_.operation.store(static_cast<std::uint32_t>(operation), std::memory_order_relaxed);
    if (operation != Operation::none) {
        progress_.operation_began_ns.store(monotonic_ns(), std::memory_order_relaxed);
    }
}

void Worker::end_operation() {
    const std::uint64_t began = progress_.operation_began_ns.load(std::memory_order_relaxed);
    if (began == 0) {
        return;
    }
    const auto operation = static_cast<Operation>(progress_.operation.load(std::memory_order_relaxed));
    progress_.latencies.at(static_cast<std::size_t>(kind_of(operation)))
        .record((monotonic_ns() - began) / 1000);
    progress_.operation_began_ns.store(0, std::memory_order_relaxed);
}

// An fsync that fails has lost data, whatever its errno: ENOSPC too is then an error and no cue to make room.
bool Worker::syncing() const {
    const auto operation = static_cast<Operation>(progress_.operation.load(std::memory_order_relaxed));
    return operation == Operation::sync_file || operation == Operation::sync_directory;
}

FileSlot& Worker::slot(Place place) const {
    return state_.files(index_, place.number % state_.layout().directories)[place.index];
}

std::string Worker::path(Place place) const {
    return directory_path(place.number) + "/" + file_name(place.index, slot(place).generation.load());
}

std::string Worker::directory_path(std::uint32_t number) const {
    return folder_ + "/" + directory_name(number);
}

std::optional<Worker::Place> Worker::pick(std::uint32_t first, std::uint32_t last, const Wanted& wanted) {
    if (first >= last) {
        return std::nullopt;
    }
    const std::uint32_t number = first + random_.below(last - first);
    const std::uint32_t files = state_.layout().files_per_directory;
    const std::uint32_t start = random_.below(files);
    for (std::uint32_t i = 0; i < files; ++i) {
        const Place place{.number = number, .index = (start + i) % files};
        if (const auto& file = slot(place); file.present.load() != 0 && wanted(file)) {
            return place;
        }
    }
    return std::nullopt;
}

}  // namespace reflux::workload
