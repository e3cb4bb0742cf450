// What a worker does to its files: the system calls, each with its line in the ledger.
#include "harness/workload/worker.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

namespace reflux::workload {
namespace {

// Once in so many writes, a file is synced. Rarely: each fsync cleans the memory that the pressure needs
// dirty, and the large file, of which most of it comes, is streamed out as dd would.
constexpr std::uint32_t small_writes_per_sync = 64;
constexpr std::uint32_t large_writes_per_sync = 256;

}  // namespace

Status Worker::make_directory() {
    doing(Operation::make_directory);
    auto& ring = state_.directory(index_, next_ % state_.layout().directories);
    ring.number.store(next_);
    const auto path = directory_path(next_);
    if (::mkdirat(root_.get(), path.c_str(), 0700) != 0) {
        return fail_errno("mkdir " + path);
    }
    ring.present.store(1, std::memory_order_release);
    ++next_;
    filled_ = 0;
    return {};
}

Status Worker::remove_oldest() {
    doing(Operation::remove_directory);
    const std::uint32_t number = oldest_;
    for (std::uint32_t i = 0; i < state_.layout().files_per_directory; ++i) {
        const Place place{.number = number, .index = i};
        if (slot(place).present.load() != 0) {
            REFLUX_CHECK(unlink(place));
        }
    }
    const auto path = directory_path(number);
    if (::unlinkat(root_.get(), path.c_str(), AT_REMOVEDIR) != 0) {
        return fail_errno("rmdir " + path);
    }
    state_.directory(index_, number % state_.layout().directories)
        .present.store(0, std::memory_order_release);
    ++oldest_;
    if (oldest_ == next_) {
        filled_ = state_.layout().files_per_directory;
    }
    return {};
}

Status Worker::write_small(Place place, Operation operation) {
    doing(operation);
    auto& file = slot(place);
    const bool fresh = operation == Operation::create_file;
    if (fresh) {
        file.generation.store(0);
    }
    const auto name = path(place);
    REFLUX_CHECK(change(file, fresh ? Naming::changes : Naming::stays, [&]() -> Status {
        REFLUX_TRY(const auto fd, open(name, O_WRONLY | (fresh ? O_CREAT | O_EXCL : O_TRUNC)));
        file.size.store(0);
        file.rewritten.store(0);
        file.content.store(next_content_++);
        file.present.store(1);
        return write(fd.get(), file, 0, plan_.small_file.value, name);
    }));
    // A worker's first file always: a stall may come before chance has had anything acknowledged.
    const bool first = fresh && place.number == 0 && place.index == 0;
    return sync_sometimes(file, name, first ? 1 : small_writes_per_sync);
}

Status Worker::append(Place place) {
    doing(Operation::append_file);
    auto& file = slot(place);
    const auto name = path(place);
    const std::uint32_t rounds = min_append_rounds + random_.below(max_append_rounds - min_append_rounds + 1);
    REFLUX_CHECK(change(file, Naming::stays, [&]() -> Status {
        for (std::uint32_t round = 0; round < rounds; ++round) {
            REFLUX_TRY(const auto fd, open(name, O_WRONLY));
            REFLUX_CHECK(write(fd.get(), file, file.size.load(), append_round.value, name));
        }
        return {};
    }));
    return sync_sometimes(file, name, small_writes_per_sync);
}

Status Worker::rewrite_large() {
    doing(Operation::rewrite_large);
    auto& file = state_.large_file(index_);
    const bool fresh = file.present.load() == 0;
    REFLUX_CHECK(
        change(file, fresh ? Naming::changes : Naming::stays, [this] { return write_large_chunk(); }));
    return sync_sometimes(file, folder_ + "/" + large_name, large_writes_per_sync);
}

Status Worker::write_large_chunk() {
    auto& file = state_.large_file(index_);
    const auto name = folder_ + "/" + large_name;
    const bool fresh = file.present.load() == 0;
    const bool new_pass = fresh || file.rewritten.load() >= plan_.large_file.value;
    // Every other pass overwrites in place, the others truncate first, as dd does.
    const bool truncate = fresh || (new_pass && random_.one_in(2));
    REFLUX_TRY(const auto fd,
               open(name, O_WRONLY | (fresh ? O_CREAT | O_EXCL : 0) | (truncate ? O_TRUNC : 0)));
    if (new_pass) {
        file.old_content.store(file.content.load());
        file.content.store(next_content_++);
        file.rewritten.store(0);
        if (truncate) {
            file.size.store(0);
        }
        file.present.store(1);
    }
    const std::uint64_t offset = file.rewritten.load();
    return write(fd.get(), file, offset, std::min(large_write.value, plan_.large_file.value - offset), name);
}

Status Worker::truncate_large() {
    doing(Operation::rewrite_large);
    auto& file = state_.large_file(index_);
    return change(file, Naming::stays, [&]() -> Status {
        REFLUX_TRY(const auto fd, open(folder_ + "/" + large_name, O_WRONLY | O_TRUNC));
        file.rewritten.store(0);
        file.size.store(0);
        return {};
    });
}

Status Worker::rename(Place place) {
    doing(Operation::rename_file);
    auto& file = slot(place);
    const auto from = path(place);
    const auto to = directory_path(place.number) + "/" + file_name(place.index, file.generation.load() + 1);
    REFLUX_CHECK(change(file, Naming::changes, [&]() -> Status {
        if (::renameat(root_.get(), from.c_str(), root_.get(), to.c_str()) != 0) {
            return fail_errno("rename " + from);
        }
        file.generation.fetch_add(1);
        return {};
    }));
    return sync_sometimes(file, to, small_writes_per_sync);
}

Status Worker::replace(Place from, Place to) {
    doing(Operation::replace_file);
    auto& source = slot(from);
    auto& target = slot(to);
    const auto old_name = path(from);
    const auto name = path(to);
    const auto rename_over = [&]() -> Status {
        if (::renameat(root_.get(), old_name.c_str(), root_.get(), name.c_str()) != 0) {
            return fail_errno(fmt::format("rename {} over {}", old_name, name));
        }
        target.content.store(source.content.load());
        target.rewritten.store(source.rewritten.load());
        target.size.store(source.size.load());
        source.present.store(0);
        return {};
    };
    REFLUX_CHECK(
        change(source, Naming::changes, [&] { return change(target, Naming::changes, rename_over); }));
    return sync_sometimes(target, name, small_writes_per_sync);
}

Status Worker::unlink(Place place) {
    auto& file = slot(place);
    const auto name = path(place);
    return change(file, Naming::changes, [&]() -> Status {
        if (::unlinkat(root_.get(), name.c_str(), 0) != 0) {
            return fail_errno("unlink " + name);
        }
        file.present.store(0);
        return {};
    });
}

Status Worker::change(FileSlot& slot, Naming naming, const std::function<Status()>& body) {
    if (naming == Naming::changes) {
        slot.name_changes_begun.fetch_add(1);
    }
    slot.changes_begun.fetch_add(1);
    auto done = body();
    if (done || done.error().errnum == ENOSPC) {
        slot.changes_ended.fetch_add(1);
    }
    return done;
}

Status Worker::write(int fd, FileSlot& slot, std::uint64_t offset, std::uint64_t length,
                     const std::string& path) {
    const Content content(plan_.seed, index_, slot.content.load());
    while (length > 0) {
        const std::span<std::byte> bytes(
            buffer_.data(), static_cast<std::size_t>(std::min<std::uint64_t>(length, buffer_.size())));
        content.fill(offset, bytes);
        const ssize_t wrote = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote <= 0) {
            return fail_errno("write " + path, wrote < 0 ? errno : EIO);
        }
        offset += static_cast<std::uint64_t>(wrote);
        length -= static_cast<std::uint64_t>(wrote);
        slot.rewritten.store(offset);
        slot.size.store(std::max(slot.size.load(), offset));
        progress_.bytes_written.fetch_add(static_cast<std::uint64_t>(wrote), std::memory_order_relaxed);
    }
    return {};
}

