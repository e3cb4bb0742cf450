#include "backend/zone_turns.h"

namespace reflux {
namespace {

bool exclude_each_other(const ZoneTurn& left, const ZoneTurn& right) {
    return (left.exclusive || right.exclusive) && left.first <= right.last && right.first <= left.last;
}

}  // namespace

bool ZoneTurns::enter(ZoneTurn& turn) {
    // Where nobody is exclusive, as on a host-aware disk nearly always, nobody waits and nothing is searched.
    const bool may_wait = turn.exclusive || exclusive_count_ > 0;
    link(turn);
    turn.waiting_ = may_wait && must_wait(turn);
    waiting_count_ += turn.waiting_ ? 1 : 0;
    return !turn.waiting_;
}

bool ZoneTurns::must_wait(const ZoneTurn& turn) const {
    for (const ZoneTurn* other = oldest_; other != &turn; other = other->after_) {
        if (exclude_each_other(turn, *other)) {
            return true;
        }
    }
    return false;
}

void ZoneTurns::leave(ZoneTurn& turn) {
    unlink(turn);
    if (waiting_count_ == 0) {
        return;
    }
    for (ZoneTurn* other = oldest_; other != nullptr; other = other->after_) {
        if (!other->waiting_ || !exclude_each_other(turn, *other) || must_wait(*other)) {
            continue;
        }
        other->waiting_ = false;
        --waiting_count_;
        other->next_ready_ = nullptr;
        (first_ready_ == nullptr ? first_ready_ : last_ready_->next_ready_) = other;
        last_ready_ = other;
    }
}

ZoneTurn* ZoneTurns::take_ready() {
    ZoneTurn* turn = first_ready_;
    if (turn != nullptr) {
        first_ready_ = turn->next_ready_;
    }
    return turn;
}

void ZoneTurns::link(ZoneTurn& turn) {
    turn.before_ = newest_;
    turn.after_ = nullptr;
    (newest_ == nullptr ? oldest_ : newest_->after_) = &turn;
    newest_ = &turn;
    exclusive_count_ += turn.exclusive ? 1 : 0;
}

void ZoneTurns::unlink(ZoneTurn& turn) {
    (turn.before_ == nullptr ? oldest_ : turn.before_->after_) = turn.after_;
    (turn.after_ == nullptr ? newest_ : turn.after_->before_) = turn.before_;
    exclusive_count_ -= turn.exclusive ? 1 : 0;
}

}  // namespace reflux
