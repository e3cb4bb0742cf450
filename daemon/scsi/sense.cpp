#include "daemon/scsi/sense.h"

#include <cerrno>

namespace reflux::scsi {

SenseData fixed_format(Sense sense) {
    constexpr std::byte current_error{0x70};
    SenseData data{};
    data[0] = current_error;
    data[2] = std::byte{sense.key};
    data[7] = static_cast<std::byte>(data.size() - 8);  // ADDITIONAL SENSE LENGTH
    data[12] = std::byte{sense.asc};
    data[13] = std::byte{sense.ascq};
    return data;
}

Sense sense_of_failure(DeviceOperation operation, int error, ZoneError refusal) {
    if (refusal != ZoneError::none) {
        return sense_of(refusal);
    }
    if (operation == DeviceOperation::read) {
        return sense::read_error;
    }
    // A lower filesystem that makes no holes: the initiator is to stop asking.
    if (operation == DeviceOperation::discard && error == EOPNOTSUPP) {
        return sense::invalid_field_in_cdb;
    }
    return error == ENOSPC || error == EDQUOT ? sense::no_space : sense::write_error;
}

}  // namespace reflux::scsi
