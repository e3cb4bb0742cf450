// The metadata of an image: superblock, then zone table blocks. Checksums are made right before they are
// read, for no mutation ever finds one, and what they protect is wanted.
#include "backend/image_format.h"
#include "tests/fuzz/support/target.h"

#include <algorithm>

#include <boost/crc.hpp>

namespace reflux::fuzz {
namespace {

// Places of the checksums: docs/image-format.md.
constexpr std::size_t superblock_checksum = 12;
constexpr std::size_t table_checksum = 0;

// The next block of the input, with zeroes where it ends too soon.
ImageBlock take_block(std::string_view& input) {
    ImageBlock block{};
    const std::size_t taken = std::min(input.size(), block.size());
    std::transform(input.begin(), input.begin() + taken, block.begin(),
                   [](char byte) { return static_cast<std::byte>(byte); });
    input.remove_prefix(taken);
    return block;
}

ImageBlock with_checksum(ImageBlock block, std::size_t at) {
    std::fill_n(block.begin() + at, 4, std::byte{});
    boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
    crc.process_bytes(block.data(), block.size());
    for (std::size_t i = 0; i < 4; ++i) {
        block[at + i] = static_cast<std::byte>(crc.checksum() >> (8 * i));
    }
    return block;
}

std::string text_of(const ImageBlock& block) {
    std::string text(block.size(), '\0');
    std::transform(block.begin(), block.end(), text.begin(),
                   [](std::byte byte) { return static_cast<char>(byte); });
    return text;
}

// The zones of a small disk: of the others the table would be megabytes.
void check_table(const ZonedGeometry& geometry, std::string_view input) {
    std::vector<Zone> zones(geometry.zone_count());
    const std::span<Zone> all(zones);
    for (std::uint64_t i = 0; i * zones_per_block < zones.size(); ++i) {
        const auto part =
            all.subspan(i * zones_per_block)
                .first(std::min<std::size_t>(zones.size() - i * zones_per_block, zones_per_block));
        const ImageBlock block = take_block(input);
        static_cast<void>(decode_table_block(block, i, part));
        if (!decode_table_block(with_checksum(block, table_checksum), i, part)) {
            return;  // it calls itself another
        }
    }
    const auto table = ZoneTable::restore(geometry, std::move(zones));
    if (!table) {
        return;
    }
    std::vector<ZoneDescriptor> report(geometry.zone_count());
    require(table->report({0}, report) == report.size(), "every zone is reported");
    for (const ZoneDescriptor& zone : report) {
        require(!zone.has_write_pointer ||
                    (zone.write_pointer >= zone.start && zone.write_pointer <= zone.start + zone.length),
                "a write pointer is in its zone, or at its end");
    }
    std::vector<Zone> decoded(std::min<std::size_t>(report.size(), zones_per_block));
    require(decode_table_block(encode_table_block(*table, 0), 0, decoded).has_value(),
            "what was written can be read");
    require(decoded.front() == table->zone({0}), "what was written is read back as it was");
}

bool run(std::string_view input) {
    const ImageBlock block = take_block(input);
    static_cast<void>(decode_superblock(block));  // as it is
    const auto superblock = decode_superblock(with_checksum(block, superblock_checksum));
    if (!superblock) {
        require(!superblock.error().message.empty(), "a refusal has a reason");
        return false;
    }
    const ZonedGeometry& geometry = superblock->geometry;
    require(geometry.zone_count() > 0 && geometry.zone_count() <= ZonedGeometry::most_zones,
            "a disk has zones, and not too many");
    require(superblock->data_offset.value >= image_block_size * (1 + table_block_count(geometry)),
            "the data lie behind the metadata");
    require(geometry.capacity_of({geometry.zone_count() - 1}).value > 0, "the last zone holds something");
    require(decode_superblock(encode(*superblock)).has_value(), "what was written can be read");
    if (geometry.zone_count() <= 4 * zones_per_block) {
        check_table(geometry, input);
    }
    return true;
}

std::string seed(Bytes size, Bytes zone_size, std::uint64_t conventional) {
    const auto geometry =
        ZonedGeometry::make({.size = size, .zone_size = zone_size, .conventional = conventional}).value();
    std::string text = text_of(encode({.geometry = geometry, .data_offset = data_offset_for(geometry)}));
    const auto table = ZoneTable::fresh(geometry);
    for (std::uint64_t i = 0; i < table_block_count(geometry); ++i) {
        text += text_of(encode_table_block(table, i));
    }
    return text;
}

}  // namespace

Target make_target() {
    return {
        .run = run,
        .seeds = {seed(mebibytes(1), kibibytes(64), 2), seed({(4U << 20U) + 4096}, kibibytes(64), 0),
                  seed(gibibytes(1), mebibytes(4), 4), seed(gibibytes(1), mebibytes(64), 16)},
        .words = {"REFLUXZB", std::string("\1\0\0\0", 4), std::string(8, '\xff'), std::string("\2\3", 2)}};
}

}  // namespace reflux::fuzz
