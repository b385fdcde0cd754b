/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * amdvi_spec.h - registers, structures, commands and log entries of the AMD I/O Virtualization Technology
 * specification (48882), field by field. Words only. Numbers in comments are its sections.
 */
#ifndef AMDVI_SPEC_H
#define AMDVI_SPEC_H

#include "bits.h"

/* ---- 3.2 PCI capability block ---- */

#define AMD_CAP_ID	  BITS(7, 0) /* 0x0f */
#define AMD_CAP_NEXT	  BITS(15, 8)
#define AMD_CAP_TYPE	  BITS(18, 16) /* 3 */
#define AMD_CAP_REV	  BITS(23, 19) /* 1 */
#define AMD_CAP_IOTLB	  BIT(24)
#define AMD_CAP_HT_TUNNEL BIT(25)
#define AMD_CAP_NP_CACHE  BIT(26)
#define AMD_CAP_EFR	  BIT(27)
#define AMD_CAP_EXT	  BIT(28)
#define AMD_CAP_RSVD	  BITS(31, 29)
static_assert(AMD_CAP_ID + AMD_CAP_NEXT + AMD_CAP_TYPE + AMD_CAP_REV + AMD_CAP_IOTLB +
			      AMD_CAP_HT_TUNNEL + AMD_CAP_NP_CACHE + AMD_CAP_EFR + AMD_CAP_EXT +
			      AMD_CAP_RSVD ==
		      UINT32_MAX,
	      "3.2.1");

#define AMD_BASE_ENABLE BIT(0)
#define AMD_BASE_ADDR	BITS(63, 14)

#define AMD_MISC0_MSI	  BITS(4, 0)
#define AMD_MISC0_GVA	  BITS(7, 5) /* 2: 48 bits */
#define AMD_MISC0_PA	  BITS(14, 8)
#define AMD_MISC0_VA	  BITS(21, 15)
#define AMD_MISC0_MSI_PPR BITS(31, 27)
#define AMD_MISC1_MSI_GA  BITS(4, 0)

/* ---- 3.4 MMIO registers ---- */

#define AMD_REGISTER_BYTES 0x4000U

#define AMD_DEV_TABLE	 0x00U
#define AMD_CMD_BASE	 0x08U
#define AMD_EVT_BASE	 0x10U
#define AMD_CONTROL	 0x18U
#define AMD_EXCL_BASE	 0x20U
#define AMD_EXCL_LIMIT	 0x28U
#define AMD_EFR		 0x30U
#define AMD_PPR_BASE	 0x38U
#define AMD_HE_UPPER	 0x40U
#define AMD_HE_LOWER	 0x48U
#define AMD_HE_STATUS	 0x50U
#define AMD_GA_BASE	 0xe0U
#define AMD_GA_TAIL_ADDR 0xe8U
#define AMD_DEV_SEGMENT	 0x100U /* segments 1 to 7, 8 bytes each */
#define AMD_MISC0	 0x150U
#define AMD_MISC1	 0x154U
#define AMD_MSI_CAP	 0x158U
#define AMD_MSI_ADDR_LO	 0x15cU
#define AMD_MSI_ADDR_HI	 0x160U
#define AMD_MSI_DATA	 0x164U
#define AMD_MSI_MAP	 0x168U
#define AMD_PERF_OPT	 0x16cU
#define AMD_XT_EVENT	 0x170U
#define AMD_XT_PPR	 0x178U
#define AMD_XT_GA	 0x180U
#define AMD_EFR2	 0x1a0U
#define AMD_CMD_HEAD	 0x2000U
#define AMD_CMD_TAIL	 0x2008U
#define AMD_EVT_HEAD	 0x2010U
#define AMD_EVT_TAIL	 0x2018U
#define AMD_STATUS	 0x2020U
#define AMD_PPR_HEAD	 0x2030U
#define AMD_PPR_TAIL	 0x2038U
#define AMD_GA_HEAD	 0x2040U
#define AMD_GA_TAIL	 0x2048U
#define AMD_PPR_AUTO	 0x2080U

/* 3.4.1 Device table base */
#define AMD_DT_SIZE	    BITS(8, 0) /* 4 KiB units - 1 */
#define AMD_DT_SEGMENT_SIZE BITS(7, 0)
#define AMD_DT_ADDR	    BITS(51, 12)

