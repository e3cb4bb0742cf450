#include "harness/journal/journal.h"

#include "backend/base/kernel_file.h"
#include "backend/base/task_stat.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <utility>

#include <sys/stat.h>

namespace reflux::journal {
namespace {

constexpr const char* default_root = "/run/reflux";

constexpr std::array<std::pair<Kind, std::string_view>, 17> kind_names{{
    {Kind::directory, "directory"},
    {Kind::file, "file"},
    {Kind::mount, "mount"},
    {Kind::loop, "loop"},
    {Kind::cgroup, "cgroup"},
    {Kind::cgroup_tree, "cgroup_tree"},
    {Kind::subtree_control, "subtree_control"},
    {Kind::process, "process"},
    {Kind::trace_instance, "trace_instance"},
    {Kind::trace_probes, "trace_probes"},
    {Kind::setting, "setting"},
    {Kind::kernel_module, "kernel_module"},
    {Kind::configfs, "configfs"},
    {Kind::nbd_device, "nbd_device"},
    {Kind::ublk_device, "ublk_device"},
    {Kind::dm_device, "dm_device"},
    {Kind::foreign_device, "foreign_device"},
}};

std::string_view name_of(Kind kind) {
    return std::find_if(kind_names.begin(), kind_names.end(),
                        [&](const auto& row) { return row.first == kind; })
        ->second;
}

// Takes the first word off `text`.
std::string_view take_word(std::string_view& text) {
    const auto at = std::min(text.find(' '), text.size());
    const auto word = text.substr(0, at);
    text.remove_prefix(std::min(at + 1, text.size()));
    return word;
}

template <class Number>
Number number_of(std::string_view word) {
    Number number{};
    std::from_chars(word.data(), word.data() + word.size(), number);
    return number;
}

Status make_directory(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
        return fail_errno("mkdir " + path);
    }
    return {};
}

}  // namespace

std::string to_string(const Object& object) {
    std::string text = fmt::format("{} {}", name_of(object.kind), object.name);
    if (!object.note.empty()) {
        text += fmt::format(" ({})", object.note);
    }
    return text;
}

Result<Journal> Journal::create(const std::string& state_root, const std::string& run_id) {
    REFLUX_CHECK(make_directory(state_root));
    // Made aside and renamed, so that no reader finds a folder without a journal or a journal without its
    // owner.
    std::error_code error;
    const std::string root = std::filesystem::canonical(state_root, error).string();
    if (error) {
        return fail(ErrorKind::system, fmt::format("{}: {}", state_root, error.message()));
    }
    Journal journal(fmt::format("{}/.{}", root, run_id));
    if (::mkdir(journal.folder_.c_str(), 0700) != 0) {
        return fail_errno("mkdir " + journal.folder_);
    }
    REFLUX_TRY(journal.fd_, open_file(journal.path(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND));
    journal.owner_pid_ = ::getpid();
    REFLUX_TRY(journal.owner_start_, process_start_time(journal.owner_pid_));
    REFLUX_CHECK(journal.append(fmt::format("owner {} {}", journal.owner_pid_, journal.owner_start_)));
    const std::string folder = root + "/" + run_id;
    if (std::rename(journal.folder_.c_str(), folder.c_str()) != 0) {
        return fail_errno(fmt::format("rename {} to {}", journal.folder_, folder));
    }
    journal.folder_ = folder;
    return journal;
}

Result<Journal> Journal::open(const std::string& folder) {
    Journal journal(folder);
    REFLUX_TRY(journal.fd_, open_file(journal.path(), O_RDWR | O_APPEND));
    REFLUX_TRY(const auto text, read_all(journal.fd_.get(), journal.path()));
    const auto whole = text.substr(0, text.rfind('\n') + 1);
    for (const auto& line : lines_of(whole)) {
        journal.replay(line);
    }
    if (whole.size() != text.size()) {
        REFLUX_CHECK(write_all(journal.fd_.get(), "\n", journal.path()));
    }
    return journal;
}

std::vector<std::string> Journal::folders(const std::string& state_root) {
    std::vector<std::string> found;
    if (const auto names = list_directory(state_root)) {
        for (const auto& name : *names) {
            // Nothing was made yet where the name still has its dot, nothing is left where the journal is
            // gone.
            const std::string folder = state_root + "/" + name;
            if (!name.starts_with('.') && ::rmdir(folder.c_str()) != 0) {
                found.push_back(folder);
            }
        }
    }
    return found;
}

void Journal::replay(const std::string& line) {
    std::string_view rest = line;
    const auto verb = take_word(rest);
    if (verb == "owner") {
        owner_pid_ = number_of<int>(take_word(rest));
        owner_start_ = number_of<std::uint64_t>(rest);
        return;
    }
    const auto id = number_of<ObjectId>(take_word(rest));
    if (verb == "make") {
        const auto word = take_word(rest);
        for (const auto& [kind, name] : kind_names) {
            if (name == word) {
                objects_.push_back({.id = id, .kind = kind, .name = std::string(rest), .note = {}});
            }
        }
        next_id_ = std::max(next_id_, id + 1);
    } else if (verb == "gone") {
        std::erase_if(objects_, [&](const Object& object) { return object.id == id; });
    } else if (verb == "note") {
        for (auto& object : objects_) {
            if (object.id == id) {
                object.note = rest;
            }
        }
    }
}

Status Journal::append(const std::string& line) {
    REFLUX_CHECK(write_all(fd_.get(), line + "\n", path()));
    replay(line);
    return {};
}

Result<ObjectId> Journal::intend(Kind kind, const std::string& name) {
    if (name.find('\n') != std::string::npos) {
        return fail(ErrorKind::invalid_input, "a path with a newline cannot be journalled: " + name);
    }
    const ObjectId id = next_id_;
    REFLUX_CHECK(append(fmt::format("make {} {} {}", id, name_of(kind), name)));
    return id;
}

Status Journal::note(ObjectId id, const std::string& text) {
    return append(fmt::format("note {} {}", id, text));
}

Status Journal::gone(ObjectId id) {
    return append(fmt::format("gone {}", id));
}

bool Journal::owner_alive() const {
    const auto start = process_start_time(owner_pid_);
    return start && *start == owner_start_;
}

Status Journal::remove() {
    if (!objects_.empty()) {
        return fail(ErrorKind::system,
                    fmt::format("{} objects of {} are still there", objects_.size(), folder_));
    }
    if (::unlink(path().c_str()) != 0) {
        return fail_errno("unlink " + path());
    }
    if (::rmdir(folder_.c_str()) != 0) {
        return fail_errno("rmdir " + folder_);
    }
    // The default root goes with the last run (another run's folder in it is no error); a chosen one is the
    // user's.
    if (const auto root = folder_.substr(0, folder_.rfind('/')); root == default_root) {
        ::rmdir(default_root);
    }
    return {};
}

Result<std::uint64_t> process_start_time(int pid) {
    REFLUX_TRY(const auto stat, read_task_stat(fmt::format("/proc/{}/stat", pid)));
    return stat.start_time;
}

std::string default_state_root() {
    const char* root = std::getenv("REFLUX_STATE");
    return root != nullptr && *root != '\0' ? root : default_root;
}

}  // namespace reflux::journal
