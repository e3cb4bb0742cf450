#include "harness/journal/device_mapper.h"

#include "backend/base/child.h"
#include "backend/base/kernel_file.h"

#include <cstring>
#include <vector>

#include <linux/dm-ioctl.h>
#include <sys/ioctl.h>

namespace reflux::journal {
namespace {

constexpr const char* control_path = "/dev/mapper/control";
constexpr Seconds remove_time{20};  // what dm-zoned writes when it goes, on an emulated machine
constexpr Seconds state_time{5};
// As loop_gone_time of undo.cpp: a lazily unmounted filesystem first fails whatever it had dirty.
constexpr Seconds escape_time{60};

std::string uuid_of(const std::string& name) {
    return "reflux-" + name;
}

Status put_text(char* field, std::size_t size, const std::string& text) {
    if (text.size() >= size) {
        return fail(ErrorKind::invalid_input, fmt::format("'{}' is longer than {}", text, size - 1));
    }
    std::memcpy(field, text.data(), text.size());
    return {};
}

// A request about the mapping with our uuid; the kernel takes a name beside it only where it makes one.
Result<dm_ioctl> request_for(const std::string& name, std::uint32_t flags = 0) {
    dm_ioctl request{};
    request.version[0] = DM_VERSION_MAJOR;
    request.data_size = sizeof request;
    request.data_start = sizeof request;
    request.flags = flags;
    REFLUX_CHECK(put_text(request.uuid, sizeof request.uuid, uuid_of(name)));
    return request;
}

Status call(unsigned long command, const char* command_name, void* request, const std::string& name) {
    REFLUX_TRY(const auto fd, open_file(control_path, O_RDWR));
    return ::ioctl(fd.get(), command, request) == 0
               ? Status{}
               : Status(fail_errno(fmt::format("{} {}", command_name, name)));
}

Status create(const std::string& name) {
    REFLUX_TRY(auto request, request_for(name));
    REFLUX_CHECK(put_text(request.name, sizeof request.name, name));
    return call(DM_DEV_CREATE, "DM_DEV_CREATE", &request, name);
}

Status load(const std::string& name, const Target& target) {
    REFLUX_TRY(auto request, request_for(name));
    request.target_count = 1;
    dm_target_spec spec{};
    spec.length = target.length.value;
    REFLUX_CHECK(put_text(spec.target_type, sizeof spec.target_type, target.type));
    std::vector<char> buffer(sizeof request + sizeof spec + target.parameters.size() + 1);
    request.data_size = static_cast<std::uint32_t>(buffer.size());
    std::memcpy(buffer.data(), &request, sizeof request);
    std::memcpy(buffer.data() + sizeof request, &spec, sizeof spec);
    std::memcpy(buffer.data() + sizeof request + sizeof spec, target.parameters.data(),
                target.parameters.size());
    return call(DM_TABLE_LOAD, "DM_TABLE_LOAD", buffer.data(), name);
}

// DM_DEV_SUSPEND without its flag: starts what was loaded.
Status resume(const std::string& name) {
    REFLUX_TRY(auto request, request_for(name));
    return call(DM_DEV_SUSPEND, "resume by DM_DEV_SUSPEND", &request, name);
}

Status remove(const std::string& name, std::uint32_t flags = 0) {
    REFLUX_TRY(auto request, request_for(name, flags));
    const auto removed = call(DM_DEV_REMOVE, "DM_DEV_REMOVE", &request, name);
    return removed || removed.error().errnum == ENXIO ? Status{} : removed;
}

Status load_and_start(const std::string& name, const Target& target) {
    auto started = load(name, target);
    if (!started) {
        started = fail(started.error().within(
            fmt::format("{} on {} (the kernel's log says why)", target.type, target.parameters)));
    }
    return started ? resume(name) : started;
}

// While it goes, its attributes cannot be read any more, but its folder is there.
bool is_there(const std::string& name, const std::string& device) {
    const auto uuid = read_file(fmt::format("/sys/block/{}/dm/uuid", device));
    return uuid ? trimmed(*uuid) == uuid_of(name) : uuid.error().errnum != ENOENT;
}

Status wait_for_removal(const std::string& name, const std::string& device, Seconds time,
                        std::uint32_t flags) {
    Status removed = fail(ErrorKind::system, "not tried");
    const bool gone = wait_until(time, [&] {
        if (!is_there(name, device)) {
            return true;
        }
        if (!removed) {
            removed = call_bounded("removing the mapping " + name, time, [&] { return remove(name, flags); });
        }
        return !removed && removed.error().errnum != EBUSY;
    });
    if (!is_there(name, device)) {
        return {};
    }
    return gone || !removed
               ? removed
               : fail(ErrorKind::timed_out, fmt::format("the mapping {} ({}) is still there", name, device));
}

// The SCSI disks right below: the files that say in which state they are.
std::vector<std::string> disks_below(const std::string& device) {
    std::vector<std::string> states;
    const auto below = list_directory(fmt::format("/sys/block/{}/slaves", device));
    for (const auto& name : below ? *below : std::vector<std::string>{}) {
        const auto state = fmt::format("/sys/class/block/{}/device/state", name);
        if (::access(state.c_str(), W_OK) == 0) {
            states.push_back(state);
        }
    }
    return states;
}

// A disk that has gone meanwhile has no state any more. `state` with its newline, without which the kernel
// takes none.
void set_state(const std::vector<std::string>& disks, std::string_view state) {
    for (const auto& disk : disks) {
        static_cast<void>(
            call_bounded("writing to " + disk, state_time, [&] { return write_file(disk, state); }));
    }
}

}  // namespace

Status make_mapping(const std::string& name, Seconds time, const std::function<Result<Target>()>& target) {
    if (::access(control_path, F_OK) != 0) {
        return fail(ErrorKind::unsupported,
                    fmt::format("no {}: load the module: modprobe dm-mod", control_path));
    }
    return call_bounded("making the mapping " + name, time, [&]() -> Status {
        REFLUX_TRY(const auto wanted, target());
        REFLUX_CHECK(create(name));
        auto started = load_and_start(name, wanted);
        if (!started) {
            static_cast<void>(remove(name));
        }
        return started;
    });
}

std::optional<std::string> mapping_device(const std::string& name) {
    const auto devices = list_directory("/sys/block");
    for (const auto& device : devices ? *devices : std::vector<std::string>{}) {
        const auto uuid = read_file(fmt::format("/sys/block/{}/dm/uuid", device));
        if (uuid && trimmed(*uuid) == uuid_of(name)) {
            return device;
        }
    }
    return std::nullopt;
}

Status remove_mapping(const Object& object, Mode mode) {
    const std::string& name = object.name;
    const auto device = object.note.empty() ? mapping_device(name) : object.note;
    if (!device) {
        return {};
    }
    if (mode == Mode::orderly) {
        return wait_for_removal(name, *device, remove_time, 0);
    }
    const auto disks = disks_below(*device);
    auto removed = wait_for_removal(name, *device, remove_time, DM_DEFERRED_REMOVE);
    if (!removed && !disks.empty()) {
        set_state(disks, "offline\n");
        removed = wait_for_removal(name, *device, escape_time, DM_DEFERRED_REMOVE);
        if (removed) {
            set_state(disks, "running\n");
        }
    }
    return removed;
}

}  // namespace reflux::journal
