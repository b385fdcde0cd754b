/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * riscv_spec.h - registers, structures, commands and records of the RISC-V IOMMU (1.0.1), field by field. Chapters: 2 data
 * structures, 3 queues, 5 debug, 6 registers; AIA: "IOMMU Support for MSIs" of the Advanced Interrupt Architecture.
 */
#ifndef RISCV_SPEC_H
#define RISCV_SPEC_H

#include "bits.h"

/* ---- 6: registers ---- */

#define RISCV_CAPABILITIES 0x000U
#define RISCV_FCTL	   0x008U
#define RISCV_DDTP	   0x010U
#define RISCV_CQB	   0x018U
#define RISCV_CQH	   0x020U
#define RISCV_CQT	   0x024U
#define RISCV_FQB	   0x028U
#define RISCV_FQH	   0x030U
#define RISCV_FQT	   0x034U
#define RISCV_PQB	   0x038U
#define RISCV_PQH	   0x040U
#define RISCV_PQT	   0x044U
#define RISCV_CQCSR	   0x048U
#define RISCV_FQCSR	   0x04cU
#define RISCV_PQCSR	   0x050U
#define RISCV_IPSR	   0x054U
#define RISCV_IOCOUNTOVF   0x058U
#define RISCV_IOCOUNTINH   0x05cU
#define RISCV_IOHPMCYCLES  0x060U
#define RISCV_IOHPMCTR(n)  (0x068U + 8 * (n)) /* n from 0: the manual's from 1 */
#define RISCV_IOHPMEVT(n)  (0x160U + 8 * (n))
#define RISCV_TR_REQ_IOVA  0x258U
#define RISCV_TR_REQ_CTL   0x260U
#define RISCV_TR_RESPONSE  0x268U
#define RISCV_QOSID	   0x270U
#define RISCV_ICVEC	   0x2f8U
#define RISCV_MSI_ADDR(n)  (0x300U + 16 * (n))
#define RISCV_MSI_DATA(n)  (0x308U + 16 * (n))
#define RISCV_MSI_CTL(n)   (0x30cU + 16 * (n))
#define RISCV_REGISTERS	   0x1000U

/* 6.3 capabilities */
#define RISCV_CAP_VERSION  BITS(7, 0)
#define RISCV_CAP_SV32	   BIT(8)
#define RISCV_CAP_SV39	   BIT(9)
#define RISCV_CAP_SV48	   BIT(10)
#define RISCV_CAP_SV57	   BIT(11)
#define RISCV_CAP_RSVD_12  BITS(13, 12)
#define RISCV_CAP_RSW60	   BIT(14) /* Svrsw60t59b */
#define RISCV_CAP_SVPBMT   BIT(15)
#define RISCV_CAP_SV32X4   BIT(16)
#define RISCV_CAP_SV39X4   BIT(17)
#define RISCV_CAP_SV48X4   BIT(18)
#define RISCV_CAP_SV57X4   BIT(19)
#define RISCV_CAP_RSVD_20  BIT(20)
#define RISCV_CAP_AMO_MRIF BIT(21)
#define RISCV_CAP_MSI_FLAT BIT(22)
#define RISCV_CAP_MSI_MRIF BIT(23)
#define RISCV_CAP_AMO_HWAD BIT(24)
#define RISCV_CAP_ATS	   BIT(25)
#define RISCV_CAP_T2GPA	   BIT(26)
#define RISCV_CAP_END	   BIT(27)
#define RISCV_CAP_IGS	   BITS(29, 28)
#define RISCV_CAP_HPM	   BIT(30)
#define RISCV_CAP_DBG	   BIT(31)
#define RISCV_CAP_PAS	   BITS(37, 32)
#define RISCV_CAP_PD8	   BIT(38)
#define RISCV_CAP_PD17	   BIT(39)
#define RISCV_CAP_PD20	   BIT(40)
#define RISCV_CAP_QOSID	   BIT(41)
#define RISCV_CAP_NL	   BIT(42)
#define RISCV_CAP_S	   BIT(43)
#define RISCV_CAP_RSVD_44  BITS(55, 44)
#define RISCV_CAP_CUSTOM   BITS(63, 56)
#define RISCV_CAP_RSVD                                                                             \
	(RISCV_CAP_RSVD_12 | RISCV_CAP_RSVD_20 | RISCV_CAP_RSVD_44 | RISCV_CAP_CUSTOM)
