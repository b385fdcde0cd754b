/* SPDX-License-Identifier: BSD-3-Clause */
/* its_spec.h - registers, commands and table entries, in the order of the manual (Arm IHI 0069),
 * and KVM's tables (Documentation/virt/kvm/devices/arm-vgic-its). */
#ifndef ITS_SPEC_H
#define ITS_SPEC_H

#include "bits.h"

/* ---- frames ---- */

#define ITS_FRAME	    UINT32_C(0x10000)
#define ITS_TRANSLATER	    UINT32_C(0x10040) /* 12.19.17 GITS_TRANSLATER */
#define ITS_FIRST_LPI	    UINT32_C(8192)
#define ITS_NO_DOORBELL	    UINT32_C(1023)
#define ITS_EVENT_BITS_MAX  16U /* ours: of GITS_TYPER */
#define ITS_DEVICE_BITS_MAX 20U
#define ITS_INTID_BITS_MAX  20U

/* ---- control frame (12.19) ---- */

#define ITS_CTLR      UINT32_C(0x0000)
#define ITS_IIDR      UINT32_C(0x0004)
#define ITS_TYPER     UINT32_C(0x0008)
#define ITS_MPIDR     UINT32_C(0x0018)
#define ITS_STATUSR   UINT32_C(0x0040)
#define ITS_UMSIR     UINT32_C(0x0048)
#define ITS_CBASER    UINT32_C(0x0080)
#define ITS_CWRITER   UINT32_C(0x0088)
#define ITS_CREADR    UINT32_C(0x0090)
#define ITS_BASER     UINT32_C(0x0100) /* GITS_BASER0 to 7 */
#define ITS_BASER_END UINT32_C(0x0140)
#define ITS_PIDR4     UINT32_C(0xffd0)
#define ITS_PIDR0     UINT32_C(0xffe0)
#define ITS_CIDR0     UINT32_C(0xfff0)
#define ITS_SGIR      UINT32_C(0x20020)

/* GITS_CTLR */
#define ITS_CTLR_ENABLED   BIT(0)
#define ITS_CTLR_IMDE	   BIT(1)
#define ITS_CTLR_NUMBER	   BITS(7, 4)
#define ITS_CTLR_QUIESCENT BIT(31)

/* GITS_IIDR */
#define ITS_IIDR_REVISION BITS(15, 12) /* KVM: ABI of the tables */

/* GITS_TYPER */
#define ITS_TYPER_PHYSICAL   BIT(0)
#define ITS_TYPER_VIRTUAL    BIT(1)
#define ITS_TYPER_CCT	     BIT(2)
#define ITS_TYPER_RSVD_3     BIT(3)
#define ITS_TYPER_ENTRY_SIZE BITS(7, 4)	  /* bytes - 1 */
#define ITS_TYPER_ID_BITS    BITS(12, 8)  /* - 1 */
#define ITS_TYPER_DEVBITS    BITS(17, 13) /* - 1 */
#define ITS_TYPER_SEIS	     BIT(18)
#define ITS_TYPER_PTA	     BIT(19)
#define ITS_TYPER_RSVD_20    BITS(23, 20)
#define ITS_TYPER_HCC	     BITS(31, 24)
#define ITS_TYPER_CIDBITS    BITS(35, 32) /* - 1 */
#define ITS_TYPER_CIL	     BIT(36)
#define ITS_TYPER_VMOVP	     BIT(37)
#define ITS_TYPER_MPAM	     BIT(38)
#define ITS_TYPER_VSGI	     BIT(39)
#define ITS_TYPER_VMAPP	     BIT(40)
#define ITS_TYPER_SVPET	     BITS(42, 41)
#define ITS_TYPER_NID	     BIT(43)
#define ITS_TYPER_UMSI	     BIT(44)
#define ITS_TYPER_UMSIIRQ    BIT(45)
#define ITS_TYPER_INV	     BIT(46)
#define ITS_TYPER_RSVD_47    BITS(63, 47)
static_assert(ITS_TYPER_PHYSICAL + ITS_TYPER_VIRTUAL + ITS_TYPER_CCT + ITS_TYPER_RSVD_3 +
			      ITS_TYPER_ENTRY_SIZE + ITS_TYPER_ID_BITS + ITS_TYPER_DEVBITS +
			      ITS_TYPER_SEIS + ITS_TYPER_PTA + ITS_TYPER_RSVD_20 + ITS_TYPER_HCC +
			      ITS_TYPER_CIDBITS + ITS_TYPER_CIL + ITS_TYPER_VMOVP + ITS_TYPER_MPAM +
			      ITS_TYPER_VSGI + ITS_TYPER_VMAPP + ITS_TYPER_SVPET + ITS_TYPER_NID +
			      ITS_TYPER_UMSI + ITS_TYPER_UMSIIRQ + ITS_TYPER_INV +
			      ITS_TYPER_RSVD_47 ==
		      UINT64_MAX,
	      "GITS_TYPER");

