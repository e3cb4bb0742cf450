#include "harness/workload/verifier.h"

#include "backend/base/kernel_file.h"
#include "backend/base/unique_fd.h"
#include "harness/workload/compare.h"
#include "harness/workload/name_tree.h"

#include <algorithm>
#include <set>
#include <vector>

namespace reflux::workload {
namespace {

class Verifier {
  public:
    Verifier(const SharedState& state, std::string directory, VerifyMode mode)
        : state_(state), directory_(std::move(directory)), mode_(mode), live_(state.report()) {}

    Result<VerifyReport> run() {
        // Also tells an unreadable mount from one whose files are gone.
        REFLUX_TRY(const auto names, list_directory(directory_));
        if (mode_ == VerifyMode::complete) {
            std::set<std::string> expected{"lost+found"};
            for (std::uint32_t i = 0; i < state_.plan().workers; ++i) {
                expected.insert(worker_name(i));
            }
            check_names("", names, expected);
        }
        for (std::uint32_t worker = 0; worker < state_.plan().workers; ++worker) {
            check_worker(worker);
        }
        return report_;
    }

  private:
    void check_worker(std::uint32_t worker) {
        const auto folder = worker_name(worker);
        if (mode_ == VerifyMode::acknowledged && state_.began_ns().load() != 0) {
            check_name(folder, true);  // synced before any worker began
        }
        const auto& large = state_.large_file(worker);
        std::set<std::string> expected;
        if (large.present.load() != 0) {
            expected.insert(large_name);
        }
        if (state_.plan().names > 0) {
            expected.insert(names_folder);
        }
        check_file(worker, large, folder + "/" + large_name);
        for (std::uint32_t ring = 0; ring < state_.layout().directories; ++ring) {
            const auto& slot = state_.directory(worker, ring);
            const auto name = directory_name(slot.number.load());
            if (slot.present.load() != 0) {
                expected.insert(name);
                check_directory(worker, ring, folder + "/" + name);
            }
        }
        if (mode_ == VerifyMode::complete) {
            list_and_check(folder, expected);
        }
    }

    void check_directory(std::uint32_t worker, std::uint32_t ring, const std::string& path) {
        std::set<std::string> expected;
        std::uint32_t index = 0;
        for (const auto& file : state_.files(worker, ring)) {
            const auto name = file_name(index++, file.generation.load());
            if (file.present.load() != 0) {
                expected.insert(name);
            }
            check_file(worker, file, path + "/" + name);
        }
        if (mode_ == VerifyMode::complete) {
            list_and_check(path, expected);
        }
    }

    void check_file(std::uint32_t worker, const FileSlot& file, const std::string& path) {
        const std::uint32_t changes = file.changes_begun.load();
        const std::uint32_t name_changes = file.name_changes_begun.load();
        const bool present = file.present.load() != 0;
        if (mode_ == VerifyMode::complete) {
            if (changes != file.changes_ended.load()) {
                wrong(path, "the generator ended in the middle of a change of it");
            } else if (present) {
                check_content(worker, file, path);
            }
            return;
        }
        if (present && changes != 0 && file.acknowledged.load() == changes) {
            check_content(worker, file, path);
        } else if (name_changes != 0 && file.name_acknowledged.load() == name_changes) {
            check_name(path, present);
        }
    }

    void check_content(std::uint32_t worker, const FileSlot& file, const std::string& path) {
        count_file();
        const auto fd = open_file(directory_ + "/" + path, O_RDONLY);
        if (!fd) {
            wrong(path, fd.error().errnum == ENOENT ? "is missing" : fd.error().message);
            return;
        }
        const auto compared = comparer_.compare(fd->get(), expected_of(file, state_.plan().seed, worker));
        report_.bytes_checked += compared.bytes;
        live_.bytes_checked.store(report_.bytes_checked, std::memory_order_relaxed);
        if (!compared.difference.empty()) {
            wrong(path, compared.difference);
        }
    }

    // What an fsync of the directory acknowledged: that the name is there, or that it is gone.
    void check_name(const std::string& path, bool present) {
        count_file();
        const auto full = directory_ + "/" + path;
        const bool found = ::access(full.c_str(), F_OK) == 0;
        if (!found && errno != ENOENT) {
            wrong(path, system_error("access").message);
        } else if (found != present) {
            wrong(path, present ? "is missing" : "is there, though its removal was acknowledged");
        }
    }

    void list_and_check(const std::string& path, const std::set<std::string>& expected) {
        const auto names = list_directory(directory_ + "/" + path);
        if (!names) {
            wrong(path, names.error().errnum == ENOENT ? "is missing" : names.error().message);
            return;
        }
        check_names(path + "/", *names, expected);
    }

    // No name that should not be there. A missing file is reported by check_content, a missing directory when
    // it is listed itself.
    void check_names(const std::string& prefix, const std::vector<std::string>& names,
                     const std::set<std::string>& expected) {
        for (const auto& name : names) {
            if (!expected.contains(name)) {
                wrong(prefix + name, "is there, but was never made, or was renamed or removed");
            }
        }
    }

    void count_file() { live_.files_checked.store(++report_.files_checked, std::memory_order_relaxed); }

    void wrong(const std::string& path, const std::string& what) {
        live_.files_wrong.store(++report_.files_wrong, std::memory_order_relaxed);
        if (report_.first_difference.empty()) {
            report_.first_difference = path + ": " + what;
            live_.first_difference.set(report_.first_difference);
        }
    }

    const SharedState& state_;
    std::string directory_;
    VerifyMode mode_;
    ReportSlot& live_;
    Comparer comparer_;
    VerifyReport report_;
};

}  // namespace

const char* to_string(VerifyMode mode) {
    return mode == VerifyMode::complete ? "complete" : "acknowledged";
}

Result<VerifyMode> parse_verify_mode(std::string_view text) {
    for (const auto mode : {VerifyMode::complete, VerifyMode::acknowledged}) {
        if (text == to_string(mode)) {
            return mode;
        }
    }
    return fail(ErrorKind::invalid_input,
                fmt::format("verify mode \"{}\" is neither complete nor acknowledged", text));
}

Result<VerifyReport> verify(const SharedState& state, const std::string& directory, VerifyMode mode) {
    auto& live = state.report();
    live.state.store(static_cast<std::uint32_t>(ReportState::running), std::memory_order_release);
    live.files_checked.store(0);
    live.bytes_checked.store(0);
    live.files_wrong.store(0);
    live.first_difference.clear();
    live.failure.clear();
    auto report = Verifier(state, directory, mode).run();
    if (!report) {
        live.failure.set(report.error().message);
    }
    live.state.store(static_cast<std::uint32_t>(report ? ReportState::done : ReportState::failed),
                     std::memory_order_release);
    return report;
}

}  // namespace reflux::workload
