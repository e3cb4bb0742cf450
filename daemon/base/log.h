// The daemon's log: lines on stderr, bounded for the life of the process, so that neither a full pipe nor a
// full disk behind stderr can stop an I/O thread. Threads: any.
#pragma once

#include <cstddef>
#include <string_view>

namespace reflux {

// Less than a pipe takes without a reader (64 KiB).
inline constexpr std::size_t log_limit = 32768;

// Writes "refluxd: LINE\n", or drops it when the limit is reached (the last line says so).
void log_line(std::string_view line);

}  // namespace reflux
