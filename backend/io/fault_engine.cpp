// The decorator: an engine with faults before its I/O. While all are off, requests pass untouched; else each
// goes on as a request of the decorator's own, whose callbacks come in between.
#include "backend/io/fault.h"

#include <condition_variable>

namespace reflux::io {
namespace {

class FaultEngine final : public Engine {
  public:
    FaultEngine(std::unique_ptr<Engine> engine, Faults& faults, std::uint64_t origin)
        : faults_(faults), origin_(origin), slots_(engine->max_in_flight()), engine_(std::move(engine)) {
        free_.reserve(slots_.size());
        for (Slot& slot : slots_) {
            free_.push_back(&slot);
        }
    }

    void submit(Request& request) override {
        const bool is_discard = request.operation != Operation::flush && request.buffer.empty();
        if (!faults_.any() || is_discard) {  // done in its begin: a fault would come after it
            engine_->submit(request);
            return;
        }
        Slot& slot = take_slot();
        slot.operation = request.operation;
        slot.offset = request.offset;
        slot.buffer = request.buffer;
        slot.begin = on_begin;
        slot.complete = on_complete;
        slot.engine = this;
        slot.original = &request;
        slot.error = 0;
        engine_->submit(slot);
    }
    void drain() override { engine_->drain(); }
    [[nodiscard]] bool is_inline() const override { return engine_->is_inline(); }
    [[nodiscard]] std::size_t max_in_flight() const override { return engine_->max_in_flight(); }
    void offer_memory(std::span<std::byte> memory) override { engine_->offer_memory(memory); }
    [[nodiscard]] EngineState state() const override { return engine_->state(); }

  private:
    // Stands for a request in the engine below.
    struct Slot : Request {
        FaultEngine* engine = nullptr;
        Request* original = nullptr;
        int error = 0;  // with which it ends although its I/O went well
    };

    // There are as many as the engine takes: whoever waits here would wait there.
    Slot& take_slot() {
        std::unique_lock lock(mutex_);
        freed_.wait(lock, [this] { return !free_.empty(); });
        Slot* slot = free_.back();
        free_.pop_back();
        return *slot;
    }

    static int on_begin(Request& request) {
        auto& slot = static_cast<Slot&>(request);
        Request& original = *slot.original;
        // The owner's first: it notes which thread has the request from now on.
        if (const int error = original.begin != nullptr ? original.begin(original) : 0; error != 0) {
            return error;
        }
        const FaultEngine& engine = *slot.engine;
        const FaultEffect effect = engine.faults_.apply(
            {.operation = slot.operation,
             .offset = slot.operation == Operation::flush ? 0 : slot.offset - engine.origin_,
             .length = slot.buffer.size()});
        if (effect.error == 0 || effect.before == 0) {
            return effect.error;
        }
        slot.buffer = slot.buffer.first(effect.before);
        slot.error = effect.error;
        return 0;
    }

    static void on_complete(Request& request, int error) {
        auto& slot = static_cast<Slot&>(request);
        FaultEngine& engine = *slot.engine;
        Request& original = *slot.original;
        const int result = error != 0 ? error : slot.error;
        {
            // Free before the answer goes out: whoever gets it may submit the next request at once.
            const std::lock_guard lock(engine.mutex_);
            engine.free_.push_back(&slot);
            engine.freed_.notify_one();
        }
        original.complete(original, result);
    }

    Faults& faults_;
    std::uint64_t origin_;
    std::vector<Slot> slots_;
    std::mutex mutex_;  // guards free_; a leaf, never held across I/O or a callback
    std::condition_variable freed_;
    std::vector<Slot*> free_;
    std::unique_ptr<Engine> engine_;  // last: its threads end before the rest goes
};

}  // namespace

std::unique_ptr<Engine> with_faults(std::unique_ptr<Engine> engine, Faults& faults, std::uint64_t origin) {
    return std::make_unique<FaultEngine>(std::move(engine), faults, origin);
}

}  // namespace reflux::io