static_assert(RISCV_CAP_VERSION + RISCV_CAP_SV32 + RISCV_CAP_SV39 + RISCV_CAP_SV48 +
			      RISCV_CAP_SV57 + RISCV_CAP_RSW60 + RISCV_CAP_SVPBMT +
			      RISCV_CAP_SV32X4 + RISCV_CAP_SV39X4 + RISCV_CAP_SV48X4 +
			      RISCV_CAP_SV57X4 + RISCV_CAP_AMO_MRIF + RISCV_CAP_MSI_FLAT +
			      RISCV_CAP_MSI_MRIF + RISCV_CAP_AMO_HWAD + RISCV_CAP_ATS +
			      RISCV_CAP_T2GPA + RISCV_CAP_END + RISCV_CAP_IGS + RISCV_CAP_HPM +
			      RISCV_CAP_DBG + RISCV_CAP_PAS + RISCV_CAP_PD8 + RISCV_CAP_PD17 +
			      RISCV_CAP_PD20 + RISCV_CAP_QOSID + RISCV_CAP_NL + RISCV_CAP_S +
			      RISCV_CAP_RSVD ==
		      UINT64_MAX,
	      "6.3");
enum riscv_igs { RISCV_IGS_MSI, RISCV_IGS_WSI, RISCV_IGS_BOTH };

/* 6.4 fctl */
#define RISCV_FCTL_BE  BIT(0)
#define RISCV_FCTL_WSI BIT(1)
#define RISCV_FCTL_GXL BIT(2)

/* 6.5 ddtp */
#define RISCV_DDTP_MODE BITS(3, 0)
#define RISCV_DDTP_BUSY BIT(4)
#define RISCV_DDTP_PPN	BITS(53, 10)
enum riscv_mode {
	RISCV_MODE_OFF,
	RISCV_MODE_BARE,
	RISCV_MODE_1LVL,
	RISCV_MODE_2LVL,
	RISCV_MODE_3LVL
};

/* 6.6 cqb, 6.9 fqb, 6.12 pqb */
#define RISCV_QB_LOG2SZ BITS(4, 0) /* minus 1 */
#define RISCV_QB_PPN	BITS(53, 10)

/* 6.15 to 6.17: what cqcsr, fqcsr and pqcsr have in common, and their own */
#define RISCV_CSR_EN	      BIT(0)
#define RISCV_CSR_IE	      BIT(1)
#define RISCV_CSR_MF	      BIT(8)
#define RISCV_CSR_ON	      BIT(16)
#define RISCV_CSR_BUSY	      BIT(17)
#define RISCV_CQCSR_CMD_TO    BIT(9)
#define RISCV_CQCSR_CMD_ILL   BIT(10)
#define RISCV_CQCSR_FENCE_W   BIT(11)
#define RISCV_CSR_OF	      BIT(9) /* fqcsr, pqcsr */
#define RISCV_CQCSR_ERRORS    (RISCV_CSR_MF | RISCV_CQCSR_CMD_TO | RISCV_CQCSR_CMD_ILL)
#define RISCV_CQCSR_CONDITION (RISCV_CQCSR_ERRORS | RISCV_CQCSR_FENCE_W)
#define RISCV_QCSR_CONDITION  (RISCV_CSR_MF | RISCV_CSR_OF)

