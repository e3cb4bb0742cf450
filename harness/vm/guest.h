// A running guest: QEMU, what its init tells, and how it ends. Nothing of it is left when the object is
// gone: QEMU is killed, the scratch disk and the initramfs have no name. Threads: one.
#pragma once

#include "backend/base/child.h"
#include "harness/vm/accelerator.h"
#include "harness/vm/kernel.h"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace reflux::vm {

struct GuestPlan {
    Kernel kernel;
    Accelerator accelerator;
    unsigned cpus = 2;
    Bytes memory = gibibytes(1);
    std::string cgroup = "auto";       // "v1" | "v2" | "auto": v1 where the kernel has it
    std::vector<std::string> modules;  // to be loaded before the command
    // Read-write in the guest at guest_folder. guest-command.sh in it is run with sh; console.txt,
    // events.txt, qemu.log and guest-dmesg.txt appear in it.
    std::string folder;
    std::string scratch_folder;  // of the host: the scratch disk, a sparse file without a name, lies there
    bool shell = false;          // the command talks to a person on this process's stdin and stdout
};

// Where the guest sees GuestPlan::folder.
inline constexpr const char* guest_folder = "/run/shared";

// How a guest ended.
struct GuestEnd {
    enum class Kind {
        ended,      // its command ended, with `status`
        no_boot,    // it did not come to its command
        panicked,   // the kernel panicked
        reset,      // it restarted without a word
        silent,     // no sign of life for Limits::silence
        overdue,    // it lived, but the command said nothing for Limits::command_silence
        qemu_died,  // QEMU itself
        stopped,    // by stop()
    };
    Kind kind = Kind::stopped;
    int status = 0;      // of the command
    std::string detail;  // one sentence; the last words of console or QEMU where they explain it
};
std::string to_string(GuestEnd::Kind kind);  // "panicked"

class Guest {
  public:
    struct Limits {
        Seconds boot{120};
        Seconds silence{30};
        Seconds command_silence{300};
        Seconds whole{7200};  // from start to end
    };

    static Result<Guest> start(const GuestPlan& plan, Limits limits);
    Guest(Guest&&) = default;
    Guest& operator=(Guest&&) = delete;
    Guest(const Guest&) = delete;
    Guest& operator=(const Guest&) = delete;
    ~Guest();

    [[nodiscard]] const Child& qemu() const { return qemu_; }
    // Takes in what the guest has said since the last call: the lines of its command, and what its init says
    // to people. Does not wait.
    std::vector<std::string> poll();
    // Set once poll() has found that it ended or must be given up; QEMU may still run then.
    [[nodiscard]] const std::optional<GuestEnd>& end() const { return end_; }
    // Seconds from the start to the beginning of the command; nullopt: not there yet.
    [[nodiscard]] std::optional<double> boot_s() const { return boot_s_; }

    // Makes a guest that hangs print its tasks on the console (sysrq by a break on the serial line), as far
    // as it still can; at most 20 s.
    void dump_tasks();
    // Kills QEMU and reaps it; at most 30 s.
    Status stop();

  private:
    using Clock = std::chrono::steady_clock;
    Guest(const GuestPlan& plan, Limits limits) : folder_(plan.folder), limits_(limits) {}

    void take_line(const std::string& line, std::vector<std::string>& said);
    void read_lines(std::vector<std::string>& said);
    // What the guest has said on a line since the last time; it is added to the line's file.
    struct Line {
        UniqueFd socket;
        UniqueFd file;
    };
    static std::string drain(const Line& line);
    bool hears(std::string_view words, Seconds patience);  // on the console
    bool ask_qemu(std::string_view request);
    void judge_end(std::vector<std::string>& said);
    [[nodiscard]] GuestEnd end_of_qemu(const ExitStatus& exit) const;
    [[nodiscard]] static double since(Clock::time_point moment);

    std::string folder_;
    Limits limits_;
    Child qemu_;
    Line console_;  // console.txt
    Line events_;   // events.txt
    UniqueFd control_;
    std::string partial_;  // of an event line
    Clock::time_point start_ = Clock::now();
    Clock::time_point last_beat_ = Clock::now();
    Clock::time_point last_line_ = Clock::now();
    std::optional<double> boot_s_;
    std::optional<int> status_;
    std::optional<GuestEnd> end_;
};

}  // namespace reflux::vm