/* 3.4.2 and others: bases of buffers and logs */
#define AMD_RING_ADDR	 BITS(51, 12)
#define AMD_RING_LEN	 BITS(59, 56) /* 1 << len entries of 16 bytes; below 8 reserved */
#define AMD_RING_LEN_MIN 8U
#define AMD_RING_POINTER BITS(18, 4)
#define AMD_GA_POINTER	 BITS(18, 3)

/* 3.4.3 Control */
#define AMD_CTRL_IOMMU_EN	 BIT(0)
#define AMD_CTRL_HT_TUN_EN	 BIT(1)
#define AMD_CTRL_EVENT_LOG_EN	 BIT(2)
#define AMD_CTRL_EVENT_INT_EN	 BIT(3)
#define AMD_CTRL_COM_WAIT_INT_EN BIT(4)
#define AMD_CTRL_INV_TIME_OUT	 BITS(7, 5)
#define AMD_CTRL_PASS_PW	 BIT(8)
#define AMD_CTRL_RES_PASS_PW	 BIT(9)
#define AMD_CTRL_COHERENT	 BIT(10)
#define AMD_CTRL_ISOC		 BIT(11)
#define AMD_CTRL_CMD_BUF_EN	 BIT(12)
#define AMD_CTRL_PPR_LOG_EN	 BIT(13)
#define AMD_CTRL_PPR_INT_EN	 BIT(14)
#define AMD_CTRL_PPR_EN		 BIT(15)
#define AMD_CTRL_GT_EN		 BIT(16)
#define AMD_CTRL_GA_EN		 BIT(17)
#define AMD_CTRL_RSVD_18	 BITS(21, 18)
#define AMD_CTRL_SMIF_EN	 BIT(22)
#define AMD_CTRL_SLF_WB_DIS	 BIT(23)
#define AMD_CTRL_SMIF_LOG_EN	 BIT(24)
#define AMD_CTRL_GAM_EN		 BITS(27, 25) /* 1: vAPIC */
#define AMD_CTRL_GA_LOG_EN	 BIT(28)
#define AMD_CTRL_GA_INT_EN	 BIT(29)
#define AMD_CTRL_DUAL_PPR	 BITS(31, 30)
#define AMD_CTRL_DUAL_EVT	 BITS(33, 32)
#define AMD_CTRL_DEV_SEG_EN	 BITS(36, 34) /* 1 << n segments */
#define AMD_CTRL_PRIV_ABRT	 BITS(38, 37)
#define AMD_CTRL_PPR_AUTO_RSP	 BIT(39)
#define AMD_CTRL_MARC_EN	 BIT(40)
#define AMD_CTRL_BLK_STOP_MRK	 BIT(41)
#define AMD_CTRL_PPR_AUTO_AON	 BIT(42)
#define AMD_CTRL_NUM_INT_REMAP	 BITS(44, 43)
#define AMD_CTRL_EPH_EN		 BIT(45)
#define AMD_CTRL_HAD_UPDATE	 BITS(47, 46) /* as DTE.HAD */
#define AMD_CTRL_GD_UPDATE_DIS	 BIT(48)
#define AMD_CTRL_RSVD_49	 BIT(49)
#define AMD_CTRL_XT_EN		 BIT(50)
#define AMD_CTRL_INT_CAP_XT_EN	 BIT(51)
#define AMD_CTRL_VCMD_EN	 BIT(52)
#define AMD_CTRL_VIOMMU_EN	 BIT(53)
#define AMD_CTRL_GA_UPDATE_DIS	 BIT(54)
#define AMD_CTRL_GAPPI_EN	 BIT(55)
#define AMD_CTRL_TMPM		 BIT(56)
#define AMD_CTRL_RSVD_57	 BIT(57)
#define AMD_CTRL_GCR3_TRP_MODE	 BIT(58)
#define AMD_CTRL_IRT_CACHE_DIS	 BIT(59)
#define AMD_CTRL_GST_BUF_TRP	 BIT(60)
#define AMD_CTRL_SNP_AVIC	 BITS(63, 61)
static_assert(AMD_CTRL_IOMMU_EN + AMD_CTRL_HT_TUN_EN + AMD_CTRL_EVENT_LOG_EN +
			      AMD_CTRL_EVENT_INT_EN + AMD_CTRL_COM_WAIT_INT_EN +
			      AMD_CTRL_INV_TIME_OUT + AMD_CTRL_PASS_PW + AMD_CTRL_RES_PASS_PW +
			      AMD_CTRL_COHERENT + AMD_CTRL_ISOC + AMD_CTRL_CMD_BUF_EN +
			      AMD_CTRL_PPR_LOG_EN + AMD_CTRL_PPR_INT_EN + AMD_CTRL_PPR_EN +
			      AMD_CTRL_GT_EN + AMD_CTRL_GA_EN + AMD_CTRL_RSVD_18 +
			      AMD_CTRL_SMIF_EN + AMD_CTRL_SLF_WB_DIS + AMD_CTRL_SMIF_LOG_EN +
			      AMD_CTRL_GAM_EN + AMD_CTRL_GA_LOG_EN + AMD_CTRL_GA_INT_EN +
			      AMD_CTRL_DUAL_PPR + AMD_CTRL_DUAL_EVT + AMD_CTRL_DEV_SEG_EN +
			      AMD_CTRL_PRIV_ABRT + AMD_CTRL_PPR_AUTO_RSP + AMD_CTRL_MARC_EN +
			      AMD_CTRL_BLK_STOP_MRK + AMD_CTRL_PPR_AUTO_AON +
			      AMD_CTRL_NUM_INT_REMAP + AMD_CTRL_EPH_EN + AMD_CTRL_HAD_UPDATE +
			      AMD_CTRL_GD_UPDATE_DIS + AMD_CTRL_RSVD_49 + AMD_CTRL_XT_EN +
			      AMD_CTRL_INT_CAP_XT_EN + AMD_CTRL_VCMD_EN + AMD_CTRL_VIOMMU_EN +
			      AMD_CTRL_GA_UPDATE_DIS + AMD_CTRL_GAPPI_EN + AMD_CTRL_TMPM +
			      AMD_CTRL_RSVD_57 + AMD_CTRL_GCR3_TRP_MODE + AMD_CTRL_IRT_CACHE_DIS +
			      AMD_CTRL_GST_BUF_TRP + AMD_CTRL_SNP_AVIC ==
		      UINT64_MAX,
	      "3.4.3");

