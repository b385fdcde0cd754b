/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vtd_spec.h - Intel VT-d, revision 4.1: registers, tables, descriptors, fault reasons. Types only.
 *
 * Clause numbers are the manual's. What is known from where, and what later or earlier revisions
 * have differently, is in docs/vtd-notes.md. Execute requests (ECAP.ERS with the PASID entry's ERE,
 * NXE and SMEP) follow revision 3.4, the last one that describes them.
 */
#ifndef VTD_SPEC_H
#define VTD_SPEC_H

#include "bits.h"

/* 3.14 Interrupt address range: writes without PASID are interrupt requests */
#define VTD_WINDOW_FIRST UINT64_C(0xfee00000)
#define VTD_WINDOW_LAST	 UINT64_C(0xfeefffff)

/* ---- 11.4 Registers ---- */

#define VTD_VER	     0x000 /* 11.4.1 */
#define VTD_CAP	     0x008 /* 11.4.2 */
#define VTD_ECAP     0x010 /* 11.4.3 */
#define VTD_GCMD     0x018 /* 11.4.4 */
#define VTD_GSTS     0x01c /* 11.4.4 */
#define VTD_RTADDR   0x020 /* 11.4.5 */
#define VTD_CCMD     0x028 /* 11.4.6 */
#define VTD_FSTS     0x034 /* 11.4.7 */
#define VTD_FECTL    0x038 /* 11.4.7 */
#define VTD_FEDATA   0x03c /* 11.4.7 */
#define VTD_FEADDR   0x040 /* 11.4.7 */
#define VTD_FEUADDR  0x044 /* 11.4.7 */
#define VTD_PMEN     0x064 /* 11.4.8 */
#define VTD_PLMBASE  0x068
#define VTD_PLMLIMIT 0x06c
#define VTD_PHMBASE  0x070
#define VTD_PHMLIMIT 0x078
#define VTD_IQH	     0x080 /* 11.4.9 */
#define VTD_IQT	     0x088 /* 11.4.9 */
#define VTD_IQA	     0x090 /* 11.4.9 */
#define VTD_ICS	     0x09c /* 11.4.9 */
#define VTD_IECTL    0x0a0 /* 11.4.9 */
#define VTD_IEDATA   0x0a4
#define VTD_IEADDR   0x0a8
#define VTD_IEUADDR  0x0ac
#define VTD_IQERCD   0x0b0 /* 11.4.9 */
#define VTD_IRTA     0x0b8 /* 11.4.10 */
#define VTD_PQH	     0x0c0 /* 11.4.11 */
#define VTD_PQT	     0x0c8
#define VTD_PQA	     0x0d0
#define VTD_PRS	     0x0dc
#define VTD_PECTL    0x0e0
#define VTD_PEDATA   0x0e4
#define VTD_PEADDR   0x0e8
#define VTD_PEUADDR  0x0ec
/* IVA and IOTLB are at CAP-chosen places (ECAP.IRO), the fault records too (CAP.FRO). */

/* 11.4.2 Capability register */
#define VTD_CAP_ND	BITS(2, 0) /* domain id bits: 4 + 2 * ND */
#define VTD_CAP_AFL	BIT(3)	   /* advanced fault log: not implemented */
#define VTD_CAP_RWBF	BIT(4)	   /* write buffers need flushing */
#define VTD_CAP_PLMR	BIT(5)
#define VTD_CAP_PHMR	BIT(6)
#define VTD_CAP_CM	BIT(7)	    /* caching mode */
#define VTD_CAP_SAGAW	BITS(12, 8) /* bit 1: 3 levels, 2: 4 levels, 3: 5 levels */
#define VTD_CAP_RSVD_13 BITS(15, 13)
#define VTD_CAP_MGAW	BITS(21, 16) /* bits - 1 */
#define VTD_CAP_ZLR	BIT(22)
#define VTD_CAP_RSVD_23 BIT(23)
#define VTD_CAP_FRO	BITS(33, 24) /* of the fault records, in 16 bytes */
#define VTD_CAP_SSLPS	BITS(37, 34) /* bit 0: 2 MiB, 1: 1 GiB */
#define VTD_CAP_RSVD_38 BIT(38)
#define VTD_CAP_PSI	BIT(39)
#define VTD_CAP_NFR	BITS(47, 40) /* fault records - 1 */
#define VTD_CAP_MAMV	BITS(53, 48)
#define VTD_CAP_DWD	BIT(54)
#define VTD_CAP_DRD	BIT(55)
#define VTD_CAP_FS1GP	BIT(56)
#define VTD_CAP_RSVD_57 BITS(58, 57)
#define VTD_CAP_PI	BIT(59) /* posted interrupts */
#define VTD_CAP_FS5LP	BIT(60)
#define VTD_CAP_ECMDS	BIT(61) /* enhanced commands: not implemented */
#define VTD_CAP_ESIRTPS BIT(62)
#define VTD_CAP_ESRTPS	BIT(63)
static_assert(VTD_CAP_ND + VTD_CAP_AFL + VTD_CAP_RWBF + VTD_CAP_PLMR + VTD_CAP_PHMR + VTD_CAP_CM +
			      VTD_CAP_SAGAW + VTD_CAP_RSVD_13 + VTD_CAP_MGAW + VTD_CAP_ZLR +
			      VTD_CAP_RSVD_23 + VTD_CAP_FRO + VTD_CAP_SSLPS + VTD_CAP_RSVD_38 +
			      VTD_CAP_PSI + VTD_CAP_NFR + VTD_CAP_MAMV + VTD_CAP_DWD + VTD_CAP_DRD +
			      VTD_CAP_FS1GP + VTD_CAP_RSVD_57 + VTD_CAP_PI + VTD_CAP_FS5LP +
			      VTD_CAP_ECMDS + VTD_CAP_ESIRTPS + VTD_CAP_ESRTPS ==
		      UINT64_MAX,
	      "11.4.2");

