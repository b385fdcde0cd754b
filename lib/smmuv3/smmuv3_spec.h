/* SPDX-License-Identifier: BSD-3-Clause */
/* smmuv3_spec.h - Arm SMMUv3.0 to 3.4 (IHI 0070 G.b): registers, structures, commands and records of the Non-secure state. */
#ifndef SMMUV3_SPEC_H
#define SMMUV3_SPEC_H

#include "bits.h"

/* ---- 6.3 Registers, page 0; page 1 is at 0x10000 ---- */

#define SMMU_SPACE 0x20000U
#define SMMU_PAGE1 0x10000U

#define SMMU_IDR0	 0x000U
#define SMMU_IDR1	 0x004U
#define SMMU_IDR2	 0x008U
#define SMMU_IDR3	 0x00cU
#define SMMU_IDR4	 0x010U
#define SMMU_IDR5	 0x014U
#define SMMU_IIDR	 0x018U
#define SMMU_AIDR	 0x01cU
#define SMMU_CR0	 0x020U
#define SMMU_CR0ACK	 0x024U
#define SMMU_CR1	 0x028U
#define SMMU_CR2	 0x02cU
#define SMMU_STATUSR	 0x040U
#define SMMU_GBPA	 0x044U
#define SMMU_IRQ_CTRL	 0x050U
#define SMMU_IRQ_CTRLACK 0x054U
#define SMMU_GERROR	 0x060U
#define SMMU_GERRORN	 0x064U
#define SMMU_GERROR_IRQ                                                                            \
	0x068U /* CFG0; CFG1 and CFG2 follow at +8 and +12, as of the other interrupts */
#define SMMU_STRTAB_BASE     0x080U
#define SMMU_STRTAB_BASE_CFG 0x088U
#define SMMU_CMDQ_BASE	     0x090U
#define SMMU_CMDQ_PROD	     0x098U
#define SMMU_CMDQ_CONS	     0x09cU
#define SMMU_EVENTQ_BASE     0x0a0U
#define SMMU_EVENTQ_IRQ	     0x0b0U
#define SMMU_PRIQ_BASE	     0x0c0U
#define SMMU_PRIQ_IRQ	     0x0d0U
#define SMMU_GATOS_CTRL	     0x100U
#define SMMU_GATOS_SID	     0x108U
#define SMMU_GATOS_ADDR	     0x110U
#define SMMU_GATOS_PAR	     0x118U
#define SMMU_EVENTQ_PROD     (SMMU_PAGE1 + 0xa8U)
#define SMMU_EVENTQ_CONS     (SMMU_PAGE1 + 0xacU)
#define SMMU_PRIQ_PROD	     (SMMU_PAGE1 + 0xc8U)
#define SMMU_PRIQ_CONS	     (SMMU_PAGE1 + 0xccU)

/* 6.3.1 IDR0 */
#define IDR0_S2P	 BIT(0)
#define IDR0_S1P	 BIT(1)
#define IDR0_TTF	 BITS(3, 2) /* 2: AArch64 */
#define IDR0_COHACC	 BIT(4)
#define IDR0_BTM	 BIT(5)
#define IDR0_HTTU	 BITS(7, 6) /* 1 access flag, 2 and dirty, 3 and of tables */
#define IDR0_DORMHINT	 BIT(8)
#define IDR0_HYP	 BIT(9)
#define IDR0_ATS	 BIT(10)
#define IDR0_NS1ATS	 BIT(11)
#define IDR0_ASID16	 BIT(12)
#define IDR0_MSI	 BIT(13)
#define IDR0_SEV	 BIT(14)
#define IDR0_ATOS	 BIT(15)
#define IDR0_PRI	 BIT(16)
#define IDR0_VMW	 BIT(17)
#define IDR0_VMID16	 BIT(18)
#define IDR0_CD2L	 BIT(19)
#define IDR0_VATOS	 BIT(20)
#define IDR0_TTENDIAN	 BITS(22, 21) /* 0 mixed, 2 little, 3 big */
#define IDR0_ATSRECERR	 BIT(23)
#define IDR0_STALL_MODEL BITS(25, 24) /* 0 both, 1 terminate only, 2 stall only */
#define IDR0_TERM_MODEL	 BIT(26)      /* abort only */
#define IDR0_ST_LEVEL	 BITS(28, 27) /* 1: two levels */
#define IDR0_RSVD_29	 BIT(29)
#define IDR0_RME	 BIT(30)
#define IDR0_RSVD_31	 BIT(31)

