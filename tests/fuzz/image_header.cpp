// The metadata of an image: a superblock, then zone table blocks, and the same as a file with all its copies.
// Checksums of the
// single blocks, and of the file's first superblock, are made right before they are read, for no mutation
// ever finds one, and what they protect is wanted. The other copies in the file are taken as they come.
#include "backend/base/checksum.h"
#include "backend/image.h"
#include "tests/fuzz/support/target.h"
#include "tests/unit/backend/paged_file.h"

#include <algorithm>

namespace reflux::fuzz {
namespace {

// Places of the checksums: docs/image-format.md.
constexpr std::size_t superblock_checksum = 12;
constexpr std::size_t table_checksum = 0;
constexpr std::size_t table_index = 4;

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
    const std::uint32_t checksum = checksum_of(block, at);
    for (std::size_t i = 0; i < 4; ++i) {
        block[at + i] = static_cast<std::byte>(checksum >> (8 * i));
    }
    return block;
}

std::string text_of(const ImageBlock& block) {
    std::string text(block.size(), '\0');
    std::transform(block.begin(), block.end(), text.begin(),
                   [](std::byte byte) { return static_cast<char>(byte); });
    return text;
}

// A block of the zone table: its number is made right too, or a mutation would seldom be looked at.
ImageBlock as_table_block(ImageBlock block, std::uint64_t index) {
    for (std::size_t i = 0; i < 4; ++i) {
        block[table_index + i] = static_cast<std::byte>(index >> (8 * i));
    }
    return with_checksum(block, table_checksum);
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
        static_cast<void>(table_block_sequence(block, i));
        const ImageBlock sound = as_table_block(block, i);
        require(table_block_sequence(sound, i).has_value(), "a sound block is taken");
        require(!table_block_sequence(sound, i + 1), "and only in its place");
        decode_table_block(sound, part);
    }
    const auto table = ZoneTable::restore(geometry, zones);
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
    ImageBlock again{};
    encode_table_block(*table, 0, again);
    seal_table_block(again, 7);
    require(table_block_sequence(again, 0) == std::optional<std::uint64_t>(7),
            "what was written can be read");
    decode_table_block(again, decoded);
    require(decoded.front() == table->zone({0}), "what was written is read back as it was");
}

// The whole input as an image file, of the length that its superblock asks for: the reader takes it or says
// why not, and what it takes it takes again as the writer leaves it.
void check_file(std::string_view input) {
    test::PagedFile file;
    const auto bytes = std::as_bytes(std::span(input));
    file.write(0, bytes);
    const ImageBlock block = with_checksum(take_block(input), superblock_checksum);
    file.write(0, block);
    if (const auto superblock = decode_superblock(block); superblock) {
        file.set_size((superblock->data_offset + superblock->geometry.size()).value);
    }
    ImageFindings findings;
    const auto contents = read_image(file, findings);
    require(contents || !contents.error().message.empty(), "a refusal has a reason");
    require(contents.has_value() == findings.fatal.empty(), "fatal is what cannot be opened");
}

bool run(std::string_view input) {
    std::string_view rest = input;
    const ImageBlock block = take_block(rest);
    static_cast<void>(decode_superblock(block));  // as it is
    const auto superblock = decode_superblock(with_checksum(block, superblock_checksum));
    if (!superblock) {
        require(!superblock.error().message.empty(), "a refusal has a reason");
        return false;
    }
    const ZonedGeometry& geometry = superblock->geometry;
    require(geometry.zone_count() > 0 && geometry.zone_count() <= ZonedGeometry::most_zones,
            "a disk has zones, and not too many");
    require(
        superblock->data_offset.value >= image_block_size + table_group_size * table_block_count(geometry),
        "the data lie behind the metadata");
    require(geometry.capacity_of({geometry.zone_count() - 1}).value > 0, "the last zone holds something");
    require(decode_superblock(encode(*superblock)).has_value(), "what was written can be read");
    if (geometry.zone_count() <= 4 * zones_per_block) {
        check_table(geometry, rest);
        check_file(input);
    }
    return true;
}

std::string seed(const ZonedShape& shape) {
    const auto geometry = ZonedGeometry::make(shape).value();
    std::string text = text_of(encode({.geometry = geometry, .data_offset = data_offset_for(geometry)}));
    const auto table = ZoneTable::fresh(geometry);
    for (std::uint64_t i = 0; i < table_block_count(geometry); ++i) {
        ImageBlock block{};
        encode_table_block(table, i, block);
        seal_table_block(block, 1);
        text += text_of(block);
    }
    return text;
}

// The metadata as it stands in a file.
std::string file_seed(const ZonedShape& shape) {
    test::PagedFile file;
    const auto geometry = ZonedGeometry::make(shape).value();
    require(write_new_image(file, geometry).has_value(), "a new image can be written");
    std::string text(table_offset(table_block_count(geometry), 0, 0).value, '\0');
    file.read(0, std::as_writable_bytes(std::span(text)));
    return text;
}

}  // namespace

Target make_target() {
    return {
        .run = run,
        .seeds = {seed({.size = mebibytes(1), .zone_size = kibibytes(64), .conventional = 2}),
                  seed({.size = {(4U << 20U) + 4096}, .zone_size = kibibytes(64), .max_open = 8}),
                  seed({.size = gibibytes(1), .zone_size = mebibytes(64), .conventional = 16}),
                  seed({.size = gibibytes(1),
                        .zone_size = mebibytes(4),
                        .zone_capacity = mebibytes(3),
                        .conventional = 4,
                        .logical_block_size = 4096,
                        .model = ZoneModel::host_managed,
                        .max_open = 6,
                        .max_active = 8,
                        .unrestricted_reads = false}),
                  file_seed({.size = mebibytes(1), .zone_size = kibibytes(64), .conventional = 2}),
                  file_seed({.size = mebibytes(20),
                             .zone_size = kibibytes(64),
                             .conventional = 1,
                             .model = ZoneModel::host_managed})},
        .words = {"REFLUXZB", std::string("\2\0\0\0", 4), std::string(8, '\xff'), std::string("\2\3", 2)}};
}

}  // namespace reflux::fuzz