/* 11.4.3 Extended capability register */
#define VTD_ECAP_C	 BIT(0) /* page walks are coherent */
#define VTD_ECAP_QI	 BIT(1)
#define VTD_ECAP_DT	 BIT(2) /* device TLBs */
#define VTD_ECAP_IR	 BIT(3)
#define VTD_ECAP_EIM	 BIT(4)
#define VTD_ECAP_RSVD_5	 BIT(5)
#define VTD_ECAP_PT	 BIT(6)
#define VTD_ECAP_SC	 BIT(7)
#define VTD_ECAP_IRO	 BITS(17, 8) /* of IVA and IOTLB, in 16 bytes */
#define VTD_ECAP_RSVD_18 BITS(19, 18)
#define VTD_ECAP_MHMV	 BITS(23, 20)
#define VTD_ECAP_RSVD_24 BIT(24)
#define VTD_ECAP_MTS	 BIT(25) /* memory types: not implemented */
#define VTD_ECAP_NEST	 BIT(26)
#define VTD_ECAP_RSVD_27 BITS(28, 27)
#define VTD_ECAP_PRS	 BIT(29)
#define VTD_ECAP_ERS	 BIT(30)
#define VTD_ECAP_SRS	 BIT(31)
#define VTD_ECAP_RSVD_32 BIT(32)
#define VTD_ECAP_NWFS	 BIT(33)
#define VTD_ECAP_EAFS	 BIT(34)
#define VTD_ECAP_PSS	 BITS(39, 35) /* PASID bits - 1 */
#define VTD_ECAP_PASID	 BIT(40)
#define VTD_ECAP_DIT	 BIT(41) /* invalidation throttling: not implemented */
#define VTD_ECAP_PDS	 BIT(42)
#define VTD_ECAP_SMTS	 BIT(43)
#define VTD_ECAP_VCS	 BIT(44) /* virtual commands: not implemented */
#define VTD_ECAP_SSADS	 BIT(45)
#define VTD_ECAP_SSTS	 BIT(46)
#define VTD_ECAP_FSTS	 BIT(47)
#define VTD_ECAP_SMPWCS	 BIT(48)
#define VTD_ECAP_RPS	 BIT(49)
#define VTD_ECAP_RSVD_50 BIT(50)
#define VTD_ECAP_PMS	 BIT(51) /* performance monitoring: not implemented */
#define VTD_ECAP_ADMS	 BIT(52)
#define VTD_ECAP_RPRIVS	 BIT(53)
#define VTD_ECAP_RSVD_54 BITS(57, 54)
#define VTD_ECAP_SMS	 BIT(58)
#define VTD_ECAP_RSVD_59 BITS(63, 59)
static_assert(VTD_ECAP_C + VTD_ECAP_QI + VTD_ECAP_DT + VTD_ECAP_IR + VTD_ECAP_EIM +
			      VTD_ECAP_RSVD_5 + VTD_ECAP_PT + VTD_ECAP_SC + VTD_ECAP_IRO +
			      VTD_ECAP_RSVD_18 + VTD_ECAP_MHMV + VTD_ECAP_RSVD_24 + VTD_ECAP_MTS +
			      VTD_ECAP_NEST + VTD_ECAP_RSVD_27 + VTD_ECAP_PRS + VTD_ECAP_ERS +
			      VTD_ECAP_SRS + VTD_ECAP_RSVD_32 + VTD_ECAP_NWFS + VTD_ECAP_EAFS +
			      VTD_ECAP_PSS + VTD_ECAP_PASID + VTD_ECAP_DIT + VTD_ECAP_PDS +
			      VTD_ECAP_SMTS + VTD_ECAP_VCS + VTD_ECAP_SSADS + VTD_ECAP_SSTS +
			      VTD_ECAP_FSTS + VTD_ECAP_SMPWCS + VTD_ECAP_RPS + VTD_ECAP_RSVD_50 +
			      VTD_ECAP_PMS + VTD_ECAP_ADMS + VTD_ECAP_RPRIVS + VTD_ECAP_RSVD_54 +
			      VTD_ECAP_SMS + VTD_ECAP_RSVD_59 ==
		      UINT64_MAX,
	      "11.4.3");