/* 3.4.4 Exclusion range */
#define AMD_EXCL_EN    BIT(0)
#define AMD_EXCL_ALLOW BIT(1)
#define AMD_EXCL_ADDR  BITS(51, 12)

/* 3.4.5 Extended features */
#define AMD_EFR_PREF	     BIT(0)
#define AMD_EFR_PPR	     BIT(1)
#define AMD_EFR_XT	     BIT(2)
#define AMD_EFR_NX	     BIT(3)
#define AMD_EFR_GT	     BIT(4)
#define AMD_EFR_GAPPI	     BIT(5)
#define AMD_EFR_IA	     BIT(6)
#define AMD_EFR_GA	     BIT(7)
#define AMD_EFR_HE	     BIT(8)
#define AMD_EFR_PC	     BIT(9)
#define AMD_EFR_HATS	     BITS(11, 10) /* levels of v1 tables - 4; 3: none */
#define AMD_EFR_GATS	     BITS(13, 12) /* levels of v2 tables - 4 */
#define AMD_EFR_GLX	     BITS(15, 14) /* levels of GCR3 tables - 1 */
#define AMD_EFR_SMIF	     BITS(17, 16)
#define AMD_EFR_SMIFRC	     BITS(20, 18)
#define AMD_EFR_GAM	     BITS(23, 21)
#define AMD_EFR_DUAL_PPR     BITS(25, 24)
#define AMD_EFR_RSVD_26	     BITS(27, 26)
#define AMD_EFR_DUAL_EVT     BITS(29, 28)
#define AMD_EFR_RSVD_30	     BIT(30)
#define AMD_EFR_SATS	     BIT(31)
#define AMD_EFR_PASMAX	     BITS(36, 32) /* bits of a PASID - 1 */
#define AMD_EFR_US	     BIT(37)
#define AMD_EFR_DEV_SEG	     BITS(39, 38)
#define AMD_EFR_PPR_EARLY    BIT(40)
#define AMD_EFR_PPR_AUTO     BIT(41)
#define AMD_EFR_MARC	     BITS(43, 42)
#define AMD_EFR_BLK_STOP_MRK BIT(44)
#define AMD_EFR_PERF_OPT     BIT(45)
#define AMD_EFR_MSI_CAP	     BIT(46)
#define AMD_EFR_SNOOP	     BIT(47)
#define AMD_EFR_GIO	     BIT(48)
#define AMD_EFR_HA	     BIT(49)
#define AMD_EFR_EPH	     BIT(50)
#define AMD_EFR_ATTR_FW	     BIT(51)
#define AMD_EFR_HD	     BIT(52)
#define AMD_EFR_HD_DIS	     BIT(53)
#define AMD_EFR_INV_TYPE     BIT(54)
#define AMD_EFR_VIOMMU	     BIT(55)
#define AMD_EFR_VM_GUARD     BIT(56)
#define AMD_EFR_VM_TABLE     BITS(60, 57)
#define AMD_EFR_GA_UPDATE    BIT(61)
#define AMD_EFR_PHY_DEST     BIT(62)
#define AMD_EFR_SNP	     BIT(63)
static_assert(AMD_EFR_PREF + AMD_EFR_PPR + AMD_EFR_XT + AMD_EFR_NX + AMD_EFR_GT + AMD_EFR_GAPPI +
			      AMD_EFR_IA + AMD_EFR_GA + AMD_EFR_HE + AMD_EFR_PC + AMD_EFR_HATS +
			      AMD_EFR_GATS + AMD_EFR_GLX + AMD_EFR_SMIF + AMD_EFR_SMIFRC +
			      AMD_EFR_GAM + AMD_EFR_DUAL_PPR + AMD_EFR_RSVD_26 + AMD_EFR_DUAL_EVT +
			      AMD_EFR_RSVD_30 + AMD_EFR_SATS + AMD_EFR_PASMAX + AMD_EFR_US +
			      AMD_EFR_DEV_SEG + AMD_EFR_PPR_EARLY + AMD_EFR_PPR_AUTO +
			      AMD_EFR_MARC + AMD_EFR_BLK_STOP_MRK + AMD_EFR_PERF_OPT +
			      AMD_EFR_MSI_CAP + AMD_EFR_SNOOP + AMD_EFR_GIO + AMD_EFR_HA +
			      AMD_EFR_EPH + AMD_EFR_ATTR_FW + AMD_EFR_HD + AMD_EFR_HD_DIS +
			      AMD_EFR_INV_TYPE + AMD_EFR_VIOMMU + AMD_EFR_VM_GUARD +
			      AMD_EFR_VM_TABLE + AMD_EFR_GA_UPDATE + AMD_EFR_PHY_DEST +
			      AMD_EFR_SNP ==
		      UINT64_MAX,
	      "3.4.5");

