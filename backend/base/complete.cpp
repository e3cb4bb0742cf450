// The words that may stand at the end of a command line that is being typed.
#include "backend/base/command_words.h"
#include "backend/base/kernel_file.h"

#include <algorithm>
#include <iterator>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace reflux {
namespace {

using Words = std::vector<std::string>;

bool told(const CLI::Option* option) {
    return !option->get_group().empty();
}

const CLI::App* find_command(const CLI::App& app, const std::string& name) {
    const auto found = app.get_subcommands([&](const CLI::App* command) {
        return !command->get_group().empty() && command->get_name() == name;
    });
    return found.empty() ? nullptr : found.front();
}

// "-o", "--out"
Words names_of(const CLI::Option& option) {
    Words names;
    for (const auto& name : option.get_lnames()) {
        names.push_back("--" + name);
    }
    for (const auto& name : option.get_snames()) {
        names.push_back("-" + name);
    }
    return names;
}

const CLI::Option* find_option(const CLI::App& app, const std::string& name) {
    for (const auto* option : app.get_options(told)) {
        const auto names = names_of(*option);
        if (std::ranges::find(names, name) != names.end()) {
            return option;
        }
    }
    return nullptr;
}

bool takes_value(const CLI::Option& option) {
    return option.get_type_size() != 0;
}

// What CLI::IsMember writes of its words at the end of a type: "TEXT:{auto,v1,v2}".
std::optional<Words> members_of(const CLI::Option& option) {
    const std::string type = option.get_type_name();
    const auto open = type.rfind('{');
    const auto close = type.rfind('}');
    if (open == std::string::npos || close == std::string::npos || close < open) {
        return std::nullopt;
    }
    return split(type.substr(open + 1, close - open - 1), ',');
}

// Where the words before the one that is typed have led to.
struct Place {
    const CLI::App* app;
    std::string verb;                              // "vm shell"
    const CLI::Option* waits_for_value = nullptr;  // an option whose value comes next
    std::size_t arguments = 0;                     // that came before
    bool only_arguments = false;                   // after "--"
};

void step(const std::string& word, Place& place) {
    if (place.waits_for_value != nullptr) {
        const bool may_lack_it = place.waits_for_value->get_expected_min() == 0;
        place.waits_for_value = nullptr;
        if (!may_lack_it || !word.starts_with('-')) {
            return;
        }
    }
    if (place.only_arguments) {
        ++place.arguments;
    } else if (word == "--") {
        place.only_arguments = true;
    } else if (word.starts_with('-')) {
        const auto* option = find_option(*place.app, word);
        place.waits_for_value = option != nullptr && takes_value(*option) ? option : nullptr;
    } else if (const auto* command = find_command(*place.app, word)) {
        place.app = command;
        place.verb += (place.verb.empty() ? "" : " ") + word;
        place.arguments = 0;
    } else {
        ++place.arguments;
    }
}

Words option_names(const CLI::App& app) {
    Words words;
    for (const auto* option : app.get_options(told)) {
        std::ranges::move(names_of(*option), std::back_inserter(words));
    }
    return words;
}

Words values_of(const Place& place, const CLI::Option& option, const std::string& name,
                const std::string& typed, const ValueWords& values) {
    if (auto words = values(place.verb, name, typed)) {
        return *words;
    }
    return members_of(option).value_or(Words{":files"});
}

Words arguments_of(const Place& place, const std::string& typed, const ValueWords& values) {
    Words words;
    for (const auto* command :
         place.app->get_subcommands([](const CLI::App* one) { return !one->get_group().empty(); })) {
        words.push_back(command->get_name());
    }
    std::size_t before = 0;
    for (const auto* option : place.app->get_options(told)) {
        if (!option->get_positional()) {
            continue;
        }
        const bool many = option->get_expected_max() > 1;
        if (before == place.arguments || (many && before < place.arguments)) {
            std::ranges::move(values_of(place, *option, option->get_name(true, false), typed, values),
                              std::back_inserter(words));
            break;
        }
        ++before;
    }
    return words;
}

Words begun(Words words, const std::string& typed) {
    std::erase_if(
        words, [&](const std::string& word) { return !word.starts_with(':') && !word.starts_with(typed); });
    return words;
}

}  // namespace

Words complete(const CLI::App& app, const Words& words, const ValueWords& values) {
    Place place{.app = &app, .verb = {}};
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {
        step(words[i], place);
    }
    const std::string typed = words.empty() ? "" : words.back();
    if (place.waits_for_value != nullptr &&
        (place.waits_for_value->get_expected_min() > 0 || !typed.starts_with('-'))) {
        const auto& option = *place.waits_for_value;
        return begun(values_of(place, option, names_of(option).front(), typed, values), typed);
    }
    if (place.only_arguments || !typed.starts_with('-')) {
        auto found = begun(arguments_of(place, typed, values), typed);
        return found.empty() && typed.empty() ? option_names(*place.app) : found;
    }
    const auto equals = typed.find('=');
    if (equals == std::string::npos) {
        return begun(option_names(*place.app), typed);
    }
    const auto* option = find_option(*place.app, typed.substr(0, equals));
    if (option == nullptr || !takes_value(*option)) {
        return {};
    }
    const std::string value = typed.substr(equals + 1);
    auto found = begun(values_of(place, *option, names_of(*option).front(), value, values), value);
    for (auto& word : found) {
        word = word.starts_with(':') ? word : typed.substr(0, equals + 1) + word;
    }
    return found;
}

Words in_list(const std::string& typed, char separator, const Words& words) {
    const auto last = typed.rfind(separator);
    const std::string before = last == std::string::npos ? "" : typed.substr(0, last + 1);
    const auto there = split(before, separator);
    Words found;
    for (const auto& word : words) {
        if (std::ranges::find(there, word) == there.end()) {
            found.push_back(before + word);
        }
    }
    return found;
}

std::optional<std::string> words_of_command(const CLI::App& app, int argc, const char* const* argv,
                                            const CommandWords& more) {
    const Words words(argv + std::min(argc, 1), argv + argc);
    if (!words.empty() && words[0] == "manual" && words.size() <= 2) {
        return manual_page(app, more, words.size() > 1 ? words[1] : "");
    }
    if (words.empty() || words[0] != "complete") {
        return std::nullopt;
    }
    return fmt::format("{}\n",
                       fmt::join(complete(app, Words(words.begin() + 1, words.end()), more.values), "\n"));
}

}  // namespace reflux