/* 6.18 ipsr; icvec (6.26) has four bits for each of these, in the same order */
#define RISCV_IPSR_CIP	BIT(0)
#define RISCV_IPSR_FIP	BIT(1)
#define RISCV_IPSR_PMIP BIT(2)
#define RISCV_IPSR_PIP	BIT(3)
#define RISCV_IPSR_ALL	BITS(3, 0)
#define RISCV_CAUSES	4U /* of interrupts */
#define RISCV_VECTORS	16U

/* 6.19 to 6.23 */
#define RISCV_COUNTERS	    31U
#define RISCV_CYCLES_OF	    BIT(63)
#define RISCV_CYCLES_COUNT  BITS(62, 0)
#define RISCV_EVT_ID	    BITS(14, 0)
#define RISCV_EVT_DMASK	    BIT(15)
#define RISCV_EVT_PID_PSCID BITS(35, 16)
#define RISCV_EVT_DID_GSCID BITS(59, 36)
#define RISCV_EVT_PV_PSCV   BIT(60)
#define RISCV_EVT_DV_GSCV   BIT(61)
#define RISCV_EVT_IDT	    BIT(62)
#define RISCV_EVT_OF	    BIT(63)
static_assert(RISCV_EVT_ID + RISCV_EVT_DMASK + RISCV_EVT_PID_PSCID + RISCV_EVT_DID_GSCID +
			      RISCV_EVT_PV_PSCV + RISCV_EVT_DV_GSCV + RISCV_EVT_IDT +
			      RISCV_EVT_OF ==
		      UINT64_MAX,
	      "6.23");
enum riscv_event {
	RISCV_EVENT_NONE,
	RISCV_EVENT_UNTRANSLATED,
	RISCV_EVENT_TRANSLATED,
	RISCV_EVENT_ATS,
	RISCV_EVENT_TLB_MISS,
	RISCV_EVENT_DDT_WALK,
	RISCV_EVENT_PDT_WALK,
	RISCV_EVENT_FIRST_WALK,
	RISCV_EVENT_SECOND_WALK,
	RISCV_EVENTS
};

/* 6.24 tr_req_ctl, 6.25 tr_response */
#define RISCV_TR_GO   BIT(0)
#define RISCV_TR_PRIV BIT(1)
#define RISCV_TR_EXE  BIT(2)
#define RISCV_TR_NW   BIT(3)
#define RISCV_TR_PID  BITS(31, 12)
#define RISCV_TR_PV   BIT(32)
#define RISCV_TR_DID  BITS(63, 40)
#define RISCV_TR_VPN  BITS(63, 12)

#define RISCV_RESPONSE_FAULT BIT(0)
#define RISCV_RESPONSE_PBMT  BITS(8, 7)
#define RISCV_RESPONSE_S     BIT(9)
#define RISCV_RESPONSE_PPN   BITS(53, 10)

/* 4.1 iommu_qosid */
#define RISCV_QOSID_RCID BITS(11, 0)
#define RISCV_QOSID_MCID BITS(27, 16)

/* 6.27 msi_cfg_tbl */
#define RISCV_MSI_ADDRESS BITS(55, 2)
#define RISCV_MSI_MASKED  BIT(0)

/* ---- 2.1: device directory ---- */

/* Entries that lead to tables, here and of the process directory */
#define RISCV_DIR_V    BIT(0)
#define RISCV_DIR_RSVD (BITS(9, 1) | BITS(63, 54))
#define RISCV_DIR_PPN  BITS(53, 10)
static_assert(RISCV_DIR_V + RISCV_DIR_RSVD + RISCV_DIR_PPN == UINT64_MAX, "2.1.1");

/* Doublewords of a device context; the last four with MSI_FLAT */
enum riscv_dc {
	RISCV_DC_TC,
	RISCV_DC_IOHGATP,
	RISCV_DC_TA,
	RISCV_DC_FSC,
	RISCV_DC_MSIPTP,
	RISCV_DC_MASK,
	RISCV_DC_PATTERN,
	RISCV_DC_RSVD,
	RISCV_DC_WORDS
};

