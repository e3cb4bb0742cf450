// refluxd report and refluxd fsck: what an image that nobody serves holds, and what is wrong with it.
#pragma once

#include "backend/base/result.h"
#include "daemon/base/options.h"

namespace reflux {

// Prints the report. Damage that a copy stands in for is a line in the log.
Status report_image(const ReportOptions& options);
// Prints a line for each problem, and a last one with the result. Returns the exit status, as fsck's help
// tells it.
Result<int> check_image(const FsckOptions& options);

}  // namespace reflux
