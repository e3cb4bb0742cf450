#include "backend/image.h"

#include "backend/io/transfer.h"

#include <chrono>
#include <filesystem>
#include <vector>

#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

namespace reflux {
namespace {

Result<UniqueFd> open_regular(const std::string& path, int flags) {
    auto fd = open_file(path, flags | O_RDWR);
    if (!fd) {
        // What the user can mend by another argument is the user's error.
        if (const int number = fd.error().errnum; number == ENOENT || number == EISDIR || number == EEXIST) {
            fd.error().kind = ErrorKind::invalid_input;
        }
        return fd;
    }
    struct stat status {};
    if (::fstat(fd->get(), &status) != 0) {
        return fail_errno("fstat " + path);
    }
    if (!S_ISREG(status.st_mode)) {
        return fail(ErrorKind::invalid_input, path + " is not a regular file");
    }
    return fd;
}

// Two daemons on one image would destroy it.
Status lock(int fd, const std::string& path) {
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0) {
        return {};
    }
    if (errno == EWOULDBLOCK) {
        return fail(ErrorKind::invalid_input, path + " is in use by another refluxd; end that one first");
    }
    return fail_errno("flock " + path);
}

Status sync(int fd, const std::string& path) {
    return ::fsync(fd) == 0 ? Status{} : Status(fail_errno("fsync " + path));
}

Status write_block(int fd, const std::string& path, Bytes offset, const ImageBlock& block) {
    if (const int error = io::write_fully(fd, offset.value, block); error != 0) {
        return fail_errno("write metadata of " + path, error);
    }
    return {};
}

Result<ImageBlock> read_block(int fd, const std::string& path, Bytes offset) {
    ImageBlock block{};
    if (const int error = io::read_fully(fd, offset.value, block); error != 0) {
        return fail_errno("read metadata of " + path, error);
    }
    return block;
}

// A new name lasts only when its folder is synced too.
Status sync_folder_of(const std::string& path) {
    std::error_code error;
    const auto absolute = std::filesystem::absolute(path, error);
    if (error) {
        return fail_errno("resolve " + path, error.value());
    }
    const std::string folder = absolute.parent_path().string();
    REFLUX_TRY(auto fd, open_file(folder, O_RDONLY | O_DIRECTORY));
    return sync(fd.get(), folder);
}

Result<Superblock> new_superblock(const ZonedGeometry& geometry) {
    Superblock superblock{.geometry = geometry, .data_offset = data_offset_for(geometry), .clean = true};
    superblock.created_unix_s = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
            .count());
    if (::getrandom(superblock.uuid.data(), superblock.uuid.size(), 0) !=
        static_cast<ssize_t>(superblock.uuid.size())) {
        return fail_errno("getrandom");
    }
    return superblock;
}

Status write_new_image(int fd, const std::string& path, const ZonedGeometry& geometry) {
    REFLUX_TRY(const auto superblock, new_superblock(geometry));
    const Bytes total = superblock.data_offset + geometry.size();
    // To nothing first: what an old image held must not show through.
    if (::ftruncate(fd, 0) != 0 || ::ftruncate(fd, static_cast<off_t>(total.value)) != 0) {
        return fail_errno(fmt::format("set {} to {} bytes", path, total.value));
    }
    const auto table = ZoneTable::fresh(geometry);
    for (std::uint64_t i = 0; i < table_block_count(geometry); ++i) {
        REFLUX_CHECK(write_block(fd, path, table_block_offset(i), encode_table_block(table, i)));
    }
    // The superblock comes last: without it the file is no image.
    REFLUX_CHECK(sync(fd, path));
    REFLUX_CHECK(write_block(fd, path, {0}, encode(superblock)));
    return sync(fd, path);
}

Result<Superblock> read_superblock(int fd, const std::string& path) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) {
        return fail_errno("fstat " + path);
    }
    const auto actual = static_cast<std::uint64_t>(status.st_size);
    if (actual < image_block_size) {
        return fail(ErrorKind::invalid_input,
                    fmt::format("{}: not a refluxd image: {} bytes are too short for one", path, actual));
    }
    REFLUX_TRY(const auto block, read_block(fd, path, {0}));
    auto superblock = decode_superblock(block);
    if (!superblock) {
        return fail(superblock.error().within(path));
    }
    const std::uint64_t expected = superblock->data_offset.value + superblock->geometry.size().value;
    if (actual != expected) {
        return fail(
            ErrorKind::invalid_input,
            fmt::format("{}: {}: expected {} bytes, the file has {}", path,
                        actual < expected ? "truncated image" : "image of a wrong size", expected, actual));
    }
    return superblock;
}

Result<ZoneTable> read_zones(int fd, const std::string& path, const ZonedGeometry& geometry) {
    std::vector<Zone> zones(geometry.zone_count());
    std::span<Zone> left = zones;
    for (std::uint64_t i = 0; !left.empty(); ++i) {
        REFLUX_TRY(const auto block, read_block(fd, path, table_block_offset(i)));
        const auto part = left.first(std::min(left.size(), zones_per_block));
        if (auto decoded = decode_table_block(block, i, part); !decoded) {
            return fail(decoded.error().within(path));
        }
        left = left.subspan(part.size());
    }
    auto table = ZoneTable::restore(geometry, std::move(zones));
    if (!table) {
        return fail(table.error().within(path + ": damaged"));
    }
    return table;
}

}  // namespace

Status format_image(const std::string& path, const ZonedGeometry& geometry, bool force) {
    auto fd = open_regular(path, O_CREAT | (force ? 0 : O_EXCL));
    if (!fd) {
        if (fd.error().errnum == EEXIST) {
            return fail(ErrorKind::invalid_input,
                        path + " exists; --force overwrites it and loses what it holds");
        }
        return fail(std::move(fd).error());
    }
    REFLUX_CHECK(lock(fd->get(), path));
    REFLUX_CHECK(write_new_image(fd->get(), path, geometry));
    return sync_folder_of(path);
}

Result<Image::Opened> Image::open(const std::string& path) {
    auto fd = open_regular(path, 0);
    if (!fd) {
        if (fd.error().errnum == ENOENT) {
            return fail(
                ErrorKind::invalid_input,
                fmt::format("{} does not exist; make it with: refluxd format {} --size SIZE", path, path));
        }
        return fail(std::move(fd).error());
    }
    REFLUX_CHECK(lock(fd->get(), path));
    REFLUX_TRY(const auto superblock, read_superblock(fd->get(), path));
    REFLUX_TRY(auto zones, read_zones(fd->get(), path, superblock.geometry));
    const bool changed = zones.power_cycle();
    Image image(std::move(*fd), path, superblock);
    image.was_unclean_ = !superblock.clean;
    return Opened{.image = std::move(image), .zones = std::move(zones), .zones_changed = changed};
}

int Image::write_table_block(std::uint64_t index, const ImageBlock& block) const {
    return io::write_fully(fd_.get(), table_block_offset(index).value, block);
}

Status Image::write_superblock(bool clean) {
    superblock_.clean = clean;
    REFLUX_CHECK(write_block(fd_.get(), path_, {0}, encode(superblock_)));
    return sync(fd_.get(), path_);
}

Status Image::close() {
    REFLUX_CHECK(sync(fd_.get(), path_));
    return write_superblock(true);
}

}  // namespace reflux