#define RISCV_TC_V	BIT(0)
#define RISCV_TC_EN_ATS BIT(1)
#define RISCV_TC_EN_PRI BIT(2)
#define RISCV_TC_T2GPA	BIT(3)
#define RISCV_TC_DTF	BIT(4)
#define RISCV_TC_PDTV	BIT(5)
#define RISCV_TC_PRPR	BIT(6)
#define RISCV_TC_GADE	BIT(7)
#define RISCV_TC_SADE	BIT(8)
#define RISCV_TC_DPE	BIT(9)
#define RISCV_TC_SBE	BIT(10)
#define RISCV_TC_SXL	BIT(11)
#define RISCV_TC_RSVD	(BITS(23, 12) | BITS(63, 32))
#define RISCV_TC_CUSTOM BITS(31, 24)
static_assert(RISCV_TC_V + RISCV_TC_EN_ATS + RISCV_TC_EN_PRI + RISCV_TC_T2GPA + RISCV_TC_DTF +
			      RISCV_TC_PDTV + RISCV_TC_PRPR + RISCV_TC_GADE + RISCV_TC_SADE +
			      RISCV_TC_DPE + RISCV_TC_SBE + RISCV_TC_SXL + RISCV_TC_RSVD +
			      RISCV_TC_CUSTOM ==
		      UINT64_MAX,
	      "2.1.3");

/* iohgatp, iosatp, pdtp, msiptp */
#define RISCV_ATP_PPN	BITS(43, 0)
#define RISCV_ATP_GSCID BITS(59, 44) /* iohgatp; reserved in the others */
#define RISCV_ATP_MODE	BITS(63, 60)
static_assert(RISCV_ATP_PPN + RISCV_ATP_GSCID + RISCV_ATP_MODE == UINT64_MAX, "2.1.3");
enum riscv_atp { RISCV_ATP_BARE, RISCV_ATP_FIRST = 8, RISCV_ATP_48, RISCV_ATP_57 };
enum riscv_pdtp { RISCV_PDTP_BARE, RISCV_PDTP_PD8, RISCV_PDTP_PD17, RISCV_PDTP_PD20 };
enum riscv_msiptp { RISCV_MSIPTP_OFF, RISCV_MSIPTP_FLAT };

#define RISCV_TA_RSVD  (BITS(11, 0) | BITS(39, 32))
#define RISCV_TA_PSCID BITS(31, 12)
#define RISCV_TA_RCID  BITS(51, 40) /* reserved without QOSID */
#define RISCV_TA_MCID  BITS(63, 52)
static_assert(RISCV_TA_RSVD + RISCV_TA_PSCID + RISCV_TA_RCID + RISCV_TA_MCID == UINT64_MAX,
	      "2.1.3.3");

#define RISCV_MSI_PAGES BITS(51, 0) /* msi_addr_mask, msi_addr_pattern */

/* 2.2: process context */
#define RISCV_PC_V     BIT(0)
#define RISCV_PC_ENS   BIT(1)
#define RISCV_PC_SUM   BIT(2)
#define RISCV_PC_RSVD  (BITS(11, 3) | BITS(63, 32))
#define RISCV_PC_PSCID BITS(31, 12)
static_assert(RISCV_PC_V + RISCV_PC_ENS + RISCV_PC_SUM + RISCV_PC_RSVD + RISCV_PC_PSCID ==
		      UINT64_MAX,
	      "2.2.3");

