#include "harness/observe/trace_line.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

namespace reflux::observe {
namespace {

std::string_view without_blanks(std::string_view text) {
    const auto begin = text.find_first_not_of(' ');
    if (begin == std::string_view::npos) {
        return {};
    }
    return text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

std::size_t digits_at(std::string_view text) {
    return std::min(text.find_first_not_of("0123456789"), text.size());
}

// Takes the text up to the first blank, and the blanks after it, off `text`.
std::string_view take_word(std::string_view& text) {
    const auto word = text.substr(0, text.find(' '));
    text.remove_prefix(word.size());
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    return word;
}

// "            dd-1234   (   1234) ": name and thread in front of the CPU.
bool read_head(std::string_view head, TraceLine& line) {
    head = without_blanks(head);
    if (head.ends_with(')')) {  // the thread group, with option record-tgid
        const auto open = head.rfind('(');
        head = open == std::string_view::npos ? std::string_view{} : without_blanks(head.substr(0, open));
    }
    const auto dash = head.rfind('-');
    if (dash == std::string_view::npos || !read_number_of(head.substr(dash + 1), line.tid) || line.tid < 0) {
        return false;
    }
    line.comm = head.substr(0, dash);
    return true;
}

// "001] .N...   12.345678: event: fields", what follows the bracket.
bool read_tail(std::string_view tail, TraceLine& line) {
    const auto close = tail.find(']');
    if (close == std::string_view::npos || !read_number_of(tail.substr(0, close), line.cpu)) {
        return false;
    }
    tail.remove_prefix(close + 1);
    tail.remove_prefix(std::min(tail.find_first_not_of(' '), tail.size()));
    take_word(tail);  // irqs-off, need-resched, …
    auto time = take_word(tail);
    if (!time.ends_with(':')) {
        return false;
    }
    time.remove_suffix(1);
    if (digits_at(time) == 0) {  // nor a sign, nor "nan"
        return false;
    }
    const auto colon = tail.find(':');
    if (!read_number_of(time, line.time_s) || colon == std::string_view::npos || colon == 0) {
        return false;
    }
    line.event = tail.substr(0, colon);
    line.fields = without_blanks(tail.substr(colon + 1));
    return std::all_of(line.event.begin(), line.event.end(),
                       [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; });
}

// "7:1" or "7,1" at the beginning of `text`.
std::optional<std::string> read_device_number(std::string_view text) {
    const auto major = digits_at(text);
    if (major == 0 || major >= text.size() || (text[major] != ':' && text[major] != ',')) {
        return std::nullopt;
    }
    const auto minor = digits_at(text.substr(major + 1));
    if (minor == 0) {
        return std::nullopt;
    }
    return std::string(text.substr(0, major)) + ":" + std::string(text.substr(major + 1, minor));
}

}  // namespace

std::optional<TraceLine> parse_trace_line(std::string_view line) {
    // A task's name may hold brackets too, but it is too short for all that must follow them.
    for (auto at = line.find('['); at != std::string_view::npos; at = line.find('[', at + 1)) {
        TraceLine parsed;
        if (read_head(line.substr(0, at), parsed) && read_tail(line.substr(at + 1), parsed)) {
            return parsed;
        }
    }
    return std::nullopt;
}

std::optional<std::uint64_t> parse_lost_events(std::string_view line) {
    constexpr std::string_view mark = "[LOST ";
    const auto at = line.find(mark);
    if (!line.starts_with("CPU:") || at == std::string_view::npos) {
        return std::nullopt;
    }
    line.remove_prefix(at + mark.size());
    std::uint64_t count = 1;
    std::from_chars(line.data(), line.data() + line.size(), count);
    return line.find("EVENTS]") == std::string_view::npos ? std::nullopt : std::optional(count);
}

std::optional<std::string_view> trace_field(std::string_view fields, std::string_view key) {
    for (auto at = fields.find(key); at != std::string_view::npos; at = fields.find(key, at + 1)) {
        const auto end = at + key.size();
        if ((at == 0 || fields[at - 1] == ' ') && end < fields.size() && fields[end] == '=') {
            auto value = fields.substr(end + 1);
            return value.substr(0, value.find(' '));
        }
    }
    return std::nullopt;
}

std::optional<std::string_view> last_trace_field(std::string_view fields, std::string_view key) {
    std::optional<std::string_view> last;
    while (const auto found = trace_field(fields, key)) {
        last = found;
        fields.remove_prefix(static_cast<std::size_t>(found->data() - fields.data()));
    }
    return last;
}

std::optional<int> parse_stack_head(std::string_view line) {
    constexpr std::string_view mark = "<stack trace>";
    if (!line.ends_with(mark)) {
        return std::nullopt;
    }
    // A line of an event but for its last words.
    const auto event = std::string(line.substr(0, line.size() - mark.size())) + "stack:";
    const auto parsed = parse_trace_line(event);
    return parsed ? std::optional(parsed->tid) : std::nullopt;
}

std::optional<std::string_view> parse_stack_frame(std::string_view line) {
    constexpr std::string_view mark = " => ";
    if (!line.starts_with(mark)) {
        return std::nullopt;
    }
    line.remove_prefix(mark.size());
    return line.substr(0, line.find_first_of(" +"));
}

TracedShrinker traced_shrinker(std::string_view fields) {
    auto head = fields.substr(0, fields.find(':'));
    TracedShrinker shrinker{.function = head.substr(0, head.find_first_of(" +")), .object = {}};
    const auto blank = head.rfind(' ');
    if (blank != std::string_view::npos) {
        const auto object = head.substr(blank + 1);
        if (!object.empty() && object.find_first_not_of("0123456789abcdef") == std::string_view::npos) {
            shrinker.object = object;
        }
    }
    return shrinker;
}

std::string trace_device(std::string_view fields) {
    if (const auto number = fields.starts_with('(') ? last_trace_field(fields, "sb_dev") : std::nullopt) {
        // The kernel's own dev_t: 12 bits of major number above 20 bits of minor.
        constexpr unsigned minor_bits = 20;
        std::uint32_t device = 0;
        return read_number_of(*number, device)
                   ? fmt::format("{}:{}", device >> minor_bits, device & ((1U << minor_bits) - 1))
                   : std::string();
    }
    if (fields.starts_with("bdi ")) {
        const auto name = fields.substr(4);
        return read_device_number(name).value_or(std::string(name.substr(0, name.find(':'))));
    }
    for (const std::string_view head : {"dev = (", "dev "}) {
        if (fields.starts_with(head)) {
            return read_device_number(fields.substr(head.size())).value_or("");
        }
    }
    return {};
}

}  // namespace reflux::observe