Status Worker::sync_sometimes(FileSlot& slot, const std::string& path, std::uint32_t writes_per_sync) {
    if (!random_.one_in(writes_per_sync)) {
        return {};
    }
    doing(Operation::sync_file);
    REFLUX_TRY(const auto fd, open(path, O_RDONLY));
    if (::fsync(fd.get()) != 0) {
        return fail_errno("fsync " + path);
    }
    progress_.fsyncs.fetch_add(1, std::memory_order_relaxed);
    slot.acknowledged.store(slot.changes_begun.load());
    slot.name_acknowledged.store(slot.name_changes_begun.load());
    return {};
}

Status Worker::sync_directory(std::uint32_t number) {
    doing(Operation::sync_directory);
    for (const auto& path : {directory_path(number), folder_}) {
        REFLUX_TRY(const auto fd, open(path, O_RDONLY | O_DIRECTORY));
        if (::fsync(fd.get()) != 0) {
            return fail_errno("fsync " + path);
        }
        progress_.fsyncs.fetch_add(1, std::memory_order_relaxed);
    }
    for (auto& file : state_.files(index_, number % state_.layout().directories)) {
        file.name_acknowledged.store(file.name_changes_begun.load());
    }
    return {};
}

Status Worker::read_back(Place place) {
    doing(Operation::read_back);
    const auto name = path(place);
    REFLUX_TRY(const auto fd, open(name, O_RDONLY));
    return judge(comparer_.compare(fd.get(), expected_of(slot(place), plan_.seed, index_)), name);
}

Status Worker::read_back_large() {
    const auto& file = state_.large_file(index_);
    const std::uint64_t size = file.size.load();
    if (size == 0) {
        return rewrite_large();
    }
    doing(Operation::read_back);
    const auto name = folder_ + "/" + large_name;
    const std::uint64_t offset = random_.next() % size;
    REFLUX_TRY(const auto fd, open(name, O_RDONLY));
    const auto expected = expected_of(file, plan_.seed, index_);
    return judge(comparer_.compare_range(fd.get(), expected, offset, large_write.value), name);
}

Status Worker::judge(const Comparison& comparison, const std::string& path) {
    progress_.bytes_read.fetch_add(comparison.bytes, std::memory_order_relaxed);
    if (comparison.difference.empty()) {
        return {};
    }
    return fail({.kind = ErrorKind::system,
                 .message = fmt::format("read back {}: {}", path, comparison.difference),
                 .errnum = comparison.errnum});
}

Result<UniqueFd> Worker::open(const std::string& path, int flags) const {
    const int fd = ::openat(root_.get(), path.c_str(), flags | O_CLOEXEC, 0600);
    if (fd < 0) {
        return fail_errno("open " + path);
    }
    return UniqueFd(fd);
}

}  // namespace reflux::workload