/* AIA: MSI page table entry */
#define RISCV_MSIPTE_V	       BIT(0)
#define RISCV_MSIPTE_M	       BITS(2, 1)
#define RISCV_MSIPTE_C	       BIT(63)
#define RISCV_MSIPTE_PPN       BITS(53, 10) /* basic */
#define RISCV_MSIPTE_RSVD      (BITS(9, 3) | BITS(62, 54))
#define RISCV_MSIPTE_MRIF      BITS(53, 7) /* address / 512 */
#define RISCV_MSIPTE_MRIF_RSVD (BITS(6, 3) | BITS(62, 54))
#define RISCV_MSIPTE_NID       BITS(9, 0) /* second word, with MRIF */
#define RISCV_MSIPTE_NPPN      BITS(53, 10)
#define RISCV_MSIPTE_NID10     BIT(60)
#define RISCV_MSIPTE_RSVD_HI   (BITS(59, 54) | BITS(63, 61))
static_assert(RISCV_MSIPTE_V + RISCV_MSIPTE_M + RISCV_MSIPTE_C + RISCV_MSIPTE_PPN +
			      RISCV_MSIPTE_RSVD ==
		      UINT64_MAX,
	      "AIA");
static_assert(RISCV_MSIPTE_V + RISCV_MSIPTE_M + RISCV_MSIPTE_C + RISCV_MSIPTE_MRIF +
			      RISCV_MSIPTE_MRIF_RSVD ==
		      UINT64_MAX,
	      "AIA");
static_assert(RISCV_MSIPTE_NID + RISCV_MSIPTE_NPPN + RISCV_MSIPTE_NID10 + RISCV_MSIPTE_RSVD_HI ==
		      UINT64_MAX,
	      "AIA");
enum riscv_msipte { RISCV_MSIPTE_M_MRIF = 1, RISCV_MSIPTE_M_BASIC = 3 };

/* ---- 3.1: commands ---- */

#define RISCV_CMD_OPCODE BITS(6, 0)
#define RISCV_CMD_FUNC3	 BITS(9, 7)
enum riscv_opcode { RISCV_IOTINVAL = 1, RISCV_IOFENCE, RISCV_IODIR, RISCV_ATS };
#define RISCV_IOTINVAL_VMA  0U
#define RISCV_IOTINVAL_GVMA 1U
#define RISCV_IOFENCE_C	    0U
#define RISCV_IODIR_DDT	    0U
#define RISCV_IODIR_PDT	    1U
#define RISCV_ATS_INVAL	    0U
#define RISCV_ATS_PRGR	    1U

#define RISCV_CMD_AV	BIT(10)
#define RISCV_CMD_PSCID BITS(31, 12)
#define RISCV_CMD_PSCV	BIT(32)
#define RISCV_CMD_GV	BIT(33)
#define RISCV_CMD_NL	BIT(34) /* with capabilities.NL */
#define RISCV_CMD_GSCID BITS(59, 44)
#define RISCV_CMD_S	BIT(9) /* second word, with capabilities.S */
#define RISCV_CMD_PAGE	BITS(61, 10)

#define RISCV_FENCE_WSI	    BIT(11)
#define RISCV_FENCE_PR	    BIT(12)
#define RISCV_FENCE_PW	    BIT(13)
#define RISCV_FENCE_DATA    BITS(63, 32)
#define RISCV_FENCE_ADDRESS BITS(61, 0) /* second word: / 4 */

#define RISCV_CMD_PID BITS(31, 12)
#define RISCV_CMD_DV  BIT(33)
#define RISCV_CMD_DID BITS(63, 40)

#define RISCV_ATS_PV   BIT(32)
#define RISCV_ATS_DSV  BIT(33)
#define RISCV_ATS_RID  BITS(55, 40)
#define RISCV_ATS_DSEG BITS(63, 56)
/* its payload: PCIe Invalidate Request, Page Request Group Response */
#define RISCV_ATS_G	BIT(0)
#define RISCV_ATS_S	BIT(11)
#define RISCV_ATS_PAGE	BITS(63, 12)
#define RISCV_PRGR_PRGI BITS(40, 32)
#define RISCV_PRGR_CODE BITS(47, 44)
enum riscv_response {
	RISCV_RESPONSE_SUCCESS,
	RISCV_RESPONSE_INVALID,
	RISCV_RESPONSE_FAILURE = 0xf
};

