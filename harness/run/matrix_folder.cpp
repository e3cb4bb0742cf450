#include "harness/run/matrix_folder.h"

#include "backend/base/kernel_file.h"
#include "backend/base/own_file.h"
#include "harness/run/shard.h"

#include <filesystem>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

namespace reflux::run {
namespace {

// As a loss of power leaves a file that was not on the disk yet: as good as none.
bool is_blank(const std::string& text) {
    return trimmed(text).empty();
}

// Several may come to it at once, and what the first of them has made in its place must stay: under a lock
// of the very file, as long as it has its name.
Status remove_blank(const std::string& path) {
    const auto file = open_file(path, O_RDWR);
    if (!file) {
        return file.error().errnum == ENOENT ? Status{} : fail(file.error());
    }
    if (::flock(file->get(), LOCK_EX) != 0) {
        return fail_errno("lock " + path);
    }
    REFLUX_TRY(const auto text, read_all(file->get(), path));
    struct stat opened {};
    struct stat named {};
    const bool same = ::fstat(file->get(), &opened) == 0 && ::stat(path.c_str(), &named) == 0 &&
                      opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
    return !same || !is_blank(text) || ::unlink(path.c_str()) == 0 ? Status{} : fail_errno("unlink " + path);
}

// What the folder holds must be of the same scenarios, or its runs could not be counted together.
Status check_definition(const Cell& cell) {
    const auto then = read_file(definition_file(cell));
    const auto differ = then && !is_blank(*then) ? first_difference(*then, cell.definition) : "";
    if (differ.empty()) {
        return {};
    }
    return fail(ErrorKind::invalid_input,
                fmt::format("{}: the scenario is not what it was: {}; use another folder",
                            definition_file(cell), differ));
}

// Shards that were made apart may have met two kernels under one name: machines of their own as `host`, or
// what the name stood for on two days.
Status check_one_kernel(const std::vector<Cell>& cells) {
    for (const auto& cell : cells) {
        for (const auto& run : cell.finished) {
            REFLUX_CHECK(check_same_kernel(cells, cell, run.release));
        }
    }
    return {};
}

// A byte of the file stands for a cell; that two cells share one is as good as impossible, and would only
// keep two processes from working on these two at once.
off_t place_of(const Cell& cell) {
    constexpr unsigned bits_left_out = 2;  // an offset has 63 bits, and the byte's end is one too
    return static_cast<off_t>(stable_hash(cell) >> bits_left_out);
}

}  // namespace

std::string definition_file(const Cell& cell) {
    return fmt::format("{}/{}.toml", cell.folder, cell.scenario);
}

Status keep_definition(const Cell& cell) {
    REFLUX_CHECK(make_folder(cell.folder));
    return put_file(definition_file(cell), cell.definition, Durable::yes);
}

std::string kernel_file(const Cell& cell) {
    return std::filesystem::path(cell.folder).parent_path().string() + "/kernel";
}

std::string begun_kernel(const Cell& cell) {
    const auto begun = trimmed(read_file(kernel_file(cell)).value_or(""));
    return begun.empty() ? cell.kernel : begun;
}

Status keep_release(const Cell& cell, const std::string& release) {
    const std::string file = std::filesystem::path(kernel_file(cell)).replace_filename("release").string();
    REFLUX_TRY(const auto kept, keep_first(file, release + "\n"));
    if (trimmed(kept) == release) {
        return {};
    }
    return fail(ErrorKind::invalid_input,
                fmt::format("{}: was {} when the matrix began, and is {} now; runs of two kernels cannot be "
                            "counted together, so use another folder",
                            cell.kernel, trimmed(kept), release));
}

Status check_same_kernel(const std::vector<Cell>& cells, const Cell& cell, const std::string& release) {
    for (const auto& other : cells) {
        for (const auto& run : other.finished) {
            if (other.kernel != cell.kernel || run.release.empty() || release.empty() ||
                run.release == release) {
                continue;
            }
            return fail(ErrorKind::invalid_input,
                        fmt::format("{}: runs of two kernels under one name, {} in {} and {} in {}; they "
                                    "cannot be counted together, so keep them in folders of their own",
                                    cell.kernel, run.release, other.folder, release, cell.folder));
        }
    }
    return {};
}

Status make_folder(const std::string& path) {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    return error ? Status(fail(ErrorKind::system, fmt::format("mkdir {}: {}", path, error.message())))
                 : Status{};
}

Result<std::string> keep_first(const std::string& file, const std::string& text) {
    if (auto there = read_file(file); there && !is_blank(*there)) {
        return there;
    }
    REFLUX_CHECK(make_folder(std::filesystem::path(file).parent_path().string()));
    REFLUX_CHECK(remove_blank(file));
    REFLUX_CHECK(make_file(file, text));
    return read_file(file);
}

Result<UniqueFd> lock_cells(const std::string& out, const std::vector<Cell>& cells) {
    const std::string path = out + "/matrix.lock";
    REFLUX_TRY(auto file, open_file(path, O_RDWR | O_CREAT, 0644));
    for (const auto& cell : cells) {
        // Of the open file, not of the process: the runs, which are its children, do not have it.
        struct flock lock {};
        lock.l_type = F_WRLCK;
        lock.l_whence = SEEK_SET;
        lock.l_start = place_of(cell);
        lock.l_len = 1;
        if (::fcntl(file.get(), F_OFD_SETLK, &lock) != 0) {
            return errno == EAGAIN || errno == EACCES
                       ? fail(ErrorKind::system,
                              fmt::format("{}: another reflux matrix is at work on it", cell.folder))
                       : fail_errno("lock " + path);
        }
    }
    return file;
}

Status take_up(const MatrixRecord& record, const std::string& out, std::vector<Cell>& cells) {
    const std::string file = out + "/matrix.json";
    REFLUX_TRY(const auto begun, keep_first(file, to_json(record)));
    if (const auto same = check_same_overrides(begun, record); !same) {
        return fail(same.error().within(file));
    }
    for (auto& cell : cells) {
        REFLUX_CHECK(check_definition(cell));
        cell.finished = read_finished(cell.folder);
    }
    return check_one_kernel(cells);
}

}  // namespace reflux::run
