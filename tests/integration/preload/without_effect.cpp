// For LD_PRELOAD: calls that protect a process succeed and do nothing, as under a seccomp filter or a sandbox
// that answers for the kernel. What a program does not read back it does not notice.
#include <cstdarg>

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

constexpr int pr_set_io_flusher = 57;
constexpr int pr_get_io_flusher = 58;

}  // namespace

extern "C" int prctl(int option, ...) {  // NOLINT: as <sys/prctl.h> declares it
    if (option == pr_set_io_flusher || option == pr_get_io_flusher) {
        return 0;
    }
    std::va_list list;
    va_start(list, option);
    const auto second = va_arg(list, unsigned long);
    const auto third = va_arg(list, unsigned long);
    const auto fourth = va_arg(list, unsigned long);
    const auto fifth = va_arg(list, unsigned long);
    va_end(list);
    return static_cast<int>(::syscall(SYS_prctl, option, second, third, fourth, fifth));
}

extern "C" int mlockall(int /*flags*/) noexcept {
    return 0;
}
