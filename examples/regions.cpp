// SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR BSD-3-Clause
// The same as regions.c in C++11: what is open or mapped ends with its owner.
//
//	make -C examples && examples/regions-cpp 0004:04:00.0

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <iostream>
#include <stdexcept>
#include <string>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

#include <linux/vfio.h>
#include <linux/vfio_nvlink2.h>
#include <vfio_nvlink2_decode.h>

namespace {

int check(int result, const std::string &what)
{
	if (result < 0)
		throw std::runtime_error(what + ": " + std::strerror(errno));
	return result;
}

class Descriptor {
public:
	explicit Descriptor(int fd) : fd_(fd) {}
	explicit Descriptor(const std::string &path)
		: fd_(check(open(path.c_str(), O_RDWR | O_CLOEXEC), path)) {}
	Descriptor(const Descriptor &) = delete;
	Descriptor &operator=(const Descriptor &) = delete;
	~Descriptor() { close(fd_); }

	operator int() const { return fd_; }

private:
	int fd_;
};

class Mapping {
public:
	Mapping(int fd, const vfio_nvlink2_region &region)
		: size_(region.size),
		  at_(mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			   static_cast<off_t>(region.offset)))
	{
		check(at_ == MAP_FAILED ? -1 : 0, "mmap");
	}
	Mapping(const Mapping &) = delete;
	Mapping &operator=(const Mapping &) = delete;
	~Mapping() { munmap(at_, size_); }

	__u64 first() const { return *static_cast<const volatile __u64 *>(at_); }

private:
	size_t size_;
	void *at_;
};

std::string group_of(const std::string &device)
{
	char target[256];
	const std::string path = "/sys/bus/pci/devices/" + device + "/iommu_group";
	const ssize_t len = readlink(path.c_str(), target, sizeof(target));

	check(len < 0 ? -1 : 0, path);
	const std::string name(target, static_cast<size_t>(len));
	return name.substr(name.rfind('/') + 1);
}

// A group belongs to a container, its address space; then it gives out its devices.
int device_of(int container, int group, const std::string &device)
{
	check(ioctl(group, VFIO_GROUP_SET_CONTAINER, &container), "VFIO_GROUP_SET_CONTAINER");
	check(ioctl(container, VFIO_SET_IOMMU, VFIO_SPAPR_TCE_v2_IOMMU), "VFIO_SET_IOMMU");
	return check(ioctl(group, VFIO_GROUP_GET_DEVICE_FD, device.c_str()),
		     "VFIO_GROUP_GET_DEVICE_FD");
}

// The first call says how much room the capabilities need, the second one has it.
vfio_nvlink2_region ask(int fd, __u32 index)
{
	std::vector<unsigned char> answer(sizeof(vfio_region_info));
	vfio_nvlink2_region region;

	for (;;) {
		auto *info = reinterpret_cast<vfio_region_info *>(answer.data());

		info->argsz = static_cast<__u32>(answer.size());
		info->index = index;
		check(ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, info), "VFIO_DEVICE_GET_REGION_INFO");
		if (info->argsz <= answer.size())
			break;
		answer.assign(info->argsz, 0);
	}
	const auto status = vfio_nvlink2_decode(answer.data(), answer.size(), &region);
	if (status != VFIO_NVLINK2_OK)
		throw std::runtime_error(vfio_nvlink2_status_name(status));
	return region;
}

void show(int fd, const std::string &device, __u32 index)
{
	const vfio_nvlink2_region region = ask(fd, index);

	std::cout << device << " region " << index << ": " << vfio_nvlink2_kind_name(region.kind)
		  << ", " << region.size << " bytes";
	if (region.has_ssatgt)
		std::cout << ", tgt 0x" << std::hex << region.tgt << std::dec;
	if (region.has_lnkspd)
		std::cout << ", link speed code " << region.link_speed;
	std::cout << "\n";

	// A bridge without ATSD registers has a region of size 0.
	if (!region.size || !(region.flags & VFIO_REGION_INFO_FLAG_MMAP))
		return;
	const Mapping mapping(fd, region);
	// ATSD registers are for the GPU's driver: nothing is to be learnt from a load.
	if (region.kind == VFIO_NVLINK2_KIND_GPU_RAM)
		std::cout << "first word 0x" << std::hex << mapping.first() << std::dec << "\n";
	else
		std::cout << "mapped\n";
}

void show_all(const std::string &device)
{
	const Descriptor container("/dev/vfio/vfio"), group("/dev/vfio/" + group_of(device));
	const Descriptor fd(device_of(container, group, device));
	vfio_device_info info = {};

	info.argsz = sizeof(info);
	check(ioctl(fd, VFIO_DEVICE_GET_INFO, &info), "VFIO_DEVICE_GET_INFO");
	for (__u32 index = VFIO_PCI_NUM_REGIONS; index < info.num_regions; index++)
		show(fd, device, index);
}

} // namespace

int main(int argc, char **argv)
{
	if (argc != 2) {
		std::cerr << "usage: " << argv[0] << " DEVICE, such as 0004:04:00.0\n";
		return 2;
	}
	try {
		show_all(argv[1]);
	} catch (const std::exception &error) {
		std::cerr << "regions: " << error.what() << "\n";
		return 1;
	}
	return 0;
}