/* 11.4.4 Global command and status: the same bit numbers in both */
#define VTD_G_CFI  BIT(23)
#define VTD_G_IRTP BIT(24) /* one-shot */
#define VTD_G_IRE  BIT(25)
#define VTD_G_QIE  BIT(26)
#define VTD_G_WBF  BIT(27) /* one-shot */
#define VTD_G_RTP  BIT(30) /* one-shot */
#define VTD_G_TE   BIT(31)

/* 11.4.5 Root table address */
#define VTD_RTADDR_TTM	 BITS(11, 10)
#define VTD_RTADDR_RTA	 BITS(63, 12)
#define VTD_TTM_LEGACY	 0U
#define VTD_TTM_SCALABLE 1U
#define VTD_TTM_ABORT	 3U

/* 11.4.6 Context command */
#define VTD_CCMD_DID  BITS(15, 0)
#define VTD_CCMD_SID  BITS(31, 16)
#define VTD_CCMD_FM   BITS(33, 32)
#define VTD_CCMD_CAIG BITS(60, 59)
#define VTD_CCMD_CIRG BITS(62, 61)
#define VTD_CCMD_ICC  BIT(63)

/* 11.4.6 IOTLB invalidate, invalidate address */
#define VTD_IOTLB_DID  BITS(47, 32)
#define VTD_IOTLB_DW   BIT(48)
#define VTD_IOTLB_DR   BIT(49)
#define VTD_IOTLB_IAIG BITS(58, 57)
#define VTD_IOTLB_IIRG BITS(61, 60)
#define VTD_IOTLB_IVT  BIT(63)
#define VTD_IVA_AM     BITS(5, 0)
#define VTD_IVA_IH     BIT(6)
#define VTD_IVA_ADDR   BITS(63, 12)

/* Granularities of both, and of descriptors 1 and 2 */
#define VTD_GRAN_GLOBAL 1U
#define VTD_GRAN_DOMAIN 2U
#define VTD_GRAN_LOCAL	3U /* device, or pages */

/* 11.4.7 Fault status, event control (the same bits in FECTL, IECTL, PECTL) */
#define VTD_FSTS_PFO BIT(0)
#define VTD_FSTS_PPF BIT(1)
#define VTD_FSTS_IQE BIT(4)
#define VTD_FSTS_ICE BIT(5)
#define VTD_FSTS_ITE BIT(6)
#define VTD_FSTS_FRI BITS(15, 8)
#define VTD_EVENT_IP BIT(30)
#define VTD_EVENT_IM BIT(31)

/* 11.4.7 Fault recording, high word */
#define VTD_FRCD_SID	 BITS(15, 0)
#define VTD_FRCD_RSVD_16 BITS(27, 16)
#define VTD_FRCD_T2	 BIT(28)
#define VTD_FRCD_PRIV	 BIT(29)
#define VTD_FRCD_EXE	 BIT(30)
#define VTD_FRCD_PP	 BIT(31)
#define VTD_FRCD_FR	 BITS(39, 32)
#define VTD_FRCD_PV	 BITS(59, 40)
#define VTD_FRCD_AT	 BITS(61, 60)
#define VTD_FRCD_T1	 BIT(62)
#define VTD_FRCD_F	 BIT(63)
static_assert(VTD_FRCD_SID + VTD_FRCD_RSVD_16 + VTD_FRCD_T2 + VTD_FRCD_PRIV + VTD_FRCD_EXE +
			      VTD_FRCD_PP + VTD_FRCD_FR + VTD_FRCD_PV + VTD_FRCD_AT + VTD_FRCD_T1 +
			      VTD_FRCD_F ==
		      UINT64_MAX,
	      "11.4.7");
