#include "harness/stack/kernel_modules.h"

#include "backend/base/child.h"
#include "backend/base/kernel_file.h"

#include <algorithm>

#include <unistd.h>

namespace reflux::stack {
namespace {

constexpr Seconds modprobe_time{60};

// As the kernel names it: of a file "…/tcm_loop.ko.xz", and with '-' as '_'.
std::string module_name(std::string_view text) {
    std::string name(text.substr(text.rfind('/') + 1));
    name = name.substr(0, name.find(".ko"));
    std::ranges::replace(name, '-', '_');
    return name;
}

bool is_there(const std::string& name) {
    return ::access(("/sys/module/" + name).c_str(), F_OK) == 0;
}

// The modules that are loaded for it, in order, the last is itself; none: it is built in.
Result<std::vector<std::string>> needed_for(const std::string& name) {
    REFLUX_TRY(const auto result, run_command({"modprobe", "--show-depends", name}, modprobe_time));
    if (!result.exit || !result.exit->ok()) {
        return fail(ErrorKind::unsupported,
                    fmt::format("this kernel has no module {} ({}); try a virtual machine: --vm 6.1", name,
                                trimmed(result.output)));
    }
    std::vector<std::string> modules;
    for (const auto& line : lines_of(result.output)) {
        // "insmod /lib/modules/…/x.ko PARAMETERS" or "builtin x"
        const auto words = split(line, ' ');
        if (words.size() >= 2 && words[0] == "insmod") {
            modules.push_back(module_name(words[1]));
        }
    }
    return modules;
}

}  // namespace

Status can_load_module(std::string_view name) {
    return is_there(module_name(name)) ? Status{} : [&]() -> Status {
        REFLUX_CHECK(needed_for(std::string(name)));
        return {};
    }();
}

Status load_module(std::string_view name, journal::Journal& journal,
                   const std::vector<std::string>& parameters) {
    if (is_there(module_name(name))) {
        return {};
    }
    REFLUX_TRY(const auto modules, needed_for(std::string(name)));
    for (const auto& module : modules) {
        if (!is_there(module)) {
            REFLUX_TRY(const auto id, journal.intend(journal::Kind::kernel_module, module));
            REFLUX_CHECK(journal.note(id, std::string(journal::module_for_others)));
        }
    }
    std::vector<std::string> command{"modprobe", std::string(name)};
    command.insert(command.end(), parameters.begin(), parameters.end());
    REFLUX_TRY(const auto result, run_command(command, modprobe_time));
    if (!result.exit || !result.exit->ok()) {
        return fail(ErrorKind::unsupported, fmt::format("modprobe {}: {}", name, trimmed(result.output)));
    }
    return {};
}

}  // namespace reflux::stack
