#include "backend/image_format.h"

#include <algorithm>
#include <concepts>
#include <string_view>

#include <boost/crc.hpp>

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
// Zone table block.
constexpr std::size_t table_checksum = 0;
constexpr std::size_t table_index = 4;
constexpr std::size_t table_entries = 8;
constexpr std::size_t entry_size = 16;
constexpr std::size_t entry_type = 8;
constexpr std::size_t entry_condition = 9;
}  // namespace at

constexpr std::string_view magic = "REFLUXZB";
constexpr std::uint32_t header_size = 88;

template <std::unsigned_integral T>
void put(ImageBlock& block, std::size_t offset, T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        block[offset + i] = static_cast<std::byte>(value >> (8 * i));
    }
}

template <std::unsigned_integral T>
T get(const ImageBlock& block, std::size_t offset) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        value |= std::to_integer<std::uint64_t>(block[offset + i]) << (8 * i);
    }
    return static_cast<T>(value);
}

// CRC-32C (Castagnoli) of the block with its own field as zeroes.
std::uint32_t checksum_of(ImageBlock block, std::size_t field) {
    put<std::uint32_t>(block, field, 0);
    boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
    crc.process_bytes(block.data(), block.size());
    return crc.checksum();
}

tl::unexpected<Error> damaged(std::string_view what) {
    return fail(ErrorKind::invalid_input, fmt::format("damaged: {}", what));
}

Status check_identity(const ImageBlock& block) {
    const bool magic_fits = std::equal(magic.begin(), magic.end(), block.begin(),
                                       [](char a, std::byte b) { return static_cast<std::byte>(a) == b; });
    if (!magic_fits) {
        return fail(ErrorKind::invalid_input,
                    "not a refluxd image (foreign magic); make one with: refluxd format IMAGE --size SIZE");
    }
    // Before the checksum: a newer version may protect another length.
    if (const auto version = get<std::uint32_t>(block, at::version); version > image_format_version) {
        return fail(ErrorKind::invalid_input,
                    fmt::format("made by a newer refluxd: version {}, this one reads up to {}", version,
                                image_format_version));
    }
    if (get<std::uint32_t>(block, at::checksum) != checksum_of(block, at::checksum)) {
        return damaged("the superblock's checksum does not fit");
    }
    if (const auto version = get<std::uint32_t>(block, at::version); version != image_format_version) {
        return damaged(fmt::format("there is no format version {}", version));
    }
    return {};
}

}  // namespace

std::uint64_t table_block_count(const ZonedGeometry& geometry) {
    return (geometry.zone_count() + zones_per_block - 1) / zones_per_block;
}

Bytes data_offset_for(const ZonedGeometry& geometry) {
    constexpr std::uint64_t alignment = mebibytes(1).value;
    const std::uint64_t metadata = image_block_size * (1 + table_block_count(geometry));
    return {(metadata + alignment - 1) / alignment * alignment};
}

ImageBlock encode(const Superblock& superblock) {
    const ZonedGeometry& geometry = superblock.geometry;
    ImageBlock block{};
    std::transform(magic.begin(), magic.end(), block.begin(),
                   [](char letter) { return static_cast<std::byte>(letter); });
    put(block, at::version, image_format_version);
    put(block, at::header_size, header_size);
    put(block, at::clean, std::uint32_t{superblock.clean ? 1U : 0U});
    put(block, at::size, geometry.size().value);
    put(block, at::zone_size, geometry.zone_size().value);
    put(block, at::conventional, geometry.conventional_count());
    put(block, at::metadata_length, image_block_size * table_block_count(geometry));
    put(block, at::data_offset, superblock.data_offset.value);
    put(block, at::created, superblock.created_unix_s);
    for (std::size_t i = 0; i < superblock.uuid.size(); ++i) {
        put(block, at::uuid + i, superblock.uuid[i]);
    }
    put(block, at::checksum, checksum_of(block, at::checksum));
    return block;
}

Result<Superblock> decode_superblock(const ImageBlock& block) {
    REFLUX_CHECK(check_identity(block));
    auto geometry = ZonedGeometry::make({.size = {get<std::uint64_t>(block, at::size)},
                                         .zone_size = {get<std::uint64_t>(block, at::zone_size)},
                                         .conventional = get<std::uint64_t>(block, at::conventional)});
    if (!geometry) {
        return damaged(geometry.error().message);
    }
    Superblock superblock{.geometry = *geometry, .data_offset = {get<std::uint64_t>(block, at::data_offset)}};
    if (get<std::uint32_t>(block, at::header_size) != header_size ||
        get<std::uint64_t>(block, at::metadata_length) != image_block_size * table_block_count(*geometry) ||
        superblock.data_offset != data_offset_for(*geometry)) {
        return damaged("the layout in the superblock contradicts itself");
    }
    superblock.created_unix_s = get<std::uint64_t>(block, at::created);
    for (std::size_t i = 0; i < superblock.uuid.size(); ++i) {
        superblock.uuid[i] = get<std::uint8_t>(block, at::uuid + i);
    }
    superblock.clean = get<std::uint32_t>(block, at::clean) == 1;
    return superblock;
}

ImageBlock encode_table_block(const ZoneTable& table, std::uint64_t index) {
    ImageBlock block{};
    put(block, at::table_index, static_cast<std::uint32_t>(index));
    const std::uint64_t first = index * zones_per_block;
    const std::uint64_t last = std::min(first + zones_per_block, table.geometry().zone_count());
    std::size_t entry = at::table_entries;
    for (std::uint64_t id = first; id < last; ++id, entry += at::entry_size) {
        const Zone& zone = table.zone({id});
        put(block, entry, zone.written.value);
        put(block, entry + at::entry_type, static_cast<std::uint8_t>(zone.type));
        put(block, entry + at::entry_condition, static_cast<std::uint8_t>(zone.condition));
    }
    put(block, at::table_checksum, checksum_of(block, at::table_checksum));
    return block;
}

Status decode_table_block(const ImageBlock& block, std::uint64_t index, std::span<Zone> zones) {
    if (get<std::uint32_t>(block, at::table_checksum) != checksum_of(block, at::table_checksum)) {
        return damaged(fmt::format("the checksum of zone table block {} does not fit", index));
    }
    if (get<std::uint32_t>(block, at::table_index) != index) {
        return damaged(fmt::format("zone table block {} calls itself {}", index,
                                   get<std::uint32_t>(block, at::table_index)));
    }
    std::size_t entry = at::table_entries;
    for (Zone& zone : zones) {
        zone = {
            .written = {get<std::uint64_t>(block, entry)},
            .type = static_cast<ZoneType>(get<std::uint8_t>(block, entry + at::entry_type)),
            .condition = static_cast<ZoneCondition>(get<std::uint8_t>(block, entry + at::entry_condition))};
        entry += at::entry_size;
    }
    return {};
}

}  // namespace reflux
