// refluxd's command line.
#pragma once

#include "backend/io/call_options.h"
#include "backend/zone/zoned_geometry.h"
#include "daemon/base/self_protection.h"

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace reflux {

struct FormatOptions {
    std::string image;
    ZonedGeometry geometry;
    bool force = false;
    bool translated = false;
};

struct ServeOptions {
    std::string image;
    std::string front_end = "fuse";
    std::string mountpoint;                // of the front end fuse; empty for all others
    std::string name;                      // of the front end tcmu; empty for all others
    std::string zone_memory;               // DeviceOptions::zone_memory; empty: a default
    std::optional<std::uint32_t> recover;  // of the front end ublk: a device to take over
    std::string engine = "sync";
    std::optional<unsigned> threads;  // not set: what the engine thinks right
    bool direct = false;
    io::CallOptions calls;
    std::string control;  // path of the control socket; empty: none
    SelfProtection protection;
    bool daemonize = false;
};

struct ReportOptions {
    std::string image;
    bool json = false;
};

struct FsckOptions {
    std::string image;
    bool repair = false;
};

struct ListOptions {};

// Neither is set: list all.
struct UblkOptions {
    std::optional<std::uint32_t> remove;  // a device
    std::string remove_of;                // those made from this image
};

// --help or --version was asked for: print the text and end well.
struct HelpText {
    std::string text;
};

using Command =
    std::variant<FormatOptions, ServeOptions, ReportOptions, FsckOptions, ListOptions, UblkOptions, HelpText>;

// A mistake is invalid_input and says what to do.
Result<Command> parse_command_line(int argc, const char* const* argv);

struct FrontEndInfo {
    std::string_view name;
    std::string_view description;
};
const std::vector<FrontEndInfo>& front_end_list();

}  // namespace reflux
