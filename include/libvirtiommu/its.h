/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file its.h - Arm GICv3 and GICv4 interrupt translation: ITSs, and the redistributors' half of
 * LPIs, which all ITSs of a VM share (IHI 0069).
 *
 * Two kinds of engine, each a struct viommu: viommu_reg_read(), viommu_reg_write(), viommu_run(),
 * viommu_reset(), viommu_save(), viommu_restore(), viommu_free() work on both, with the results
 * described in iommu.h.
 *
 *     viommu_lpis_new()   one a VM: per redistributor GICR_CTLR.EnableLPIs, PROPBASER, PENDBASER, ...,
 *                         pending bits, priorities and enables, and the virtual processors (vPEs)
 *     viommu_its_new()    one an ITS: registers, commands, devices, events, collections
 *
 * A device's interrupt is viommu_remap_msi(its, DeviceID, address of GITS_TRANSLATER, EventID, ...).
 * Neither kind has devices: viommu_device_new() answers VIOMMU_ENOTSUP.
 *
 * Where the architecture leaves a choice (CONSTRAINED UNPREDICTABLE), this is ours:
 *
 * Registers of an ITS
 *  - Accesses of 1 and 2 bytes, misaligned ones, and offsets without a register read as 0 and ignore
 *    writes. 8 bytes over two 32-bit registers are two accesses, the lower first. GITS_TRANSLATER
 *    ignores writes through viommu_reg_write(): they carry no DeviceID.
 *  - Registers of features that TYPER does not show read as 0 and ignore writes: UMSI (STATUSR,
 *    UMSIR), VMAPP (MPIDR), VSGI (SGIR). TYPER must not show MPAM or UMSIirq, so their registers never exist.
 *  - GITS_CBASER and GITS_BASERn ignore writes while GITS_CTLR.Enabled is 1. A write to either half
 *    of CBASER sets CREADR (also Stalled) and CWRITER to 0. CBASER bits 15:12 are 0.
 *  - GITS_BASER0 is the device table (type 1), BASER1 the collection table (type 4), BASER2 the vPE
 *    table (type 2) if TYPER.Virtual, the others do not exist. Entries have 8 bytes. Indirect can be
 *    set for all three. Page size 3 is treated, and read back, as 2 (64 KiB). Type, Entry_Size read
 *    as they are; all other bits as written. Valid from 1 to 0 drops all devices with their events,
 *    all collections, or unmaps all vPEs from this ITS.
 *  - GITS_CWRITER ignores an offset that is not below the size of the queue: the register keeps its
 *    value. Retry reads as 0. While CREADR.Stalled is 1 nothing is executed; Retry written as 1
 *    clears Stalled and executes the command again.
 *  - GITS_CTLR.Enabled stays 0 unless CBASER, BASER0 and (unless TYPER.HCC is not 0) BASER1 are
 *    valid. Commands that were queued while it was 0 are executed when it becomes 1.
 *  - GITS_CTLR.Quiescent reads as 0 while a command is under way (it waits, or the budget ended in
 *    the middle of the queue) or, after Enabled became 0, while translations from before still are;
 *    then the write answered VIOMMU_PENDING. Otherwise it is 1, whether Enabled or not.
 *  - GITS_CTLR.ImDe is kept and has no effect. ITS_Number is the configured one.
 *
 * Commands
 *  - A command with an invalid parameter does nothing, is reported through the error callback with
 *    the code of the architecture's SError syndrome (VIOMMU_ITS_ERROR_*), and is skipped. Opcodes
 *    that do not exist, and GICv4 ones without TYPER.Virtual, likewise, with code 0. Reserved bits
 *    are ignored.
 *  - A command that cannot be read, or needs a level-1 table entry that cannot, stalls the queue:
 *    CREADR.Stalled is 1, CREADR stays on it. It is reported with VIOMMU_ITS_ERROR_MEMORY.
 *  - Checks are made in this order, and the first that fails is reported:
 *        MAPD             DeviceID range (01); V=1: Size > ID_bits (02), the caps (ff)
 *        MAPC             ICID range (03); V=1: RDbase (02)
 *        MAPTI, MAPI      DeviceID range (01), ICID range (03), device mapped (04), EventID (05),
 *                         INTID (06)
 *        INT CLEAR DISCARD INV   DeviceID range (01), device mapped (04), EventID (05), event mapped
 *                         (07), its collection or vPE mapped (10)
 *        MOVI             as INT up to event mapped, a physical event (07), ICID range (03), old and
 *                         new collection mapped (09)
 *        INVALL           ICID range (03), collection mapped (09)
 *        MOVALL           RDbase1, RDbase2 (01)
 *        SYNC             none: a wrong RDbase is ignored
 *        VMAPTI, VMAPI    DeviceID range (01), vPEID range (11), device mapped (04), EventID (05),
 *                         vINTID (13), doorbell (06)
 *        VMOVI            as INT up to event mapped, a virtual event (15), vPEID range (11), its old
 *                         vPE mapped (16), the new one mapped (17), vINTID in both VPTs (13),
 *                         doorbell if D (06)
 *        VMAPP            vPEID range (11); V=1: VPT_size > ID_bits, or > intid_bits - 1 (12), RDbase (02),
 *                         memory (ff)
 *        VMOVP            vPEID range (11), mapped (14), RDbase (02)
 *        VINVALL VSYNC INVDB VSGI    vPEID range (11), mapped (14)
 *  - An id is in range if it is below 2^bits of TYPER and its table has an entry for it: that is
 *    below the capacity of the table (flat) or in a level-1 entry that is valid (indirect). ICIDs
 *    below HCC need no table. INTIDs are LPIs from 8192 up to below 2^intid_bits of the LPI object;
 *    a doorbell may also be 1023, none. vPEIDs are below the LPI object's number of vPEs.
 *  - RDbase is GICR_TYPER.Processor_Number (PTA=0) or the address of the redistributor (PTA=1); it
 *    is wrong if there is no such redistributor.
 *  - MAPD V=1 of a mapped device starts with no events. MAPD V=0 of a device that is not mapped, MAPC
 *    V=0 and VMAPP V=0 of what is not mapped do nothing. What GITS_BASERn and MAPD say about memory
 *    is kept, for viommu_its_save_tables(), and otherwise never used: tables are not read or written,
 *    but for level-1 entries, which are read for every command that has a range to check.
 *  - Pending bits belong to the redistributor. MAPD, MAPC and MAPTI leave them as they are. MOVI
 *    moves that of its LPI if the redistributors differ, MOVALL moves all, DISCARD and CLEAR clear
 *    it. MAPTI overwrites an event that is mapped, without touching the old LPI's pending bit.
 *  - MOVI and MOVALL leave pending what the new redistributor does not have: EnableLPIs is 0 there, or
 *    the INTID is beyond its PROPBASER.IDbits.
 *  - MOVI, DISCARD and VMOVI first take the event away, then wait until no delivery that found it is
 *    under way, then move or clear. SYNC (and VSYNC) wait for sections, listeners and routes, as
 *    any completion of this library does.
 *
 * LPIs
 *  - A message makes an LPI pending if everything is mapped, EnableLPIs of the redistributor is 1, and
 *    the INTID is below 2^(PROPBASER.IDbits + 1) of the redistributor. Otherwise it is dropped. Resolving
 *    looks at the mappings only, not at the redistributor.
 *  - PROPBASER and PENDBASER can be written only while EnableLPIs is 0, and are used as they were
 *    when it became 1. PROPBASER.IDbits below 13, or above intid_bits - 1: no LPI, or as intid_bits
 *    - 1; it reads as written. PENDBASER.PTZ reads as 0; the value last written counts.
 *  - All redistributors share one cache of configuration bytes, one a INTID (CommonLPIAff 0). The
 *    byte of an LPI is read when it becomes pending and is not cached, through the PROPBASER of the
 *    redistributor concerned. One that cannot be read counts as 0: disabled. A byte that differs from the
 *    one before is told to every redistributor that has the LPI pending. viommu_lpis_get() reads one that
 *    is not cached, too, but never tells: one that would have to be told is not cached by it.
 *    INV and INVLPIR read it again at once if EnableLPIs of that redistributor is 1 and the INTID is
 *    within its IDbits, and forget all bytes of all LPIs otherwise. INVALL, INVALLR, and EnableLPIs becoming 1 on any redistributor forget all
 *    bytes of all LPIs; then those of the LPIs that are pending on that redistributor are read again.
 *  - EnableLPIs becoming 1: all pending bits of the redistributor are dropped, and with PTZ=0 read
 *    from memory (bits of INTIDs below 8192 are ignored; bytes that cannot be read count as 0).
 *    Memory is not changed by that. Becoming 0 (only if CES reads as 1): the bits from INTID 8192 up
 *    are written to memory, and dropped here. GICR_CTLR.RWP reads as 1 while either is under way.
 *    Then writes to EnableLPIs are ignored.
 *  - SETLPIR and CLRLPIR exist with VIOMMU_LPIS_DIRECT only. INVLPIR and INVALLR always do (IR=1),
 *    those with V=1 only on GICv4.1. These four, and GITS_SGIR, act when their lower half is written; an
 *    upper half that was written before counts. SYNCR.Busy is 1 while something of them is under way.
 *  - viommu_restore() forgets all configuration bytes, and answers VIOMMU_PENDING if an EnableLPIs is 1:
 *    viommu_run() then tells of all that is pending and enabled, as when EnableLPIs became 1.
 *
 * Virtual LPIs
 *  - A vPE belongs to the VM: ITSs that map it agree on its tables, and the last VMAPP wins. VMOVP is
 *    made by the first ITS that executes it (also with TYPER.VMOVP=0, where software sends it to each).
 *  - The pending bits of a vPE are ours. The VPT is read by the VMAPP that first maps a vPE: on
 *    GICv4.0 always, on 4.1 if Alloc=1 and PTZ=0. It is written when the last ITS unmaps the vPE, and
 *    when the vPE is descheduled (VPENDBASER.Valid from 1 to 0), unless VIOMMU_LPIS_NO_GUEST_WRITES. On
 *    4.1 the virtual SGIs that are pending are bits 15:0 of the VPT's first doubleword; their
 *    configuration is not in memory: the first VMAPP with Alloc=1 disables them all, priority 0.
 *  - Configuration bytes of vLPIs are not cached: read whenever a vLPI of a resident vPE becomes
 *    pending, a vPE becomes resident or is descheduled, or an invalidation names it. One that cannot be
 *    read counts as 0, also for PendingLast.
 *  - Doorbells ring for a vPE that is not resident, whether the vLPI or virtual SGI is enabled or not. On
 *    GICv4.0 that of the event, each time its vLPI becomes pending. On 4.1 the default doorbell, once, if
 *    the vPE was descheduled the last time with VPENDBASER.Doorbell=1 and PendingLast has become 0; the
 *    last VMAPP V=0 forgets that. What is pending rings also when its configuration may have changed:
 *    INV (on 4.0 the event's doorbell), and on 4.1 VINVALL, INVLPIR and INVALLR with V=1, and VSGI with
 *    Clear=0. So whoever enables what came while it was disabled need not know where the vPE is.
 *  - GITS_SGIR acts on vPEs that this ITS maps.
 */
#ifndef LIBVIRTIOMMU_ITS_H
#define LIBVIRTIOMMU_ITS_H

#include <libvirtiommu/iommu.h>
#include <libvirtiommu/irq.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- LPIs ---- */

/** The library never writes guest memory for this VM's interrupts: pending bits are not written
 * back, GICR_CTLR.CES reads as 0, so that EnableLPIs stays 1 once it is, and viommu_its_save_tables()
 * and viommu_lpis_save_pending() answer VIOMMU_ENOTSUP. */
#define VIOMMU_LPIS_NO_GUEST_WRITES 1U
/** GICR_TYPER.DirectLPI: SETLPIR and CLRLPIR exist, and there is no ITS. */
#define VIOMMU_LPIS_DIRECT 2U
/** GICv4: GICR_TYPER.VLPIS, and a VLPI frame. */
#define VIOMMU_LPIS_V4 4U
/** GICv4.1 (with VIOMMU_LPIS_V4): GICR_TYPER.RVPEID, and the VLPI frame of 4.1. */
#define VIOMMU_LPIS_V41 8U

/** How to create the LPIs of a VM. Zero the structure, set size, fill in what is wanted. */
struct viommu_lpis_config {
	uint32_t size;	     /**< sizeof(struct viommu_lpis_config) */
	uint32_t flags;	     /**< VIOMMU_LPIS_* */
	uint32_t cpus;	     /**< redistributors, 1 to 1024 */
	uint32_t intid_bits; /**< GICD_TYPER.IDbits + 1: 14 to 20; 0: 16 */
	uint32_t vpes;	     /**< with VIOMMU_LPIS_V4: vPEIDs are below this, 1 to 65536; else 0 */
	uint32_t reserved;   /**< 0 */
	/** With GITS_TYPER.PTA: address of the RD_base frame of redistributor 0, a multiple of 64 KiB. */
	uint64_t rd_base;
	/** With PTA: from one redistributor to the next, a multiple of 64 KiB; 0: 128 KiB, on GICv4
	 * 256 KiB. */
	uint64_t rd_stride;
	void *opaque; /**< passed to the callbacks */
	/** What a redistributor has to forward has changed: with pending 1, LPI intid is pending and
	 * enabled, at this priority (configuration byte & 0xfc); with 0, it is no longer. Not made if
	 * nothing differs from what the last call about this LPI said, nor for what the VMM did itself:
	 * viommu_lpis_acknowledge(), EnableLPIs becoming 0 (nothing is pending then), viommu_reset().
	 * While EnableLPIs becomes 1, and after viommu_restore(), things may be said twice. From the
	 * thread that made the change, with no lock held. Calls from several threads may overtake each
	 * other, and say things twice: a VMM with more than one asks viommu_lpis_get() under a lock of
	 * its own. */
	void (*lpi)(void *opaque, uint32_t cpu, uint32_t intid, uint32_t priority,
		    uint32_t pending);
	/** The same for vLPIs of the vPE that is resident on a redistributor; intids below 16 are
	 * virtual SGIs (4.1). When a vPE becomes resident, each of its pending and enabled vLPIs is
	 * told; when it is descheduled, nothing is. From the same threads as lpi. */
	void (*vlpi)(void *opaque, uint32_t cpu, uint32_t vpe, uint32_t intid, uint32_t priority,
		     uint32_t pending);
	/** Callbacks work and message; may be NULL. Copied. */
	const struct viommu_host *host;
	/** Only steps is used; may be NULL. Copied. */
	const struct viommu_limits *limits;
};

/** Offset of a redistributor's register for viommu_reg_read() and viommu_reg_write(): offset counts
 * from RD_base, below 0x40000. */
#define VIOMMU_LPIS_OFFSET(cpu, offset) ((uint64_t)(cpu) << 18 | (offset))

/**
 * Creates the LPIs of a VM, with EnableLPIs 0 everywhere.
 *
 * The register space is that of all redistributors, at VIOMMU_LPIS_OFFSET(): of RD_base, CTLR (0x0;
 * EnableLPIs is written, EnableLPIs, CES, IR, RWP are read; the other bits are the VMM's and read as
 * 0), TYPER (0x8; Affinity reads as 0: the VMM adds it), SETLPIR (0x40), CLRLPIR (0x48), PROPBASER
 * (0x70), PENDBASER (0x78), INVLPIR (0xa0), INVALLR (0xb0), SYNCR (0xc0); of the VLPI frame at 0x20000,
 * VPROPBASER (0x20070), VPENDBASER (0x20078), VSGIR (0x20080), VSGIPENDR (0x20088). Everything else
 * reads as 0 and ignores writes: the VMM keeps the other registers of its redistributors. 64-bit
 * registers may be accessed in halves.
 *
 * viommu_save() and viommu_restore() hold the registers, pending bits and vPEs; they neither read nor
 * write guest memory. Restore the LPIs before the ITSs. viommu_reset() drops everything. viommu_free()
 * answers VIOMMU_EBUSY while an ITS refers to it.
 *
 * Any thread, any time.
 * @param vm      the VM
 * @param config  copied
 * @param lpis    receives the handle
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ESIZE, VIOMMU_ENOMEM
 */
VIOMMU_API int viommu_lpis_new(struct viommu_vm *vm, const struct viommu_lpis_config *config,
			       struct viommu **lpis);

/** State of one LPI, vLPI or virtual SGI. */
struct viommu_lpi {
	uint32_t size;	   /**< sizeof(struct viommu_lpi) */
	uint32_t pending;  /**< 1: pending */
	uint32_t enabled;  /**< 1: enabled (as cached; read if it is not) */
	uint32_t priority; /**< 0 to 0xfc, lower is more urgent */
};

/**
 * Reads the state of an LPI.
 *
 * Any thread, any time. May read guest memory (one byte of the configuration table).
 * @param lpis   from viommu_lpis_new()
 * @param cpu    the redistributor
 * @param intid  an LPI
 * @param lpi    size is set by the caller; the rest is written. While EnableLPIs is 0, and beyond IDbits of
 * the redistributor, all 0
 * @return VIOMMU_OK, VIOMMU_EINVAL (also: no such redistributor, no LPI in range), VIOMMU_ESIZE
 */
VIOMMU_API int viommu_lpis_get(struct viommu *lpis, uint32_t cpu, uint32_t intid,
			       struct viommu_lpi *lpi);

/**
 * The CPU interface has acknowledged an LPI: it is no longer pending. The lpi callback is not made.
 *
 * Any thread, any time.
 * @param lpis   from viommu_lpis_new()
 * @param cpu    the redistributor
 * @param intid  an LPI
 * @return VIOMMU_OK; VIOMMU_ENOENT: it was not pending; VIOMMU_EINVAL
 */
VIOMMU_API int viommu_lpis_acknowledge(struct viommu *lpis, uint32_t cpu, uint32_t intid);

/**
 * Reads the state of a vLPI (intid from 8192), or of a virtual SGI (below 16).
 *
 * Any thread, any time. May read guest memory, as viommu_lpis_get().
 * @param lpis   from viommu_lpis_new(), with VIOMMU_LPIS_V4
 * @param vpe    vPEID
 * @param intid  of the vPE
 * @param lpi    size is set by the caller; enabled and priority of a vLPI are 0 where its
 * configuration table is not known (GICv4.0, not resident)
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ESIZE, VIOMMU_ENOENT (the vPE is not mapped),
 * VIOMMU_ENOTSUP
 */
VIOMMU_API int viommu_lpis_get_virtual(struct viommu *lpis, uint32_t vpe, uint32_t intid,
				       struct viommu_lpi *lpi);

/**
 * The virtual CPU interface has acknowledged a vLPI or virtual SGI. The vlpi callback is not made.
 *
 * Any thread, any time.
 * @param lpis   from viommu_lpis_new(), with VIOMMU_LPIS_V4
 * @param vpe    vPEID
 * @param intid  of the vPE
 * @return VIOMMU_OK, VIOMMU_ENOENT (it was not pending, or the vPE is not mapped), VIOMMU_EINVAL,
 * VIOMMU_ENOTSUP
 */
VIOMMU_API int viommu_lpis_acknowledge_virtual(struct viommu *lpis, uint32_t vpe, uint32_t intid);

/**
 * Writes the pending tables of all redistributors with EnableLPIs=1 to guest memory, as
 * KVM_DEV_ARM_VGIC_SAVE_PENDING_TABLES does: words that differ are written, and nothing changes here.
 * On the other side, the write of EnableLPIs=1 with PTZ=0 reads them.
 *
 * One at a time per handle, together with viommu_reg_write() and viommu_run().
 * @param lpis  from viommu_lpis_new()
 * @return VIOMMU_OK; VIOMMU_FAULT: guest memory could not be accessed (what was written stays);
 * VIOMMU_ENOTSUP (VIOMMU_LPIS_NO_GUEST_WRITES), VIOMMU_EINVAL, VIOMMU_EBUSY (as viommu_reg_write())
 */
VIOMMU_API int viommu_lpis_save_pending(struct viommu *lpis);

/* ---- ITS ---- */

/** @name Errors of commands
 * Code: 0x01 << 16 | command << 8 | reason, as in the syndrome of an ITS's SError. Command is the
 * opcode, but for CLEAR (0x05).
 * @{
 */
/** The code of a command's error. */
#define VIOMMU_ITS_ERROR(command, reason)    (0x010000U | (command) << 8 | (reason))
#define VIOMMU_ITS_ERROR_DEVICE_OOR	     0x01U /**< DeviceID out of range */
#define VIOMMU_ITS_ERROR_SIZE_OOR	     0x02U /**< MAPD: size; MAPC, VMAPP, VMOVP: RDbase */
#define VIOMMU_ITS_ERROR_COLLECTION_OOR	     0x03U /**< ICID out of range */
#define VIOMMU_ITS_ERROR_UNMAPPED_DEVICE     0x04U /**< the device is not mapped */
#define VIOMMU_ITS_ERROR_ID_OOR		     0x05U /**< EventID out of the device's range */
#define VIOMMU_ITS_ERROR_PHYSICALID_OOR	     0x06U /**< INTID is no LPI; doorbell is none either */
#define VIOMMU_ITS_ERROR_UNMAPPED_INTERRUPT  0x07U /**< the event is not mapped */
#define VIOMMU_ITS_ERROR_UNMAPPED_COLLECTION 0x09U /**< the collection is not mapped */
#define VIOMMU_ITS_ERROR_ITE_INVALID	     0x10U /**< the event's collection or vPE is not mapped */
#define VIOMMU_ITS_ERROR_VCPU_OOR	     0x11U /**< vPEID out of range */
#define VIOMMU_ITS_ERROR_VPTSIZE_OOR	     0x12U /**< VPT_size */
#define VIOMMU_ITS_ERROR_VIRTUALID_OOR	     0x13U /**< vINTID is no LPI of the vPE */
#define VIOMMU_ITS_ERROR_VCPU_INVALID	     0x14U /**< the vPE is not mapped */
#define VIOMMU_ITS_ERROR_ID_IS_PHYSICAL	     0x15U /**< the event is not virtual */
#define VIOMMU_ITS_ERROR_ITEVCPU_INVALID     0x16U /**< VMOVI: the event's vPE is not mapped */
#define VIOMMU_ITS_ERROR_CMDVCPU_INVALID     0x17U /**< VMOVI: the command's vPE is not mapped */
#define VIOMMU_ITS_ERROR_LIMIT		     0xffU /**< ours: a cap of the configuration */
/** Ours: memory of the queue or of a level-1 table cannot be read; the queue is stalled. */
#define VIOMMU_ITS_ERROR_MEMORY 0xffffffffU
/** @} */

/** @name Reasons of viommu_remap_msi()
 * With VIOMMU_FAULT, msi.reason is one of the reasons above (01, 04, 05, 07, 10, 06) or of these.
 * Nothing is recorded, except with GITS_TYPER.UMSI, when not resolving.
 * @{
 */
#define VIOMMU_ITS_REASON_DISABLED 0x100U /**< GITS_CTLR.Enabled is 0 */
#define VIOMMU_ITS_REASON_LPI_OFF  0x101U /**< EnableLPIs of the redistributor is 0 */
#define VIOMMU_ITS_REASON_ADDRESS  0x102U /**< not the address of GITS_TRANSLATER */
/** @} */

/** How to create an ITS. Zero the structure, set size, fill in what is wanted. */
struct viommu_its_config {
	uint32_t size;	     /**< sizeof(struct viommu_its_config) */
	uint32_t flags;	     /**< 0 */
	struct viommu *lpis; /**< from viommu_lpis_new(), of the same VM */
	/** GITS_TYPER, presented exactly; 0: viommu_its_default_typer(). Widths: ID_bits up to 16
	 * bits (with Virtual it bounds VPT_size, too: choose at least intid_bits), Devbits up to 20.
	 * Not to be had: CCT, SEIS, MPAM, UMSIirq; nID. Virtual needs VIOMMU_LPIS_V4; VMAPP, VSGI and
	 * SVPET need VIOMMU_LPIS_V41. INV (4.1) may be 1. */
	uint64_t typer;
	uint32_t iidr;	 /**< GITS_IIDR; 0: 0x43b */
	uint32_t number; /**< with Virtual: GITS_CTLR.ITS_Number, 0 to 15 */
	/** Guest-physical address of the control frame: GITS_TRANSLATER is at base + 0x10040. A
	 * multiple of 64 KiB. */
	uint64_t base;
	uint32_t devices; /**< mapped at a time; MAPD refuses more; 0: 4096, at most 65536 */
	/** Events of all mapped devices together, mapped or not (2^bits each, at least 16), 8 bytes
	 * each; MAPD refuses more, and nothing else counts; 0: 262144, rounded up to a multiple of
	 * 1024, at most 2^20. */
	uint32_t events;
	void *opaque; /**< passed to error */
	/** A command was refused, or the queue has stalled. code: VIOMMU_ITS_ERROR_*; command: its
	 * four words, all 0 if they could not be read. From the thread that runs commands. */
	void (*error)(void *opaque, uint32_t code, const uint64_t *command);
	/** Callbacks work and message; may be NULL. Copied. */
	const struct viommu_host *host;
	/** queue_budget (commands a call) and steps are used; may be NULL. Copied. */
	const struct viommu_limits *limits;
};

/**
 * Default GITS_TYPER: physical LPIs, 16-bit DeviceID, EventID and ICID, 8-byte ITT entries, PTA 0,
 * HCC 0.
 *
 * Any thread, any time.
 * @return the register
 */
VIOMMU_API uint64_t viommu_its_default_typer(void);

/**
 * Creates an ITS in its state after reset.
 *
 * The register space is that of the control frame (0 to 0xffff), the translation frame (0x10000 to
 * 0x1ffff) and, with TYPER.VSGI, the virtual SGI frame (0x20000 to 0x2ffff). viommu_remap_msi()
 * answers VIOMMU_MSI_KIND_LPI with intid and cpu, or VIOMMU_MSI_KIND_VLPI with intid and, as cpu, the
 * vPEID; index is the EventID, also with VIOMMU_FAULT. Deliver makes it pending; resolve changes
 * nothing. viommu_save() and viommu_restore() hold registers, mappings and commands under way; they
 * neither read nor write guest memory.
 *
 * Any thread, any time.
 * @param vm      the VM
 * @param config  copied
 * @param its     receives the handle
 * @return VIOMMU_OK, VIOMMU_EINVAL (a field is out of range or contradicts the LPI object's
 * configuration), VIOMMU_ENOTSUP (TYPER names a feature that this library does not have),
 * VIOMMU_ELIMIT (64 ITSs have these LPIs), VIOMMU_ESIZE, VIOMMU_ENOMEM. Each refusal is explained
 * through host->message.
 */
VIOMMU_API int viommu_its_new(struct viommu_vm *vm, const struct viommu_its_config *config,
			      struct viommu **its);

/**
 * The configuration that an ITS presents: what was given, defaults filled in. host and limits are NULL
 * (viommu_get_limits()).
 *
 * Any thread, any time.
 * @param iommu   an ITS
 * @param config  size is set by the caller
 * @return VIOMMU_OK, VIOMMU_ESIZE, VIOMMU_EINVAL (also: another engine)
 */
VIOMMU_API int viommu_its_get_config(const struct viommu *iommu, struct viommu_its_config *config);

/**
 * Writes a register as the VMM that restores a saved guest (as KVM_DEV_ARM_VGIC_GRP_ITS_REGS does).
 * As viommu_reg_write() of the whole register, but for what a guest cannot write: CREADR, while
 * Enabled is 0 and if below the queue's size, STATUSR and UMSIR, IIDR (Revision must be 0: the ABI of
 * the tables), and registers that are read-only, which take only the value they have. GITS_BASERn of
 * type 0 take, and ignore, any.
 *
 * The order that restores a guest saved with viommu_its_save_tables(): guest memory; the
 * redistributors' PROPBASER, PENDBASER, CTLR (viommu_reg_write() on the LPIs); CBASER; all other
 * registers of the ITS but CTLR; viommu_its_restore_tables(); CTLR.
 *
 * One at a time per handle, together with viommu_reg_write() and viommu_run().
 * @param its     from viommu_its_new()
 * @param offset  of a register
 * @param value   its value
 * @return VIOMMU_OK, VIOMMU_PENDING (see viommu_run()), VIOMMU_EINVAL (the register does not take the
 * value), VIOMMU_ENOENT (no such register), VIOMMU_EBUSY (as viommu_reg_write(); also: CREADR while Enabled is 1)
 */
VIOMMU_API int viommu_its_set_register(struct viommu *its, uint64_t offset, uint64_t value);

/**
 * Writes the mappings into the tables that the guest has given (GITS_BASERn, MAPD), in KVM's table
 * ABI revision 0. Every write is reported to the VM's dirty callback. Nothing changes here.
 *
 * Devices in ascending order, each with its events in ascending order: the ITT, then its entry of the
 * device table; then the collections, dense, ended by an invalid entry unless the table is full. Events
 * whose collection is not mapped are left out. Slots of devices and events that are not mapped become 0
 * where their tables are there (KVM does that when they are unmapped). Words that differ are written,
 * others are not. Level-1 tables are read only.
 *
 * One at a time per handle, together with viommu_reg_write() and viommu_run(). Stop the VM first.
 * @param its  from viommu_its_new()
 * @return VIOMMU_OK; VIOMMU_FAULT: a table is not valid, too small, or cannot be written (what was
 * written stays); VIOMMU_ENOTSUP (VIOMMU_LPIS_NO_GUEST_WRITES; or something that revision 0 cannot
 * represent: DeviceIDs above 16 bits, TYPER.Virtual, HCC, PTA, an indirect collection table);
 * VIOMMU_EBUSY (as viommu_reg_write(); also: a command is under way, see viommu_run()), VIOMMU_EINVAL
 */
VIOMMU_API int viommu_its_save_tables(struct viommu *its);

/**
 * Reads mappings from the guest's tables, in place of those that are there. They are not trusted:
 * refused whole if anything in them is invalid.
 *
 * One at a time per handle, together with viommu_reg_write() and viommu_run(). Stop the VM first.
 * @param its  from viommu_its_new(), with Enabled 0
 * @return VIOMMU_OK; VIOMMU_PENDING: restored, and listeners have to be told (see viommu_run());
 * VIOMMU_ESTATE: an entry is invalid (the mappings are gone, as in KVM); VIOMMU_FAULT: a table cannot be
 * read (ditto); VIOMMU_ELIMIT: the caps (ditto); VIOMMU_ENOTSUP (see viommu_its_save_tables());
 * VIOMMU_EBUSY (as viommu_reg_write(); also: Enabled is 1), VIOMMU_EINVAL
 */
VIOMMU_API int viommu_its_restore_tables(struct viommu *its);

#ifdef __cplusplus
}
#endif

#endif