#define AMD_HATS_NONE 3U
#define AMD_GAM_VAPIC 1U

/* Extended features 2 */
#define AMD_EFR2_SNP_IO	   BIT(1)
#define AMD_EFR2_GCR3_TRP  BIT(3)
#define AMD_EFR2_GAPPI_DIS BIT(4)
#define AMD_EFR2_SNP_AVIC  BITS(7, 5)
#define AMD_EFR2_INT_REMAP BITS(9, 8) /* 1: 2048 entries */
#define AMD_EFR2_HT_IGNORE BIT(11)

/* 3.4.6 Hardware event status */
#define AMD_HE_VALID	BIT(0)
#define AMD_HE_OVERFLOW BIT(1)

/* MSI capability, in MMIO: header, with message control above */
#define AMD_MSI_ENABLE	 BIT(16)
#define AMD_MSI_CAPABLE	 BITS(19, 17)
#define AMD_MSI_MULTIPLE BITS(22, 20) /* log2 of the messages that may be used */
#define AMD_MSI_64	 BIT(23)

/* x2APIC interrupt control */
#define AMD_XT_DEST_MODE BIT(2)
#define AMD_XT_DEST_LO	 BITS(31, 8)
#define AMD_XT_VECTOR	 BITS(39, 32)
#define AMD_XT_DELIVERY	 BIT(40)
#define AMD_XT_DEST_HI	 BITS(63, 56)

