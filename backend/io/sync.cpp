// Engine sync: the calling thread does the I/O, one request at a time. The shape of tcmu-runner's file
// handlers.
#include "backend/io/engines.h"
#include "backend/io/transfer.h"

namespace reflux::io {
namespace {

class SyncEngine final : public Engine {
  public:
    explicit SyncEngine(int fd) : fd_(fd) {}

    void submit(Request& request) override { perform(fd_, request); }
    void drain() override {}
    [[nodiscard]] bool is_inline() const override { return true; }
    [[nodiscard]] std::size_t max_in_flight() const override { return 1; }

  private:
    int fd_;
};

}  // namespace

Result<std::unique_ptr<Engine>> make_sync_engine(const EngineOptions& options) {
    return std::make_unique<SyncEngine>(options.fd);
}

}  // namespace reflux::io
