// What a person sees while a matrix goes on: lines that stay and, on a terminal, below them a block that is
// drawn again and again. Always on stderr; results go to stdout.
#pragma once

#include <string>
#include <vector>

namespace reflux::run {

class MatrixScreen {
  public:
    MatrixScreen();

    // A line that stays, above the block.
    void say(const std::string& line);
    // Replaces the block; nothing elsewhere than on a terminal. What does not fit on it is cut.
    void show(std::vector<std::string> block);
    // Takes the block away.
    void erase();

  private:
    void draw(const std::string& lines);

    bool terminal_;
    std::vector<std::string> block_;
    std::size_t drawn_ = 0;  // lines of the block that stand on the terminal
};

}  // namespace reflux::run