/* 3.4.15 Status */
#define AMD_ST_EVT_OVERFLOW BIT(0)
#define AMD_ST_EVT_INT	    BIT(1)
#define AMD_ST_COM_WAIT_INT BIT(2)
#define AMD_ST_EVT_RUN	    BIT(3)
#define AMD_ST_CMD_RUN	    BIT(4)
#define AMD_ST_PPR_OVERFLOW BIT(5)
#define AMD_ST_PPR_INT	    BIT(6)
#define AMD_ST_PPR_RUN	    BIT(7)
#define AMD_ST_GA_RUN	    BIT(8)
#define AMD_ST_GA_OVERFLOW  BIT(9)
#define AMD_ST_GA_INT	    BIT(10)
#define AMD_ST_W1C                                                                                 \
	(AMD_ST_EVT_OVERFLOW | AMD_ST_EVT_INT | AMD_ST_COM_WAIT_INT | AMD_ST_PPR_OVERFLOW |        \
	 AMD_ST_PPR_INT | AMD_ST_GA_OVERFLOW | AMD_ST_GA_INT)
#define AMD_ST_RUN (AMD_ST_EVT_RUN | AMD_ST_CMD_RUN | AMD_ST_PPR_RUN | AMD_ST_GA_RUN)

/* PPR auto response */
#define AMD_AUTO_CODE BITS(3, 0)
#define AMD_AUTO_MASK BIT(4)

/* ---- 2.2.2 Device table entry, 32 bytes ---- */

#define AMD_DTE_BYTES 32U

/* bits 63:0 */
#define AMD_DTE_V	BIT(0)
#define AMD_DTE_TV	BIT(1)
#define AMD_DTE_RSVD_2	BITS(6, 2)
#define AMD_DTE_HAD	BITS(8, 7) /* 0 none, 1 accessed, 3 accessed and dirty */
#define AMD_DTE_MODE	BITS(11, 9)
#define AMD_DTE_ROOT	BITS(51, 12)
#define AMD_DTE_PPR	BIT(52)
#define AMD_DTE_GPRP	BIT(53)
#define AMD_DTE_GIOV	BIT(54)
#define AMD_DTE_GV	BIT(55)
#define AMD_DTE_GLX	BITS(57, 56)
#define AMD_DTE_GCR3_LO BITS(60, 58) /* bits 14:12 */
#define AMD_DTE_IR	BIT(61)
#define AMD_DTE_IW	BIT(62)
#define AMD_DTE_RSVD_63 BIT(63)
static_assert(AMD_DTE_V + AMD_DTE_TV + AMD_DTE_RSVD_2 + AMD_DTE_HAD + AMD_DTE_MODE + AMD_DTE_ROOT +
			      AMD_DTE_PPR + AMD_DTE_GPRP + AMD_DTE_GIOV + AMD_DTE_GV + AMD_DTE_GLX +
			      AMD_DTE_GCR3_LO + AMD_DTE_IR + AMD_DTE_IW + AMD_DTE_RSVD_63 ==
		      UINT64_MAX,
	      "2.2.2.1");
#define AMD_DTE_MODE_RSVD 7U

/* bits 127:64 */
#define AMD_DTE_DOMAIN	 BITS(15, 0)
#define AMD_DTE_GCR3_MID BITS(31, 16) /* bits 30:15 */
#define AMD_DTE_I	 BIT(32)
#define AMD_DTE_SE	 BIT(33)
#define AMD_DTE_SA	 BIT(34)
#define AMD_DTE_IOCTL	 BITS(36, 35)
#define AMD_DTE_CACHE	 BIT(37)
#define AMD_DTE_SD	 BIT(38)
#define AMD_DTE_EX	 BIT(39)
#define AMD_DTE_SYSMGT	 BITS(41, 40)
#define AMD_DTE_SATS	 BIT(42)
#define AMD_DTE_GCR3_HI	 BITS(63, 43) /* bits 51:31 */
static_assert(AMD_DTE_DOMAIN + AMD_DTE_GCR3_MID + AMD_DTE_I + AMD_DTE_SE + AMD_DTE_SA +
			      AMD_DTE_IOCTL + AMD_DTE_CACHE + AMD_DTE_SD + AMD_DTE_EX +
			      AMD_DTE_SYSMGT + AMD_DTE_SATS + AMD_DTE_GCR3_HI ==
		      UINT64_MAX,
	      "2.2.2.1");
