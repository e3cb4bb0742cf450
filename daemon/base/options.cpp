#include "daemon/base/options.h"

#include "backend/io/engine.h"

#include <optional>
#include <sstream>

#include <CLI/CLI.hpp>

namespace reflux {
namespace {

struct RawOptions {
    std::string image;
    std::string size;
    std::string zone_size = "64MiB";
    std::uint64_t conventional = 4;
    bool force = false;
    ServeOptions serve;
};

std::string engine_help() {
    std::string text = "How I/O reaches the image:";
    for (const auto& engine : io::engine_list()) {
        text += fmt::format("\n  {}: {}", engine.name, engine.description);
    }
    return text;
}

void describe_format(CLI::App& format, RawOptions& raw) {
    format.add_option("IMAGE", raw.image, "File to make")->required();
    format.add_option("--size", raw.size, "Size of the disk, such as 1GiB")->required();
    format.add_option("--zone-size", raw.zone_size, "Size of a zone, a power of two")->capture_default_str();
    format.add_option("--conventional", raw.conventional, "Number of conventional zones, from the start on")
        ->capture_default_str();
    format.add_flag("--force", raw.force, "Overwrite an existing file; what it holds is lost");
}

void describe_serve(CLI::App& serve, ServeOptions& options) {
    serve.add_option("IMAGE", options.image, "Image that format made")->required();
    serve
        .add_option("MOUNTPOINT", options.mountpoint,
                    "Existing directory; the disk appears as MOUNTPOINT/disk")
        ->required();
    serve.add_option("--engine", options.engine, engine_help())->capture_default_str();
    serve.add_option(
        "--threads", options.threads,
        "Threads that do I/O (sync: 1, threads: 4); of uring the most workers of the kernel (4)");
    serve.add_flag(
        "--direct", options.direct,
        "I/O past the page cache (O_DIRECT); requests that are no multiple of 4096 bytes pass through it");
    serve.add_option("--control", options.control,
                     "Path of a unix socket that answers lines (status, zones, fault, help) with JSON");
    serve.add_flag("--io-flusher", options.io_flusher,
                   "Mark all threads by PR_SET_IO_FLUSHER; needs CAP_SYS_RESOURCE");
    serve.add_flag("--daemonize", options.daemonize,
                   "Return when the disk is served, and go on in the background");
}

Result<Command> to_format(const RawOptions& raw) {
    REFLUX_TRY(const auto size, parse_bytes(raw.size));
    REFLUX_TRY(const auto zone_size, parse_bytes(raw.zone_size));
    REFLUX_TRY(const auto geometry, ZonedGeometry::make(size, zone_size, raw.conventional));
    return FormatOptions{.image = raw.image, .geometry = geometry, .force = raw.force};
}

// The text that was asked for instead of a command, if any.
Result<std::optional<HelpText>> parse_with(CLI::App& app, int argc, const char* const* argv) {
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& wanted) {
        std::ostringstream out;
        app.exit(wanted, out, out);
        return std::optional(HelpText{out.str()});
    } catch (const CLI::ParseError& error) {
        return fail(ErrorKind::invalid_input, fmt::format("{}; see refluxd --help", error.what()));
    }
    return std::optional<HelpText>{};
}

}  // namespace

Result<Command> parse_command_line(int argc, const char* const* argv) {
    RawOptions raw;
    CLI::App app("refluxd serves a file as an emulated zoned disk through FUSE.", "refluxd");
    app.set_help_all_flag("--help-all", "Print the help of all commands");
    app.set_version_flag("--version", REFLUX_VERSION);
    app.footer(
        "Exit status: 0 clean end, 2 usage or invalid image, 3 this machine cannot, 4 other failure.\n"
        "SIGTERM and SIGINT end a serving daemon cleanly. When it serves it prints one line of JSON.");
    app.require_subcommand(1);
    auto* format = app.add_subcommand("format", "Make an image");
    auto* serve = app.add_subcommand("serve", "Serve an image until SIGTERM or SIGINT");
    auto* list = app.add_subcommand("list", "Print engines, front ends and faults as JSON");
    describe_format(*format, raw);
    describe_serve(*serve, raw.serve);
    REFLUX_TRY(const auto help, parse_with(app, argc, argv));
    if (help) {
        return *help;
    }
    if (format->parsed()) {
        return to_format(raw);
    }
    if (list->parsed()) {
        return ListOptions{};
    }
    return raw.serve;
}

const std::vector<FrontEndInfo>& front_end_list() {
    static const std::vector<FrontEndInfo> list{
        {.name = "fuse",
         .description = "a file in a FUSE filesystem; a loop device makes it a block device"}};
    return list;
}

}  // namespace reflux