#define VTD_FRCD_FI	  BITS(63, 12) /* low word: address */
#define VTD_FRCD_FI_INDEX BITS(63, 48) /* low word: interrupt index */

/* 11.4.8 Protected memory */
#define VTD_PMEN_PRS BIT(0)
#define VTD_PMEN_EPM BIT(31)

/* 11.4.9 Invalidation queue */
#define VTD_IQH_QH	  BITS(18, 4)
#define VTD_IQT_QT	  BITS(18, 4)
#define VTD_IQA_QS	  BITS(2, 0)
#define VTD_IQA_DW	  BIT(11)
#define VTD_IQA_IQA	  BITS(63, 12)
#define VTD_ICS_IWC	  BIT(0)
#define VTD_IQERCD_IQEI	  BITS(3, 0)
#define VTD_IQERCD_ITESID BITS(47, 32)
#define VTD_IQERCD_ICESID BITS(63, 48)

/* IQERCD.IQEI */
#define VTD_IQEI_TAIL	  1U /* tail beyond the queue */
#define VTD_IQEI_FETCH	  2U /* descriptor could not be read, or status not written */
#define VTD_IQEI_TYPE	  3U
#define VTD_IQEI_RESERVED 4U /* reserved field, or undefined granularity */
#define VTD_IQEI_WIDTH	  5U
#define VTD_IQEI_ALIGN	  6U /* odd tail with 256-bit descriptors */
#define VTD_IQEI_TTM	  7U

/* 11.4.10 Interrupt remapping table address */
#define VTD_IRTA_S    BITS(3, 0) /* entries: 2 << S */
#define VTD_IRTA_EIME BIT(11)
#define VTD_IRTA_IRTA BITS(63, 12)

/* 11.4.11 Page requests */
#define VTD_PQ_INDEX BITS(18, 5)
#define VTD_PQA_PQS  BITS(2, 0) /* bytes: 4096 << PQS */
#define VTD_PQA_PQA  BITS(63, 12)
#define VTD_PRS_PPR  BIT(0)
#define VTD_PRS_PRO  BIT(1)

/* ---- 9 Translation structures ---- */

/* 9.1 Root entry, both words; 9.2 scalable root entry, each word is one half (devfn 0-127, 128-255)
 */
#define VTD_RE_P    BIT(0)
#define VTD_RE_RSVD BITS(11, 1)
#define VTD_RE_CTP  BITS(63, 12)
static_assert(VTD_RE_P + VTD_RE_RSVD + VTD_RE_CTP == UINT64_MAX, "9.1");

/* 9.3 Context entry, bits 63:0 */
#define VTD_CE_P       BIT(0)
#define VTD_CE_FPD     BIT(1)
#define VTD_CE_TT      BITS(3, 2)
#define VTD_CE_RSVD_4  BITS(11, 4)
#define VTD_CE_SSPTPTR BITS(63, 12)
static_assert(VTD_CE_P + VTD_CE_FPD + VTD_CE_TT + VTD_CE_RSVD_4 + VTD_CE_SSPTPTR == UINT64_MAX,
	      "9.3");
/* 9.3 Context entry, bits 127:64 */
#define VTD_CE_AW      BITS(2, 0)
#define VTD_CE_IGN_3   BITS(6, 3)
#define VTD_CE_RSVD_71 BIT(7)
#define VTD_CE_DID     BITS(23, 8)
#define VTD_CE_RSVD_88 BITS(63, 24)
static_assert(VTD_CE_AW + VTD_CE_IGN_3 + VTD_CE_RSVD_71 + VTD_CE_DID + VTD_CE_RSVD_88 == UINT64_MAX,
	      "9.3");

#define VTD_TT_UNTRANSLATED 0U
#define VTD_TT_DEVICE_TLB   1U
#define VTD_TT_PASS	    2U

/* 9.4 Scalable context entry, bits 63:0 */
#define VTD_SCE_P	    BIT(0)
#define VTD_SCE_FPD	    BIT(1)
#define VTD_SCE_DTE	    BIT(2)
#define VTD_SCE_PASIDE	    BIT(3)
#define VTD_SCE_PRE	    BIT(4)
#define VTD_SCE_RSVD_5	    BITS(8, 5)
#define VTD_SCE_PDTS	    BITS(11, 9) /* directory entries: 128 << PDTS */
#define VTD_SCE_PASIDDIRPTR BITS(63, 12)
static_assert(VTD_SCE_P + VTD_SCE_FPD + VTD_SCE_DTE + VTD_SCE_PASIDE + VTD_SCE_PRE +
			      VTD_SCE_RSVD_5 + VTD_SCE_PDTS + VTD_SCE_PASIDDIRPTR ==
		      UINT64_MAX,
	      "9.4");
