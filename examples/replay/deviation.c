/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * deviation.c - where a recording may differ from what the manual says, each case under its name.
 *
 * The names are those of docs/vtd-notes.md and docs/virtio-notes.md. Clauses are those of the VT-d manual, revision 4.1, and of virtio 1.3.
 */

#include "deviation.h"

const struct deviation_text deviation_texts[DEVIATIONS] = {
	[DEVIATION_FRCD_PASID_FFFF] = { "frcd-pasid-ffff", "R",
					"a fault of a request without PASID in legacy mode: PV = 0ffff",
					"11.4.7 PV: 0 where PP = 0" },
	[DEVIATION_FRCD_RID_PASID] = { "frcd-rid-pasid", "R",
				       "a fault of a request without PASID in scalable mode: PP = 1, PV = RID_PASID",
				       "11.4.7 PP: whether the request had a PASID" },
	[DEVIATION_SM_LEGACY_CODES] = { "sm-legacy-codes", "R",
					"legacy fault reasons (01-0C) in scalable mode",
					"7.1: scalable mode has reasons of its own (38-91)" },
	[DEVIATION_IQA_READ] = { "iqa-read", "R",
				 "the queue's address reads as 0 until the queue was enabled",
				 "11.4.9: read-write" },
	[DEVIATION_READ_NO_WRITE] = { "read-no-write", "T",
				      "answers to reads leave out W where the tables grant it",
				      "3.7, 3.6.1: what is permitted does not depend on the request" },
	[DEVIATION_HIT_NO_DIRTY] = { "hit-no-dirty", "m",
				     "D of a first-stage entry stays 0 if A was set, or a read was cached before",
				     "3.6.2: a write sets D" },
	[DEVIATION_CFIS_NEVER] = { "cfis-never", "I",
				   "messages in compatibility format pass although CFIS = 0",
				   "5.1.2.1: blocked, reason 25" },
	[DEVIATION_IRTE_DST_RSVD] = { "irte-dst-rsvd", "I",
				      "a table entry with a destination in bits 39:32 delivers although EIME = 0",
				      "9.10 DST: reserved in xAPIC mode, reason 24" },
	[DEVIATION_CACHED_BY_US] = { "cached-by-us", "T I",
				     "answers from changed tables that were not invalidated yet; we from a cache",
				     "6.2: a cached entry may be used until it is invalidated" },
	[DEVIATION_CACHED_BY_RECORDER] = { "cached-by-recorder", "T",
					   "answers from a cache, tables that changed were not invalidated yet",
					   "6.2: a cached entry may be used until it is invalidated" },
	[DEVIATION_BYTE_BEFORE_MAPPING] = { "byte-before-mapping", "T",
					    "the byte before a mapping, where nothing is mapped, is granted",
					    "virtio 5.13.6.6: nothing is mapped there; refused, reason MAPPING" },
	[DEVIATION_UNKNOWN_ENDPOINT] = { "unknown-endpoint", "E e",
					 "reason UNKNOWN for an endpoint that no request has attached yet",
					 "virtio 5.13.6.12: DOMAIN, the endpoint is not attached" },
	[DEVIATION_FLAGS_LEFT_OUT] = { "flags-left-out", "E e",
				       "neither READ nor WRITE in a fault record where nothing is mapped",
				       "virtio 5.13.6.12: what kind of access it was" },
	[DEVIATION_FAULT_WITHOUT_BUFFER] = { "fault-without-buffer", "e",
					     "a fault for which there is no buffer is dropped",
					     "virtio 5.13.6.12: it MAY be; we keep it until there is one" },
	[DEVIATION_PV_ALWAYS] = { "pv-always", "m",
				  "PV is 1 in a fault record of a request without process_id",
				  "RISC-V IOMMU 3.2 PV: 1 if the transaction had a valid process_id" },
	[DEVIATION_TTYP_OF_READS] = { "ttyp-of-reads", "m",
				      "TTYP of a refused read is that of a write (3)",
				      "RISC-V IOMMU 3.2 TTYP: 2, untranslated read" },
};
