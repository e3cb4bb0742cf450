#include "harness/report/html/markup.h"
#include "harness/report/html/pictures.h"
#include "harness/report/html/series.h"
#include "harness/verdict/words.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

namespace reflux::report::html {
namespace {

using evidence::Evidence;
using evidence::ProgressPoint;

constexpr std::size_t most_points = 300;
constexpr std::size_t most_moments = 20;
constexpr std::size_t least_rows = 2;  // of reclaims
constexpr std::size_t most_rows = 6;
constexpr std::size_t most_bars = 500;
constexpr double lane_height = 44;
constexpr double lane_gap = 42;  // above each, for its title

struct Span {
    double from_s = 0;
    double to_s = 1;
    [[nodiscard]] double percent(double at_s) const {
        return std::clamp((at_s - from_s) / (to_s - from_s), 0.0, 1.0) * 100;
    }
};

// All that is drawn lies in it.
Span span_of(const Evidence& evidence, const std::vector<Moment>& moments) {
    Span span{.from_s = 0, .to_s = 0};
    const auto add = [&span](double at_s) {
        constexpr double most = 1e7;  // a year's third: what is beyond is damage
        if (std::isfinite(at_s) && std::abs(at_s) < most) {
            span.from_s = std::min(span.from_s, at_s);
            span.to_s = std::max(span.to_s, at_s);
        }
    };
    for (const auto& point : evidence.progress) {
        add(point.at_s);
    }
    for (const auto& moment : moments) {
        add(moment.at_s);
    }
    for (const auto& rung : evidence.relief) {
        add(rung.begin_s + rung.observed_s);
    }
    span.to_s = std::max(span.to_s, span.from_s + 0.001);
    return span;
}

// The picture, written from top to bottom.
struct Drawing {
    const Evidence& evidence;
    Span span;
    std::string svg;
    double y = 0;

