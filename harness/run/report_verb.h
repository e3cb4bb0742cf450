// `reflux report`: runs that are there already, in a form for people or programs.
#pragma once

#include "harness/report/counted.h"
#include "harness/run/exit_status.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace reflux::run {

// A form of a report. Another one is a row in report_verb.cpp.
struct ReportFormat {
    std::string_view name;  // of --format
    std::string_view description;
    std::string (*render)(const report::Report& report);
};
std::span<const ReportFormat> report_formats();

struct ReportOptions {
    std::vector<std::string> folders;  // run folders, or what holds some: report/runs.h
    std::string out;                   // file; empty or "-": stdout
    std::string format = "html";
};

// What is wrong with folders goes to stderr and into the report, and is not fatal. A file is written whole or
// not at all. met: written, whatever the verdicts are; usage: no run was found, or the file cannot be made
// there.
ExitCode report_verb(const ReportOptions& options);

}  // namespace reflux::run
