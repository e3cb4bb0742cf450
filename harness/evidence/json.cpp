#include "harness/evidence/json.h"

#include "harness/evidence/fields.h"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#include <nlohmann/json.hpp>

namespace reflux::evidence {
namespace {

using Json = nlohmann::ordered_json;

struct Writer {
    Json object = Json::object();

    template <class T>
    void operator()(const char* name, const T& value) {
        object[name] = write(value);
    }

    template <class T>
    static Json write(const T& value) {
        if constexpr (std::same_as<T, char>) {
            return std::string(1, value);
        } else if constexpr (std::is_arithmetic_v<T> || std::same_as<T, std::string>) {
            return value;
        } else {
            Writer nested;
            fields(nested, value);
            return std::move(nested.object);
        }
    }
    template <class T>
    static Json write(const std::optional<T>& value) {
        return value ? write(*value) : Json(nullptr);
    }
    template <class T>
    static Json write(const std::vector<T>& values) {
        Json list = Json::array();
        for (const T& value : values) {
            list.push_back(write(value));
        }
        return list;
    }
};

// Reads fields of one object; the first error stays and ends the reading.
class Reader {
  public:
    Reader(const Json& object, std::string path, Status& status)
        : object_(object), path_(std::move(path)), status_(status) {}

    template <class T>
    void operator()(const char* name, T& value) {
        // null stands for a number that JSON cannot write, too: it keeps the default.
        if (const auto found = object_.find(name); status_ && found != object_.end() && !found->is_null()) {
            read(*found, path_.empty() ? name : path_ + "." + name, value);
        }
    }

  private:
    void refuse(const Json& found, const std::string& path, std::string_view wanted) {
        status_ = fail(ErrorKind::invalid_input,
                       fmt::format("evidence: {}: expected {}, found {}", path, wanted, found.type_name()));
    }

    void read(const Json& json, const std::string& path, bool& value) {
        json.is_boolean() ? static_cast<void>(value = json.get<bool>()) : refuse(json, path, "true or false");
    }
    void read(const Json& json, const std::string& path, double& value) {
        json.is_number() ? static_cast<void>(value = json.get<double>()) : refuse(json, path, "a number");
    }
    void read(const Json& json, const std::string& path, std::string& value) {
        json.is_string() ? static_cast<void>(value = json.get<std::string>()) : refuse(json, path, "a text");
    }
    void read(const Json& json, const std::string& path, char& value) {
        if (const auto* text = json.get_ptr<const std::string*>(); text != nullptr && text->size() == 1) {
            value = text->front();
        } else {
            refuse(json, path, "one letter");
        }
    }
    void read(const Json& json, const std::string& path, std::uint64_t& value) {
        json.is_number_unsigned() ? static_cast<void>(value = json.get<std::uint64_t>())
                                  : refuse(json, path, "a whole number from 0");
    }
    void read(const Json& json, const std::string& path, int& value) {
        constexpr auto least = std::int64_t{std::numeric_limits<int>::min()};
        constexpr auto most = std::int64_t{std::numeric_limits<int>::max()};
        const bool huge = json.is_number_unsigned() && json.get<std::uint64_t>() > std::uint64_t{most};
        if (!json.is_number_integer() || huge || json.get<std::int64_t>() < least) {
            refuse(json, path, "a whole number of 32 bits");
        } else {
            value = static_cast<int>(json.get<std::int64_t>());
        }
    }
    template <class T>
    void read(const Json& json, const std::string& path, std::optional<T>& value) {
        read(json, path, value.emplace());
    }
    template <class T>
    void read(const Json& json, const std::string& path, std::vector<T>& values) {
        if (!json.is_array()) {
            refuse(json, path, "a list");
            return;
        }
        values.assign(json.size(), T{});
        for (std::size_t i = 0; i < values.size() && status_; ++i) {
            read(json[i], fmt::format("{}[{}]", path, i), values[i]);
        }
    }
    template <class T>
    void read(const Json& json, const std::string& path, T& value) {
        if (!json.is_object()) {
            refuse(json, path, "an object");
            return;
        }
        Reader nested(json, path, status_);
        fields(nested, value);
    }

    const Json& object_;
    std::string path_;
    Status& status_;
};

}  // namespace

std::string to_json(const Evidence& evidence) {
    // Names of tasks and log lines may hold any bytes: what is not UTF-8 is replaced.
    return Writer::write(evidence).dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<Evidence> from_json(std::string_view text) {
    const Json json = Json::parse(text, nullptr, false);
    if (json.is_discarded()) {
        return fail(ErrorKind::invalid_input, "evidence: not valid JSON (empty, cut off or damaged)");
    }
    if (!json.is_object()) {
        return fail(ErrorKind::invalid_input,
                    fmt::format("evidence: expected an object, found {}", json.type_name()));
    }
    Evidence evidence;
    Status status;
    Reader schema_reader(json, "", status);
    schema_reader("schema", evidence.schema);
    REFLUX_CHECK(std::move(status));
    if (evidence.schema > schema_version || evidence.schema < 1) {
        return fail(ErrorKind::invalid_input,
                    fmt::format("evidence: schema: {} is not known to this program, which reads 1 to {}",
                                evidence.schema, schema_version));
    }
    Status read_status;
    Reader reader(json, "", read_status);
    fields(reader, evidence);
    REFLUX_CHECK(std::move(read_status));
    return evidence;
}

}  // namespace reflux::evidence
