// A zone as JSON, as the control socket and refluxd report tell it.
#pragma once

#include "backend/zone/zone_report.h"

#include <string>

namespace reflux {

// Appends one object: start, length, capacity, write_pointer (null: the zone has none), type, condition,
// non_sequential, reset_recommended; in bytes. Written by hand, for a million zones of json objects would be
// hundreds of megabytes.
void append_json(std::string& text, const ZoneDescriptor& zone);

}  // namespace reflux