/* ---- 3.2: fault records ---- */

#define RISCV_FR_CAUSE BITS(11, 0)
#define RISCV_FR_PID   BITS(31, 12)
#define RISCV_FR_PV    BIT(32)
#define RISCV_FR_PRIV  BIT(33)
#define RISCV_FR_TTYP  BITS(39, 34)
#define RISCV_FR_DID   BITS(63, 40)
static_assert(RISCV_FR_CAUSE + RISCV_FR_PID + RISCV_FR_PV + RISCV_FR_PRIV + RISCV_FR_TTYP +
			      RISCV_FR_DID ==
		      UINT64_MAX,
	      "3.2");
enum riscv_ttyp {
	RISCV_TTYP_NONE,
	RISCV_TTYP_EXEC,
	RISCV_TTYP_READ,
	RISCV_TTYP_WRITE,
	RISCV_TTYP_TRANSLATED = 4, /* added to the three above */
	RISCV_TTYP_ATS = 8,
	RISCV_TTYP_MESSAGE
};
#define RISCV_MESSAGE_PAGE_REQUEST                                                                 \
	4U /* iotval of a fault of a page request: its PCIe message code */

/* iotval2 of a guest page fault: the address, and whether the access was one of the IOMMU's own, and wrote */
#define RISCV_IOTVAL2_IMPLICIT BIT(0)
#define RISCV_IOTVAL2_WRITE    BIT(1)

enum riscv_cause {
	RISCV_FAULT_ACCESS_EXEC = 1,
	RISCV_FAULT_MISALIGNED_READ = 4,
	RISCV_FAULT_ACCESS_READ = 5,
	RISCV_FAULT_MISALIGNED_WRITE = 6,
	RISCV_FAULT_ACCESS_WRITE = 7,
	RISCV_FAULT_PAGE_EXEC = 12,
	RISCV_FAULT_PAGE_READ = 13,
	RISCV_FAULT_PAGE_WRITE = 15,
	RISCV_FAULT_GUEST_EXEC = 20,
	RISCV_FAULT_GUEST_READ = 21,
	RISCV_FAULT_GUEST_WRITE = 23,
	RISCV_FAULT_OFF = 256,
	RISCV_FAULT_DDT_ACCESS,
	RISCV_FAULT_DDT_INVALID,
	RISCV_FAULT_DDT_CONFIG,
	RISCV_FAULT_TYPE,
	RISCV_FAULT_MSI_ACCESS,
	RISCV_FAULT_MSI_INVALID,
	RISCV_FAULT_MSI_CONFIG,
	RISCV_FAULT_MRIF,
	RISCV_FAULT_PDT_ACCESS,
	RISCV_FAULT_PDT_INVALID,
	RISCV_FAULT_PDT_CONFIG,
	RISCV_FAULT_DDT_POISON,
	RISCV_FAULT_PDT_POISON,
	RISCV_FAULT_MSI_POISON,
	RISCV_FAULT_MRIF_POISON,
	RISCV_FAULT_INTERNAL,
	RISCV_FAULT_OWN_MSI,
	RISCV_FAULT_PT_POISON
};

/* ---- 3.3: page requests ---- */

#define RISCV_PRM_PID	BITS(31, 12)
#define RISCV_PRM_PV	BIT(32)
#define RISCV_PRM_PRIV	BIT(33)
#define RISCV_PRM_EXEC	BIT(34)
#define RISCV_PRM_DID	BITS(63, 40)
#define RISCV_PRM_READ	BIT(0) /* second word */
#define RISCV_PRM_WRITE BIT(1)
#define RISCV_PRM_LAST	BIT(2)
#define RISCV_PRM_PRGI	BITS(11, 3)
#define RISCV_PRM_PAGE	BITS(63, 12)

#endif
