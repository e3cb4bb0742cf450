#include "daemon/tcmu/command_server.h"

#include "daemon/base/log.h"
#include "daemon/tcmu/pieces.h"

namespace reflux::tcmu {
namespace {

class DiskZones final : public scsi::ZoneSource {
  public:
    explicit DiskZones(const ZonedDevice& device) : device_(device) {}
    [[nodiscard]] ReportAnswer report(const ReportRequest& request,
                                      std::span<ZoneDescriptor> out) const override {
        return device_.report_matching(request, out);
    }
    [[nodiscard]] ZoneId zone_of(Bytes offset) const override { return device_.geometry().zone_of(offset); }

  private:
    const ZonedDevice& device_;
};

void log_failure(const TcmuRequest& request, int error) {
    log_line(fmt::format("{} of {} bytes at {} failed: {}", to_string(request.operation), length_of(request),
                         request.offset, std::generic_category().message(error)));
}

}  // namespace

void CommandServer::serve(TcmuRequest& request) {
    request.server = this;
    if (!request.command.is_sound) {
        refuse(request, scsi::sense::internal_failure);
        return;
    }
    request.plan = plan(request);
    if (request.plan.kind == scsi::Plan::Kind::parameters) {
        read_parameters(request);
    }
    execute(request);
}

scsi::Plan CommandServer::plan(TcmuRequest& request) const {
    const scsi::Cdb& cdb = request.command.cdb;
    if (scsi::tells_serial(cdb)) {
        scsi::LogicalUnit named = unit_;
        named.serial = serial_();
        return scsi::plan_command(named, cdb, request.answer);
    }
    return scsi::plan_command(unit_, cdb, request.answer);
}

// The plan becomes the one that follows from what the initiator sent.
void CommandServer::read_parameters(TcmuRequest& request) {
    const Pieces data = request.command.data();
    const std::uint64_t length = request.plan.length;
    if (length > size_of(data)) {
        request.plan = {.kind = scsi::Plan::Kind::refused, .sense = scsi::sense::parameter_list_length};
        return;
    }
    const auto parameters = request.bounce.first(length);  // two bytes of the CDB say how long
    gather(data, parameters);
    request.plan = scsi::plan_parameters(unit_, request.command.cdb, parameters);
}

void CommandServer::execute(TcmuRequest& request) {
    using Kind = scsi::Plan::Kind;
    switch (request.plan.kind) {
        case Kind::done:
            return end(request, {});
        case Kind::answer: {
            const auto data = request.answer.bytes();
            return answer_data(request,
                               data.first(std::min<std::uint64_t>(request.plan.allocation, data.size())));
        }
        case Kind::zone_list:
            return list_zones(request);
        case Kind::disk:
            return begin(request);
        case Kind::refused:
        case Kind::parameters:  // which lead to none again
            return refuse(request, request.plan.sense);
    }
}

void CommandServer::answer_data(TcmuRequest& request, std::span<const std::byte> data) {
    const Pieces room = request.command.data();
    const std::size_t copied = scatter(data, room);
    end(request, {.read_length = copied < size_of(room) ? static_cast<std::uint32_t>(copied) : 0});
}

void CommandServer::list_zones(TcmuRequest& request) {
    const std::uint64_t room =
        std::min({request.plan.allocation, std::uint64_t{size_of(request.command.data())},
                  std::uint64_t{largest_transfer}});
    const auto list = request.bounce.first(room);
    const std::size_t written = scsi::write_zone_list(unit_, request.plan.zones, DiskZones(zones_), list);
    answer_data(request, list.first(written));
}

void CommandServer::begin(TcmuRequest& request) {
    const scsi::Plan& plan = request.plan;
    request.operation = plan.operation;
    request.offset = plan.offset;
    request.length = plan.length;
    request.all_zones = plan.all_zones;
    request.buffer = {};
    request.done = on_done;
    if (plan.moves_data()) {
        const Pieces data = request.command.data();
        if (plan.length > size_of(data)) {
            refuse(request, scsi::sense::internal_failure);
            return;
        }
        request.buffer = contiguous(data, plan.length);
        if (request.buffer.empty()) {
            request.buffer = request.bounce.first(plan.length);
            if (plan.operation == DeviceOperation::write) {
                gather(data, request.buffer);
            }
        }
    }
    disk_.submit(request);
}

// Any thread.
void CommandServer::on_done(DeviceRequest& done, int error) {
    auto& request = static_cast<TcmuRequest&>(done);
    CommandServer& server = *request.server;
    if (error != 0) {
        if (request.refusal == ZoneError::none) {
            log_failure(request, error);
        }
        server.refuse(request, scsi::sense_of_failure(request.operation, error, request.refusal));
        return;
    }
    if (request.plan.durable) {
        // It has left the disk and comes again, as one request still: there is room for it.
        request.plan.durable = false;
        request.operation = DeviceOperation::flush;
        request.buffer = {};
        server.disk_.submit(request);
        return;
    }
    if (request.operation == DeviceOperation::read && request.buffer.data() == request.bounce.data()) {
        scatter(request.buffer, request.command.data());
    }
    server.end(request, {});
}

void CommandServer::refuse(TcmuRequest& request, Sense sense) {
    end(request, {.status = scsi::status_check_condition, .sense = sense});
}

void CommandServer::end(TcmuRequest& request, const Answer& answer) {
    ring_.answer(request.command, answer);
    pool_.give_back(request);
}

}  // namespace reflux::tcmu
