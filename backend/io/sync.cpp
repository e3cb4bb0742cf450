// Engine sync: the calling thread does the I/O, one request at a time. The shape of tcmu-runner's file
// handlers.
#include "backend/io/engines.h"
#include "backend/io/transfer.h"

namespace reflux::io {
namespace {

class SyncEngine final : public Engine {
  public:
    explicit SyncEngine(LowerFile file) : file_(std::move(file)) {}

    void submit(Request& request) override { perform(file_, request); }
    void drain() override {}
    [[nodiscard]] bool is_inline() const override { return true; }
    [[nodiscard]] std::size_t max_in_flight() const override { return 1; }
    [[nodiscard]] EngineState state() const override { return state_of(file_); }

  private:
    LowerFile file_;
};

}  // namespace

Result<std::unique_ptr<Engine>> make_sync_engine(const EngineOptions& options) {
    REFLUX_TRY(auto file, LowerFile::make(options));
    return std::make_unique<SyncEngine>(std::move(file));
}

}  // namespace reflux::io