/* 6.3.2 IDR1 */
#define IDR1_SIDSIZE	   BITS(5, 0)
#define IDR1_SSIDSIZE	   BITS(10, 6)
#define IDR1_PRIQS	   BITS(15, 11)
#define IDR1_EVENTQS	   BITS(20, 16)
#define IDR1_CMDQS	   BITS(25, 21)
#define IDR1_PERMS_OVR	   BIT(26)
#define IDR1_TYPES_OVR	   BIT(27)
#define IDR1_REL	   BIT(28)
#define IDR1_QUEUES_PRESET BIT(29)
#define IDR1_TABLES_PRESET BIT(30)
#define IDR1_ECMDQ	   BIT(31)
static_assert(IDR1_SIDSIZE + IDR1_SSIDSIZE + IDR1_PRIQS + IDR1_EVENTQS + IDR1_CMDQS +
			      IDR1_PERMS_OVR + IDR1_TYPES_OVR + IDR1_REL + IDR1_QUEUES_PRESET +
			      IDR1_TABLES_PRESET + IDR1_ECMDQ ==
		      UINT32_MAX,
	      "6.3.2");

/* 6.3.4 IDR3 */
#define IDR3_RSVD_LO BITS(1, 0)
#define IDR3_HAD     BIT(2)
#define IDR3_PBHA    BIT(3)
#define IDR3_XNX     BIT(4)
#define IDR3_PPS     BIT(5)
#define IDR3_RSVD_6  BIT(6)
#define IDR3_MPAM    BIT(7)
#define IDR3_FWB     BIT(8)
#define IDR3_STT     BIT(9)
#define IDR3_RIL     BIT(10)
#define IDR3_BBML    BITS(12, 11)
#define IDR3_E0PD    BIT(13)
#define IDR3_PTWNNC  BIT(14)
#define IDR3_DPT     BIT(15)
#define IDR3_PASIDTT BIT(16)
#define IDR3_EPAN    BIT(17)
#define IDR3_S1PI    BIT(18)
#define IDR3_S2PI    BIT(19)
#define IDR3_S2PO    BIT(20)
#define IDR3_THE     BIT(21)
#define IDR3_MTEPERM BIT(22)
#define IDR3_AIE     BIT(23)
#define IDR3_RSVD_HI BITS(31, 24)

/* 6.3.6 IDR5 */
#define IDR5_OAS       BITS(2, 0) /* 32, 36, 40, 42, 44, 48, 52, 56 bits */
#define IDR5_RSVD_3    BIT(3)
#define IDR5_GRAN4K    BIT(4)
#define IDR5_GRAN16K   BIT(5)
#define IDR5_GRAN64K   BIT(6)
#define IDR5_DS	       BIT(7)
#define IDR5_D128      BIT(8)
#define IDR5_RSVD_9    BIT(9)
#define IDR5_VAX       BITS(11, 10) /* 48, 52, 56 bits */
#define IDR5_RSVD_12   BITS(15, 12)
#define IDR5_STALL_MAX BITS(31, 16)

/* 6.3.9 CR0, CR0ACK */
#define CR0_SMMUEN   BIT(0)
#define CR0_PRIQEN   BIT(1)
#define CR0_EVENTQEN BIT(2)
#define CR0_CMDQEN   BIT(3)
#define CR0_ATSCHK   BIT(4)
#define CR0_VMW	     BITS(8, 6)

/* 6.3.11 CR1 */
#define CR1_QUEUES BITS(5, 0)
#define CR1_TABLES BITS(11, 6)

/* 6.3.12 CR2 */
#define CR2_E2H		BIT(0)
#define CR2_RECINVSID	BIT(1)
#define CR2_PTM		BIT(2)
#define CR2_REC_CFG_ATS BIT(3)

/* 6.3.14 GBPA */
#define GBPA_MEMATTR  BITS(3, 0)
#define GBPA_MTCFG    BIT(4)
#define GBPA_ALLOCCFG BITS(11, 8)
#define GBPA_SHCFG    BITS(13, 12)
#define GBPA_PRIVCFG  BITS(17, 16)
#define GBPA_INSTCFG  BITS(19, 18)
#define GBPA_ABORT    BIT(20)
#define GBPA_UPDATE   BIT(31)
#define GBPA_FIELDS                                                                                \
	(GBPA_MEMATTR | GBPA_MTCFG | GBPA_ALLOCCFG | GBPA_SHCFG | GBPA_PRIVCFG | GBPA_INSTCFG |    \
	 GBPA_ABORT)

