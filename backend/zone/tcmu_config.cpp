#include "backend/zone/tcmu_config.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <limits>

namespace reflux {
namespace {

constexpr std::string_view prefix = "zbc/";

tl::unexpected<Error> refused(std::string reason) {
    return fail(ErrorKind::invalid_input, std::move(reason));
}

Result<std::uint64_t> parse_number(std::string_view option, std::string_view value) {
    std::uint64_t number = 0;
    const char* const end = value.data() + value.size();
    const auto [stopped, error] = std::from_chars(value.data(), end, number);
    if (value.empty() || error != std::errc{} || stopped != end) {
        return refused(fmt::format("option '{}-{}': a whole number must follow {}-", option, value, option));
    }
    return number;
}

Status set_model(TcmuConfig& config, std::string_view value) {
    if (value != "HM" && value != "HA") {
        return refused(fmt::format("option 'model-{}': the models are HM and HA", value));
    }
    config.model = value == "HM" ? ZoneModel::host_managed : ZoneModel::host_aware;
    return {};
}

Status set_lba(TcmuConfig& config, std::string_view value) {
    REFLUX_TRY(const auto bytes, parse_number("lba", value));
    if (bytes != 512 && bytes != 4096) {
        return refused(fmt::format("option 'lba-{}': a logical block has 512 or 4096 bytes", value));
    }
    config.logical_block_size = static_cast<unsigned>(bytes);
    return {};
}

Status set_zone_size(TcmuConfig& config, std::string_view value) {
    REFLUX_TRY(const auto number, parse_number("zsize", value));
    if (!std::has_single_bit(number) || number > std::numeric_limits<std::uint64_t>::max() >> 20U) {
        return refused(fmt::format(
            "option 'zsize-{}': the zone size is a power of two, in MiB, of less than 2^64 bytes", value));
    }
    config.zone_size = mebibytes(number);
    return {};
}

Status set_conventional(TcmuConfig& config, std::string_view value) {
    REFLUX_TRY(config.conventional, parse_number("conv", value));
    return {};
}

Status set_open(TcmuConfig& config, std::string_view value) {
    REFLUX_TRY(config.open, parse_number("open", value));
    if (config.open == 0) {
        return refused("option 'open-0': at least one zone must be allowed to be open");
    }
    return {};
}

struct Option {
    std::string_view name;
    Status (*set)(TcmuConfig& config, std::string_view value);
};
constexpr std::array<Option, 5> options{{{"model", set_model},
                                         {"lba", set_lba},
                                         {"zsize", set_zone_size},
                                         {"conv", set_conventional},
                                         {"open", set_open}}};

Status parse_option(TcmuConfig& config, std::string_view text) {
    const auto dash = text.find('-');
    const auto* const option = std::find_if(options.begin(), options.end(), [&](const Option& known) {
        return dash != std::string_view::npos && known.name == text.substr(0, dash);
    });
    if (option == options.end()) {
        return refused(
            fmt::format("unknown option '{}': there are model-, lba-, zsize-, conv- and open-", text));
    }
    return option->set(config, text.substr(dash + 1));
}

}  // namespace

Result<TcmuConfig> parse_tcmu_config(std::string_view text) {
    if (!text.starts_with(prefix)) {
        return refused(fmt::format("'{}' is no zbc/[OPTION[/OPTION]...@]PATH", text));
    }
    text.remove_prefix(prefix.size());
    TcmuConfig config;
    if (!text.starts_with('/')) {
        const auto at = text.find('@');
        if (at == std::string_view::npos) {
            return refused("no '@' between the options and the path");
        }
        std::string_view left = text.substr(0, at);
        while (!left.empty()) {
            const auto slash = left.find('/');
            REFLUX_CHECK(parse_option(config, left.substr(0, slash)));
            left.remove_prefix(slash == std::string_view::npos ? left.size() : slash + 1);
        }
        text.remove_prefix(at + 1);
    }
    if (text.empty()) {
        return refused("no path behind the '@'");
    }
    config.path = text;
    return config;
}

Result<ZonedShape> shape_of(const TcmuConfig& config, Bytes size) {
    ZonedShape shape{.size = size,
                     .zone_size = config.zone_size,
                     .logical_block_size = config.logical_block_size,
                     .model = config.model};
    REFLUX_TRY(const auto plain, ZonedGeometry::make(shape));
    const std::uint64_t zones = plain.zone_count();
    shape.conventional = config.conventional.value_or(std::max<std::uint64_t>(zones / 100, 1));
    if (config.conventional && shape.conventional >= zones) {
        return refused(fmt::format("option 'conv-{}': a disk of {} zones has no sequential one then",
                                   shape.conventional, zones));
    }
    const std::uint64_t half = (zones - shape.conventional) / 2;
    shape.max_open = static_cast<std::uint32_t>(std::max<std::uint64_t>(std::min(config.open, half), 1));
    return shape;
}

}  // namespace reflux
