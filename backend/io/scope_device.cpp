#include "backend/io/scope_device.h"

#include "backend/base/kernel_file.h"
#include "backend/base/reflux_reclaim.h"

#include <sys/ioctl.h>

namespace reflux::io {

Result<UniqueFd> open_scope_device() {
    auto device = open_file(REFLUX_SCOPE_DEVICE, O_RDWR);
    if (!device && (device.error().errnum == ENOENT || device.error().errnum == ENXIO)) {
        return fail({.kind = ErrorKind::unsupported,
                     .message = "there is no " REFLUX_SCOPE_DEVICE
                                ": the prototype module " REFLUX_RECLAIM_MODULE " is not loaded",
                     .errnum = device.error().errnum});
    }
    return device;
}

Error scope_device_error(const std::string& call, int errnum) {
    if (errnum != EPERM) {
        return system_error(call, errnum);
    }
    return {.kind = ErrorKind::unsupported,
            .message = call + ": refused without CAP_SYS_RESOURCE",
            .errnum = errnum};
}

Result<UniqueFd> mask_mapping(int fd) {
    REFLUX_TRY(auto device, open_scope_device());
    if (::ioctl(device.get(), REFLUX_MAPPING_MASK, fd) != 0) {
        if (errno == EALREADY) {
            return fail({.kind = ErrorKind::unsupported,
                         .message = "the page cache of the image is allocated without __GFP_FS already: the "
                                    "filesystem does so itself, or another process has masked it",
                         .errnum = EALREADY});
        }
        return fail(scope_device_error("REFLUX_MAPPING_MASK", errno));
    }
    const int has_fs = ::ioctl(device.get(), REFLUX_MAPPING_HAS_FS, fd);
    if (has_fs < 0) {
        return fail(scope_device_error("REFLUX_MAPPING_HAS_FS", errno));
    }
    if (has_fs != 0) {
        return fail(ErrorKind::unsupported, "REFLUX_MAPPING_MASK has no effect: the mask has __GFP_FS");
    }
    return device;
}

}  // namespace reflux::io