#define AMD_CONTROL_ABORT     0U /* IoCtl, SysMgt, IntCtl */
#define AMD_CONTROL_FORWARD   1U
#define AMD_CONTROL_TRANSLATE 2U /* IoCtl, IntCtl */
#define AMD_SYSMGT_INTX	      2U
#define AMD_SYSMGT_TRANSLATE  3U

/* bits 191:128 */
#define AMD_DTE_IV	   BIT(0)
#define AMD_DTE_INT_LEN	   BITS(4, 1) /* 1 << n entries */
#define AMD_DTE_IG	   BIT(5)
#define AMD_DTE_INT_ROOT   BITS(51, 6)
#define AMD_DTE_RSVD_180   BITS(53, 52)
#define AMD_DTE_PAGING	   BITS(55, 54) /* levels of v2 tables - 4 */
#define AMD_DTE_INIT_PASS  BIT(56)
#define AMD_DTE_EINT_PASS  BIT(57)
#define AMD_DTE_NMI_PASS   BIT(58)
#define AMD_DTE_HPT_MODE   BIT(59)
#define AMD_DTE_INT_CTL	   BITS(61, 60)
#define AMD_DTE_LINT0_PASS BIT(62)
#define AMD_DTE_LINT1_PASS BIT(63)
static_assert(AMD_DTE_IV + AMD_DTE_INT_LEN + AMD_DTE_IG + AMD_DTE_INT_ROOT + AMD_DTE_RSVD_180 +
			      AMD_DTE_PAGING + AMD_DTE_INIT_PASS + AMD_DTE_EINT_PASS +
			      AMD_DTE_NMI_PASS + AMD_DTE_HPT_MODE + AMD_DTE_INT_CTL +
			      AMD_DTE_LINT0_PASS + AMD_DTE_LINT1_PASS ==
		      UINT64_MAX,
	      "2.2.2.1");
#define AMD_INT_LEN_MAX 11U

/* bits 255:192 */
#define AMD_DTE_RSVD_192 BITS(14, 0)
#define AMD_DTE_VIMU	 BITS(47, 15) /* vImuEn, GDeviceID, GuestID: reserved without EFR.vIOMMU */
#define AMD_DTE_RSVD_240 BITS(53, 48)
#define AMD_DTE_ATTR	 BITS(63, 54) /* AttrV, Mode0FC, SnoopAttribute */
static_assert(AMD_DTE_RSVD_192 + AMD_DTE_VIMU + AMD_DTE_RSVD_240 + AMD_DTE_ATTR == UINT64_MAX,
	      "2.2.2.1");

/* 2.2.6 GCR3 table entry */
#define AMD_GCR3_V    BIT(0)
#define AMD_GCR3_ROOT BITS(51, 12)

/* ---- 2.1.4 special addresses ---- */

#define AMD_WINDOW_FIRST UINT64_C(0xfee00000)
#define AMD_WINDOW_LAST	 UINT64_C(0xfeefffff)
#define AMD_HT_FIRST	 UINT64_C(0xfd00000000)
#define AMD_HT_LAST	 UINT64_C(0xffffffffff)

/* ---- 2.2.5 interrupt tables ---- */

#define AMD_MSI_INDEX	    BITS(10, 0) /* of the data */
#define AMD_MSI_DELIVERY    BITS(10, 8)
#define AMD_MSI_LEVEL	    BIT(15)
#define AMD_MSI_DM	    BIT(2) /* of the address */
#define AMD_MSI_RH	    BIT(3)
#define AMD_DELIVERY_FIXED  0U
#define AMD_DELIVERY_LOWEST 1U
#define AMD_DELIVERY_SMI    2U
#define AMD_DELIVERY_NMI    4U
#define AMD_DELIVERY_INIT   5U
#define AMD_DELIVERY_EXTINT 7U