/* GITS_STATUSR */
#define ITS_STATUSR_UMSI     BIT(4)
#define ITS_STATUSR_OVERFLOW BIT(5)

/* GITS_UMSIR */
#define ITS_UMSIR_EVENT	 BITS(31, 0)
#define ITS_UMSIR_DEVICE BITS(63, 32)

/* GITS_CBASER */
#define ITS_CBASER_SIZE	   BITS(7, 0) /* pages of 4 KiB - 1 */
#define ITS_CBASER_SHARE   BITS(11, 10)
#define ITS_CBASER_ADDRESS BITS(51, 16) /* 15:12 are treated as 0 */
#define ITS_CBASER_OUTER   BITS(55, 53)
#define ITS_CBASER_INNER   BITS(61, 59)
#define ITS_CBASER_VALID   BIT(63)

/* GITS_CWRITER, GITS_CREADR */
#define ITS_CWRITER_RETRY  BIT(0)
#define ITS_CREADR_STALLED BIT(0)
#define ITS_QUEUE_OFFSET   BITS(19, 5)

/* GITS_BASERn */
#define ITS_BASER_SIZE	     BITS(7, 0) /* pages - 1 */
#define ITS_BASER_PAGE	     BITS(9, 8)
#define ITS_BASER_SHARE	     BITS(11, 10)
#define ITS_BASER_ADDRESS    BITS(47, 12)
#define ITS_BASER_ENTRY_SIZE BITS(52, 48) /* bytes - 1 */
#define ITS_BASER_OUTER	     BITS(55, 53)
#define ITS_BASER_TYPE	     BITS(58, 56)
#define ITS_BASER_INNER	     BITS(61, 59)
#define ITS_BASER_INDIRECT   BIT(62)
#define ITS_BASER_VALID	     BIT(63)
static_assert(ITS_BASER_SIZE + ITS_BASER_PAGE + ITS_BASER_SHARE + ITS_BASER_ADDRESS +
			      ITS_BASER_ENTRY_SIZE + ITS_BASER_OUTER + ITS_BASER_TYPE +
			      ITS_BASER_INNER + ITS_BASER_INDIRECT + ITS_BASER_VALID ==
		      UINT64_MAX,
	      "GITS_BASER");
#define ITS_BASER_HIGH BITS(15, 12) /* with pages of 64 KiB: bits 51:48 of the address */

#define ITS_PAGE_4K  0U
#define ITS_PAGE_16K 1U
#define ITS_PAGE_64K 2U

#define ITS_TYPE_DEVICE	    1U
#define ITS_TYPE_VPE	    2U
#define ITS_TYPE_COLLECTION 4U

/* 5.2.2 level-1 entry of an indirect table */
#define ITS_L1_ADDRESS BITS(51, 12)
#define ITS_L1_VALID   BIT(63)

/* GITS_SGIR */
#define ITS_SGIR_INTID BITS(3, 0)
#define ITS_SGIR_VPE   BITS(47, 32)

/* ---- commands (5.3): doubleword and bits ---- */

