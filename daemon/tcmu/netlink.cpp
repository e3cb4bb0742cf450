#include "daemon/tcmu/netlink.h"

#include "daemon/tcmu/kernel_interface.h"

#include <array>
#include <optional>

#include <netlink/errno.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

namespace reflux::tcmu {
namespace {

constexpr const char* family_name = "TCM-USER";
constexpr const char* group_name = "config";
constexpr std::uint8_t family_version = 2;

struct MessageTraits {
    using Handle = nl_msg*;
    static Handle none() noexcept { return nullptr; }
    static void release(Handle message) noexcept { nlmsg_free(message); }
};
using Message = Owner<MessageTraits>;

tl::unexpected<Error> failed(std::string_view what, int error) {
    const bool missing = error == -NLE_OBJ_NOTFOUND || error == -NLE_PERM;
    return fail({.kind = missing ? ErrorKind::unsupported : ErrorKind::system,
                 .message = fmt::format("{}: {}", what, nl_geterror(error))});
}

std::optional<DeviceEvent::Kind> kind_of(std::uint8_t command) {
    switch (command) {
        case kernel::added_device:
            return DeviceEvent::Kind::added;
        case kernel::removed_device:
            return DeviceEvent::Kind::removed;
        case kernel::reconfigured_device:
            return DeviceEvent::Kind::reconfigured;
        default:
            return std::nullopt;  // those of other daemons
    }
}

constexpr std::uint8_t reply_to(DeviceEvent::Kind kind) {
    switch (kind) {
        case DeviceEvent::Kind::added:
            return kernel::added_device_done;
        case DeviceEvent::Kind::removed:
            return kernel::removed_device_done;
        case DeviceEvent::Kind::reconfigured:
            return kernel::reconfigured_device_done;
    }
    return 0;
}

Result<Message> make_message(int family, int flags, std::uint8_t command) {
    Message message(nlmsg_alloc());
    if (!message || genlmsg_put(message.get(), NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, flags, command,
                                family_version) == nullptr) {
        return fail(ErrorKind::system, "no memory for a netlink message");
    }
    return message;
}

}  // namespace

void Netlink::SocketTraits::release(Handle socket) noexcept {
    nl_socket_free(socket);
}

int Netlink::fd() const {
    return nl_socket_get_fd(socket_.get());
}

int Netlink::on_message(nl_msg* message, void* self) {
    std::array<nla_policy, kernel::last_attribute + 1> policy{};
    policy[kernel::attribute_device].type = NLA_STRING;
    policy[kernel::attribute_minor].type = NLA_U32;
    policy[kernel::attribute_device_id].type = NLA_U32;
    std::array<nlattr*, kernel::last_attribute + 1> attributes{};
    const auto* const header = static_cast<const genlmsghdr*>(nlmsg_data(nlmsg_hdr(message)));
    const auto kind = kind_of(header->cmd);
    if (nlmsg_hdr(message)->nlmsg_type != static_cast<Netlink*>(self)->family_ || !kind ||
        genlmsg_parse(nlmsg_hdr(message), 0, attributes.data(), kernel::last_attribute, policy.data()) < 0 ||
        attributes[kernel::attribute_device] == nullptr || attributes[kernel::attribute_minor] == nullptr ||
        attributes[kernel::attribute_device_id] == nullptr) {
        return NL_OK;
    }
    static_cast<Netlink*>(self)->received_.push_back(
        {.kind = *kind,
         .device = nla_get_string(attributes[kernel::attribute_device]),
         .minor = nla_get_u32(attributes[kernel::attribute_minor]),
         .device_id = nla_get_u32(attributes[kernel::attribute_device_id])});
    return NL_OK;
}

Status Netlink::connect() {
    socket_ = Owner<SocketTraits>(nl_socket_alloc());
    if (!socket_) {
        return fail(ErrorKind::system, "no memory for a netlink socket");
    }
    nl_socket_disable_seq_check(socket_.get());  // events answer nothing
    nl_socket_modify_cb(socket_.get(), NL_CB_VALID, NL_CB_CUSTOM, on_message, this);
    if (const int error = genl_connect(socket_.get()); error < 0) {
        return failed("connect to generic netlink", error);
    }
    family_ = genl_ctrl_resolve(socket_.get(), family_name);
    const int group = genl_ctrl_resolve_grp(socket_.get(), family_name, group_name);
    if (family_ < 0 || group < 0) {
        return failed("generic netlink family TCM-USER (modprobe target_core_user)",
                      family_ < 0 ? family_ : group);
    }
    if (const int error = nl_socket_add_membership(socket_.get(), group); error < 0) {
        return failed("join the netlink group of TCM-USER", error);
    }
    return {};
}

// From then on the kernel waits for replies, whoever sends them.
Status Netlink::ask_for_replies() {
    REFLUX_TRY(auto message, make_message(family_, NLM_F_ACK, kernel::set_features));
    nla_put_u8(message.get(), kernel::attribute_supports_replies, 1);
    // Frees the message, whatever happens.
    if (const int error = nl_send_sync(socket_.get(), message.give_up()); error < 0) {
        return failed("TCM-USER's SET_FEATURES", error);
    }
    return {};
}

Result<std::unique_ptr<Netlink>> Netlink::open() {
    std::unique_ptr<Netlink> netlink(new Netlink);
    REFLUX_CHECK(netlink->connect());
    REFLUX_CHECK(netlink->ask_for_replies());
    if (const int error = nl_socket_set_nonblocking(netlink->socket_.get()); error < 0) {
        return failed("netlink socket", error);
    }
    return netlink;
}

Result<std::vector<DeviceEvent>> Netlink::receive() {
    // NLE_AGAIN: there was nothing.
    if (const int error = nl_recvmsgs_default(socket_.get()); error < 0 && error != -NLE_AGAIN) {
        return failed("receive an event of TCM-USER", error);
    }
    return std::exchange(received_, {});
}

Status Netlink::reply(const DeviceEvent& event, int error) {
    REFLUX_TRY(const auto message, make_message(family_, 0, reply_to(event.kind)));
    nla_put_s32(message.get(), kernel::attribute_status, -error);
    nla_put_u32(message.get(), kernel::attribute_device_id, event.device_id);
    if (const int sent = nl_send_auto(socket_.get(), message.get()); sent < 0) {
        return failed("reply to an event of TCM-USER", sent);
    }
    return {};
}

}  // namespace reflux::tcmu