/* 32-bit entry */
#define AMD_IRTE32_REMAP_EN BIT(0)
#define AMD_IRTE32_SUP_IOPF BIT(1)
#define AMD_IRTE32_TYPE	    BITS(4, 2)
#define AMD_IRTE32_RQ_EOI   BIT(5)
#define AMD_IRTE32_DM	    BIT(6)
#define AMD_IRTE32_GUEST    BIT(7)
#define AMD_IRTE32_DEST	    BITS(15, 8)
#define AMD_IRTE32_VECTOR   BITS(23, 16)
#define AMD_IRTE32_RSVD	    BITS(31, 24)
static_assert(AMD_IRTE32_REMAP_EN + AMD_IRTE32_SUP_IOPF + AMD_IRTE32_TYPE + AMD_IRTE32_RQ_EOI +
			      AMD_IRTE32_DM + AMD_IRTE32_GUEST + AMD_IRTE32_DEST +
			      AMD_IRTE32_VECTOR + AMD_IRTE32_RSVD ==
		      UINT32_MAX,
	      "2.2.5.1");

/* 128-bit entry, bits 63:0; what the forms have in common, then remapped, then guest */
#define AMD_IRTE_REMAP_EN    BIT(0)
#define AMD_IRTE_SUP_IOPF    BIT(1)
#define AMD_IRTE_GUEST	     BIT(7)
#define AMD_IRTE_DEST_LO     BITS(31, 8)
#define AMD_IRTE_HIGH	     BITS(63, 32) /* GATag of the guest form; ignored */
#define AMD_IRTE_TYPE	     BITS(4, 2)
#define AMD_IRTE_RQ_EOI	     BIT(5)
#define AMD_IRTE_DM	     BIT(6)
#define AMD_IRTE_GA_LOG_INTR BIT(2)
#define AMD_IRTE_RSVD_3	     BITS(4, 3)
#define AMD_IRTE_GAPPI_DIS   BIT(5)
#define AMD_IRTE_IS_RUN	     BIT(6)
static_assert(AMD_IRTE_REMAP_EN + AMD_IRTE_SUP_IOPF + AMD_IRTE_TYPE + AMD_IRTE_RQ_EOI +
			      AMD_IRTE_DM + AMD_IRTE_GUEST + AMD_IRTE_DEST_LO + AMD_IRTE_HIGH ==
		      UINT64_MAX,
	      "2.2.5.2");
static_assert(AMD_IRTE_REMAP_EN + AMD_IRTE_SUP_IOPF + AMD_IRTE_GA_LOG_INTR + AMD_IRTE_RSVD_3 +
			      AMD_IRTE_GAPPI_DIS + AMD_IRTE_IS_RUN + AMD_IRTE_GUEST +
			      AMD_IRTE_DEST_LO + AMD_IRTE_HIGH ==
		      UINT64_MAX,
	      "2.2.5.3");
/* bits 127:64 */
#define AMD_IRTE_VECTOR	  BITS(7, 0)
#define AMD_IRTE_RSVD_72  BITS(11, 8)
#define AMD_IRTE_GA_ROOT  BITS(51, 12) /* guest form */
#define AMD_IRTE_RSVD_116 BITS(55, 52)
#define AMD_IRTE_DEST_HI  BITS(63, 56)
static_assert(AMD_IRTE_VECTOR + AMD_IRTE_RSVD_72 + AMD_IRTE_GA_ROOT + AMD_IRTE_RSVD_116 +
			      AMD_IRTE_DEST_HI ==
		      UINT64_MAX,
	      "2.2.5.2");

#define AMD_VAPIC_IRR 0x200U

/* ---- 2.4 commands, two words ---- */

#define AMD_CMD_OPCODE BITS(63, 60)
enum amd_command {
	AMD_COMPLETION_WAIT = 1,
	AMD_INVALIDATE_DEVTAB_ENTRY = 2,
	AMD_INVALIDATE_IOMMU_PAGES = 3,
	AMD_INVALIDATE_IOTLB_PAGES = 4,
	AMD_INVALIDATE_INTERRUPT_TABLE = 5,
	AMD_PREFETCH_IOMMU_PAGES = 6,
	AMD_COMPLETE_PPR_REQUEST = 7,
	AMD_INVALIDATE_IOMMU_ALL = 8,
};