    void text(double percent, double at_y, std::string_view style, std::string_view words) {
        const auto* anchor = percent > 92 ? "end" : percent < 8 ? "start" : "middle";
        svg += fmt::format("<text x=\"{:.2f}%\" y=\"{:g}\" class=\"{}\" text-anchor=\"{}\">{}</text>\n",
                           percent, at_y, style, anchor, words);
    }
    void title(std::string_view what, std::string_view figures) {
        y += lane_gap;
        svg += fmt::format(
            "<text x=\"0\" y=\"{:g}\" class=\"lane\">{}</text>\n<text x=\"0\" y=\"{:g}\" "
            "class=\"peak\">{}</text>\n",
            y - 21, what, y - 6, figures);
    }
    void lane(const std::string& paths) {
        svg += fmt::format(
            "<rect x=\"0\" y=\"{0:g}\" width=\"100%\" height=\"{1:g}\" class=\"ground\"/>\n<svg x=\"0\" "
            "y=\"{0:g}\" width=\"100%\" height=\"{1:g}\" viewBox=\"0 0 1000 {1:g}\" "
            "preserveAspectRatio=\"none\">{2}</svg>\n",
            y, lane_height, paths);
        strips();
        y += lane_height;
    }
    // Over a lane: the stall, and what was tried against it.
    void strip(double from_s, double to_s, std::string_view style) {
        const double x = span.percent(from_s);
        svg +=
            fmt::format("<rect x=\"{:.2f}%\" y=\"{:g}\" width=\"{:.2f}%\" height=\"{:g}\" class=\"{}\"/>\n",
                        x, y, std::max(span.percent(to_s) - x, 0.0), lane_height, style);
    }
    void strips() {
        if (evidence.stall) {
            strip(evidence.stall->last_completion_s, evidence.stall->detected_s, "stall");
            strip(evidence.stall->last_completion_s, evidence.stall->detected_s, "hatched");
        }
        for (const auto& rung : evidence.relief) {
            strip(rung.begin_s, rung.begin_s + rung.observed_s, rung.released ? "rung freed" : "rung");
        }
    }
    [[nodiscard]] Frame frame(double top) const {
        return {.from_s = span.from_s, .to_s = span.to_s, .top = std::max(top, 1e-9), .height = lane_height};
    }
    [[nodiscard]] std::string area(const Series& series, double top, std::string_view style) const {
        const auto path = steps(thinned(series, most_points), frame(top), true);
        return path.empty() ? "" : fmt::format(R"(<path class="area {}" d="{}"/>)", style, path);
    }
    [[nodiscard]] std::string line(const Series& series, double top, std::string_view style) const {
        const auto path = steps(thinned(series, most_points), frame(top), false);
        return path.empty() ? "" : fmt::format(R"(<path class="line {}" d="{}"/>)", style, path);
    }
};

template <class Number>
std::optional<double> number(const std::optional<Number>& value) {
    return value ? std::optional<double>(static_cast<double>(*value)) : std::nullopt;
}

Series of(const Evidence& evidence, std::optional<std::uint64_t> ProgressPoint::*member) {
    return series_of(evidence.progress,
                     [member](const ProgressPoint& point) { return number(point.*member); });
}
Series of(const Evidence& evidence, std::uint64_t ProgressPoint::*member) {
    return series_of(evidence.progress, [member](const ProgressPoint& point) {
        return std::optional<double>(static_cast<double>(point.*member));
    });
}

// The device's as an area, the daemon's as a line upon it. Rates have a scale each: the daemon may answer
// many requests for one I/O of the device, or the other way round.
void two_series(Drawing& drawing, const std::string& title, const Series& device, const Series& daemon,
                bool one_scale) {
    const double top = std::max(peak_of(device), peak_of(daemon));
    drawing.title(title, daemon.empty() ? fmt::format("device: peak {:.4g}", peak_of(device))
                                        : fmt::format("device (area): peak {:.4g}; daemon (line): {:.4g}{}",
                                                      peak_of(device), peak_of(daemon),
                                                      one_scale ? "" : ", its own scale"));
    drawing.lane(drawing.area(device, one_scale ? top : peak_of(device), "device") +
                 drawing.line(daemon, one_scale ? top : peak_of(daemon), "daemon"));
}

void memory(Drawing& drawing, const Evidence& evidence) {
    const auto usage = of(evidence, &ProgressPoint::memcg_usage_bytes);
    const auto limit = number(evidence.limits.memcg_limit_bytes);
    if (usage.empty()) {
        return;
    }
    const double top = std::max(peak_of(usage), limit.value_or(0)) * 1.08;
    drawing.title("Memory charged", limit ? fmt::format("peak {}; dashed: limit {}",
                                                        short_bytes(peak_of(usage)), short_bytes(*limit))
                                          : fmt::format("peak {}; no limit", short_bytes(peak_of(usage))));
    auto paths = drawing.area(usage, top, "memory");
    if (limit) {
        const double at = lane_height - *limit / top * lane_height;
        paths += fmt::format(R"(<path class="line limit" d="M0 {:.1f}H1000"/>)", at);
    }
    drawing.lane(paths);
}

void pressure(Drawing& drawing, const Evidence& evidence) {
    const auto psi = series_of(evidence.progress,
                               [](const ProgressPoint& point) { return point.memory_pressure_full_avg10; });
    if (psi.empty()) {
        return;
    }
    constexpr double least_top = 10;  // percent: a little pressure looks little
    drawing.title("Memory pressure (PSI full)", fmt::format("peak {:.3g}%", peak_of(psi)));
    drawing.lane(drawing.area(psi, std::max(peak_of(psi), least_top), "pressure"));
}

// Older evidence has no count, but the events.
bool reached_upper(const Evidence& evidence, const evidence::Reclaim& reclaim) {
    return reclaim.upper_events > 0 || std::ranges::any_of(reclaim.inside, [&](const auto& event) {
               return !event.device.empty() && event.device == evidence.devices.upper_device;
           });
}

// As many as there is room for: those that reached the upper filesystem first.
std::vector<const evidence::Reclaim*> drawn_of(const Evidence& evidence) {
    std::vector<const evidence::Reclaim*> drawn;
    for (const bool upper : {true, false}) {
        for (const auto& reclaim : evidence.trace.reclaims) {
            if (drawn.size() < most_bars && reached_upper(evidence, reclaim) == upper) {
                drawn.push_back(&reclaim);
            }
        }
    }
    return drawn;
}

// A row for each thread, as far as there is room for them.
std::string bars(const Evidence& evidence, const Drawing& drawing) {
    std::map<int, std::size_t> rows;
    for (const auto& reclaim : evidence.trace.reclaims) {
        rows.emplace(reclaim.tid, rows.size());
    }
    const double height = lane_height / static_cast<double>(std::clamp(rows.size(), least_rows, most_rows));
    std::string text;
    for (const auto* drawn : drawn_of(evidence)) {
        const auto& reclaim = *drawn;
        const auto row = rows.at(reclaim.tid);
        if (row >= most_rows) {
            continue;
        }
        const double open_end = evidence.stall ? evidence.stall->detected_s : drawing.span.to_s;
        const double x = drawing.span.percent(reclaim.begin_s) * 10;
        const double width = drawing.span.percent(reclaim.end_s.value_or(open_end)) * 10 - x;
        // Not by colour alone: those that reached the upper filesystem are twice as high.
        const bool upper = reached_upper(evidence, reclaim);
        const double part = upper ? 0 : height / 2;
        text +=
            fmt::format(R"(<rect class="reclaim{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>)",
                        upper ? " upper" : "", x, static_cast<double>(row) * height + 1 + part,
                        std::max(width, 3.0), height - 2 - part);
    }
    return text;
}

void reclaim(Drawing& drawing, const Evidence& evidence) {
    const auto& trace = evidence.trace;
    if (!trace.available) {
        drawing.title("Reclaim: not traced", "");
        return;
    }
    if (trace.reclaims.empty()) {
        drawing.title("Reclaim by the daemon: none seen", "");
        return;
    }
    const auto upper = static_cast<std::size_t>(std::ranges::count_if(
        trace.reclaims, [&](const evidence::Reclaim& one) { return reached_upper(evidence, one); }));
    const auto drawn = std::min(trace.reclaims.size(), most_bars);
    drawing.title("Reclaim, a row a thread",
                  fmt::format("{}{}{}", verdict::counted(trace.reclaim_count, "reclaim"),
                              drawn < std::max<std::size_t>(trace.reclaim_count, trace.reclaims.size())
                                  ? fmt::format(", {} drawn", drawn)
                                  : "",
                              upper > 0 ? fmt::format("; high: {} reached the upper fs", upper) : ""));
    drawing.lane(bars(evidence, drawing));
}

// Steps of 1, 2 or 5 and their tenfolds, about five of them.
double tick_of(double length) {
    const double tenfold = std::pow(10, std::floor(std::log10(length / 5)));
    for (const double step : {1.0, 2.0, 5.0}) {
        if (length / (step * tenfold) <= 6) {
            return step * tenfold;
        }
    }
    return 10 * tenfold;
}

void axis(Drawing& drawing) {
    const double tick = tick_of(drawing.span.to_s - drawing.span.from_s);
    drawing.y += 16;
    for (double at = std::ceil(drawing.span.from_s / tick) * tick; at <= drawing.span.to_s; at += tick) {
        const double percent = drawing.span.percent(at);
        drawing.svg +=
            fmt::format(R"(<line x1="{0:.2f}%" x2="{0:.2f}%" y1="{1:g}" y2="{2:g}" class="tick"/>)", percent,
                        drawing.y - 16, drawing.y - 11);
        drawing.text(percent, drawing.y, "axis", fmt::format("{:g} s", at + 0.0));
    }
}

// Numbers of the moments, in as many rows as keep them apart on the narrowest screen.
std::vector<std::size_t> rows_of(const std::vector<Moment>& moments, const Span& span) {
    constexpr double apart = 6.0;  // percent
    std::vector<double> taken;     // where the last one of each row stands
    std::vector<std::size_t> rows;
    for (const auto& moment : moments) {
        const double percent = span.percent(moment.at_s);
        const auto free = std::ranges::find_if(taken, [&](double last) { return last + apart <= percent; });
        rows.push_back(static_cast<std::size_t>(free - taken.begin()));
        if (free == taken.end()) {
            taken.push_back(percent);
        } else {
            *free = percent;
        }
    }
    return rows;
}

constexpr double flag_height = 20;
std::string flags(const std::vector<Moment>& moments, const std::vector<std::size_t>& rows, const Span& span,
                  double bottom) {
    std::string text;
    for (std::size_t i = 0; i < moments.size(); ++i) {
        const double y = 10 + static_cast<double>(rows[i]) * flag_height;
        text += fmt::format(
            "<line x1=\"{0:.2f}%\" x2=\"{0:.2f}%\" y1=\"{1:g}\" y2=\"{4:g}\" class=\"moment\"/><circle "
            "cx=\"{0:.2f}%\" cy=\"{1:g}\" r=\"8.5\" class=\"flag\"/><text x=\"{0:.2f}%\" y=\"{2:g}\" "
            "text-anchor=\"middle\" class=\"flag\">{3}</text>\n",
            span.percent(moments[i].at_s), y, y + 4, i + 1, bottom);
    }
    return text;
}

std::string description(const Evidence& evidence, const std::vector<Moment>& moments) {
    std::string text = evidence.stall ? fmt::format("Nothing completed from {} to {}. ",
                                                    short_time(evidence.stall->last_completion_s),
                                                    short_time(evidence.stall->detected_s))
                                      : "No stall was found. ";
    for (const auto& moment : moments) {
        text += fmt::format("{}: {}. ", short_time(moment.at_s), moment.what);
    }
    return text;
}

constexpr std::string_view key =
    R"(<p class="key"><span class="swatch stall"></span>nothing completed<span class="swatch )"
    R"(rung"></span>a )"
    R"(rung of relief, in vain<span class="swatch freed"></span>the one that released</p>)";

