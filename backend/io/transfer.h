// A request done with plain system calls; what the sync and threads engines share.
#pragma once

#include "backend/io/lower_file.h"

namespace reflux::io {

// Does the whole request: begin, pread/pwrite over short transfers and EINTR or fdatasync, complete.
void perform(const LowerFile& file, Request& request);

// Reads or writes all of `buffer` at `offset`; 0 or an errno value. A read that meets the end of the file is
// EIO: the lower file is shorter than the disk that it holds.
int read_fully(int fd, std::uint64_t offset, std::span<std::byte> buffer);
int write_fully(int fd, std::uint64_t offset, std::span<const std::byte> buffer);

// fdatasync over EINTR; 0 or an errno value.
int sync_data(int fd);

}  // namespace reflux::io
