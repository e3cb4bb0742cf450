#include "backend/image.h"

#include "backend/image_table.h"
#include "backend/translated_check.h"

#include <chrono>
#include <filesystem>

#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

namespace reflux {
namespace {

Result<UniqueFd> open_regular(const std::string& path, int flags) {
    auto fd = open_file(path, flags);
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

Result<UniqueFd> open_existing(const std::string& path, int flags) {
    auto fd = open_regular(path, flags);
    if (!fd && fd.error().errnum == ENOENT) {
        return fail(
            ErrorKind::invalid_input,
            fmt::format("{} does not exist; make it with: refluxd format {} --size SIZE", path, path));
    }
    return fd;
}

// Two daemons on one image would destroy it.
Status lock(int fd, const std::string& path, int how) {
    if (::flock(fd, how | LOCK_NB) == 0) {
        return {};
    }
    if (errno == EWOULDBLOCK) {
        return fail({.kind = ErrorKind::invalid_input,
                     .message = path + " is in use by another refluxd; end that one first",
                     .errnum = EWOULDBLOCK});
    }
    return fail_errno("flock " + path);
}

Status checked(int error, const std::string& what) {
    return error == 0 ? Status{} : Status(fail_errno(what, error));
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
    return checked(::fsync(fd.get()) == 0 ? 0 : errno, "fsync " + folder);
}

Result<Superblock> new_superblock(const ZonedGeometry& geometry, bool translated) {
    Superblock superblock{.geometry = geometry,
                          .data_offset = data_offset_for(geometry),
                          .sequence = 1,
                          .translated = translated,
                          .clean = true};
    superblock.created_unix_s = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
            .count());
    if (::getrandom(superblock.uuid.data(), superblock.uuid.size(), 0) !=
        static_cast<ssize_t>(superblock.uuid.size())) {
        return fail_errno("getrandom");
    }
    return superblock;
}

// One copy after the other, so that a write which is cut short leaves one of them intact.
Status write_superblock_copies(ImageFile& file, const Superblock& superblock) {
    const ImageBlock block = encode(superblock);
    for (std::size_t copy = 0; copy < superblock_copies; ++copy) {
        REFLUX_CHECK(checked(file.write(superblock_offset(copy).value, block), "write the superblock"));
        REFLUX_CHECK(checked(file.sync(), "sync the superblock"));
    }
    return {};
}

Status write_new_table(ImageFile& file, const ZonedGeometry& geometry) {
    const auto zones = ZoneTable::fresh(geometry);
    ImageBlock block;
    for (std::uint64_t index = 0; index < table_block_count(geometry); ++index) {
        encode_table_block(zones, index, block);
        seal_table_block(block, 1);
        for (std::size_t i = 0; i < table_slots * table_copies; ++i) {
            const Bytes offset = table_offset(index, i / table_copies, i % table_copies);
            REFLUX_CHECK(checked(file.write(offset.value, block), "write the zone table"));
        }
    }
    return {};
}

}  // namespace

Status write_new_image(ImageFile& file, const ZonedGeometry& geometry, bool translated) {
    REFLUX_TRY(const auto superblock, new_superblock(geometry, translated));
    const Bytes total = superblock.data_offset + geometry.size();
    // To nothing first: what an old image held must not show through.
    REFLUX_CHECK(checked(file.set_size(0), "set the size to 0"));
    REFLUX_CHECK(checked(file.set_size(total.value), fmt::format("set the size to {} bytes", total.value)));
    REFLUX_CHECK(write_new_table(file, geometry));
    // The superblock comes last: without it the file is no image.
    REFLUX_CHECK(checked(file.sync(), "sync the zone table"));
    return write_superblock_copies(file, superblock);
}

Status format_image(const std::string& path, const ZonedGeometry& geometry, bool force, bool translated) {
    auto fd = open_regular(path, O_RDWR | O_CREAT | (force ? 0 : O_EXCL));
    if (!fd) {
        if (fd.error().errnum == EEXIST) {
            return fail(ErrorKind::invalid_input,
                        path + " exists; --force overwrites it and loses what it holds");
        }
        return fail(std::move(fd).error());
    }
    REFLUX_CHECK(lock(fd->get(), path, LOCK_EX));
    const auto file = make_image_file(fd->get());
    if (auto written = write_new_image(*file, geometry, translated); !written) {
        if (!force) {
            ::unlink(path.c_str());  // it was not there before
        }
        return fail(written.error().within(path));
    }
    return sync_folder_of(path);
}

Result<Image::Opened> Image::open(std::unique_ptr<ImageFile> file, const std::string& path) {
    ImageFindings findings;
    auto contents = read_image(*file, findings);
    if (!contents) {
        const std::size_t more = findings.fatal.empty() ? 0 : findings.fatal.size() - 1;
        auto error = contents.error().within(path);
        error.message += more == 0 ? "" : fmt::format(" (and {} more: refluxd fsck {})", more, path);
        return fail(std::move(error));
    }
    contents->zones.power_cycle();
    Image image(std::move(file), path, *contents);
    return Opened{.image = std::move(image),
                  .zones = std::move(contents->zones),
                  .table = std::move(contents->table),
                  .findings = std::move(findings)};
}

Result<Image::Opened> Image::open(const std::string& path) {
    REFLUX_TRY(auto fd, open_existing(path, O_RDWR));
    REFLUX_CHECK(lock(fd.get(), path, LOCK_EX));
    REFLUX_TRY(auto opened, open(make_image_file(fd.get()), path));
    REFLUX_TRY(opened.image.data_fd_, open_file(fmt::format("/proc/self/fd/{}", fd.get()), O_RDWR));
    opened.image.fd_ = std::move(fd);
    return opened;
}

Status Image::write_superblock(bool clean) {
    superblock_.clean = clean;
    ++superblock_.sequence;
    if (auto written = write_superblock_copies(*file_, superblock_); !written) {
        return fail(written.error().within(path_));
    }
    return {};
}

Status Image::close(bool clean) {
    REFLUX_CHECK(checked(file_->sync(), "fdatasync " + path_));
    return write_superblock(clean);
}

Result<InspectedImage> inspect_image(const std::string& path, bool with_translation) {
    REFLUX_TRY(const auto fd, open_existing(path, O_RDONLY));
    REFLUX_CHECK(lock(fd.get(), path, LOCK_SH));
    ImageFindings findings;
    const auto file = make_image_file(fd.get());
    auto contents = read_image(*file, findings);
    if (!contents) {
        contents.error().message = fmt::format("{}: {}", path, contents.error().message);
    } else if (with_translation) {
        REFLUX_CHECK(check_translation(*file, contents->superblock, contents->zones, findings));
    }
    return InspectedImage{.findings = std::move(findings), .contents = std::move(contents)};
}

Result<ImageFindings> repair_image(const std::string& path) {
    REFLUX_TRY(auto opened, Image::open(path));
    REFLUX_CHECK(repair_translation(opened.image.file(), opened.image.superblock(), opened.zones));
    std::mutex zones_mutex;
    ImageTable table(opened.image.file(), std::move(opened.table), opened.zones, zones_mutex);
    REFLUX_CHECK(checked(table.make_whole(), "write the zone table of " + path));
    // Whether it was closed properly is no damage: that stays as it is.
    REFLUX_CHECK(opened.image.close(opened.image.superblock().clean));
    return std::move(opened.findings);
}

}  // namespace reflux
