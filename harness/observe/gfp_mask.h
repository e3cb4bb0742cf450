// A gfp mask as a number. The kernel prints a mask by names, and which bit a name stands for differs between
// kernels and configurations; but the event's own `format` file has the table by which it turns bits into
// names ("print fmt: … __print_flags(REC->gfp_flags, "|", {(unsigned long)…, "GFP_KERNEL"}, …"), and the
// printing loses nothing: each name takes its bits off, what no name covers is printed as a number
// (lib/trace: trace_print_flags_seq). So this table turns the text into the bits again. That is why no second
// source of raw values is read: eprobes (5.15) and option `fields` (6.4) are missing in older kernels, and
// trace_pipe_raw has one reader only.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace reflux::observe {

class GfpTable {
  public:
    // From the text of events/vmscan/mm_vmscan_memcg_reclaim_begin/format or of another event with a gfp
    // mask; nullopt where a value in it is no constant (kernels that print enumerators that user space cannot
    // know).
    static std::optional<GfpTable> parse(std::string_view format);

    // "GFP_NOFS|__GFP_HIGHMEM|0x80000000" gives its bits, "none" 0; nullopt: a name is not in the table.
    [[nodiscard]] std::optional<std::uint64_t> bits_of(std::string_view mask) const;
    // Whether all bits of this flag ("__GFP_FS") are set; nullopt: the table does not have it.
    [[nodiscard]] std::optional<bool> has(std::uint64_t bits, std::string_view flag) const;
    [[nodiscard]] std::size_t size() const { return values_.size(); }

  private:
    std::map<std::string, std::uint64_t, std::less<>> values_;
};

// Value of a constant expression of C as a format file prints it: numbers, parentheses, casts to gfp_t and to
// unsigned long, ~ << | & + -. nullopt: something else is in it.
std::optional<std::uint64_t> constant_value(std::string_view expression);

}  // namespace reflux::observe
