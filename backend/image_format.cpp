#include "backend/image_format.h"

#include "backend/base/checksum.h"
#include "backend/base/little_endian.h"

#include <algorithm>
#include <string_view>

namespace reflux {
namespace {

// Offsets of the superblock's fields; the magic is at 0. Magic, version and checksum keep their places in
// every version.
namespace at {
constexpr std::size_t version = 8;
constexpr std::size_t checksum = 12;
constexpr std::size_t header_size = 16;
constexpr std::size_t clean = 20;
constexpr std::size_t size = 24;
constexpr std::size_t zone_size = 32;
constexpr std::size_t conventional = 40;
constexpr std::size_t metadata_length = 48;
constexpr std::size_t data_offset = 56;
constexpr std::size_t created = 64;
constexpr std::size_t uuid = 72;
constexpr std::size_t sequence = 88;
constexpr std::size_t zone_capacity = 96;
constexpr std::size_t logical_block_size = 104;
constexpr std::size_t model = 108;
constexpr std::size_t unrestricted_reads = 109;
constexpr std::size_t translated = 110;
constexpr std::size_t max_open = 112;
constexpr std::size_t max_active = 116;
// Zone table block.
constexpr std::size_t table_checksum = 0;
constexpr std::size_t table_index = 4;
constexpr std::size_t table_sequence = 8;
constexpr std::size_t table_entries = 16;
constexpr std::size_t entry_size = 16;
constexpr std::size_t entry_type = 8;
constexpr std::size_t entry_condition = 9;
constexpr std::size_t entry_flags = 10;
}  // namespace at

constexpr std::string_view magic = "REFLUXZB";
constexpr std::uint32_t header_size = 120;
// Values of the ZONED field of the Block Device Characteristics page (SBC-4).
constexpr std::uint8_t host_aware_code = 1;
constexpr std::uint8_t host_managed_code = 2;

// Flags of a zone: bits.
constexpr std::uint8_t non_sequential_flag = 1;
constexpr std::uint8_t reset_recommended_flag = 2;

static_assert(at::table_entries + zones_per_block * at::entry_size == image_block_size);

tl::unexpected<Error> damaged(std::string_view what) {
    return fail(ErrorKind::invalid_input, fmt::format("damaged: {}", what));
}

Status check_identity(ImageBlockView block) {
    if (!has_image_magic(block)) {
        return fail(ErrorKind::invalid_input,
                    "not a refluxd image (foreign magic); make one with: refluxd format IMAGE --size SIZE");
    }
    // Before the checksum: another version may protect another length.
    const auto version = get<std::uint32_t>(block, at::version);
    if (version > image_format_version) {
        return fail(ErrorKind::invalid_input,
                    fmt::format("made by a newer refluxd: version {}, this one reads {}", version,
                                image_format_version));
    }
    if (version == 1) {
        return fail(ErrorKind::invalid_input,
                    "made by an older refluxd: version 1, which is not read any more; save what it holds "
                    "with that refluxd, then: refluxd format IMAGE --size SIZE --force");
    }
    if (get<std::uint32_t>(block, at::checksum) != checksum_of(block, at::checksum)) {
        return damaged("the superblock's checksum does not fit");
    }
    if (version != image_format_version) {
        return damaged(fmt::format("there is no format version {}", version));
    }
    return {};
}

Result<ZonedGeometry> decode_geometry(ImageBlockView block) {
    const auto model = get<std::uint8_t>(block, at::model);
    const auto unrestricted = get<std::uint8_t>(block, at::unrestricted_reads);
    if ((model != host_aware_code && model != host_managed_code) || unrestricted > 1) {
        return damaged(fmt::format("there is no zone model {}, or no reading rule {}", model, unrestricted));
    }
    auto geometry = ZonedGeometry::make(
        {.size = {get<std::uint64_t>(block, at::size)},
         .zone_size = {get<std::uint64_t>(block, at::zone_size)},
         .zone_capacity = {get<std::uint64_t>(block, at::zone_capacity)},
         .conventional = get<std::uint64_t>(block, at::conventional),
         .logical_block_size = get<std::uint32_t>(block, at::logical_block_size),
         .model = model == host_managed_code ? ZoneModel::host_managed : ZoneModel::host_aware,
         .max_open = get<std::uint32_t>(block, at::max_open),
         .max_active = get<std::uint32_t>(block, at::max_active),
         .unrestricted_reads = unrestricted == 1});
    if (!geometry) {
        return damaged(geometry.error().message);
    }
    return geometry;
}

}  // namespace

bool has_image_magic(ImageBlockView block) {
    return std::equal(magic.begin(), magic.end(), block.begin(),
                      [](char a, std::byte b) { return static_cast<std::byte>(a) == b; });
}

std::uint64_t table_block_count(const ZonedGeometry& geometry) {
    return (geometry.zone_count() + zones_per_block - 1) / zones_per_block;
}

Bytes data_offset_for(const ZonedGeometry& geometry) {
    const std::uint64_t end = table_offset(table_block_count(geometry), 0, 0).value;
    const std::uint64_t alignment = mebibytes(1).value;
    return {(end + alignment - 1) / alignment * alignment};
}

ImageBlock encode(const Superblock& superblock) {
    ImageBlock block{};
    std::transform(magic.begin(), magic.end(), block.begin(),
                   [](char c) { return static_cast<std::byte>(c); });
    const ZonedShape& shape = superblock.geometry.shape();
    put(block, at::version, image_format_version);
    put(block, at::header_size, header_size);
    put(block, at::clean, std::uint32_t{superblock.clean ? 1U : 0U});
    put(block, at::size, shape.size.value);
    put(block, at::zone_size, shape.zone_size.value);
    put(block, at::conventional, shape.conventional);
    put(block, at::metadata_length, std::uint64_t{table_group_size} * table_block_count(superblock.geometry));
    put(block, at::data_offset, superblock.data_offset.value);
    put(block, at::created, superblock.created_unix_s);
    for (std::size_t i = 0; i < superblock.uuid.size(); ++i) {
        put(block, at::uuid + i, superblock.uuid[i]);
    }
    put(block, at::sequence, superblock.sequence);
    put(block, at::zone_capacity, shape.zone_capacity.value);
    put(block, at::logical_block_size, std::uint32_t{shape.logical_block_size});
    put(block, at::model, shape.model == ZoneModel::host_managed ? host_managed_code : host_aware_code);
    put(block, at::unrestricted_reads,
        std::uint8_t{shape.unrestricted_reads ? std::uint8_t{1} : std::uint8_t{0}});
    put(block, at::translated, std::uint8_t{superblock.translated ? std::uint8_t{1} : std::uint8_t{0}});
    put(block, at::max_open, shape.max_open);
    put(block, at::max_active, shape.max_active);
    put(block, at::checksum, checksum_of(block, at::checksum));
    return block;
}

Result<Superblock> decode_superblock(ImageBlockView block) {
    REFLUX_CHECK(check_identity(block));
    REFLUX_TRY(const auto geometry, decode_geometry(block));
    Superblock superblock{.geometry = geometry, .data_offset = {get<std::uint64_t>(block, at::data_offset)}};
    if (get<std::uint32_t>(block, at::header_size) != header_size ||
        get<std::uint64_t>(block, at::metadata_length) != table_group_size * table_block_count(geometry) ||
        superblock.data_offset != data_offset_for(geometry) || get<std::uint8_t>(block, at::translated) > 1) {
        return damaged("the layout in the superblock contradicts itself");
    }
    superblock.sequence = get<std::uint64_t>(block, at::sequence);
    superblock.created_unix_s = get<std::uint64_t>(block, at::created);
    for (std::size_t i = 0; i < superblock.uuid.size(); ++i) {
        superblock.uuid[i] = get<std::uint8_t>(block, at::uuid + i);
    }
    superblock.translated = get<std::uint8_t>(block, at::translated) == 1;
    superblock.clean = get<std::uint32_t>(block, at::clean) == 1;
    return superblock;
}

void encode_table_block(const ZoneTable& table, std::uint64_t index, ImageBlock& block) {
    block.fill(std::byte{});
    put(block, at::table_index, static_cast<std::uint32_t>(index));
    const std::uint64_t first = index * zones_per_block;
    const std::uint64_t last = std::min(first + zones_per_block, table.geometry().zone_count());
    std::size_t entry = at::table_entries;
    for (std::uint64_t id = first; id < last; ++id, entry += at::entry_size) {
        const Zone zone = table.zone({id});
        put(block, entry, zone.written.value);
        put(block, entry + at::entry_type, static_cast<std::uint8_t>(zone.type));
        put(block, entry + at::entry_condition, static_cast<std::uint8_t>(zone.condition));
        const int flags = (zone.non_sequential ? non_sequential_flag : 0) |
                          (zone.reset_recommended ? reset_recommended_flag : 0);
        put(block, entry + at::entry_flags, static_cast<std::uint8_t>(flags));
    }
}

void seal_table_block(ImageBlock& block, std::uint64_t sequence) {
    put(block, at::table_sequence, sequence);
    put(block, at::table_checksum, checksum_of(block, at::table_checksum));
}

std::optional<std::uint64_t> table_block_sequence(ImageBlockView block, std::uint64_t index) {
    if (get<std::uint32_t>(block, at::table_index) != index ||
        get<std::uint32_t>(block, at::table_checksum) != checksum_of(block, at::table_checksum)) {
        return std::nullopt;
    }
    return get<std::uint64_t>(block, at::table_sequence);
}

void decode_table_block(ImageBlockView block, std::span<Zone> zones) {
    std::size_t entry = at::table_entries;
    for (Zone& zone : zones) {
        const auto flags = get<std::uint8_t>(block, entry + at::entry_flags);
        zone = {
            .written = {get<std::uint64_t>(block, entry)},
            .type = static_cast<ZoneType>(get<std::uint8_t>(block, entry + at::entry_type)),
            .condition = static_cast<ZoneCondition>(get<std::uint8_t>(block, entry + at::entry_condition)),
            .non_sequential = (flags & non_sequential_flag) != 0,
            .reset_recommended = (flags & reset_recommended_flag) != 0};
        entry += at::entry_size;
    }
}

}  // namespace reflux
