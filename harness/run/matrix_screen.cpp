#include "harness/run/matrix_screen.h"

#include <cstdio>

#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/format.h>

namespace reflux::run {
namespace {

// Lines and columns that can be drawn again: a line that wraps or scrolls away cannot be taken back.
winsize terminal_room() {
    winsize size{};
    if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 2 || size.ws_row < 2) {
        size = {.ws_row = 24, .ws_col = 80};
    }
    --size.ws_row;
    --size.ws_col;
    return size;
}

}  // namespace

MatrixScreen::MatrixScreen() : terminal_(::isatty(STDERR_FILENO) != 0) {}

void MatrixScreen::say(const std::string& line) {
    draw(line + "\n");
}

void MatrixScreen::show(std::vector<std::string> block) {
    block_ = std::move(block);
    draw("");
}

void MatrixScreen::erase() {
    show({});
}

// One write for all, so that nothing flickers.
void MatrixScreen::draw(const std::string& lines) {
    std::string text = lines;
    if (terminal_) {
        // To the block's first line, and away with everything from there on.
        text = (drawn_ > 0 ? fmt::format("\x1b[{}A\x1b[J", drawn_) : "") + lines;
        const winsize room = terminal_room();
        drawn_ = 0;
        for (const auto& line : block_) {
            if (drawn_ == room.ws_row) {
                break;
            }
            text += line.substr(0, room.ws_col) + "\n";
            ++drawn_;
        }
    }
    fmt::print(stderr, "{}", text);
}

}  // namespace reflux::run
