// A second zone model, to hold the first against: written from ZBC-2's tables (clause 4.4) in logical blocks
// and letters, slow and naive on purpose. It shares no code with backend/zone.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

namespace reflux::reference {

// What a command ends with: sense key, additional sense code and qualifier, errno value.
struct Answer {
    int key = 0;
    int asc = 0;
    int ascq = 0;
    int errnum = 0;

    bool operator==(const Answer&) const = default;
};

inline const Answer good{};
inline const Answer beyond_the_end{.key = 5, .asc = 0x21, .ascq = 0x00, .errnum = ENOSPC};
inline const Answer unaligned{.key = 5, .asc = 0x21, .ascq = 0x04, .errnum = EIO};
inline const Answer write_boundary{.key = 5, .asc = 0x21, .ascq = 0x05, .errnum = EIO};
inline const Answer invalid_data{.key = 5, .asc = 0x21, .ascq = 0x06, .errnum = EIO};
inline const Answer read_boundary{.key = 5, .asc = 0x21, .ascq = 0x07, .errnum = EIO};
inline const Answer gap{.key = 5, .asc = 0x21, .ascq = 0x09, .errnum = EIO};
inline const Answer invalid_field{.key = 5, .asc = 0x24, .ascq = 0x00, .errnum = EIO};
inline const Answer read_only{.key = 7, .asc = 0x27, .ascq = 0x08, .errnum = EIO};
inline const Answer offline{.key = 7, .asc = 0x2c, .ascq = 0x0e, .errnum = EIO};
inline const Answer no_open_resources{.key = 7, .asc = 0x55, .ascq = 0x0e, .errnum = ETOOMANYREFS};
inline const Answer no_active_resources{.key = 7, .asc = 0x55, .ascq = 0x0e, .errnum = EOVERFLOW};

// Condition x command -> condition. A '*': the zone takes the resources of an open one; the second letter of
// "CE": when nothing was written in it.
inline const std::map<char, std::map<char, std::string>> transitions{
    {'o', {{'E', "X*"}, {'I', "X"}, {'X', "X"}, {'C', "X*"}, {'F', "F"}}},
    {'c', {{'E', "E"}, {'I', "CE"}, {'X', "CE"}, {'C', "C"}, {'F', "F"}}},
    {'f', {{'E', "F*"}, {'I', "F"}, {'X', "F"}, {'C', "F*"}, {'F', "F"}}},
    {'r', {{'E', "E"}, {'I', "E"}, {'X', "E"}, {'C', "E"}, {'F', "E"}}},
};
// With ALL = 1 a command takes the zones in these conditions.
inline const std::map<char, std::string> all_takes{{'o', "C"}, {'c', "IX"}, {'f', "IXC"}, {'r', "EIXCF"}};
// REPORTING OPTIONS that ask for a condition.
inline const std::map<unsigned, char> reported_condition{{0x01, 'E'}, {0x02, 'I'}, {0x03, 'X'}, {0x04, 'C'},
                                                         {0x05, 'F'}, {0x06, 'R'}, {0x07, 'O'}, {0x3f, 'N'}};

// Conditions: N not write pointer, E empty, I implicitly open, X explicitly open, C closed, F full, R
// read-only, O offline. Types: c conventional, r sequential write required, p sequential write preferred.
struct RefZone {
    char type = 'c';
    char condition = 'N';
    std::uint64_t blocks = 0;    // length
    std::uint64_t writable = 0;  // how many of them can be written
    std::uint64_t pointer = 0;   // blocks from the zone's start
    bool non_seq = false;
    bool reset = false;
    int busy = 0;  // writes in flight
};

struct RefDisk {
    std::uint64_t block_size = 512;
    std::uint64_t zone_blocks = 0;
    bool managed = false;
    bool unrestricted = true;
    std::uint64_t max_open = 0;
    std::uint64_t max_active = 0;
    std::vector<RefZone> zones;
    std::deque<std::size_t> opened{};  // implicitly open zones, the oldest first

    // The part of a request in one zone, bytes from the zone's start.
    struct Part {
        std::size_t zone;
        std::uint64_t from;
        std::uint64_t to;
    };

    [[nodiscard]] std::uint64_t bytes() const {
        std::uint64_t sum = 0;
        for (const RefZone& zone : zones) {
            sum += zone.blocks * block_size;
        }
        return sum;
    }

