#include "backend/image_file.h"

#include "backend/io/transfer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace reflux {
namespace {

class SystemImageFile final : public ImageFile {
  public:
    explicit SystemImageFile(int fd) : fd_(fd) {}

    int read(std::uint64_t offset, std::span<std::byte> buffer) const override {
        return io::read_fully(fd_, offset, buffer);
    }
    int write(std::uint64_t offset, std::span<const std::byte> buffer) override {
        return io::write_fully(fd_, offset, buffer);
    }
    int sync() override { return io::sync_data(fd_); }
    int discard(std::uint64_t offset, std::uint64_t length) override {
        return again([&] {
            return ::fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                               static_cast<off_t>(length));
        });
    }
    int size(std::uint64_t& bytes) const override {
        struct stat status {};
        const int error = again([&] { return ::fstat(fd_, &status); });
        bytes = static_cast<std::uint64_t>(status.st_size);
        return error;
    }
    int set_size(std::uint64_t bytes) override {
        return again([&] { return ::ftruncate(fd_, static_cast<off_t>(bytes)); });
    }

  private:
    template <class Call>
    static int again(Call call) {
        int result = 0;
        do {
            result = call();
        } while (result != 0 && errno == EINTR);
        return result == 0 ? 0 : errno;
    }

    int fd_;
};

}  // namespace

std::unique_ptr<ImageFile> make_image_file(int fd) {
    return std::make_unique<SystemImageFile>(fd);
}

}  // namespace reflux
