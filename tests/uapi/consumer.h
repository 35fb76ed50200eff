/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Uses everything that <linux/vfio_nvlink2.h> defines, in C90 and C++11, with no C library.
 * Included after it, whatever came before; test_header_compile.py sees to it that nothing is
 * left out.
 */

#define IS(what, cond) typedef char is_##what[(cond) ? 1 : -1]

IS(abi_version, VFIO_NVLINK2_ABI_VERSION == 1);
IS(nvidia, VFIO_NVLINK2_VENDOR_NVIDIA == 0x10de);
IS(ibm, VFIO_NVLINK2_VENDOR_IBM == 0x1014);
/* 1 << 31, as <linux/vfio.h> has it, is no constant for a pedantic C99. */
IS(type_nvidia, VFIO_NVLINK2_REGION_TYPE_NVIDIA == (VFIO_NVLINK2_VENDOR_NVIDIA | 1U << 31));
IS(type_ibm, VFIO_NVLINK2_REGION_TYPE_IBM == (VFIO_NVLINK2_VENDOR_IBM | 1U << 31));
IS(atsd_size, VFIO_NVLINK2_ATSD_SIZE == 65536);
IS(ram, VFIO_REGION_SUBTYPE_NVIDIA_NVLINK2_RAM == 1);
IS(atsd, VFIO_REGION_SUBTYPE_IBM_NVLINK2_ATSD == 1);
IS(ssatgt, VFIO_REGION_INFO_CAP_NVLINK2_SSATGT == 4);
IS(ssatgt_version, VFIO_REGION_INFO_CAP_NVLINK2_SSATGT_VERSION == 1);
IS(lnkspd, VFIO_REGION_INFO_CAP_NVLINK2_LNKSPD == 5);
IS(lnkspd_version, VFIO_REGION_INFO_CAP_NVLINK2_LNKSPD_VERSION == 1);
IS(ssatgt_size, sizeof(struct vfio_region_info_cap_nvlink2_ssatgt) == 16);
IS(lnkspd_size, sizeof(struct vfio_region_info_cap_nvlink2_lnkspd) == 16);

/* Usable where the preprocessor decides. */
#if VFIO_NVLINK2_ABI_VERSION < 1 || VFIO_NVLINK2_REGION_TYPE_IBM < 0x80000000
#error "the preprocessor reads something else"
#endif
/* The header's own helper stays its own. */
#ifdef _VFIO_NVLINK2_SAME
#error "_VFIO_NVLINK2_SAME leaks out of the header"
#endif

int use(const struct vfio_region_info_cap_nvlink2_ssatgt *ssatgt,
	struct vfio_region_info_cap_nvlink2_lnkspd *lnkspd);

int use(const struct vfio_region_info_cap_nvlink2_ssatgt *ssatgt,
	struct vfio_region_info_cap_nvlink2_lnkspd *lnkspd)
{
	__u64 tgt = ssatgt->tgt;

	lnkspd->header = ssatgt->header;
	lnkspd->__pad = 0;
	switch (lnkspd->link_speed) {
	case VFIO_NVLINK2_SPEED_20G:
	case VFIO_NVLINK2_SPEED_25_78125G:
	case VFIO_NVLINK2_SPEED_25G:
		return tgt == 0;
	case VFIO_NVLINK2_SPEED_UNKNOWN:
		return lnkspd->header.id == VFIO_REGION_INFO_CAP_NVLINK2_LNKSPD;
	}
	return -1;
}