#define AMD_CMD_DEVICE	 BITS(15, 0)
#define AMD_CMD_PASID	 BITS(19, 0) /* op 3; op 6, 7: in the upper half of the word */
#define AMD_CMD_PASID_HI BITS(51, 32)
#define AMD_CMD_DOMAIN	 BITS(47, 32)
/* upper word of 3, 4, 6 */
#define AMD_CMD_S     BIT(0)
#define AMD_CMD_PDE   BIT(1)
#define AMD_CMD_GN    BIT(2)
#define AMD_CMD_INVAL BIT(4)
#define AMD_CMD_TYPE  BITS(5, 4)
#define AMD_CMD_ADDR  BITS(63, 12)
/* op 1 */
#define AMD_WAIT_S    BIT(0)
#define AMD_WAIT_I    BIT(1)
#define AMD_WAIT_F    BIT(2)
#define AMD_WAIT_ADDR BITS(51, 3)
/* op 4 */
#define AMD_IOTLB_PASID_MID BITS(23, 16) /* bits 15:8 */
#define AMD_IOTLB_MAX_PEND  BITS(31, 24)
#define AMD_IOTLB_QUEUE	    BITS(47, 32)
#define AMD_IOTLB_PASID_LO  BITS(55, 48) /* bits 7:0 */
#define AMD_IOTLB_PASID_HI  BITS(59, 56) /* bits 19:16 */
/* op 6 */
#define AMD_PREFETCH_COUNT BITS(31, 24)
/* op 7, upper word */
#define AMD_PPR_GN	 BIT(2)
#define AMD_PPR_TAG	 BITS(40, 32)
#define AMD_PPR_TAG_RSVD BITS(43, 41)
#define AMD_PPR_STATUS	 BITS(47, 44)

/* ---- 2.5 events, two words ---- */

enum amd_event {
	AMD_EVT_NONE = 0,
	AMD_ILLEGAL_DEV_TABLE_ENTRY = 1,
	AMD_IO_PAGE_FAULT = 2,
	AMD_DEV_TAB_HARDWARE_ERROR = 3,
	AMD_PAGE_TAB_HARDWARE_ERROR = 4,
	AMD_ILLEGAL_COMMAND_ERROR = 5,
	AMD_COMMAND_HARDWARE_ERROR = 6,
	AMD_IOTLB_INV_TIMEOUT = 7,
	AMD_INVALID_DEVICE_REQUEST = 8,
	AMD_INVALID_PPR_REQUEST = 9,
};

#define AMD_EVT_DEVICE	 BITS(15, 0)
#define AMD_EVT_PASID_HI BITS(19, 16)
#define AMD_EVT_DOMAIN	 BITS(47, 32) /* or bits 15:0 of the PASID */
#define AMD_EVT_GN	 BIT(48)
#define AMD_EVT_NX	 BIT(49)
#define AMD_EVT_US	 BIT(50)
#define AMD_EVT_I	 BIT(51)
#define AMD_EVT_PR	 BIT(52)
#define AMD_EVT_RW	 BIT(53)
#define AMD_EVT_PE	 BIT(54)
#define AMD_EVT_RZ	 BIT(55)
#define AMD_EVT_TR	 BIT(56)
#define AMD_EVT_TYPE	 BITS(59, 57)
#define AMD_EVT_CODE	 BITS(63, 60)
/* INVALID_PPR_REQUEST */
#define AMD_EVT_PPR_PASID_LO BITS(31, 16)
#define AMD_EVT_PPR_TAG	     BITS(41, 32)
#define AMD_EVT_PPR_PASID_HI BITS(45, 42)

#define AMD_HARDWARE_TARGET_ABORT 2U
#define AMD_HARDWARE_DATA_ERROR	  3U

/* ---- 2.6 PPR log entry, two words ---- */

#define AMD_PPR_DEVICE	  BITS(15, 0)
#define AMD_PPR_PASID_LO  BITS(31, 16)
#define AMD_PPR_GROUP	  BITS(40, 32)
#define AMD_PPR_LAST	  BIT(41)
#define AMD_PPR_PASID_HI  BITS(45, 42)
#define AMD_PPR_X	  BIT(49)
#define AMD_PPR_R	  BIT(50)
#define AMD_PPR_W	  BIT(53)
#define AMD_PPR_US	  BIT(54)
#define AMD_PPR_FLAG_GN	  BIT(56)
#define AMD_PPR_CODE	  BITS(63, 60)
#define AMD_PPR_CODE_PAGE 1U

/* ---- 2.7 GA log entry, one word ---- */

#define AMD_GA_TAG	  BITS(31, 0)
#define AMD_GA_DEVICE	  BITS(47, 32)
#define AMD_GA_CODE	  BITS(63, 60)
#define AMD_GA_CODE_GUEST 1U

#endif