#define ITS_OP_MOVI    0x01U
#define ITS_OP_INT     0x03U
#define ITS_OP_CLEAR   0x04U
#define ITS_OP_SYNC    0x05U
#define ITS_OP_MAPD    0x08U
#define ITS_OP_MAPC    0x09U
#define ITS_OP_MAPTI   0x0aU
#define ITS_OP_MAPI    0x0bU
#define ITS_OP_INV     0x0cU
#define ITS_OP_INVALL  0x0dU
#define ITS_OP_MOVALL  0x0eU
#define ITS_OP_DISCARD 0x0fU
#define ITS_OP_VMOVI   0x21U
#define ITS_OP_VMOVP   0x22U
#define ITS_OP_VSGI    0x23U
#define ITS_OP_VSYNC   0x25U
#define ITS_OP_VMAPP   0x29U
#define ITS_OP_VMAPTI  0x2aU
#define ITS_OP_VMAPI   0x2bU
#define ITS_OP_VINVALL 0x2dU
#define ITS_OP_INVDB   0x2eU
#define ITS_OP_VIRTUAL 0x20U /* this and above: GICv4 */

/* doubleword 0 */
#define ITS_0_OPCODE	  BITS(7, 0)
#define ITS_0_DEVICE	  BITS(63, 32)
#define ITS_0_VMAPP_ALLOC BIT(8)
#define ITS_0_VMAPP_PTZ	  BIT(9)
#define ITS_0_VMAPP_VCONF BITS(51, 16)
#define ITS_0_VSGI_ENABLE BIT(8)
#define ITS_0_VSGI_CLEAR  BIT(9)
#define ITS_0_VSGI_GROUP  BIT(10)
#define ITS_0_VSGI_PRIO	  BITS(23, 20)
#define ITS_0_VSGI_INTID  BITS(35, 32)
/* doubleword 1 */
#define ITS_1_SIZE     BITS(4, 0) /* MAPD: bits - 1 */
#define ITS_1_EVENT    BITS(31, 0)
#define ITS_1_DOORBELL BITS(31, 0) /* VMAPP: default doorbell */
#define ITS_1_VPE      BITS(47, 32)
#define ITS_1_INTID    BITS(63, 32)
/* doubleword 2 */
#define ITS_2_ICID     BITS(15, 0)
#define ITS_2_VMOVI_D  BIT(0)
#define ITS_2_VINTID   BITS(31, 0)
#define ITS_2_ITT      BITS(51, 8)
#define ITS_2_RDBASE   BITS(51, 16)
#define ITS_2_DOORBELL BITS(63, 32)
#define ITS_2_VALID    BIT(63)
#define ITS_2_VMOVP_DB BIT(63)
/* doubleword 3 */
#define ITS_3_VPT_SIZE BITS(4, 0) /* bits - 1 */
#define ITS_3_RDBASE   BITS(51, 16)
#define ITS_3_VPT      BITS(51, 16)
#define ITS_3_DOORBELL BITS(31, 0) /* VMOVP */

/* ---- redistributor (12.11): offsets as the register files have them, VLPI frame from 0x100 up ---- */

#define GICR_FRAME	UINT32_C(0x40000) /* of a redistributor, in the register space */
#define GICR_VLPI_FRAME UINT32_C(0x20000)
#define GICR_CTLR	UINT32_C(0x00)
#define GICR_TYPER	UINT32_C(0x08)
#define GICR_SETLPIR	UINT32_C(0x40)
#define GICR_CLRLPIR	UINT32_C(0x48)
#define GICR_PROPBASER	UINT32_C(0x70)
#define GICR_PENDBASER	UINT32_C(0x78)
#define GICR_INVLPIR	UINT32_C(0xa0)
#define GICR_INVALLR	UINT32_C(0xb0)
#define GICR_SYNCR	UINT32_C(0xc0)
#define GICR_VLPI	UINT32_C(0x100)
#define GICR_VPROPBASER UINT32_C(0x170)
#define GICR_VPENDBASER UINT32_C(0x178)
#define GICR_VSGIR	UINT32_C(0x180)
#define GICR_VSGIPENDR	UINT32_C(0x188)
#define GICR_SPACE	UINT32_C(0x200)

#define GICR_CTLR_ENABLE BIT(0)
#define GICR_CTLR_CES	 BIT(1)
#define GICR_CTLR_IR	 BIT(2)
#define GICR_CTLR_RWP	 BIT(3)