    [[nodiscard]] std::vector<Part> parts(std::uint64_t offset, std::uint64_t length) const {
        std::vector<Part> found;
        for (std::size_t i = 0; i < zones.size(); ++i) {
            const std::uint64_t start = i * zone_blocks * block_size;
            const std::uint64_t end = start + zones[i].blocks * block_size;
            const std::uint64_t from = std::max(offset, start);
            const std::uint64_t to = std::min(offset + length, end);
            if (from < to) {
                found.push_back({.zone = i, .from = from - start, .to = to - start});
            }
        }
        return found;
    }

    [[nodiscard]] std::uint64_t count(const std::string& conditions) const {
        return static_cast<std::uint64_t>(std::count_if(zones.begin(), zones.end(), [&](const RefZone& zone) {
            return conditions.find(zone.condition) != std::string::npos;
        }));
    }

    void become(std::size_t index, char condition) {
        if (zones[index].condition == condition) {
            return;
        }
        std::erase(opened, index);
        zones[index].condition = condition;
        if (condition == 'I') {
            opened.push_back(index);
        }
    }

    void close_zone(std::size_t index) { become(index, zones[index].pointer == 0 ? 'E' : 'C'); }

    // "Manage open zone resources": room for so many more.
    void manage_resources(std::uint64_t more) {
        while (max_open > 0 && count("IX") + more > max_open && !opened.empty()) {
            const auto idle = std::find_if(opened.begin(), opened.end(),
                                           [this](std::size_t index) { return zones[index].busy == 0; });
            close_zone(idle != opened.end() ? *idle : opened.front());
        }
    }

    // Zones that are, or will be when a write ends, open or closed.
    [[nodiscard]] std::uint64_t active() const {
        return count("IXC") +
               static_cast<std::uint64_t>(std::count_if(zones.begin(), zones.end(), [](const RefZone& zone) {
                   return zone.condition == 'E' && zone.busy > 0;
               }));
    }

    [[nodiscard]] Answer resources_for(const RefZone& zone) const {
        if (zone.condition == 'E' && zone.busy == 0 && max_active > 0 && active() >= max_active) {
            return no_active_resources;
        }
        return max_open > 0 && count("X") >= max_open ? no_open_resources : good;
    }

    [[nodiscard]] Answer write_to_required(const RefZone& zone, const Part& part) const {
        if (part.from >= zone.writable * block_size) {
            return gap;
        }
        if (part.to > zone.writable * block_size) {
            return write_boundary;
        }
        if (zone.condition == 'F') {
            return invalid_field;
        }
        if (part.from != zone.pointer * block_size || (part.to - part.from) % block_size != 0) {
            return unaligned;
        }
        return zone.condition == 'E' || zone.condition == 'C' ? resources_for(zone) : good;
    }

    [[nodiscard]] Answer may_write(std::uint64_t offset, std::uint64_t length) const {
        if (offset > bytes() || length > bytes() - offset) {
            return beyond_the_end;
        }
        const auto all = parts(offset, length);
        for (std::size_t i = 0; i < all.size(); ++i) {
            const RefZone& zone = zones[all[i].zone];
            if (i + 1 < all.size() && (zone.type == 'r' || zones[all[i + 1].zone].type == 'r')) {
                return write_boundary;
            }
            if (zone.condition == 'O') {
                return offline;
            }
            if (zone.condition == 'R') {
                return read_only;
            }
            if (zone.type == 'r') {
                if (const Answer refused = write_to_required(zone, all[i]); refused != good) {
                    return refused;
                }
            }
        }
        return good;
    }

    Answer write_begins(std::uint64_t offset, std::uint64_t length) {
        const Answer answer = may_write(offset, length);
        if (answer == good) {
            for (const Part& part : parts(offset, length)) {
                if (const char now = zones[part.zone].condition; now == 'E' || now == 'C') {
                    manage_resources(1);
                    become(part.zone, 'I');
                }
                ++zones[part.zone].busy;
            }
        }
        return answer;
    }

    void write_fails(std::uint64_t offset, std::uint64_t length) {
        for (const Part& part : parts(offset, length)) {
            --zones[part.zone].busy;
        }
    }

    void write_ends(std::uint64_t offset, std::uint64_t length) {
        for (const Part& part : parts(offset, length)) {
            RefZone& zone = zones[part.zone];
            const bool writable = std::string("EIXCF").find(zone.condition) != std::string::npos;
            const std::uint64_t from = (part.from + block_size - 1) / block_size;
            const std::uint64_t to = (part.to + block_size - 1) / block_size;
            const bool overtaken = zone.type == 'r' && part.from != zone.pointer * block_size;
            if (writable && zone.type == 'p' && from != zone.pointer) {
                zone.non_seq = true;
            }
            if (writable && zone.condition != 'F' && !overtaken) {
                zone.pointer = std::max(zone.pointer, to);
                if (zone.pointer == zone.writable) {
                    become(part.zone, 'F');
                } else if (zone.condition != 'X') {
                    become(part.zone, 'I');
                }
            }
            --zone.busy;
            manage_resources(0);
        }
    }