/* 6.3.17 IRQ_CTRL */
#define IRQ_GERROR BIT(0)
#define IRQ_PRIQ   BIT(1)
#define IRQ_EVENTQ BIT(2)

/* 6.3.19 GERROR: active where GERRORN differs */
#define GERROR_CMDQ	  BIT(0)
#define GERROR_EVENTQ_ABT BIT(2)
#define GERROR_PRIQ_ABT	  BIT(3)
#define GERROR_MSI_CMDQ	  BIT(4)
#define GERROR_MSI_EVENTQ BIT(5)
#define GERROR_MSI_PRIQ	  BIT(6)
#define GERROR_MSI_GERROR BIT(7)
#define GERROR_SFM	  BIT(8)
#define GERROR_ALL                                                                                 \
	(GERROR_CMDQ | GERROR_EVENTQ_ABT | GERROR_PRIQ_ABT | GERROR_MSI_CMDQ | GERROR_MSI_EVENTQ | \
	 GERROR_MSI_PRIQ | GERROR_MSI_GERROR | GERROR_SFM)

/* 6.3.21 IRQ_CFG0 to 2 of each interrupt */
#define MSI_ADDR  BITS(55, 2)
#define MSI_ATTRS BITS(5, 0)
#define PRIQ_LO	  BIT(31) /* of PRIQ_IRQ_CFG2 */

/* 6.3.24 STRTAB_BASE, 6.3.25 STRTAB_BASE_CFG */
#define STRTAB_RA	BIT(62)
#define STRTAB_ADDR	BITS(55, 6)
#define STRTAB_LOG2SIZE BITS(5, 0)
#define STRTAB_SPLIT	BITS(10, 6)
#define STRTAB_FMT	BITS(17, 16) /* 1: two levels */

/* 6.3.26 to 6.3.34 queues */
#define QUEUE_LOG2SIZE BITS(4, 0)
#define QUEUE_ADDR     BITS(55, 5)
#define QUEUE_HINT     BIT(62) /* RA, WA */
#define QUEUE_INDEX    BITS(19, 0)
#define QUEUE_OVFLG    BIT(31) /* PROD.OVFLG, CONS.OVACKFLG */
#define CMDQ_ERR       BITS(30, 24)
#define CERROR_ILL     1U
#define CERROR_ABT     2U
#define CERROR_ATC_INV 3U

/* 6.3.37 to 6.3.40 GATOS */
#define ATOS_RUN	BIT(0)
#define ATOS_SID	BITS(31, 0)
#define ATOS_SSID	BITS(51, 32)
#define ATOS_SSID_VALID BIT(52)
#define ATOS_HTTUI	BIT(6)
#define ATOS_IND	BIT(7)
#define ATOS_RNW	BIT(8)
#define ATOS_PNU	BIT(9)
#define ATOS_TYPE	BITS(11, 10) /* 1 stage 1, 2 stage 2, 3 both */
#define ATOS_ADDR	BITS(63, 12)
#define PAR_FAULT	BIT(0)
#define PAR_SH		BITS(9, 8)
#define PAR_SIZE	BIT(11)
#define PAR_ADDR	BITS(55, 12)
#define PAR_ATTR	BITS(63, 56)
#define PAR_REASON	BITS(2, 1)
#define PAR_FAULTCODE	BITS(11, 4)
#define ATOS_INV_REQ	0xffU
#define ATOS_INV_STAGE	0xfeU
#define ATOS_INTERNAL	0xfdU

/* ---- 5.1 Level 1 stream table descriptor ---- */

#define L1STD_SPAN  BITS(4, 0)
#define L1STD_L2PTR BITS(55, 6)

/* ---- 5.2 Stream table entry; words 4 to 7 are of MPAM, Secure state and indirection ---- */

#define STE0_V		  BIT(0)
#define STE0_CONFIG	  BITS(3, 1)
#define STE0_S1FMT	  BITS(5, 4)
#define STE0_S1CONTEXTPTR BITS(55, 6)
#define STE0_RSVD	  BITS(58, 56)
#define STE0_S1CDMAX	  BITS(63, 59)
static_assert(STE0_V + STE0_CONFIG + STE0_S1FMT + STE0_S1CONTEXTPTR + STE0_RSVD + STE0_S1CDMAX ==
		      UINT64_MAX,
	      "5.2");

