#include "harness/stack/dm_zoned_format.h"

#include "backend/base/checksum.h"
#include "backend/base/little_endian.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace reflux::stack {
namespace {

// struct dmz_super: offsets in the superblock, all numbers little-endian.
constexpr std::uint32_t magic = 0x445A4244;  // "DZBD"
constexpr std::uint32_t format_version = 2;
constexpr std::size_t magic_at = 0;
constexpr std::size_t version_at = 4;
constexpr std::size_t generation_at = 8;
constexpr std::size_t block_at = 16;
constexpr std::size_t metadata_blocks_at = 24;
constexpr std::size_t reserved_at = 28;
constexpr std::size_t chunks_at = 32;
constexpr std::size_t map_blocks_at = 36;
constexpr std::size_t bitmap_blocks_at = 40;
constexpr std::size_t checksum_at = 44;
constexpr std::size_t label_at = 48;
constexpr std::size_t label_size = 32;
constexpr std::size_t uuid_at = 80;
constexpr std::size_t device_uuid_at = 96;

constexpr std::uint64_t chunks_in_block = metadata_block_size / 8;
constexpr std::uint64_t bits_in_block = metadata_block_size * 8;
constexpr unsigned usual_reserved = 16;
constexpr std::uint64_t sectors_in_block = metadata_block_size / sector_size;

constexpr std::uint64_t divide_up(std::uint64_t number, std::uint64_t by) {
    return (number + by - 1) / by;
}

tl::unexpected<Error> refused(const std::string& why) {
    return fail(ErrorKind::invalid_input, "dm-zoned cannot be put on this device: " + why);
}

// The checksum is of the whole block with the field zero, and starts from the generation.
std::uint32_t checksum_for(const MetadataBlock& block) {
    auto bytes = block.bytes;
    put<std::uint32_t>(bytes, checksum_at, 0);
    return crc32_le(static_cast<std::uint32_t>(get<std::uint64_t>(bytes, generation_at)), bytes);
}

// What there is to share out.
struct Census {
    std::uint64_t zone_size = 0;  // sectors
    unsigned usable = 0;
    unsigned sequential = 0;    // of the usable ones
    unsigned conventional = 0;  // likewise
    unsigned first = 0;         // the first conventional one
    unsigned contiguous = 0;    // conventional ones from there on
};

Result<Census> count(const std::vector<DeviceZone>& zones) {
    Census census;
    census.zone_size = zones.empty() ? 0 : zones.front().length.value;
    if (!std::has_single_bit(census.zone_size) || census.zone_size < sectors_in_block) {
        return refused(fmt::format("its zones have {} sectors, which is no power of two of 4 KiB and more",
                                   census.zone_size));
    }
    for (unsigned id = 0; id < zones.size(); ++id) {
        const DeviceZone& zone = zones[id];
        if (zone.length.value != census.zone_size) {
            if (id + 1 != zones.size()) {
                return refused(fmt::format("zone {} has another size than zone 0", id));
            }
            continue;  // a last, smaller one is left out
        }
        if (zone.capacity != zone.length) {
            return refused(fmt::format("zone {} has a capacity below its size", id));
        }
        if (!zone.usable) {
            continue;
        }
        ++census.usable;
        if (!zone.conventional) {
            ++census.sequential;
            continue;
        }
        if (census.conventional++ == 0) {
            census.first = id;
        }
        census.contiguous += id == census.first + census.contiguous ? 1 : 0;
    }
    return census;
}

}  // namespace

Result<DmZonedLayout> dm_zoned_layout(const std::vector<DeviceZone>& zones, const DmZonedOptions& options) {
    REFLUX_TRY(const Census census, count(zones));
    DmZonedLayout layout;
    layout.zones = static_cast<unsigned>(zones.size());
    layout.zone_blocks = census.zone_size / sectors_in_block;
    layout.first_block = census.first * layout.zone_blocks;
    layout.bitmap_blocks = layout.zones * static_cast<unsigned>(divide_up(layout.zone_blocks, bits_in_block));
    layout.reserved_sequential =
        options.reserved_sequential.value_or(std::clamp(census.sequential / 8, 1U, usual_reserved));
    if (layout.reserved_sequential == 0 || layout.reserved_sequential >= census.sequential) {
        return refused(
            fmt::format("{} of its {} sequential zones would be reserved; one must be, and one left",
                        layout.reserved_sequential, census.sequential));
    }
    // More zones of metadata leave fewer chunks, which need no more map: the first that suffices is it.
    for (std::uint64_t needed = 1; needed != layout.metadata_zones;) {
        layout.metadata_zones = static_cast<unsigned>(needed);
        // One conventional zone has to be left, for writes out of order.
        if (2 * needed >= census.conventional || 2 * needed > census.contiguous) {
            return refused(
                fmt::format("its metadata takes {} conventional zones in a row, one more is needed "
                            "for data, and it has {}, {} of them in a row",
                            2 * needed, census.conventional, census.contiguous));
        }
        layout.chunks = census.usable - 2 * layout.metadata_zones - layout.reserved_sequential;
        layout.map_blocks = static_cast<unsigned>(divide_up(layout.chunks, chunks_in_block));
        needed = std::max(needed, divide_up(layout.metadata_blocks(), layout.zone_blocks));
    }
    return layout;
}

Result<MetadataBlock> dm_zoned_superblock(const DmZonedLayout& layout, const DmZonedIdentity& identity,
                                          unsigned set) {
    if (identity.label.size() >= label_size) {
        return fail(ErrorKind::invalid_input,
                    fmt::format("the label '{}' is longer than {} bytes", identity.label, label_size - 1));
    }
    MetadataBlock block;
    auto& bytes = block.bytes;
    put(bytes, magic_at, magic);
    put(bytes, version_at, format_version);
    put(bytes, generation_at, std::uint64_t{1});
    put(bytes, block_at, layout.set_block(set));
    put(bytes, metadata_blocks_at, std::uint32_t{layout.metadata_blocks()});
    put(bytes, reserved_at, std::uint32_t{layout.reserved_sequential});
    put(bytes, chunks_at, std::uint32_t{layout.chunks});
    put(bytes, map_blocks_at, std::uint32_t{layout.map_blocks});
    put(bytes, bitmap_blocks_at, std::uint32_t{layout.bitmap_blocks});
    std::memcpy(&bytes[label_at], identity.label.data(), identity.label.size());
    std::copy(identity.uuid.begin(), identity.uuid.end(), &bytes[uuid_at]);
    std::copy(identity.device_uuid.begin(), identity.device_uuid.end(), &bytes[device_uuid_at]);
    put(bytes, checksum_at, checksum_for(block));
    return block;
}

MetadataBlock dm_zoned_unmapped() {
    MetadataBlock block;
    block.bytes.fill(std::byte{0xff});  // DMZ_MAP_UNMAPPED, in both words of each entry
    return block;
}

Result<std::uint32_t> dm_zoned_chunks(const MetadataBlock& superblock) {
    const auto& bytes = superblock.bytes;
    if (get<std::uint32_t>(bytes, magic_at) != magic) {
        return fail(ErrorKind::invalid_input, "no dm-zoned superblock");
    }
    if (get<std::uint32_t>(bytes, checksum_at) != checksum_for(superblock)) {
        return fail(ErrorKind::invalid_input, "the checksum of the dm-zoned superblock is wrong");
    }
    return get<std::uint32_t>(bytes, chunks_at);
}

}  // namespace reflux::stack
