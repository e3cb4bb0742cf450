#include "daemon/scsi/mode.h"

#include "daemon/scsi/sense.h"

namespace reflux::scsi {
namespace {

constexpr std::uint8_t all_pages = 0x3f;
constexpr std::uint8_t all_subpages = 0xff;

struct ModePage {
    std::uint8_t code;
    std::uint8_t length;                     // of all of it
    std::array<std::uint8_t, 20> current{};  // the first two bytes are the page's head
};

// SBC-4 clause 6.5.8 and 6.5.6, SPC-5 clause 7.5.13.
constexpr std::array<ModePage, 3> mode_pages{
    {{.code = 0x01, .length = 12, .current = {0x01, 0x0a}},
     {.code = 0x08,
      .length = 20,
      .current = {0x08, 0x12, 0x04}},  // WCE: what is written may be lost until a flush
     // GLTSD, TAS, BUSY TIMEOUT PERIOD without limit; D_SENSE = 0: fixed format.
     {.code = 0x0a, .length = 12, .current = {0x0a, 0x0a, 0x02, 0, 0, 0x40, 0, 0, 0xff, 0xff}}}};

bool is_ten(const Cdb& cdb) {
    return (cdb[0] & 0xe0U) != 0;  // group 2
}

void append_page(const ModePage& page, bool changeable, DataIn& out) {
    const std::size_t at = out.grow(page.length);
    for (std::size_t i = 0; i < page.length; ++i) {
        out.put8(at + i, changeable && i >= 2 ? 0 : page.current.at(i));
    }
}

// Whether the page is what was asked for. The pages here have no subpages.
bool is_asked(const ModePage& page, std::uint8_t code, std::uint8_t subpage) {
    return (code == all_pages || code == page.code) && (subpage == 0 || subpage == all_subpages);
}

// MODE PARAMETER HEADER is of 4 bytes, or of 8.
std::size_t header_size(const Cdb& cdb) {
    return is_ten(cdb) ? 8 : 4;
}

Sense check_page(std::span<const std::byte> rest, std::size_t& length) {
    const auto* const page =
        std::ranges::find(mode_pages, static_cast<std::uint8_t>(rest[0] & std::byte{0x3f}), &ModePage::code);
    if (page == mode_pages.end() || rest[1] != std::byte{page->current[1]}) {
        return sense::invalid_field_in_parameters;
    }
    if (rest.size() < page->length) {
        return sense::parameter_list_length;
    }
    for (std::size_t i = 2; i < page->length; ++i) {
        if (rest[i] != std::byte{page->current.at(i)}) {
            return sense::invalid_field_in_parameters;
        }
    }
    length = page->length;
    return sense::none;
}

}  // namespace

Sense write_mode_sense(const Cdb& cdb, DataIn& out) {
    constexpr unsigned changeable = 1;
    constexpr unsigned saved = 3;
    const unsigned page_control = cdb[2] >> 6U;
    const auto code = static_cast<std::uint8_t>(cdb[2] & 0x3fU);
    if (page_control == saved) {
        return sense::saving_not_supported;
    }
    out.grow(header_size(cdb));
    bool found = false;
    for (const ModePage& page : mode_pages) {
        if (is_asked(page, code, cdb[3])) {
            append_page(page, page_control == changeable, out);
            found = true;
        }
    }
    if (!found) {
        out.clear();
        return sense::invalid_field_in_cdb;
    }
    // MODE DATA LENGTH does not count itself. Not write protected, no DPO and FUA, no block descriptors.
    if (is_ten(cdb)) {
        out.put(0, static_cast<std::uint16_t>(out.size() - 2));
    } else {
        out.put(0, static_cast<std::uint8_t>(out.size() - 1));
    }
    return sense::none;
}

std::size_t mode_select_length(const Cdb& cdb) {
    return is_ten(cdb) ? get_be<std::uint16_t>(std::span(cdb), 7) : cdb[4];
}

Sense check_mode_select(const Cdb& cdb, std::span<const std::byte> parameters) {
    if (parameters.empty()) {
        return sense::none;
    }
    const std::size_t header = header_size(cdb);
    if (parameters.size() < header) {
        return sense::parameter_list_length;
    }
    const std::size_t descriptors =
        is_ten(cdb) ? get_be<std::uint16_t>(parameters, 6) : std::to_integer<std::size_t>(parameters[3]);
    if (descriptors != 0) {  // a disk of other blocks, or of fewer
        return sense::invalid_field_in_parameters;
    }
    auto rest = parameters.subspan(header);
    while (!rest.empty()) {
        std::size_t length = 0;
        if (rest.size() < 2) {
            return sense::parameter_list_length;
        }
        if (const Sense refusal = check_page(rest, length); refusal != sense::none) {
            return refusal;
        }
        rest = rest.subspan(length);
    }
    return sense::none;
}

}  // namespace reflux::scsi
