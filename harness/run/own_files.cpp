#include "harness/run/own_files.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

namespace reflux::run {
namespace {

namespace fs = std::filesystem;

// Of a path as it is written without quotes; what is in braces is replaced later.
bool is_of_word(unsigned char c) {
    return std::isalnum(c) != 0 ||
           std::string_view("_./+-%~{}").find(static_cast<char>(c)) != std::string_view::npos;
}

// It begins in what a shell expands, so that it is part of a name only.
bool is_expanded(std::string_view text, std::size_t at) {
    return at > 0 && std::string_view("$*?]\\").find(text[at - 1]) != std::string_view::npos;
}

bool names_a_file(const std::string& word, const std::string& folder) {
    if (word.find_first_of("/.") == std::string::npos || word.find_first_of("{}~") != std::string::npos ||
        word == "." || word == ".." || word.starts_with('/')) {
        return false;
    }
    std::error_code error;
    return fs::exists(fs::path(folder) / word, error);
}

// `by_path`: the first word is looked up in PATH.
std::string absolute(std::string_view command, const std::string& folder, bool by_path) {
    if (!std::ranges::all_of(folder, is_of_word) || folder.find_first_of("{}~") != std::string::npos) {
        return std::string(command);
    }
    std::string text;
    for (std::size_t at = 0; at < command.size();) {
        const auto rest = command.substr(at);
        const auto end = std::ranges::find_if_not(rest, is_of_word);
        const std::string word(rest.begin(), end);
        if (word.empty()) {
            text += rest.front();
            ++at;
            continue;
        }
        const bool is_program = by_path && word.find('/') == std::string::npos;
        text += !is_program && !is_expanded(command, at) && names_a_file(word, folder)
                    ? (fs::path(folder) / word).lexically_normal().string()
                    : word;
        by_path = false;
        at += word.size();
    }
    return text;
}

}  // namespace

std::string with_files_of(std::string_view command, const std::string& folder) {
    return absolute(command, folder, true);
}

scenario::Daemon with_files_of(scenario::Daemon daemon, const std::string& folder) {
    daemon.command = with_files_of(daemon.command, folder);
    // "handler/what it is given"
    if (const auto slash = daemon.config.find('/'); slash != std::string::npos) {
        const std::string given = daemon.config.substr(slash + 1);
        daemon.config = daemon.config.substr(0, slash + 1) + absolute(given, folder, false);
    }
    return daemon;
}

}  // namespace reflux::run
