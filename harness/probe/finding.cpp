#include "harness/probe/finding.h"

#include <utility>

namespace reflux::probe {

Finding finding_of(std::string name, const Status& answer, std::string found, std::string hint) {
    if (answer) {
        return {.name = std::move(name), .available = true, .detail = std::move(found), .hint = ""};
    }
    const std::string& message = answer.error().message;
    const std::size_t at = message.find("; ");
    if (at == std::string::npos) {
        return {.name = std::move(name), .available = false, .detail = message, .hint = std::move(hint)};
    }
    return {.name = std::move(name),
            .available = false,
            .detail = message.substr(0, at),
            .hint = message.substr(at + 2)};
}

}  // namespace reflux::probe
