// Which threads of a process are marked as I/O flushers, and what is known of those that are not. Values in,
// values out; process.h reads them.
//
// Kernel rules (5.10 to 7.2):
// - From user space only prctl(PR_SET_IO_FLUSHER) sets marks, on the calling thread, NOIO and LOCAL_THROTTLE
//   together (kernel/sys.c). A thread is marked when both stand. NOFS and MEMALLOC, and NOIO alone, are
//   scopes inside the kernel (memalloc_nofs_save() and its kin, include/linux/sched/mm.h): the thread was in
//   one when it was looked at, and has nothing of it afterwards.
// - copy_process() (kernel/fork.c) copies the marks to the new thread. begin_new_exec() (fs/exec.c) keeps
//   those of the caller and ends all other threads: the caller is then the main thread, from which all
//   threads of the program descend.
// - io-wq workers and SQPOLL threads (create_io_thread() in io_uring/io-wq.c, sqpoll.c) copy the marks of the
//   thread that they work for; its number in the first pid namespace is in their names. Before 5.12 (5.10:
//   before 5.10.162) they are kernel threads outside of the process, and no audit of it sees them.
//
// Known therefore of an unmarked thread, unless some thread took its own mark off again (which leaves no
// trace):
// - whoever made it was not marked at that time;
// - where the main thread is marked: it, or a thread that it descends from, was made before that;
// - where it works for a marked thread: it was made before that thread was marked;
// - where it is older than every marked thread but the main one: it was there before any of these.
// Not known: who made a thread that io_uring did not make; when a thread was marked (it may have been made
// so, or have done it itself at any time since); the order of threads that were made in the same clock tick.
// So "made before the mark" is a statement, and its absence is none.
#pragma once

#include "harness/mitigation/process.h"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace reflux::mitigation {

enum class Kind { main, other, io_wq_worker, sqpoll, kernel };
std::string to_string(Kind kind);

// What is known of an unmarked thread in a process that has marked ones.
struct Origin {
    enum class Kind {
        main,          // it is the main thread: what it makes is unmarked, whatever others have
        before_main,   // older than every marked thread but the main one, which is marked
        before_all,    // older than every marked thread; the main one is unmarked
        before_other,  // works for thread `tid`, and was made before that one was marked
        of_unmarked,   // works for thread `tid`, which is unmarked
        after,         // younger than the marked thread `tid`: made by an unmarked one
        same_tick_as,  // made in the same clock tick as the oldest marked thread `tid`
    } kind = Kind::main;
    int tid = 0;
    // Whether this is "made before the mark".
    [[nodiscard]] bool before_mark() const;
};
// A phrase.
std::string to_string(const Origin& origin);

struct AuditedThread {
    ThreadStat thread;
    Kind kind = Kind::other;
    std::optional<int> works_for;  // for what io_uring made: the thread, where it can be told
    double started_s = 0;          // after the main thread
    bool ended = false;            // the kernel keeps no more than its entry
    bool marked = false;
    bool on_io_path = false;
    std::optional<Origin> origin;  // nullopt: it is marked, or no thread is
};

struct Audit {
    int pid = 0;
    std::string name;  // of the main thread
    std::vector<AuditedThread> threads;
    std::size_t on_io_path = 0;
    std::size_t unmarked = 0;  // of those
    [[nodiscard]] bool passed() const { return unmarked == 0; }
};

// Which threads are on the I/O path, by number ("4711") or name, a pattern as of fnmatch(3) ("iou-*"). Only
// the author of a program knows; of refluxd it is known here: all but its control thread, unless it is said
// otherwise.
struct IoPath {
    std::vector<std::string> only;  // empty: all
    std::vector<std::string> except;
};

// invalid_input when `io_path` names a thread in `only` that is not there, or leaves none; unsupported when
// the process has ended. A thread that has ended is on no path.
Result<Audit> audit(const Process& process, const IoPath& io_path);

}  // namespace reflux::mitigation