    [[nodiscard]] Answer has_usable_pointer(std::size_t index) const {
        if (index >= zones.size()) {
            return beyond_the_end;
        }
        if (zones[index].type == 'c') {
            return invalid_field;
        }
        const char condition = zones[index].condition;
        return condition == 'O' ? offline : condition == 'R' ? read_only : good;
    }

    Answer append_begins(std::size_t index, std::uint64_t length) {
        if (const Answer refused = has_usable_pointer(index); refused != good) {
            return refused;
        }
        const RefZone& zone = zones[index];
        if (zone.condition == 'F') {
            return invalid_field;
        }
        if (length == 0 || length % block_size != 0) {
            return unaligned;
        }
        if (zone.pointer + length / block_size > zone.writable) {
            return write_boundary;
        }
        return write_begins((index * zone_blocks + zone.pointer) * block_size, length);
    }

    [[nodiscard]] Answer read(std::uint64_t offset, std::uint64_t length) const {
        if (offset > bytes() || length > bytes() - offset) {
            return beyond_the_end;
        }
        const auto all = parts(offset, length);
        for (std::size_t i = 0; i < all.size(); ++i) {
            const RefZone& zone = zones[all[i].zone];
            const bool leaves = i + 1 < all.size();
            if (zone.condition == 'O') {
                return offline;
            }
            if (managed && leaves && zones[all[i + 1].zone].type != zone.type) {
                return invalid_data;
            }
            if (zone.type == 'r' && !unrestricted) {
                if (leaves) {
                    return read_boundary;
                }
                if (all[i].to > zone.pointer * block_size) {
                    return invalid_data;
                }
            }
        }
        return good;
    }

    void finish_command(char command, std::size_t index) {
        RefZone& zone = zones[index];
        const std::string& to = transitions.at(command).at(zone.condition);
        become(index, to == "CE" && zone.pointer == 0 ? 'E' : to.front());
        if (command == 'f') {
            zone.pointer = zone.writable;
        }
        if (command == 'r') {
            zone.pointer = 0;
            zone.non_seq = zone.reset = false;
        }
    }

    Answer command(char command, std::size_t index) {
        if (const Answer refused = has_usable_pointer(index); refused != good) {
            return refused;
        }
        const RefZone& zone = zones[index];
        const std::string& to = transitions.at(command).at(zone.condition);
        if (to.back() == '*' && (managed || command == 'o')) {
            if (const Answer refused = resources_for(zone); refused != good) {
                return refused;
            }
            manage_resources(1);
        } else if (command == 'o' && zone.condition == 'I') {
            if (const Answer refused = resources_for(zone); refused != good) {
                return refused;
            }
        }
        finish_command(command, index);
        return good;
    }

    Answer command_all(char command) {
        std::vector<std::size_t> taken;
        for (std::size_t i = 0; i < zones.size(); ++i) {
            if (zones[i].type != 'c' && all_takes.at(command).find(zones[i].condition) != std::string::npos) {
                taken.push_back(i);
            }
        }
        if (command == 'o' && max_open > 0 && !taken.empty() && count("X") + taken.size() > max_open) {
            return no_open_resources;
        }
        for (const std::size_t i : taken) {
            finish_command(command, i);
        }
        if (command == 'o' && !taken.empty()) {
            manage_resources(0);
        }
        return good;
    }

    void degrade(std::size_t index, char condition) {
        if (zones[index].condition != 'O') {
            become(index, condition);
        }
    }

    void power_cycle() {
        for (std::size_t i = 0; i < zones.size(); ++i) {
            if (zones[i].condition == 'I' || zones[i].condition == 'X') {
                close_zone(i);
            }
        }
    }

    // Zones from `first` on that a REPORTING OPTIONS value asks for.
    [[nodiscard]] std::vector<std::size_t> report(std::size_t first, unsigned option) const {
        std::vector<std::size_t> found;
        for (std::size_t i = first; i < zones.size(); ++i) {
            const auto condition = reported_condition.find(option);
            const bool asked = condition != reported_condition.end() ? zones[i].condition == condition->second
                               : option == 0x10                      ? zones[i].reset
                               : option == 0x11                      ? zones[i].non_seq
                                                                     : option == 0x00 || option == 0x3e;
            if (asked) {
                found.push_back(i);
            }
        }
        return found;
    }
};

}  // namespace reflux::reference
