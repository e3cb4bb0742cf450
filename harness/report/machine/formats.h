// A report for programs: what continuous integration takes in. Which of them says what of which verdict
// stands in docs/formats.md. Pure but for json(), which reads the runs' verdict.json again.
//
// In all of them a run is a test of an expectation: met, passed. A deadlock that was foreseen passes; that a
// machine cannot run a scenario is no failure of it, and of what nothing was expected that is skipped.
#pragma once

#include "harness/report/counted.h"

#include <string>

namespace reflux::report::machine {

// One array with each run's verdict.json, as docs/verdict.schema.json describes it: with what all runs
// together prove of its cure, and with its folder where that is now.
std::string json(const Report& report);

// JUnit's XML, as Jenkins and GitLab read it: a test suite for each kernel.
std::string junit(const Report& report);

// TAP version 13, with a YAML block for each test.
std::string tap(const Report& report);

// A submission to KCIDB, schema 5.3 of kcidb-io: a checkout and a build for each kernel, a test for each run.
std::string kcidb(const Report& report);

}  // namespace reflux::report::machine
