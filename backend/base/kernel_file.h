// Small files and kernel pseudo-files (proc, sysfs, cgroupfs, tracefs).
#pragma once

#include "backend/base/result.h"
#include "backend/base/unique_fd.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace reflux {

// Reads to end of file; pseudo-files report no size. The error names the path.
Result<std::string> read_file(const std::string& path);
// One write(2) of the whole text, as pseudo-files demand; the file must exist. The error names path and text.
Status write_file(const std::string& path, std::string_view text);
// Writes a file of our own: made if missing, whole or not at all (temporary name, then rename).
Status replace_file(const std::string& path, std::string_view text);
// Reads what is left of an open descriptor.
Result<std::string> read_all(int fd, std::string_view name);
// Writes all of `text`, over short writes and EINTR.
Status write_all(int fd, std::string_view text, std::string_view name);
// A file in memory that has no path (memfd_create), close-on-exec; `name` shows in /proc/PID/fd.
Result<UniqueFd> make_memory_file(const char* name);
Result<std::uint64_t> read_number(const std::string& path);
// Names in a directory without "." and "..", sorted.
Result<std::vector<std::string>> list_directory(const std::string& path);

// Text without blanks and newlines at its end.
std::string trimmed(std::string_view text);
std::vector<std::string> split(std::string_view text, char separator);  // empty pieces left out
std::vector<std::string> lines_of(std::string_view text);               // empty lines left out

}  // namespace reflux
