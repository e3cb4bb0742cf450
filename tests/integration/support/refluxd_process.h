// A refluxd for a test: started, waited for, asked, ended, and never left behind.
#pragma once

#include "backend/base/child.h"
#include "backend/base/unique_fd.h"

#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace reflux::test {

// Path of the program under test.
std::string refluxd_program();

// Exit status and output of a run that ends by itself within 20 s; a run that does not is a test failure and
// exit.code -1.
struct Ended {
    int code = -1;
    std::string output;
};
Ended run_refluxd(std::vector<std::string> arguments);

// One line of JSON from a control socket; a null value when no whole line came within the deadline.
nlohmann::json ask_control(const std::string& socket, const std::string& command, Seconds deadline);

class RefluxdProcess {
  public:
    // `refluxd serve` in the foreground; returns when the ready line was read, within 20 s.
    static Result<RefluxdProcess> serve(std::vector<std::string> arguments);
    RefluxdProcess(RefluxdProcess&&) = default;
    RefluxdProcess& operator=(RefluxdProcess&&) = delete;
    RefluxdProcess(const RefluxdProcess&) = delete;
    RefluxdProcess& operator=(const RefluxdProcess&) = delete;
    // Kills it if it still runs.
    ~RefluxdProcess();

    [[nodiscard]] pid_t pid() const { return child_.pid; }
    [[nodiscard]] const nlohmann::json& ready() const { return ready_; }
    Status signal(int number) { return send_signal(child_, number); }
    // Its exit code within 20 s, -1 when it has not ended, 128 + N after signal N.
    int wait();
    // What it wrote to stderr; after wait().
    std::string errors();

  private:
    RefluxdProcess(Child child, UniqueFd errors) : child_(std::move(child)), errors_(std::move(errors)) {}

    Child child_;
    UniqueFd errors_;
    nlohmann::json ready_;
};

}  // namespace reflux::test
