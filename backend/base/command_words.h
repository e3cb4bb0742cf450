// What a program tells of its own command line, beside --help, out of the same objects: its manual page, and
// the words that may stand where somebody types. No verbs of CLI11, so that they need none of the checks that
// a real command line gets:
//     PROGRAM manual [DATE]           the manual page, roff
//     PROGRAM complete WORD... TYPED  the words that may stand for TYPED after these, one a line; a line
//                                     ":files", ":folders" or ":programs" stands for such names
// Options and commands of an empty group are for the program itself and are not told.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}  // namespace CLI

namespace reflux {

// What the manual page has beyond --help.
struct ManualSection {
    std::string title;  // "ENVIRONMENT"
    // A term and what it is, as of a list; a term that is empty: a paragraph.
    std::vector<std::pair<std::string, std::string>> entries;
};

// The words for a value: of `option` ("--kernels", or the name of an argument) of `verb` ("run", "vm shell";
// "" of the program itself), with what is typed of it so far. nullopt: as the option itself tells, which is
// the words that it is checked against, or else files. What does not begin as typed is left out afterwards.
using ValueWords = std::function<std::optional<std::vector<std::string>>(
    const std::string& verb, const std::string& option, const std::string& typed)>;

struct CommandWords {
    std::string version;
    std::vector<ManualSection> sections;
    ValueWords values;
};

// What is asked for by a command line as above; nullopt: it is another one.
std::optional<std::string> words_of_command(const CLI::App& app, int argc, const char* const* argv,
                                            const CommandWords& more);

std::string manual_page(const CLI::App& app, const CommandWords& more, const std::string& date);
// `words`: after the program's name; the last one is being typed, and may be empty.
std::vector<std::string> complete(const CLI::App& app, const std::vector<std::string>& words,
                                  const ValueWords& values);

// For a value that is a list ("6.1,7.2"): each of `words` as it would go on with what is typed of the list;
// one that stands in it already is left out.
std::vector<std::string> in_list(const std::string& typed, char separator,
                                 const std::vector<std::string>& words);

}  // namespace reflux