/* 9.4 Scalable context entry, bits 127:64; the rest is reserved */
#define VTD_SCE_RID_PASID BITS(19, 0)
#define VTD_SCE_RID_PRIV  BIT(20)
#define VTD_SCE_RSVD_85	  BITS(63, 21)

/* 9.5 PASID directory entry */
#define VTD_PDE_P	  BIT(0)
#define VTD_PDE_FPD	  BIT(1)
#define VTD_PDE_RSVD	  BITS(11, 2)
#define VTD_PDE_SMPTBLPTR BITS(63, 12)
static_assert(VTD_PDE_P + VTD_PDE_FPD + VTD_PDE_RSVD + VTD_PDE_SMPTBLPTR == UINT64_MAX, "9.5");

/* 9.6 PASID table entry, word 0 */
#define VTD_PE_P       BIT(0)
#define VTD_PE_FPD     BIT(1)
#define VTD_PE_AW      BITS(4, 2)
#define VTD_PE_RSVD_5  BIT(5)
#define VTD_PE_PGTT    BITS(8, 6)
#define VTD_PE_SSADE   BIT(9)
#define VTD_PE_RSVD_10 BITS(11, 10)
#define VTD_PE_SSPTPTR BITS(63, 12)
static_assert(VTD_PE_P + VTD_PE_FPD + VTD_PE_AW + VTD_PE_RSVD_5 + VTD_PE_PGTT + VTD_PE_SSADE +
			      VTD_PE_RSVD_10 + VTD_PE_SSPTPTR ==
		      UINT64_MAX,
	      "9.6");
/* word 1 */
#define VTD_PE_DID     BITS(15, 0)
#define VTD_PE_RSVD_80 BITS(22, 16)
#define VTD_PE_PWSNP   BIT(23)
#define VTD_PE_PGSNP   BIT(24)
#define VTD_PE_RSVD_89 BITS(63, 25) /* CD, EMTE and PAT need MTS, which is not implemented */
static_assert(VTD_PE_DID + VTD_PE_RSVD_80 + VTD_PE_PWSNP + VTD_PE_PGSNP + VTD_PE_RSVD_89 ==
		      UINT64_MAX,
	      "9.6");
/* word 2; words 3 to 7 are reserved */
#define VTD_PE_SRE	BIT(0)
#define VTD_PE_ERE	BIT(1) /* reserved without ECAP.ERS */
#define VTD_PE_FSPM	BITS(3, 2)
#define VTD_PE_WPE	BIT(4)
#define VTD_PE_NXE	BIT(5) /* ignored without ECAP.ERS, as is SMEP */
#define VTD_PE_SMEP	BIT(6)
#define VTD_PE_EAFE	BIT(7)
#define VTD_PE_RSVD_136 BITS(11, 8)
#define VTD_PE_FSPTPTR	BITS(63, 12)
static_assert(VTD_PE_SRE + VTD_PE_ERE + VTD_PE_FSPM + VTD_PE_WPE + VTD_PE_NXE + VTD_PE_SMEP +
			      VTD_PE_EAFE + VTD_PE_RSVD_136 + VTD_PE_FSPTPTR ==
		      UINT64_MAX,
	      "9.6");

#define VTD_PGTT_FIRST	1U
#define VTD_PGTT_SECOND 2U
#define VTD_PGTT_NESTED 3U
#define VTD_PGTT_PASS	4U

/* 9.10 Interrupt remapping table entry, remapped (IM = 0), bits 63:0 */
#define VTD_IRTE_P	   BIT(0)
#define VTD_IRTE_FPD	   BIT(1)
#define VTD_IRTE_DM	   BIT(2)
#define VTD_IRTE_RH	   BIT(3)
#define VTD_IRTE_TM	   BIT(4)
#define VTD_IRTE_DLM	   BITS(7, 5)
#define VTD_IRTE_AVAIL	   BITS(11, 8)
#define VTD_IRTE_RSVD_12   BITS(14, 12)
#define VTD_IRTE_IM	   BIT(15)
#define VTD_IRTE_V	   BITS(23, 16)
#define VTD_IRTE_RSVD_24   BITS(31, 24)
#define VTD_IRTE_DST	   BITS(63, 32)
#define VTD_IRTE_DST_XAPIC BITS(47, 40) /* EIME = 0: the rest of DST is reserved */
static_assert(VTD_IRTE_P + VTD_IRTE_FPD + VTD_IRTE_DM + VTD_IRTE_RH + VTD_IRTE_TM + VTD_IRTE_DLM +
			      VTD_IRTE_AVAIL + VTD_IRTE_RSVD_12 + VTD_IRTE_IM + VTD_IRTE_V +
			      VTD_IRTE_RSVD_24 + VTD_IRTE_DST ==
		      UINT64_MAX,
	      "9.10");
