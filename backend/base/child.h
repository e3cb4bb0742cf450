// Child processes: started into a cgroup before they run a line of their own, held by pidfd, waited for with
// a deadline. Anything that may block on the stack under test is done in one, never in the harness itself.
// Threads: spawn and fork_call fork; call them from a single-threaded process.
#pragma once

#include "backend/base/result.h"
#include "backend/base/unique_fd.h"
#include "backend/base/units.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace reflux {

// How a process ended.
struct ExitStatus {
    int code = 0;    // exit code; 0 when killed
    int signal = 0;  // terminating signal; 0 when it exited
    [[nodiscard]] bool ok() const { return code == 0 && signal == 0; }
};
std::string to_string(const ExitStatus& status);  // "exit 1", "signal 9 (Killed)"

// A started child that has not been reaped. Destroying it neither kills nor waits.
struct Child {
    pid_t pid = -1;
    UniqueFd pidfd;  // readable when the process has ended
};

struct SpawnOptions {
    // Files that the child writes "0" to before exec, to enter those cgroups ("…/cgroup.procs").
    std::vector<std::string> cgroup_procs;
    int stdout_fd = -1;           // becomes the child's stdout; -1: inherited
    int stderr_fd = -1;           // becomes the child's stderr; -1: inherited
    std::vector<int> inherit;     // further descriptors kept open across exec under their numbers
    bool die_with_parent = true;  // PR_SET_PDEATHSIG SIGKILL
    bool own_group = true;        // false: stays in the caller's process group, to use its terminal
};

// From now on the OOM killer passes this process over, but not its children, which start as this process was
// before. To lower the score takes CAP_SYS_RESOURCE (fs/proc/base.c, __set_oom_adj()): an error without it,
// and nothing has changed.
Status protect_from_oom();

// fork + exec of argv[0] (searched in PATH); timed_out when the child has not come to its exec within 30 s.
// An exec or cgroup failure in the child is returned here, as its error.
Result<Child> spawn(const std::vector<std::string>& argv, const SpawnOptions& options = {});

// fork without exec: the child runs `body` and exits with its result; for one or two system calls that may
// block. It has none of the parent's descriptors but 0, 1, 2 and those of `options`. An error that `body`
// returns is printed on the child's stderr; its errno is the exit status, 127 where it has none.
Result<Child> fork_call(const std::function<Status()>& body, const SpawnOptions& options = {});

// Waits until `fd` is readable or `deadline` is over, over interruptions by signals; true: it is readable.
Result<bool> wait_readable(int fd, Seconds deadline);
// Waits until the child ends or `deadline` is over, and reaps it; nullopt: it still runs.
Result<std::optional<ExitStatus>> wait_for(Child& child, Seconds deadline);
// Reaps without waiting; call when pidfd is readable.
Result<std::optional<ExitStatus>> reap(Child& child);
// Sends a signal through the pidfd; a child that is gone already is no error.
Status send_signal(const Child& child, int signal);

// Runs a call that may block on the stack under test in a child: its own error when it failed, timed_out when
// it did not end in time (it has got a SIGKILL then, and may still sit in the kernel). `what` names it in the
// messages.
Status call_bounded(const std::string& what, Seconds deadline, const std::function<Status()>& call,
                    SpawnOptions options = {});

struct Pipe {
    UniqueFd read_end;
    UniqueFd write_end;
};
// Both ends are close-on-exec.
Result<Pipe> make_pipe();

// A stream in both directions.
struct SocketPair {
    UniqueFd ours;
    UniqueFd theirs;  // for a child
};
// Both ends are close-on-exec.
Result<SocketPair> make_socket_pair();

// What a bounded command did.
struct CommandResult {
    std::optional<ExitStatus>
        exit;            // nullopt: still running at the deadline, killed, not reaped within 1 s more
    std::string output;  // stdout and stderr together, at most 64 KiB
};
// Runs a command to its end or to the deadline (then SIGKILL).
Result<CommandResult> run_command(const std::vector<std::string>& argv, Seconds deadline,
                                  SpawnOptions options = {});

// The same, but once `given_up` says so (it is asked some ten times a second) the program is killed, and the
// error has errnum EINTR.
Result<CommandResult> run_command_unless(const std::vector<std::string>& argv, Seconds deadline,
                                         const std::function<bool()>& given_up, SpawnOptions options = {});

// Absolute path of a program in PATH plus the sbin folders, or nullopt.
std::optional<std::string> find_program(const std::string& name);

}  // namespace reflux
