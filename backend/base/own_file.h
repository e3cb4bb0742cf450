// Files of our own that come into being whole: written beside their place, under a name that nobody else has,
// and then named. On an error nothing is left of them. A temporary of a process that was killed stays, as
// PATH.N.new, and hinders nobody.
#pragma once

#include "backend/base/result.h"

#include <string>
#include <string_view>

namespace reflux {

// Is the text on the disk before the name is? Without, a loss of power may leave an empty file; with it, the
// call waits for the disk (fsync), which beside a stack under test disturbs or may not end.
enum class Durable { no, yes };

// Takes the place of what is there, whose mode and, where we may, owner it keeps; else it gets 0644 less the
// umask. A symbolic link is replaced, not followed.
Status put_file(const std::string& path, std::string_view text, Durable durable);

// Durable, where there is no such file yet. Otherwise nothing is done and false returned: of several who come
// at once, on several machines too, one makes it.
Result<bool> make_file(const std::string& path, std::string_view text);

}  // namespace reflux