/* STE.Config; below 4: abort without a record */
#define STE_CONFIG_BYPASS 4U
#define STE_CONFIG_S1	  5U
#define STE_CONFIG_S2	  6U
#define STE_CONFIG_BOTH	  7U
#define STE_CONFIG_S1_ON  1U /* bits of the last four */
#define STE_CONFIG_S2_ON  2U
#define STE_S1FMT_4K	  1U
#define STE_S1FMT_64K	  2U

#define STE1_S1DSS    BITS(1, 0)
#define STE1_S1CIR    BITS(3, 2)
#define STE1_S1COR    BITS(5, 4)
#define STE1_S1CSH    BITS(7, 6)
#define STE1_S2HWU    BITS(11, 8)
#define STE1_DRE      BIT(12)
#define STE1_CONT     BITS(16, 13)
#define STE1_DCP      BIT(17)
#define STE1_PPAR     BIT(18)
#define STE1_MEV      BIT(19)
#define STE1_SW	      BITS(23, 20)
#define STE1_S1PIE    BIT(24)
#define STE1_S2FWB    BIT(25)
#define STE1_S1MPAM   BIT(26)
#define STE1_S1STALLD BIT(27)
#define STE1_EATS     BITS(29, 28)
#define STE1_STRW     BITS(31, 30)
#define STE1_MEMATTR  BITS(35, 32)
#define STE1_MTCFG    BIT(36)
#define STE1_ALLOCCFG BITS(40, 37)
#define STE1_RSVD_41  BITS(43, 41)
#define STE1_SHCFG    BITS(45, 44)
#define STE1_NSCFG    BITS(47, 46)
#define STE1_PRIVCFG  BITS(49, 48)
#define STE1_INSTCFG  BITS(51, 50)
#define STE1_IMPDEF   BITS(63, 52)
static_assert(STE1_S1DSS + STE1_S1CIR + STE1_S1COR + STE1_S1CSH + STE1_S2HWU + STE1_DRE +
			      STE1_CONT + STE1_DCP + STE1_PPAR + STE1_MEV + STE1_SW + STE1_S1PIE +
			      STE1_S2FWB + STE1_S1MPAM + STE1_S1STALLD + STE1_EATS + STE1_STRW +
			      STE1_MEMATTR + STE1_MTCFG + STE1_ALLOCCFG + STE1_RSVD_41 +
			      STE1_SHCFG + STE1_NSCFG + STE1_PRIVCFG + STE1_INSTCFG + STE1_IMPDEF ==
		      UINT64_MAX,
	      "5.2");

#define S1DSS_BYPASS 1U
#define S1DSS_SSID0  2U
#define EATS_FULL    1U
#define EATS_S1CHK   2U /* split stages: stage 1 here, stage 2 when it is used */
#define STRW_EL2     2U
#define CFG_USER     2U /* PRIVCFG */
#define CFG_PRIV     3U
#define CFG_DATA     2U /* INSTCFG */
#define CFG_INSTR    3U

#define STE2_S2VMID BITS(15, 0)
#define STE2_IMPDEF BITS(31, 16)
#define STE2_S2T0SZ BITS(37, 32)
#define STE2_S2SL0  BITS(39, 38)
#define STE2_S2IR0  BITS(41, 40)
#define STE2_S2OR0  BITS(43, 42)
#define STE2_S2SH0  BITS(45, 44)
#define STE2_S2TG   BITS(47, 46)
#define STE2_S2PS   BITS(50, 48)
#define STE2_S2AA64 BIT(51)
#define STE2_S2ENDI BIT(52)
#define STE2_S2AFFD BIT(53)
#define STE2_S2PTW  BIT(54)
#define STE2_S2HD   BIT(55)
#define STE2_S2HA   BIT(56)
#define STE2_S2S    BIT(57)
#define STE2_S2R    BIT(58)
#define STE2_S2HAFT BIT(59)
#define STE2_S2PIE  BIT(60)
#define STE2_S2POE  BIT(61)
#define STE2_VMATCH BITS(63, 62)
static_assert(STE2_S2VMID + STE2_IMPDEF + STE2_S2T0SZ + STE2_S2SL0 + STE2_S2IR0 + STE2_S2OR0 +
			      STE2_S2SH0 + STE2_S2TG + STE2_S2PS + STE2_S2AA64 + STE2_S2ENDI +
			      STE2_S2AFFD + STE2_S2PTW + STE2_S2HD + STE2_S2HA + STE2_S2S +
			      STE2_S2R + STE2_S2HAFT + STE2_S2PIE + STE2_S2POE + STE2_VMATCH ==
		      UINT64_MAX,
	      "5.2");

