#include "backend/io/fault.h"

#include "backend/io/fault_kinds.h"
#include "backend/io/fault_selection.h"

#include <algorithm>
#include <array>

namespace reflux::io {
namespace {

struct Row {
    FaultInfo info;
    std::unique_ptr<Fault> (*make)();
};

// In this order they happen to a request.
constexpr std::array rows{
    Row{.info = {.name = "delay",
                 .description = "a request waits before its I/O",
                 .options = "time=DURATION"},
        .make = make_delay_fault},
    Row{.info = {.name = "spin",
                 .description = "a request burns CPU before its I/O; without a time until it is cleared",
                 .options = "[time=DURATION]"},
        .make = make_spin_fault},
    Row{.info = {.name = "allocate",
                 .description = "a request takes memory before its I/O and keeps it until it is cleared",
                 .options = "size=SIZE [most=SIZE]"},
        .make = make_allocate_fault},
    Row{.info = {.name = "error",
                 .description = "a request fails; torn: half of a write is written before it does",
                 .options = "[error=EIO|ENOSPC|EROFS|ENOMEM] [torn]"},
        .make = make_error_fault},
};

Result<std::size_t> find_row(std::string_view name) {
    std::string known;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (rows.at(i).info.name == name) {
            return i;
        }
        known += fmt::format("{}{}", known.empty() ? "" : ", ", rows.at(i).info.name);
    }
    return fail(ErrorKind::invalid_input, fmt::format("no fault '{}'; there are: {}", name, known));
}

}  // namespace

struct Faults::Active {
    std::unique_ptr<Fault> fault;
    FaultSelection selection;
    std::string options;
};

const std::vector<FaultInfo>& fault_list() {
    static const std::vector<FaultInfo> list = [] {
        std::vector<FaultInfo> infos;
        infos.reserve(rows.size());
        for (const Row& row : rows) {
            infos.push_back(row.info);
        }
        return infos;
    }();
    return list;
}

std::string_view common_fault_options() {
    return FaultSelection::options;
}

Result<Seconds> parse_fault_time(std::string_view value) {
    constexpr Seconds most{600};
    auto time = parse_seconds(value);
    if (!time || !(*time > Seconds(0) && *time <= most)) {  // so that "nan" is none
        return fail(
            ErrorKind::invalid_input,
            fmt::format("expected a duration above 0s, at most 600s, such as 200ms, found '{}'", value));
    }
    return time;
}

Faults::Faults() : active_(rows.size()) {}
Faults::~Faults() = default;

Result<std::shared_ptr<Faults::Active>> Faults::make(std::string_view name,
                                                     const std::vector<std::string>& options) {
    REFLUX_TRY(const std::size_t row, find_row(name));
    auto active = std::make_shared<Active>();
    active->fault = rows.at(row).make();
    for (const std::string& option : options) {
        const std::size_t equals = option.find('=');
        const std::string_view key = std::string_view(option).substr(0, equals);
        const std::string_view value =
            equals == std::string::npos ? std::string_view{} : std::string_view(option).substr(equals + 1);
        auto known = active->fault->set_option(key, value);
        if (known && !*known) {
            known = active->selection.set_option(key, value);
        }
        if (!known) {
            return fail(known.error().within(fmt::format("{} of fault {}", key, name)));
        }
        if (!*known) {
            return fail(ErrorKind::invalid_input,
                        fmt::format("fault {} has no option '{}'; it has {} {}", name, option,
                                    rows.at(row).info.options, FaultSelection::options));
        }
    }
    if (const auto ready = active->fault->prepare(); !ready) {
        return fail(ready.error().within(fmt::format("fault {}", name)));
    }
    active->options = fmt::format("{}", fmt::join(options, " "));
    return active;
}

Status Faults::check(std::string_view name, const std::vector<std::string>& options) {
    REFLUX_TRY(const auto made, make(name, options));
    return {};
}

void Faults::replace(std::size_t row, std::shared_ptr<Active> active) {
    {
        const std::lock_guard lock(mutex_);
        active_[row].swap(active);
        any_.store(std::ranges::any_of(active_, [](const auto& one) { return one != nullptr; }),
                   std::memory_order_relaxed);
    }
    if (active) {
        active->fault->end();
    }
}

Status Faults::set(std::string_view name, const std::vector<std::string>& options) {
    REFLUX_TRY(auto active, make(name, options));
    REFLUX_TRY(const std::size_t row, find_row(name));
    replace(row, std::move(active));
    return {};
}

Status Faults::clear(std::string_view name) {
    REFLUX_TRY(const std::size_t row, find_row(name));
    replace(row, nullptr);
    return {};
}

void Faults::clear_all() {
    for (std::size_t row = 0; row < rows.size(); ++row) {
        replace(row, nullptr);
    }
}

std::vector<FaultState> Faults::state() const {
    std::vector<FaultState> states;
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < active_.size(); ++i) {
        if (const auto& active = active_[i]) {
            states.push_back({.name = std::string(rows.at(i).info.name),
                              .options = active->options,
                              .requests = active->selection.taken()});
        }
    }
    return states;
}

FaultEffect Faults::apply(const FaultedRequest& request) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
        std::shared_ptr<Active> active;
        {
            const std::lock_guard lock(mutex_);
            active = active_[i];
        }
        if (active && active->selection.takes(request)) {
            if (const FaultEffect effect = active->fault->apply(request); effect.error != 0) {
                return effect;
            }
        }
    }
    return {};
}

}  // namespace reflux::io
