// Evidence to and from its saved form, RUNDIR/evidence.json.
#pragma once

#include "backend/base/result.h"
#include "harness/evidence/evidence.h"

#include <string>
#include <string_view>

namespace reflux::evidence {

std::string to_json(const Evidence& evidence);

// Reads what to_json wrote, also by an older version of the same schema (missing fields keep their defaults).
// A wrong type, broken JSON or a newer schema is an error that names the field.
Result<Evidence> from_json(std::string_view text);

}  // namespace reflux::evidence
