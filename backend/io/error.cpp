// Fault error: a request fails; of a torn write the first half is written before it does.
#include "backend/io/fault_kinds.h"

#include <array>
#include <cerrno>

namespace reflux::io {
namespace {

struct ErrorName {
    std::string_view name;
    int number;
};
constexpr std::array errors{ErrorName{"EIO", EIO}, ErrorName{"ENOSPC", ENOSPC}, ErrorName{"EROFS", EROFS},
                            ErrorName{"ENOMEM", ENOMEM}};

class ErrorFault final : public Fault {
  public:
    Result<bool> set_option(std::string_view key, std::string_view value) override {
        if (key == "torn" && value.empty()) {
            torn_ = true;
            return true;
        }
        if (key != "error") {
            return false;
        }
        for (const ErrorName& one : errors) {
            if (one.name == value) {
                error_ = one.number;
                return true;
            }
        }
        return fail(ErrorKind::invalid_input,
                    fmt::format("expected EIO, ENOSPC, EROFS or ENOMEM, found '{}'", value));
    }
    FaultEffect apply(const FaultedRequest& request) override {
        FaultEffect effect{.error = error_};
        if (torn_ && request.operation == Operation::write) {
            constexpr std::size_t sector = 512;
            effect.before = request.length / 2 / sector * sector;
        }
        return effect;
    }

  private:
    int error_ = EIO;
    bool torn_ = false;
};

}  // namespace

std::unique_ptr<Fault> make_error_fault() {
    return std::make_unique<ErrorFault>();
}

}  // namespace reflux::io
