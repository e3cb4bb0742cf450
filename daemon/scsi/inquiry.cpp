#include "daemon/scsi/inquiry.h"

namespace reflux::scsi {
namespace {

// LIO's own, as its emulated disks and tcmu-runner's have it.
constexpr std::string_view vendor = "LIO-ORG";
constexpr std::string_view product = "refluxd";
constexpr std::string_view revision = "0001";

// PERIPHERAL DEVICE TYPE (SPC-5 table 148): direct access, or host managed zoned block device.
unsigned device_type(const LogicalUnit& unit) {
    return unit.zoned == Zoned::host_managed ? 0x14 : 0x00;
}

bool has_provisioning(const LogicalUnit& unit) {
    return unit.can_discard;
}
bool has_zones(const LogicalUnit& unit) {
    return unit.zoned != Zoned::none;
}
bool always(const LogicalUnit& /*unit*/) {
    return true;
}

struct Page {
    std::uint8_t code;
    bool (*is_there)(const LogicalUnit& unit);
    void (*write)(const LogicalUnit& unit, DataIn& out);  // behind the header of four bytes
};
std::span<const Page> pages();

void write_page_list(const LogicalUnit& unit, DataIn& out) {
    for (const Page& page : pages()) {
        if (page.is_there(unit)) {
            out.put8(out.grow(1), page.code);
        }
    }
}

void write_serial(const LogicalUnit& unit, DataIn& out) {
    out.put_text(out.grow(unit.serial.size()), unit.serial.size(), unit.serial);
}

unsigned hex_value(char digit) {
    if (digit >= '0' && digit <= '9') {
        return static_cast<unsigned>(digit - '0');
    }
    const char lower = static_cast<char>(digit | 0x20);
    return lower >= 'a' && lower <= 'f' ? static_cast<unsigned>(lower - 'a') + 10 : 16;
}

// NAA IEEE Registered Extended of the OpenFabrics company id, then the serial number's hexadecimal digits:
// what LIO makes of a unit serial number (spc_parse_naa_6h_vendor_specific), so that names in /dev/disk/by-id
// are the same whoever answers.
void put_naa(DataIn& out, std::size_t at, std::string_view serial) {
    constexpr unsigned long long type_and_company = 0x6001405;
    constexpr std::size_t digits = 32;
    std::size_t digit = 0;
    const auto put_digit = [&](unsigned value) {
        const auto before = std::to_integer<unsigned>(out.bytes()[at + digit / 2]);
        out.put8(at + digit / 2, digit % 2 == 0 ? value << 4U : before | value);
        ++digit;
    };
    for (int shift = 24; shift >= 0; shift -= 4) {
        put_digit(static_cast<unsigned>(type_and_company >> static_cast<unsigned>(shift)) & 0xfU);
    }
    for (const char c : serial) {
        if (digit < digits && hex_value(c) < 16) {
            put_digit(hex_value(c));
        }
    }
}

void write_identification(const LogicalUnit& unit, DataIn& out) {
    // T10 vendor ID based: ASCII, of the logical unit, with a zero at its end as LIO has it.
    const std::size_t text = std::min<std::size_t>(unit.serial.size(), 200);
    const std::size_t first = out.grow(4 + 8 + text + 1);
    out.put8(first, 0x02);
    out.put8(first + 1, 0x01);
    out.put8(first + 3, static_cast<unsigned>(8 + text + 1));
    out.put_text(first + 4, 8, vendor);
    out.put_text(first + 12, text, unit.serial);
    // NAA, binary.
    const std::size_t second = out.grow(4 + 16);
    out.put8(second, 0x01);
    out.put8(second + 1, 0x03);
    out.put8(second + 3, 16);
    put_naa(out, second + 4, unit.serial);
}

constexpr std::uint32_t no_limit = 0xffffffff;

void write_block_limits(const LogicalUnit& unit, DataIn& out) {
    const std::size_t page = out.grow(60) - 4;  // offsets below are the standard's
    out.put8(page + 4, 0x01);                   // WSNZ: and no WRITE SAME of any length
    out.put(page + 8, unit.max_transfer_blocks);
    out.put(page + 12, unit.max_transfer_blocks);  // optimal
    if (unit.can_discard) {
        out.put(page + 20, no_limit);          // MAXIMUM UNMAP LBA COUNT
        out.put(page + 24, std::uint32_t{1});  // and of block descriptors: one request to the disk each
        // OPTIMAL UNMAP GRANULARITY: below a page no hole is made in the file, the rest is zeroed.
        out.put(page + 28, std::max<std::uint32_t>(4096 / unit.block_size, 1));
    }
}

void write_characteristics(const LogicalUnit& unit, DataIn& out) {
    const std::size_t page = out.grow(60) - 4;
    out.put(page + 4, std::uint16_t{7200});  // MEDIUM ROTATION RATE
    constexpr unsigned fuab = 0x02;
    constexpr unsigned zoned_host_aware = 0x10;  // ZONED is 0 for device type 14h
    out.put8(page + 8, fuab | (unit.zoned == Zoned::host_aware ? zoned_host_aware : 0));
}

void write_provisioning(const LogicalUnit& /*unit*/, DataIn& out) {
    const std::size_t page = out.grow(4) - 4;
    constexpr unsigned lbpu = 0x80;   // UNMAP
    constexpr unsigned lbprz = 0x04;  // 001b: unmapped blocks read as zeroes
    constexpr unsigned thin = 0x02;   // PROVISIONING TYPE
    out.put8(page + 5, lbpu | lbprz);
    out.put8(page + 6, thin);
}

void write_zoned_characteristics(const LogicalUnit& unit, DataIn& out) {
    const std::size_t page = out.grow(60) - 4;
    out.put8(page + 4, unit.unrestricted_reads ? 0x01 : 0x00);  // URSWRZ
    const std::uint32_t most = unit.max_open == 0 ? no_limit : unit.max_open;
    if (unit.zoned == Zoned::host_managed) {
        out.put(page + 16, most);  // MAXIMUM NUMBER OF OPEN SEQUENTIAL WRITE REQUIRED ZONES
    } else {
        out.put(page + 8, most);   // OPTIMAL NUMBER OF OPEN SEQUENTIAL WRITE PREFERRED ZONES
        out.put(page + 12, most);  // ... OF NON-SEQUENTIALLY WRITTEN ONES
    }
}

constexpr std::array<Page, 7> page_table{{{0x00, always, write_page_list},
                                          {0x80, always, write_serial},
                                          {0x83, always, write_identification},
                                          {0xb0, always, write_block_limits},
                                          {0xb1, always, write_characteristics},
                                          {0xb2, has_provisioning, write_provisioning},
                                          {0xb6, has_zones, write_zoned_characteristics}}};

std::span<const Page> pages() {
    return page_table;
}

}  // namespace

void write_standard_inquiry(const LogicalUnit& unit, DataIn& out) {
    constexpr std::size_t length = 36;
    out.grow(length);
    out.put8(0, device_type(unit));
    out.put8(2, 0x05);  // VERSION: SPC-3
    out.put8(3, 0x02);  // RESPONSE DATA FORMAT
    out.put8(4, length - 5);
    out.put8(7, 0x02);  // CMDQUE
    out.put_text(8, 8, vendor);
    out.put_text(16, 16, product);
    out.put_text(32, 4, revision);
}

bool write_vpd_page(const LogicalUnit& unit, std::uint8_t code, DataIn& out) {
    const auto* const page = std::ranges::find(page_table, code, &Page::code);
    if (page == page_table.end() || !page->is_there(unit)) {
        return false;
    }
    out.grow(4);
    out.put8(0, device_type(unit));
    out.put8(1, code);
    page->write(unit, out);
    out.put(2, static_cast<std::uint16_t>(out.size() - 4));
    return true;
}

}  // namespace reflux::scsi
