// What refluxd tells of its own command line beside --help: the words that may stand for a value, and the
// sections of its manual page that are of no command.
#pragma once

#include "backend/base/command_words.h"

namespace reflux {

CommandWords command_words();

}  // namespace reflux
