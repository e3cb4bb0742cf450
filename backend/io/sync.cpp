// Engine sync: the calling thread does the I/O. With one, the shape of tcmu-runner's file handlers; with
// several, of the usual FUSE server.
#include "backend/io/engines.h"
#include "backend/io/transfer.h"

namespace reflux::io {
namespace {

class SyncEngine final : public Engine {
  public:
    SyncEngine(LowerFile file, unsigned threads) : file_(std::move(file)), threads_(threads) {}

    void submit(Request& request) override { perform(file_, request); }
    void drain() override {}
    [[nodiscard]] bool is_inline() const override { return true; }
    [[nodiscard]] std::size_t max_in_flight() const override { return threads_; }
    [[nodiscard]] EngineState state() const override { return state_of(file_); }

  private:
    LowerFile file_;
    unsigned threads_;
};

}  // namespace

Result<std::unique_ptr<Engine>> make_sync_engine(const EngineOptions& options) {
    REFLUX_TRY(auto file, LowerFile::make(options));
    REFLUX_TRY(const unsigned threads, thread_count(options, 1));
    return std::make_unique<SyncEngine>(std::move(file), threads);
}

}  // namespace reflux::io