/* bits 127:64, both forms */
#define VTD_IRTE_SID	 BITS(15, 0)
#define VTD_IRTE_SQ	 BITS(17, 16)
#define VTD_IRTE_SVT	 BITS(19, 18)
#define VTD_IRTE_RSVD_84 BITS(63, 20)
static_assert(VTD_IRTE_SID + VTD_IRTE_SQ + VTD_IRTE_SVT + VTD_IRTE_RSVD_84 == UINT64_MAX, "9.10");
#define VTD_SVT_NONE 0U
#define VTD_SVT_SID  1U
#define VTD_SVT_BUS  2U

/* 9.11 The same, posted (IM = 1), bits 63:0 */
#define VTD_PIRTE_RSVD_2  BITS(7, 2)
#define VTD_PIRTE_AVAIL	  BITS(11, 8)
#define VTD_PIRTE_RSVD_12 BITS(13, 12)
#define VTD_PIRTE_URG	  BIT(14)
#define VTD_PIRTE_RSVD_24 BITS(37, 24)
#define VTD_PIRTE_PDA_LO  BITS(63, 38) /* descriptor address 31:6 */
static_assert(VTD_IRTE_P + VTD_IRTE_FPD + VTD_PIRTE_RSVD_2 + VTD_PIRTE_AVAIL + VTD_PIRTE_RSVD_12 +
			      VTD_PIRTE_URG + VTD_IRTE_IM + VTD_IRTE_V + VTD_PIRTE_RSVD_24 +
			      VTD_PIRTE_PDA_LO ==
		      UINT64_MAX,
	      "9.11");
/* bits 127:64 */
#define VTD_PIRTE_RSVD_84 BITS(31, 20)
#define VTD_PIRTE_PDA_HI  BITS(63, 32)

/* 9.12 Posted interrupt descriptor: words 0 to 3 are PIR; word 4 */
#define VTD_PID_ON	   BIT(0)
#define VTD_PID_SN	   BIT(1)
#define VTD_PID_RSVD_258   BITS(15, 2)
#define VTD_PID_NV	   BITS(23, 16)
#define VTD_PID_RSVD_280   BITS(31, 24)
#define VTD_PID_NDST	   BITS(63, 32)
#define VTD_PID_NDST_XAPIC BITS(47, 40) /* EIME = 0 */
static_assert(VTD_PID_ON + VTD_PID_SN + VTD_PID_RSVD_258 + VTD_PID_NV + VTD_PID_RSVD_280 +
			      VTD_PID_NDST ==
		      UINT64_MAX,
	      "9.12");

/* 5.1.2 Interrupt messages: address and data */
#define VTD_MSI_FEE	  UINT64_C(0xfee00000)
#define VTD_MSI_BASE	  BITS(63, 20)
#define VTD_MSI_HANDLE_LO BITS(19, 5)
#define VTD_MSI_FORMAT	  BIT(4)
#define VTD_MSI_SHV	  BIT(3)
#define VTD_MSI_HANDLE_HI BIT(2)
#define VTD_MSI_SUBHANDLE BITS(15, 0)
#define VTD_MSI_DATA_RSVD BITS(31, 16)

/* ---- 6.5.2 Invalidation descriptors ---- */

#define VTD_QI_TYPE_LO BITS(3, 0)
#define VTD_QI_TYPE_HI BITS(11, 9)
#define VTD_QI_CC      1U
#define VTD_QI_IOTLB   2U
#define VTD_QI_DEVTLB  3U
#define VTD_QI_IEC     4U
#define VTD_QI_WAIT    5U
#define VTD_QI_PIOTLB  6U
#define VTD_QI_PC      7U
#define VTD_QI_PDEVTLB 8U
#define VTD_QI_PGRESP  9U

