// SPDX-License-Identifier: GPL-2.0-only
//
// A C++ program as a VMM's author would write one: nothing of this project but the header, and its
// own walk of the chain, which believes no offset.
//
//	importer FILE...
//
// Each file is a buffer that VFIO_DEVICE_GET_REGION_INFO filled, in this machine's byte order; the
// golden blobs are little endian. The text is that of generated/user/vfio_nvlink2.py, too: a
// line for each fact; exit status 0, 1 for a buffer that is wrong, 2 for one that cannot be read.

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include <linux/vfio_nvlink2.h>

namespace {

class Buffer {
public:
	explicit Buffer(const std::string &path)
	{
		std::ifstream file(path, std::ios::binary);

		if (!file)
			throw std::ios_base::failure("cannot be read");
		bytes_.assign(std::istreambuf_iterator<char>(file), {});
	}

	// A copy, as what lies in the buffer need not be aligned.
	template <typename T> T get(std::size_t at) const
	{
		T value;

		if (at > bytes_.size() || bytes_.size() - at < sizeof(value))
			throw std::out_of_range("a record is outside of the buffer");
		std::memcpy(&value, bytes_.data() + at, sizeof(value));
		return value;
	}

private:
	std::vector<char> bytes_;
};

template <typename T> void print(const std::string &path, const char *what, T value)
{
	std::printf("%s: %s 0x%llx\n", path.c_str(), what, static_cast<unsigned long long>(value));
}

const char *kind(const vfio_region_info_cap_type &type)
{
	if (type.type == VFIO_NVLINK2_REGION_TYPE_NVIDIA &&
	    type.subtype == VFIO_REGION_SUBTYPE_NVIDIA_NVLINK2_RAM)
		return "gpu_ram";
	if (type.type == VFIO_NVLINK2_REGION_TYPE_IBM &&
	    type.subtype == VFIO_REGION_SUBTYPE_IBM_NVLINK2_ATSD)
		return "atsd";
	return "none of NVLink2";
}

// False for a record that is not known.
bool record(const std::string &path, const Buffer &buffer, std::size_t at, std::uint16_t id)
{
	switch (id) {
	case VFIO_REGION_INFO_CAP_TYPE: {
		auto type = buffer.get<vfio_region_info_cap_type>(at);

		std::printf("%s: kind %s\n", path.c_str(), kind(type));
		print(path, "type", type.type);
		print(path, "subtype", type.subtype);
		break;
	}
	case VFIO_REGION_INFO_CAP_NVLINK2_SSATGT:
		print(path, "tgt", buffer.get<vfio_region_info_cap_nvlink2_ssatgt>(at).tgt);
		break;
	case VFIO_REGION_INFO_CAP_NVLINK2_LNKSPD:
		print(path, "link_speed",
		     buffer.get<vfio_region_info_cap_nvlink2_lnkspd>(at).link_speed);
		break;
	default:
		return false;
	}
	return true;
}

void region(const std::string &path)
{
	const Buffer buffer(path);
	const auto info = buffer.get<vfio_region_info>(0);
	std::size_t at = info.flags & VFIO_REGION_INFO_FLAG_CAPS ? info.cap_offset : 0;
	unsigned int unknown = 0;

	print(path, "index", info.index);
	print(path, "flags", info.flags);
	print(path, "size", info.size);
	print(path, "offset", info.offset);
	while (at) {
		const auto header = buffer.get<vfio_info_cap_header>(at);

		if (!record(path, buffer, at, header.id))
			unknown++;
		if (header.next && header.next <= at)
			throw std::runtime_error("the chain goes back");
		at = header.next;
	}
	if (unknown)
		std::printf("%s: unknown records %u\n", path.c_str(), unknown);
}

} // namespace

int main(int argc, char **argv)
{
	int status = argc > 1 ? 0 : 2;

	for (int i = 1; i < argc; i++) {
		try {
			region(argv[i]);
		} catch (const std::ios_base::failure &error) {
			std::fprintf(stderr, "%s: %s\n", argv[i], error.what());
			return 2;
		} catch (const std::exception &error) {
			std::fprintf(stderr, "%s: %s\n", argv[i], error.what());
			status = 1;
		}
	}
	return status;
}
