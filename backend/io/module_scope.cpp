// Scopes nofs, noio and memalloc: memalloc_nofs_save() and its kin around a call, by the prototype module's
// device (backend/base/reflux_reclaim.h).
#include "backend/base/kernel_file.h"
#include "backend/base/reflux_reclaim.h"
#include "backend/base/task_stat.h"
#include "backend/io/call_scope.h"
#include "backend/io/scope_device.h"

#include <sys/ioctl.h>

namespace reflux::io {
namespace {

class ModuleScope final : public CallScope {
  public:
    ModuleScope(UniqueFd device, unsigned scope) : device_(std::move(device)), scope_(scope) {}

    bool enter() override { return ::ioctl(device_.get(), REFLUX_SCOPE_ENTER, scope_) == 0; }
    bool leave() override { return ::ioctl(device_.get(), REFLUX_SCOPE_LEAVE, scope_) == 0; }

  private:
    UniqueFd device_;  // scopes are of threads, and one descriptor does for all of them
    unsigned scope_;
};

Result<std::unique_ptr<CallScope>> make_scope(unsigned scope, std::uint64_t flag) {
    REFLUX_TRY(auto device, open_scope_device());
    auto made = std::make_unique<ModuleScope>(std::move(device), scope);
    const auto has_flag = [&]() -> Result<bool> {
        REFLUX_TRY(const auto stat, read_task_stat("/proc/thread-self/stat"));
        return (stat.flags & flag) != 0;
    };
    REFLUX_TRY(const bool before, has_flag());
    if (!made->enter()) {
        return fail(scope_device_error("REFLUX_SCOPE_ENTER", errno));
    }
    const auto inside = has_flag();
    if (!made->leave()) {
        return fail(scope_device_error("REFLUX_SCOPE_LEAVE", errno));
    }
    REFLUX_TRY(const bool marked, inside);
    REFLUX_TRY(const bool after, has_flag());
    if (!marked || after != before) {
        return fail(ErrorKind::unsupported,
                    fmt::format("the device's scope has no effect: flag {:#x} is {} in it and {} behind it",
                                flag, marked ? "set" : "not set", after ? "set" : "not set"));
    }
    return made;
}

}  // namespace

Result<std::unique_ptr<CallScope>> make_nofs_scope() {
    return make_scope(REFLUX_SCOPE_NOFS, pf_memalloc_nofs);
}

Result<std::unique_ptr<CallScope>> make_noio_scope() {
    return make_scope(REFLUX_SCOPE_NOIO, pf_memalloc_noio);
}

Result<std::unique_ptr<CallScope>> make_memalloc_scope() {
    return make_scope(REFLUX_SCOPE_MEMALLOC, pf_memalloc);
}

}  // namespace reflux::io