#define VTD_QI_G      BITS(5, 4) /* types 1, 2, 6, 7 */
#define VTD_QI_DID    BITS(31, 16)
#define VTD_QI_PASID  BITS(51, 32) /* types 6, 7, 8, 9 */
#define VTD_QI_CC_SID BITS(47, 32)
#define VTD_QI_CC_FM  BITS(49, 48)
#define VTD_QI_AM     BITS(5, 0) /* types 2, 6: word 1 */
#define VTD_QI_IH     BIT(6)	 /* the same: only entries of pages have changed */
#define VTD_QI_ADDR   BITS(63, 12)
#define VTD_QI_PAGES  (VTD_QI_AM | VTD_QI_IH | VTD_QI_ADDR) /* all that word 1 has */
/* All that word 0 has: of type 2 (with DR, DW), and of type 6. */
#define VTD_QI_IOTLB_BITS  (VTD_QI_TYPE_LO | VTD_QI_TYPE_HI | VTD_QI_G | BITS(7, 6) | VTD_QI_DID)
#define VTD_QI_PIOTLB_BITS (VTD_QI_TYPE_LO | VTD_QI_TYPE_HI | VTD_QI_G | VTD_QI_DID | VTD_QI_PASID)
#define VTD_QI_DEVTLB_SID  BITS(47, 32)
#define VTD_QI_DEVTLB_S	   BIT(0) /* word 1 */
#define VTD_QI_IEC_G	   BIT(4)
#define VTD_QI_IEC_IM	   BITS(31, 27)
#define VTD_QI_IEC_IIDX	   BITS(47, 32)
#define VTD_QI_WAIT_IF	   BIT(4)
#define VTD_QI_WAIT_SW	   BIT(5)
#define VTD_QI_WAIT_FN	   BIT(6)
#define VTD_QI_WAIT_PD	   BIT(7)
#define VTD_QI_WAIT_DATA   BITS(63, 32)
#define VTD_QI_WAIT_ADDR   BITS(63, 2)
#define VTD_QI_PDEVTLB_SID BITS(31, 16)
#define VTD_QI_PDEVTLB_G   BIT(0)  /* word 1 */
#define VTD_QI_PDEVTLB_S   BIT(11) /* word 1 */
#define VTD_QI_PGRESP_PP   BIT(4)
#define VTD_QI_PGRESP_PDP  BIT(5)
#define VTD_QI_PGRESP_CODE BITS(15, 12)
#define VTD_QI_PGRESP_RID  BITS(31, 16)
#define VTD_QI_PGRESP_LPIG BIT(2)      /* word 1 */
#define VTD_QI_PGRESP_PRGI BITS(11, 3) /* word 1 */

/* PASID cache granularity */
#define VTD_PC_DOMAIN 0U
#define VTD_PC_PASID  1U
#define VTD_PC_GLOBAL 3U
/* PASID IOTLB granularity */
#define VTD_PIOTLB_PASID 2U
#define VTD_PIOTLB_PAGES 3U

/* 7.5 Page request descriptor, word 0 */
#define VTD_PRD_TYPE	  BITS(7, 0)
#define VTD_PRD_TYPE_PAGE 1U
#define VTD_PRD_PP	  BIT(8)
#define VTD_PRD_RID	  BITS(31, 16)
#define VTD_PRD_PASID	  BITS(51, 32)
#define VTD_PRD_EXR	  BIT(52)
#define VTD_PRD_PMR	  BIT(53)
/* word 1 */
#define VTD_PRD_RD   BIT(0)
#define VTD_PRD_WR   BIT(1)
#define VTD_PRD_LPIG BIT(2)
#define VTD_PRD_PRGI BITS(11, 3)
#define VTD_PRD_ADDR BITS(63, 12)

/* PCIe page request response codes */
#define VTD_RESPONSE_SUCCESS 0U
#define VTD_RESPONSE_INVALID 1U
#define VTD_RESPONSE_FAILURE 15U

/* ---- 7.1.3 Fault reasons ---- */

#define VTD_FR_ROOT_ABSENT	0x01 /* LRT.2 */
#define VTD_FR_CONTEXT_ABSENT	0x02 /* LCT.2 */
#define VTD_FR_CONTEXT_INVALID	0x03 /* LCT.4 */
#define VTD_FR_WIDTH		0x04 /* LGN.1 */
#define VTD_FR_WRITE		0x05 /* LGN.2 */
#define VTD_FR_READ		0x06 /* LGN.3 */
#define VTD_FR_SS_FETCH		0x07 /* LSS.1 */
#define VTD_FR_ROOT_FETCH	0x08 /* LRT.1 */
#define VTD_FR_CONTEXT_FETCH	0x09 /* LCT.1 */
#define VTD_FR_ROOT_RSVD	0x0a /* LRT.3 */
#define VTD_FR_CONTEXT_RSVD	0x0b /* LCT.3 */
#define VTD_FR_SS_RSVD		0x0c /* LSS.2 */
#define VTD_FR_REQUEST_TYPE	0x0d /* LCT.5 */
#define VTD_FR_WINDOW		0x0e /* LGN.4 */
#define VTD_FR_IR_REQUEST_RSVD	0x20
#define VTD_FR_IR_INDEX		0x21
#define VTD_FR_IR_ABSENT	0x22
#define VTD_FR_IR_FETCH		0x23
#define VTD_FR_IR_RSVD		0x24
#define VTD_FR_IR_COMPATIBILITY 0x25
#define VTD_FR_IR_SID		0x26
#define VTD_FR_IR_PID_FETCH	0x27
#define VTD_FR_IR_PID_RSVD	0x28
#define VTD_FR_IR_REQUEST                                                                          \
	0x29 /* malformed request: the VMM hands over 32-bit messages only, never recorded */