#define GICR_TYPER_PLPIS  BIT(0)
#define GICR_TYPER_VLPIS  BIT(1)
#define GICR_TYPER_DIRECT BIT(3)
#define GICR_TYPER_LAST	  BIT(4)
#define GICR_TYPER_RVPEID BIT(7)
#define GICR_TYPER_NUMBER BITS(23, 8)

#define GICR_LPIR_INTID BITS(31, 0)
#define GICR_INV_VPE	BITS(47, 32)
#define GICR_INV_V	BIT(63)
#define GICR_SYNCR_BUSY BIT(0)

#define GICR_PROPBASER_IDBITS  BITS(4, 0) /* - 1 */
#define GICR_PROPBASER_INNER   BITS(9, 7)
#define GICR_PROPBASER_SHARE   BITS(11, 10)
#define GICR_PROPBASER_ADDRESS BITS(51, 12)
#define GICR_PROPBASER_OUTER   BITS(58, 56)
#define GICR_PENDBASER_INNER   BITS(9, 7)
#define GICR_PENDBASER_SHARE   BITS(11, 10)
#define GICR_PENDBASER_ADDRESS BITS(51, 16)
#define GICR_PENDBASER_OUTER   BITS(58, 56)
#define GICR_PENDBASER_PTZ     BIT(62)

/* Configuration byte of an LPI */
#define LPI_CONFIG_ENABLE   BIT(0)
#define LPI_CONFIG_PRIORITY BITS(7, 2)

/* 4.0: as PROPBASER. 4.1: the vPE configuration table. */
#define GICR_VPROPBASER_41	 (BITS(6, 0) | BITS(54, 12) | BIT(55) | BITS(61, 59) | BIT(63))
#define GICR_VPENDBASER_VPE	 BITS(15, 0)  /* 4.1 */
#define GICR_VPENDBASER_ADDRESS	 BITS(51, 16) /* 4.0 */
#define GICR_VPENDBASER_GRP1	 BIT(58)      /* 4.1 */
#define GICR_VPENDBASER_GRP0	 BIT(59)      /* 4.1 */
#define GICR_VPENDBASER_DIRTY	 BIT(60)
#define GICR_VPENDBASER_LAST	 BIT(61)
#define GICR_VPENDBASER_IDAI	 BIT(62) /* 4.0 */
#define GICR_VPENDBASER_DOORBELL BIT(62) /* 4.1 */
#define GICR_VPENDBASER_VALID	 BIT(63)
#define GICR_VSGIR_VPE		 BITS(15, 0)
#define GICR_VSGIPENDR_PENDING	 BITS(15, 0)
#define GICR_VSGIPENDR_BUSY	 BIT(31)

/* ---- KVM's tables, revision 0 ---- */

#define KVM_DTE_SIZE  BITS(4, 0)  /* bits - 1 */
#define KVM_DTE_ITT   BITS(48, 5) /* bits 51:8 of the address */
#define KVM_DTE_NEXT  BITS(62, 49)
#define KVM_DTE_VALID BIT(63)
static_assert(KVM_DTE_SIZE + KVM_DTE_ITT + KVM_DTE_NEXT + KVM_DTE_VALID == UINT64_MAX, "DTE");

#define KVM_CTE_ICID	 BITS(15, 0)
#define KVM_CTE_RDBASE	 BITS(51, 16)
#define KVM_CTE_RES0	 BITS(62, 52)
#define KVM_CTE_VALID	 BIT(63)
#define KVM_CTE_UNMAPPED UINT64_C(0xffffffff) /* RDBASE of a collection without a target */
static_assert(KVM_CTE_ICID + KVM_CTE_RDBASE + KVM_CTE_RES0 + KVM_CTE_VALID == UINT64_MAX, "CTE");

#define KVM_ITE_ICID  BITS(15, 0)
#define KVM_ITE_INTID BITS(47, 16)
#define KVM_ITE_NEXT  BITS(63, 48)
static_assert(KVM_ITE_ICID + KVM_ITE_INTID + KVM_ITE_NEXT == UINT64_MAX, "ITE");

#endif