#define STE3_S2SL0_2 BIT(2)
#define STE3_S2DS    BIT(3)
#define STE3_S2TTB   BITS(51, 4)

/* ---- 5.3 Level 1 context descriptor, 5.4 Context descriptor ---- */

#define L1CD_V	   BIT(0)
#define L1CD_L2PTR BITS(55, 12)

#define CD0_T0SZ BITS(5, 0)
#define CD0_TG0	 BITS(7, 6)
#define CD0_IR0	 BITS(9, 8)
#define CD0_OR0	 BITS(11, 10)
#define CD0_SH0	 BITS(13, 12)
#define CD0_EPD0 BIT(14)
#define CD0_ENDI BIT(15)
#define CD0_T1SZ BITS(21, 16)
#define CD0_TG1	 BITS(23, 22)
#define CD0_IR1	 BITS(25, 24)
#define CD0_OR1	 BITS(27, 26)
#define CD0_SH1	 BITS(29, 28)
#define CD0_EPD1 BIT(30)
#define CD0_V	 BIT(31)
#define CD0_IPS	 BITS(34, 32)
#define CD0_AFFD BIT(35)
#define CD0_WXN	 BIT(36)
#define CD0_UWXN BIT(37)
#define CD0_TBI0 BIT(38)
#define CD0_TBI1 BIT(39)
#define CD0_PAN	 BIT(40)
#define CD0_AA64 BIT(41)
#define CD0_HD	 BIT(42)
#define CD0_HA	 BIT(43)
#define CD0_S	 BIT(44)
#define CD0_R	 BIT(45)
#define CD0_A	 BIT(46)
#define CD0_ASET BIT(47)
#define CD0_ASID BITS(63, 48)
static_assert(CD0_T0SZ + CD0_TG0 + CD0_IR0 + CD0_OR0 + CD0_SH0 + CD0_EPD0 + CD0_ENDI + CD0_T1SZ +
			      CD0_TG1 + CD0_IR1 + CD0_OR1 + CD0_SH1 + CD0_EPD1 + CD0_V + CD0_IPS +
			      CD0_AFFD + CD0_WXN + CD0_UWXN + CD0_TBI0 + CD0_TBI1 + CD0_PAN +
			      CD0_AA64 + CD0_HD + CD0_HA + CD0_S + CD0_R + CD0_A + CD0_ASET +
			      CD0_ASID ==
		      UINT64_MAX,
	      "5.4");

/* of words 1 and 2, which are alike */
#define CDT_HAD	 BIT(1)
#define CDT_E0PD BIT(2)
#define CDT_TTB	 BITS(51, 4)
#define CD1_HAFT BIT(3)
#define CD1_EPAN BIT(59)
#define CD2_DS	 BIT(58)

/* ---- 4 Commands; of word 0 if not said otherwise ---- */

#define CMD_OP	 BITS(7, 0)
#define CMD_SSEC BIT(10)
#define CMD_SSV	 BIT(11)
#define CMD_SSID BITS(31, 12)
#define CMD_SID	 BITS(63, 32)

#define CMD_PREFETCH_CFG  0x01U
#define CMD_PREFETCH_ADDR 0x02U
#define CMD_CFGI_STE	  0x03U
#define CMD_CFGI_RANGE	  0x04U
#define CMD_CFGI_CD	  0x05U
#define CMD_CFGI_CD_ALL	  0x06U
#define CMD_NH_ALL	  0x10U
#define CMD_NH_ASID	  0x11U
#define CMD_NH_VA	  0x12U
#define CMD_NH_VAA	  0x13U
#define CMD_EL2_ALL	  0x20U
#define CMD_EL2_ASID	  0x21U
#define CMD_EL2_VA	  0x22U
#define CMD_EL2_VAA	  0x23U
#define CMD_S12_VMALL	  0x28U
#define CMD_S2_IPA	  0x2aU
#define CMD_NSNH_ALL	  0x30U
#define CMD_ATC_INV	  0x40U
#define CMD_PRI_RESP	  0x41U
#define CMD_RESUME	  0x44U
#define CMD_STALL_TERM	  0x45U
#define CMD_SYNC	  0x46U
#define CMD_OPCODES	  0x47U