std::string moment_list(const std::vector<Moment>& moments) {
    std::string text = R"(<ol class="moments">)";
    for (const auto& moment : moments) {
        text += fmt::format("<li><b>{}</b> {}</li>", short_time(moment.at_s), escaped(moment.what, 300));
    }
    return text + "</ol>";
}

}  // namespace

std::string timeline(const Evidence& evidence, const std::string& id) {
    auto moments = moments_of(evidence);
    if (evidence.progress.size() < 2) {
        return "";
    }
    moments.resize(std::min(moments.size(), most_moments));
    Drawing drawing{.evidence = evidence, .span = span_of(evidence, moments)};
    const auto rows = rows_of(moments, drawing.span);
    const double top =
        rows.empty() ? 0 : static_cast<double>(*std::ranges::max_element(rows) + 1) * flag_height;
    drawing.y = top;
    two_series(drawing, "I/O completed a second", rate_of(of(evidence, &ProgressPoint::device_completed)),
               rate_of(of(evidence, &ProgressPoint::daemon_completed)), false);
    two_series(drawing, "I/O in flight", of(evidence, &ProgressPoint::device_in_flight),
               of(evidence, &ProgressPoint::daemon_in_flight), true);
    memory(drawing, evidence);
    pressure(drawing, evidence);
    reclaim(drawing, evidence);
    const double bottom = drawing.y;
    axis(drawing);
    return fmt::format(
        "<figure class=\"time\"><svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" "
        "aria-labelledby=\"{0}-tt "
        "{0}-td\" width=\"100%\" height=\"{1:g}\"><title id=\"{0}-tt\">Timeline of the run</title><desc "
        "id=\"{0}-td\">{2}</desc>\n{3}{4}</svg>\n<figcaption>{5}{6}</figcaption></figure>\n",
        id, drawing.y + 4, escaped(description(evidence, moments)),
        flags(moments, rows, drawing.span, bottom), drawing.svg, evidence.stall ? key : "",
        moment_list(moments));
}

}  // namespace reflux::report::html
