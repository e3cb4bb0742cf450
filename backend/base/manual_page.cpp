// The manual page, for man(7)'s macros as groff and mandoc know them.
#include "backend/base/command_words.h"
#include "backend/base/kernel_file.h"

#include <algorithm>
#include <cctype>
#include <string_view>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace reflux {
namespace {

// The code point of the UTF-8 sequence at the front of `text`, which is cut off; of bytes that are none, '?'.
char32_t take_code_point(std::string_view& text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    constexpr unsigned continued = 0x80;
    constexpr unsigned payload = 0x3f;
    const std::size_t length = byte(0) < 0x80 ? 1 : byte(0) >= 0xf0 ? 4 : byte(0) >= 0xe0 ? 3 : 2;
    if (length > text.size() || (length > 1 && byte(0) < 0xc0)) {
        text.remove_prefix(1);
        return U'?';
    }
    char32_t point = length == 1 ? byte(0) : byte(0) & (0x7fU >> length);
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & ~payload) != continued) {
            text.remove_prefix(i);
            return U'?';
        }
        point = (point << 6U) | (byte(i) & payload);
    }
    text.remove_prefix(length);
    return point;
}

// Text as text: nothing of it is a request, a quote or a hyphen that may be broken at.
std::string escaped(std::string_view text) {
    std::string roff;
    while (!text.empty()) {
        const char32_t point = take_code_point(text);
        switch (point) {
            case U'\\':
                roff += "\\e";
                break;
            case U'-':
                roff += "\\-";
                break;
            case U'\'':
                roff += "\\(aq";
                break;
            case U'"':
                roff += "\\(dq";
                break;
            case U'`':
                roff += "\\(ga";
                break;
            case U'^':
                roff += "\\(ha";
                break;
            case U'~':
                roff += "\\(ti";
                break;
            default:
                roff += point < 0x80 ? std::string(1, static_cast<char>(point))
                                     : fmt::format("\\[u{:04X}]", static_cast<unsigned>(point));
        }
    }
    return roff.starts_with('.') ? "\\&" + roff : roff;
}

std::string bold(std::string_view text) {
    return "\\fB" + escaped(text) + "\\fR";
}

std::string italic(std::string_view text) {
    return "\\fI" + escaped(text) + "\\fR";
}

// Broken between words: text of roff has short lines, and is filled anew.
std::string filled(std::string_view text) {
    constexpr std::size_t width = 78;
    std::string roff;
    std::string line;
    for (const auto& word : split(text, ' ')) {
        const std::string more = line.empty() ? escaped(word) : line + " " + escaped(word);
        if (more.size() > width && !line.empty()) {
            roff += line + "\n";
            line = escaped(word);
        } else {
            line = more;
        }
    }
    return roff + line + "\n";
}

// Lines that begin with a blank stay lines of their own, as in --help; others are filled.
std::string paragraph(std::string_view text) {
    std::string roff;
    for (const auto& line : lines_of(text)) {
        roff += (line.starts_with(' ') ? ".br\n" : "") + filled(line);
    }
    return roff;
}

std::string entry(const std::string& term, std::string_view text) {
    const std::string told = paragraph(text);
    return ".TP\n" + term + "\n" + (told.empty() ? "\\&\n" : told);
}

bool told(const CLI::Option* option) {
    return !option->get_group().empty();
}

// The words of --help, in bold what is to be typed as it is.
std::string entry_of(const CLI::Option& option) {
    const CLI::Formatter words;
    const bool argument = option.get_positional();
    const std::string name =
        argument ? italic(option.get_name(true, false)) : bold(option.get_name(false, true));
    const std::string about = words.make_option_opts(&option);
    return entry(about.empty() ? name : name + italic(about), option.get_description());
}

std::string entries_of(const CLI::App& app) {
    std::string roff;
    for (const bool arguments : {true, false}) {
        for (const auto* option : app.get_options(told)) {
            // Every command has --help; it is told once.
            if (option->get_positional() == arguments &&
                (app.get_parent() == nullptr || option != app.get_help_ptr())) {
                roff += entry_of(*option);
            }
        }
    }
    return roff;
}

std::string synopsis(const CLI::App& app, const std::string& name) {
    const CLI::Formatter words;
    std::string text = name;
    if (std::ranges::any_of(app.get_options(told), [&](const CLI::Option* option) {
            return !option->get_positional() && option != app.get_help_ptr();
        })) {
        text += " [OPTIONS]";
    }
    for (const auto* option : app.get_options(told)) {
        if (option->get_positional()) {
            text += " " + words.make_option_usage(option);
        }
    }
    return text;
}

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
    return app.get_subcommands([](const CLI::App* command) { return !command->get_group().empty(); });
}

void add_commands(const CLI::App& app, const std::string& name, const std::string& app_footer,
                  std::string& roff) {
    for (const auto* command : commands_of(app)) {
        const std::string whole = name + " " + command->get_name();
        if (commands_of(*command).empty()) {
            roff += fmt::format(".SS \"{}\"\n", escaped(synopsis(*command, whole)));
            roff += paragraph(command->get_description());
            roff += entries_of(*command);
            // CLI11 hands the program's own on to commands that have none.
            if (const auto footer = command->get_footer(); !footer.empty() && footer != app_footer) {
                roff += ".PP\n" + paragraph(footer);
            }
        }
        add_commands(*command, whole, app_footer, roff);
    }
}

// Without the name that it may begin with: "NAME \- what it does".
std::string description_of(const CLI::App& app) {
    std::string text = app.get_description();
    if (text.starts_with(app.get_name())) {
        text.erase(0, text.find_first_not_of(": ", app.get_name().size()));
    }
    return text;
}

std::string upper(std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::toupper(c); });
    return text;
}

}  // namespace

std::string manual_page(const CLI::App& app, const CommandWords& more, const std::string& date) {
    const std::string name = app.get_name();
    std::string roff = fmt::format(
        ".\\\" Made by `{0} manual` out of the text of `{0} --help`: change that.\n"
        ".TH {1} 1 \"{2}\" \"reflux {3}\" \"User Commands\"\n.nh\n.ad l\n",
        name, upper(name), date, more.version);
    roff += fmt::format(".SH NAME\n{} \\-\n{}", escaped(name), filled(description_of(app)));
    roff += ".SH SYNOPSIS\n";
    for (const auto* command : commands_of(app)) {
        roff += fmt::format("{} {} \\&.\\|.\\|.\n.br\n", bold(name), bold(command->get_name()));
    }
    roff += fmt::format("{} {}\n", bold(name), italic("[OPTIONS]"));
    roff += ".SH OPTIONS\n" + entries_of(app);
    roff += ".SH COMMANDS\n";
    add_commands(app, name, app.get_footer(), roff);
    constexpr std::string_view status = "Exit status: ";
    std::string footer = app.get_footer();
    if (footer.starts_with(status)) {
        footer.erase(0, status.size());
    }
    roff += ".SH \"EXIT STATUS\"\n" + paragraph(footer);
    for (const auto& section : more.sections) {
        roff += fmt::format(".SH \"{}\"\n", escaped(section.title));
        for (const auto& [term, text] : section.entries) {
            roff += term.empty() ? paragraph(text) : entry(bold(term), text);
        }
    }
    return roff;
}

}  // namespace reflux
