// Engine sync: the calling thread does the I/O. With one, the shape of tcmu-runner's file handlers; with
// several, of the usual FUSE server.
#include "backend/io/engines.h"
#include "backend/io/lower_calls.h"

namespace reflux::io {
namespace {

class SyncEngine final : public Engine {
  public:
    SyncEngine(std::unique_ptr<LowerCalls> calls, unsigned threads)
        : calls_(std::move(calls)), threads_(threads) {}

    void submit(Request& request) override { request.complete(request, calls_->perform(request)); }
    void drain() override {}
    [[nodiscard]] bool is_inline() const override { return true; }
    [[nodiscard]] std::size_t max_in_flight() const override { return threads_; }
    [[nodiscard]] EngineState state() const override { return calls_->state(); }

  private:
    std::unique_ptr<LowerCalls> calls_;
    unsigned threads_;
};

}  // namespace

Result<std::unique_ptr<Engine>> make_sync_engine(const EngineOptions& options) {
    REFLUX_TRY(auto calls, LowerCalls::make(options));
    REFLUX_TRY(const unsigned threads, thread_count(options, 1));
    return std::make_unique<SyncEngine>(std::move(calls), threads);
}

}  // namespace reflux::io
