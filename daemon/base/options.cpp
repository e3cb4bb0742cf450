#include "daemon/base/options.h"

#include "backend/io/call_scope.h"
#include "backend/io/engine.h"
#include "backend/translated_device.h"
#include "backend/zone/tcmu_config.h"
#include "daemon/base/command_words.h"

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>

#include <CLI/CLI.hpp>

namespace reflux {
namespace {

struct RawOptions {
    std::string image;
    std::string config;
    std::string size;
    std::string zone_size = "64MiB";
    std::string zone_capacity;
    ZonedShape shape{.conventional = 4};  // but for the sizes
    bool force = false;
    bool translated = false;
    ServeOptions serve;
    std::string sync_range;
    ReportOptions report;
    FsckOptions fsck;
    UblkOptions ublk;
};

// The text, and a line for each word that the option takes.
template <class Words>
std::string words_help(std::string text, const Words& words) {
    for (const auto& word : words) {
        text += fmt::format("\n  {}: {}", word.name, word.description);
    }
    return text;
}

template <class Words>
std::vector<std::string> names_of(const Words& words) {
    std::vector<std::string> names;
    names.reserve(words.size());
    for (const auto& word : words) {
        names.emplace_back(word.name);
    }
    return names;
}

std::vector<io::CallWord> flag_words() {
    std::vector<io::CallWord> words;
    for (const auto& flag : io::call_flag_list()) {
        words.push_back(flag.word);
    }
    return words;
}

const std::map<std::string, ZoneModel>& models() {
    static const std::map<std::string, ZoneModel> names{{"host-aware", ZoneModel::host_aware},
                                                        {"host-managed", ZoneModel::host_managed}};
    return names;
}

std::vector<CLI::Option*> describe_shape(CLI::App& format, RawOptions& raw) {
    ZonedShape& shape = raw.shape;
    return {
        format.add_option("--zone-size", raw.zone_size, "Size of a zone, a power of two")
            ->capture_default_str(),
        format
            .add_option("--conventional", shape.conventional,
                        "Number of conventional zones, from the start on")
            ->capture_default_str(),
        format
            .add_option_function<std::string>(
                "--model", [&shape](const std::string& name) { shape.model = models().at(name); },
                "host-aware: sequential zones may be written anywhere; host-managed: only at their write "
                "pointer")
            ->check(CLI::IsMember(models()))
            ->default_str("host-aware"),
        format.add_option("--zone-capacity", raw.zone_capacity,
                          "How much of a sequential zone can be written, of a host-managed disk; else all"),
        format.add_option("--block-size", shape.logical_block_size, "Logical block size, 512 or 4096")
            ->capture_default_str(),
        format
            .add_option("--max-open", shape.max_open,
                        "Most open zones (host-aware: an optimal number); 0: no limit")
            ->capture_default_str(),
        format
            .add_option("--max-active", shape.max_active,
                        "Most open and closed zones of a host-managed disk; 0: no limit")
            ->capture_default_str(),
        format.add_flag_callback(
            "--restricted-reads", [&shape] { shape.unrestricted_reads = false; },
            "Refuse reads beyond the write pointer of a host-managed disk's zones")};
}

void describe_format(CLI::App& format, RawOptions& raw) {
    format.add_option("IMAGE", raw.image, "File to make");
    format.add_option("--size", raw.size, "Size of the disk, such as 1GiB")->required();
    format.add_flag("--force", raw.force, "Overwrite an existing file; what it holds is lost");
    format.add_flag(
        "--translate", raw.translated,
        "Serve a disk that takes writes anywhere on this host-managed one, as dm-zoned does; it is "
        "smaller by the conventional zones and two more");
    const std::vector<CLI::Option*> shape = describe_shape(format, raw);
    auto* config =
        format.add_option("--config", raw.config,
                          "Instead of IMAGE and the options of zones: tcmu-runner's string\n"
                          "  zbc/[OPTION[/OPTION]...@]IMAGE, as zbc/model-HM/zsize-64/conv-8@/path/file\n"
                          "  of model-HM|HA, lba-512|4096, zsize-MIB, conv-N, open-N");
    for (auto* option : shape) {
        config->excludes(option);
    }
}

// What is done around and with each read and write of the image.
void describe_calls(CLI::App& serve, RawOptions& raw) {
    const auto add_words = [&](const char* name, std::vector<std::string>& into, const std::string& text,
                               const std::vector<io::CallWord>& words) {
        serve.add_option(name, into, words_help(text, words))
            ->type_name("WORD")
            ->check(CLI::IsMember(names_of(words)))
            ->allow_extra_args(false);
    };
    io::CallOptions& calls = raw.serve.calls;
    add_words("--call-flag", calls.flags,
              "A flag of preadv2 and pwritev2 on each read and write; again for more:", flag_words());
    add_words("--call-scope", calls.scopes,
              "A mark on the thread around each read and write, off in between; again for more:",
              io::call_scope_list());
    serve.add_option(
        "--sync-range", raw.sync_range,
        "After so many bytes written: sync_file_range, so that about (threads + 1) times as much is dirty "
        "at most");
    serve.add_flag("--mapping-nofs", calls.mapping_nofs,
                   "Page cache of the image without __GFP_FS, by the prototype module, while it is served");
    serve.add_option("--fdatasync-every", calls.fdatasync_every, "After so many writes: fdatasync")
        ->check(CLI::PositiveNumber);
}

// Marks of the whole process.
void describe_protection(CLI::App& serve, SelfProtection& protection) {
    using When = SelfProtection::IoFlusher;
    auto* const start = serve.add_flag_callback(
        "--io-flusher", [&protection] { protection.io_flusher = When::start; },
        "Mark all threads by PR_SET_IO_FLUSHER; needs CAP_SYS_RESOURCE");
    serve
        .add_flag_callback(
            "--io-flusher-late", [&protection] { protection.io_flusher = When::late; },
            "Mark too late, when all threads are there: the main thread alone gets it, as in a program that "
            "does not know the trap")
        ->excludes(start);
    serve.add_flag("--mlock", protection.lock_memory,
                   "Lock all memory by mlockall; needs CAP_IPC_LOCK or a high RLIMIT_MEMLOCK");
}

// How the disk is presented to the kernel, and what each way of it needs.
void describe_front_end(CLI::App& serve, ServeOptions& options) {
    serve.add_option("MOUNTPOINT", options.mountpoint,
                     "Of the front end fuse: existing directory; the disk appears as MOUNTPOINT/disk, its "
                     "zones in MOUNTPOINT/zones");
    serve
        .add_option("--front-end", options.front_end,
                    words_help("How the disk is presented to the kernel:", front_end_list()))
        ->check(CLI::IsMember(names_of(front_end_list())))
        ->capture_default_str();
    serve.add_option("--name", options.name,
                     "Of the front end tcmu: serves the device of LIO whose dev_config is reflux/NAME");
    serve
        .add_option(
            "--zone-memory", options.zone_memory,
            "File, or folder for it, in a memory filesystem, where the zones of a disk that outlives a "
            "killed daemon are kept for the next one; by default in /run or /dev/shm. Not of the front "
            "end fuse")
        ->type_name("PATH");
    serve
        .add_option("--recover", options.recover,
                    "Of the front end ublk: take over device ID, whose daemon was killed; its I/O goes on")
        ->type_name("ID");
}

void describe_ublk(CLI::App& ublk, RawOptions& raw) {
    ublk.require_subcommand(1);
    ublk.add_subcommand("list", "Print the ublk devices of this machine as JSON");
    auto* remove = ublk.add_subcommand(
        "delete",
        "Delete a ublk device whose daemon is gone or stuck. A daemon that does not let go of it within "
        "seconds is\nkilled; what is written to the device meanwhile fails");
    auto* id = remove->add_option("ID", raw.ublk.remove, "Number of the device: N of /dev/ublkbN");
    remove->add_option("--image", raw.ublk.remove_of, "The devices that were made from this image, if any")
        ->excludes(id);
}

void describe_serve(CLI::App& serve, RawOptions& raw) {
    ServeOptions& options = raw.serve;
    serve.add_option("IMAGE", options.image, "Image that format made")->required();
    describe_front_end(serve, options);
    serve.add_option("--engine", options.engine, words_help("How I/O reaches the image:", io::engine_list()))
        ->capture_default_str();
    serve.add_option(
        "--threads", options.threads,
        "Threads that do I/O (sync: 1, threads: 4); of uring the most workers of the kernel (4)");
    serve.add_flag(
        "--direct", options.direct,
        "I/O past the page cache (O_DIRECT); requests that are no multiple of 4096 bytes pass through it");
    serve.add_option(
        "--control", options.control,
        "Path of a unix socket that answers lines (status, progress, zones, zone, fault, help) with JSON");
    describe_calls(serve, raw);
    describe_protection(serve, options.protection);
    serve.add_flag("--daemonize", options.daemonize,
                   "Return when the disk is served, and go on in the background");
}

void describe_report(CLI::App& report, ReportOptions& options) {
    report.add_option("IMAGE", options.image, "Image that is not being served")->required();
    report.add_flag("--json", options.json, "Print one JSON object: the disk's shape, and all zones");
}

void describe_fsck(CLI::App& fsck, FsckOptions& options) {
    fsck.add_option("IMAGE", options.image, "Image that is not being served")->required();
    fsck.add_flag("--repair", options.repair,
                  "Write damaged copies of metadata anew out of the intact ones; what has no intact copy "
                  "cannot be repaired");
    fsck.footer(
        "Prints a line for each problem. Reads metadata only, that of a translation too, and changes nothing "
        "without --repair.\n"
        "Exit status: 0 nothing is wrong, or all of it was repaired; 1 copies of metadata are damaged, and "
        "intact ones\nstand in for them: a line tells what is lost, if anything is; serving or --repair "
        "mends it; 2 the image cannot "
        "be "
        "opened, with the reasons,\nor usage; 4 other failure.");
}

Result<Command> to_format(const RawOptions& raw) {
    REFLUX_TRY(const auto size, parse_bytes(raw.size));
    if (raw.image.empty() == raw.config.empty()) {
        return fail(ErrorKind::invalid_input,
                    "one of IMAGE and --config is required; see refluxd format --help");
    }
    std::string image = raw.image;
    ZonedShape shape = raw.shape;
    if (!raw.config.empty()) {
        REFLUX_TRY(auto config, parse_tcmu_config(raw.config));
        REFLUX_TRY(shape, shape_of(config, size));
        image = std::move(config.path);
    } else {
        shape.size = size;
        REFLUX_TRY(shape.zone_size, parse_bytes(raw.zone_size));
        if (!raw.zone_capacity.empty()) {
            REFLUX_TRY(shape.zone_capacity, parse_bytes(raw.zone_capacity));
        }
    }
    REFLUX_TRY(const auto geometry, ZonedGeometry::make(shape));
    if (raw.translated) {
        REFLUX_CHECK(TranslatedDevice::check(geometry));
    }
    return FormatOptions{
        .image = std::move(image), .geometry = geometry, .force = raw.force, .translated = raw.translated};
}

Status check_front_end(const ServeOptions& options) {
    const bool is_fuse = options.front_end == "fuse";
    if (is_fuse && options.mountpoint.empty()) {
        return fail(ErrorKind::invalid_input, "MOUNTPOINT is required; see refluxd serve --help");
    }
    if (!is_fuse && !options.mountpoint.empty()) {
        return fail(ErrorKind::invalid_input,
                    fmt::format("{}: the front end {} mounts nothing; leave the MOUNTPOINT out",
                                options.mountpoint, options.front_end));
    }
    if (options.name.empty() == (options.front_end == "tcmu")) {
        return fail(ErrorKind::invalid_input, options.name.empty() ? "the front end tcmu needs --name"
                                                                   : "--name is for the front end tcmu");
    }
    if (options.recover && options.front_end != "ublk") {
        return fail(ErrorKind::invalid_input, "--recover is of --front-end ublk");
    }
    return {};
}

Result<Command> to_serve(const RawOptions& raw) {
    ServeOptions options = raw.serve;
    REFLUX_CHECK(check_front_end(options));
    if (!raw.sync_range.empty()) {
        REFLUX_TRY(const auto size, parse_bytes(raw.sync_range));
        if (size.value == 0) {
            return fail(ErrorKind::invalid_input, "--sync-range 0: leave it out, or give a size as 1MiB");
        }
        options.calls.sync_range = size.value;
    }
    if (options.direct && options.calls.sync_range > 0) {
        return fail(ErrorKind::invalid_input,
                    "--sync-range with --direct: what passes by the page cache leaves nothing dirty in it");
    }
    const bool has_bracket =
        std::ranges::find(options.calls.scopes, "io_flusher") != options.calls.scopes.end();
    if (has_bracket && options.protection.io_flusher == SelfProtection::IoFlusher::late) {
        return fail(
            ErrorKind::invalid_input,
            "--io-flusher-late with --call-scope io_flusher: the scope's end takes the mark off again");
    }
    return options;
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
    CLI::App app("refluxd serves a file as an emulated zoned disk.", "refluxd");
    app.set_help_all_flag("--help-all", "Print the help of all commands");
    app.set_version_flag("--version", REFLUX_VERSION);
    app.footer(
        "Exit status: 0 clean end, 1 fsck found mendable damage, 2 usage or invalid image, 3 this machine "
        "cannot, 4 other failure.\n"
        "SIGTERM and SIGINT end a serving daemon cleanly. When it serves it prints one line of JSON.");
    app.require_subcommand(1);
    auto* format = app.add_subcommand("format", "Make an image");
    auto* serve = app.add_subcommand("serve", "Serve an image until SIGTERM or SIGINT");
    auto* report =
        app.add_subcommand("report", "Print an image's disk and its zones, as the next serve finds them");
    auto* fsck = app.add_subcommand("fsck", "Check an image's metadata");
    auto* list = app.add_subcommand("list", "Print engines, front ends and faults as JSON");
    describe_format(*format, raw);
    describe_serve(*serve, raw);
    describe_report(*report, raw.report);
    describe_fsck(*fsck, raw.fsck);
    auto* ublk = app.add_subcommand("ublk", "Look after the ublk devices of the front end ublk");
    describe_ublk(*ublk, raw);
    if (auto words = words_of_command(app, argc, argv, command_words())) {
        return HelpText{*std::move(words)};
    }
    REFLUX_TRY(const auto help, parse_with(app, argc, argv));
    if (help) {
        return *help;
    }
    if (format->parsed()) {
        return to_format(raw);
    }
    if (report->parsed()) {
        return raw.report;
    }
    if (fsck->parsed()) {
        return raw.fsck;
    }
    if (list->parsed()) {
        return ListOptions{};
    }
    if (ublk->parsed()) {
        if (ublk->got_subcommand("delete") && !raw.ublk.remove && raw.ublk.remove_of.empty()) {
            return fail(ErrorKind::invalid_input,
                        "one of ID and --image is required; see refluxd ublk delete --help");
        }
        return raw.ublk;
    }
    return to_serve(raw);
}

const std::vector<FrontEndInfo>& front_end_list() {
    static const std::vector<FrontEndInfo> list{
        {.name = "fuse", .description = "a file in a FUSE filesystem; a loop device makes it a block device"},
        {.name = "tcmu", .description = "a SCSI disk of LIO, the kernel's target, by TCM-User"},
        {.name = "ublk",
         .description = "a block device, zoned if host-managed; needs root and ublk_drv (Linux 6.5; zoned "
                        "6.6)"}};
    return list;
}

}  // namespace reflux
