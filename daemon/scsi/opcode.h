// OPERATION CODE, and SERVICE ACTION where a code has several (SPC-5 annex F, SBC-4 clause 5, ZBC-2 clause
// 5).
#pragma once

#include <cstdint>

namespace reflux::scsi {

enum class Opcode : std::uint8_t {
    test_unit_ready = 0x00,
    request_sense = 0x03,
    read_6 = 0x08,
    write_6 = 0x0a,
    inquiry = 0x12,
    mode_select_6 = 0x15,
    mode_sense_6 = 0x1a,
    start_stop_unit = 0x1b,
    read_capacity_10 = 0x25,
    read_10 = 0x28,
    write_10 = 0x2a,
    verify_10 = 0x2f,
    synchronize_cache_10 = 0x35,
    unmap = 0x42,
    mode_select_10 = 0x55,
    mode_sense_10 = 0x5a,
    read_16 = 0x88,
    write_16 = 0x8a,
    verify_16 = 0x8f,
    synchronize_cache_16 = 0x91,
    zbc_out = 0x94,
    zbc_in = 0x95,
    service_action_in_16 = 0x9e,
    report_luns = 0xa0,
    maintenance_in = 0xa3,
    read_12 = 0xa8,
    write_12 = 0xaa,
    verify_12 = 0xaf,
};

namespace service_action {
inline constexpr std::uint8_t close_zone = 0x01;
inline constexpr std::uint8_t finish_zone = 0x02;
inline constexpr std::uint8_t open_zone = 0x03;
inline constexpr std::uint8_t reset_write_pointer = 0x04;
inline constexpr std::uint8_t report_zones = 0x00;
inline constexpr std::uint8_t read_capacity_16 = 0x10;
inline constexpr std::uint8_t report_supported_operation_codes = 0x0c;
}  // namespace service_action

}  // namespace reflux::scsi