#define VTD_FR_TTM		0x30 /* RTA.1 */
#define VTD_FR_TTM_PASID	0x31 /* RTA.2 */
#define VTD_FR_TTM_PAGE_REQUEST 0x32 /* RTA.3 */
#define VTD_FR_RTA_4		0x33 /* RTA.4: condition not known, never recorded */
#define VTD_FR_SROOT_FETCH	0x38 /* SRT.1 */
#define VTD_FR_SROOT_ABSENT	0x39 /* SRT.2 */
#define VTD_FR_SROOT_RSVD	0x3a /* SRT.3 */
#define VTD_FR_SCONTEXT_FETCH	0x40 /* SCT.1 */
#define VTD_FR_SCONTEXT_ABSENT	0x41 /* SCT.2 */
#define VTD_FR_SCONTEXT_RSVD	0x42 /* SCT.3 */
#define VTD_FR_SCONTEXT_INVALID 0x43 /* SCT.4 */
#define VTD_FR_DTE		0x44 /* SCT.5 */
#define VTD_FR_PASIDE		0x45 /* SCT.6 */
#define VTD_FR_PASID_WIDTH	0x46 /* SCT.7 */
#define VTD_FR_PRE		0x47 /* SCT.8 */
#define VTD_FR_RID_PASID	0x48 /* SCT.9 */
#define VTD_FR_PDE_FETCH	0x50 /* SPD.1 */
#define VTD_FR_PDE_ABSENT	0x51 /* SPD.2 */
#define VTD_FR_PDE_RSVD		0x52 /* SPD.3 */
#define VTD_FR_PE_FETCH		0x58 /* SPT.1 */
#define VTD_FR_PE_ABSENT	0x59 /* SPT.2 */
#define VTD_FR_PE_RSVD		0x5a /* SPT.3 */
#define VTD_FR_PE_INVALID	0x5b /* SPT.4 */
#define VTD_FR_ERE		0x5c /* SPT.5 */
#define VTD_FR_SRE		0x5d /* SPT.6 */
#define VTD_FR_FS_FETCH		0x70 /* SFS.1 */
#define VTD_FR_FS_ABSENT	0x71 /* SFS.2 */
#define VTD_FR_FS_RSVD		0x72 /* SFS.3 */
#define VTD_FR_FS_ROOT_FETCH	0x73 /* SFS.4 */
#define VTD_FR_NEST_WIDTH	0x74 /* SFS.5 */
#define VTD_FR_NEST_ROOT_READ	0x75 /* SFS.6 */
#define VTD_FR_NEST_READ	0x76 /* SFS.7 */
#define VTD_FR_NEST_WRITE	0x77 /* SFS.8 */
#define VTD_FR_SSS_FETCH	0x78 /* SSS.1 */
#define VTD_FR_SSS_ABSENT	0x79 /* SSS.2 */
#define VTD_FR_SSS_RSVD		0x7a /* SSS.3 */
#define VTD_FR_SSS_ROOT_FETCH	0x7b /* SSS.4 */
#define VTD_FR_SSS_NO_SNOOP	0x7c /* SSS.5 */
#define VTD_FR_SSS_UPDATE	0x7d /* SSS.6 */
#define VTD_FR_CANONICAL	0x80 /* SGN.1 */
#define VTD_FR_USER		0x81 /* SGN.2 */
#define VTD_FR_EXECUTE		0x82 /* SGN.3 */
#define VTD_FR_HOST_WIDTH	0x83 /* SGN.4 */
#define VTD_FR_SS_WIDTH		0x84 /* SGN.5 */
#define VTD_FR_SM_WRITE		0x85 /* SGN.6 */
#define VTD_FR_SM_READ		0x86 /* SGN.7 */
#define VTD_FR_SM_WINDOW	0x87 /* SGN.8 */
#define VTD_FR_SGN_9		0x88 /* condition not known, never recorded, as is SGN.10 */
#define VTD_FR_SGN_10		0x89
#define VTD_FR_FS_NO_SNOOP	0x90 /* SFS.9 */
#define VTD_FR_FS_UPDATE	0x91 /* SFS.10 */

#endif
