#include "harness/mitigation/refluxd_status.h"

#include <algorithm>

namespace reflux::mitigation {
namespace {

using Json = nlohmann::json;

}  // namespace

Json io_of(const Target& target) {
    const auto status = Json::parse(target.status, nullptr, false);
    return status.is_object() && status.contains("io") && status["io"].is_object() ? status["io"] : Json();
}

Calls calls_of(const Target& target) {
    const auto io = io_of(target);
    const bool told = io.is_object() && io.contains("calls") && io["calls"].is_object();
    return {.told = told, .json = told ? io["calls"] : Json::object()};
}

std::uint64_t Calls::count(const char* key) const {
    const auto found = json.find(key);
    return found != json.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

bool Calls::has(const char* list, const std::string& word) const {
    const auto found = json.find(list);
    return found != json.end() && found->is_array() &&
           std::ranges::any_of(*found, [&](const Json& one) { return one == word; });
}

bool Calls::is_set(const char* key) const {
    const auto found = json.find(key);
    return found != json.end() && found->is_boolean() && found->get<bool>();
}

}  // namespace reflux::mitigation
