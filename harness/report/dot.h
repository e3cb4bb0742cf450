// A wait graph as a picture.
#pragma once

#include "harness/evidence/evidence.h"
#include "harness/verdict/verdict.h"
#include "harness/verdict/wait_graph.h"

#include <string>

namespace reflux::report {

// In Graphviz's DOT language, one statement a line: A -> B, A goes on only when B does something. The closed
// cycle is bold and red, what is not known dashed; each edge's fact is its tooltip. Ends with a newline.
std::string wait_graph_dot(const evidence::Evidence& evidence, const verdict::Verdict& verdict,
                           const verdict::WaitGraph& graph);

}  // namespace reflux::report