#define CMD_CFGI_RANGE_OF BITS(4, 0) /* word 1 */
#define CMD_CFGI_ALL	  31U
#define CMD_LEAF	  BIT(0) /* word 1 */
#define CMD_NUM		  BITS(16, 12)
#define CMD_SCALE	  BITS(25, 20)
#define CMD_VMID	  BITS(47, 32)
#define CMD_ASID	  BITS(63, 48)
#define CMD_TTL		  BITS(9, 8)   /* word 1 */
#define CMD_TG		  BITS(11, 10) /* word 1 */
#define CMD_ADDR	  BITS(63, 12) /* word 1 */
#define CMD_IPA		  BITS(55, 12) /* word 1 */
#define CMD_ATC_GLOBAL	  BIT(9)
#define CMD_ATC_SIZE	  BITS(5, 0)   /* word 1 */
#define CMD_PRG_INDEX	  BITS(8, 0)   /* word 1 */
#define CMD_PRG_RESP	  BITS(13, 12) /* word 1 */
#define CMD_RESUME_AC	  BIT(12)
#define CMD_RESUME_AB	  BIT(13)
#define CMD_STAG	  BITS(15, 0) /* word 1 */
#define CMD_SYNC_CS	  BITS(13, 12)
#define CMD_SYNC_MSIDATA  BITS(63, 32)
#define CMD_SYNC_MSIADDR  BITS(55, 2) /* word 1 */
#define SYNC_NONE	  0U
#define SYNC_IRQ	  1U
#define SYNC_SEV	  2U

/* ---- 7.3 Events ---- */

#define F_UUT		   0x01U
#define C_BAD_STREAMID	   0x02U
#define F_STE_FETCH	   0x03U
#define C_BAD_STE	   0x04U
#define F_BAD_ATS_TREQ	   0x05U
#define F_STREAM_DISABLED  0x06U
#define F_TRANSL_FORBIDDEN 0x07U
#define C_BAD_SUBSTREAMID  0x08U
#define F_CD_FETCH	   0x09U
#define C_BAD_CD	   0x0aU
#define F_WALK_EABT	   0x0bU
#define F_TRANSLATION	   0x10U
#define F_ADDR_SIZE	   0x11U
#define F_ACCESS	   0x12U
#define F_PERMISSION	   0x13U

#define EVENT0_TYPE  BITS(7, 0)
#define EVENT0_SSV   BIT(11)
#define EVENT0_SSID  BITS(31, 12)
#define EVENT0_SID   BITS(63, 32)
#define EVENT1_STAG  BITS(15, 0)
#define EVENT1_STALL BIT(31)
#define EVENT1_PNU   BIT(33)
#define EVENT1_IND   BIT(34)
#define EVENT1_RNW   BIT(35)
#define EVENT1_S2    BIT(39)
#define EVENT1_CLASS BITS(41, 40)
#define CLASS_CD     0U
#define CLASS_TT     1U
#define CLASS_IN     2U
#define EVENT1_TTRNW BIT(44)
/* of F_BAD_ATS_TREQ */
#define EVENT1_SPAN  BITS(3, 0)
#define EVENT1_PRIV  BIT(28)
#define EVENT1_X     BIT(29)
#define EVENT1_W     BIT(30)
#define EVENT1_R     BIT(31)
#define EVENT3_IPA   BITS(55, 12)
#define EVENT3_FETCH BITS(55, 3)

/* ---- 8.2 PRI queue entries ---- */

#define PRI0_SID   BITS(31, 0)
#define PRI0_SSID  BITS(51, 32)
#define PRI0_PRIV  BIT(58)
#define PRI0_X	   BIT(59)
#define PRI0_R	   BIT(60)
#define PRI0_W	   BIT(61)
#define PRI0_LAST  BIT(62)
#define PRI0_SSV   BIT(63)
#define PRI1_GROUP BITS(8, 0)
#define PRI1_ADDR  BITS(63, 12)

#endif
