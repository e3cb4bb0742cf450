// The control protocol: a line in, a line of JSON out.
//
//   status  what the daemon is, its threads, requests in flight, counters, zones by condition; how it reaches
//           the image (io), and what protects it from its own reclaim (protection), as asked for and as it
//           is; the translation (docs/translation.md), null without one
//   progress  of it requests in flight and counters alone, for frequent polls: reads nothing of /proc
//   zones   an array of all zones
//   zone    `zone ID read_only`, `zone ID offline` and `zone ID recommend_reset` do to a zone what the disk
//           itself does when it wears, and answer the zone; no command undoes it but a reset the last
//   fault   the faults that are on; `fault set NAME OPTION...` and `fault clear [NAME]` switch them (all of
//           them without a name) and answer the same; `fault check NAME OPTION...` changes nothing
//   help    the commands
// Anything else is answered by {"error": ...}.
#pragma once

#include "backend/translated_device.h"
#include "daemon/base/self_protection.h"

#include <string>
#include <string_view>

namespace reflux::control {

// What status says besides what the device knows.
struct Identity {
    std::string engine;
    std::string front_end;
    std::uint64_t start_ns = 0;  // monotonic_ns() when it began to serve
    io::CallOptions calls;       // as the command line has them
    SelfProtection protection;
    const TranslatedDevice* translation = nullptr;  // what is served, if not the zoned disk; outlives all
};

// One line of JSON without the newline. Threads: any; it waits for no I/O.
std::string answer(std::string_view line, ZonedDevice& device, const Identity& identity);

}  // namespace reflux::control
