/* SPDX-License-Identifier: BSD-3-Clause */
/* smmuv3_reason.c - events in words (7.3). */

#include "smmuv3_engine.h"

const char *smmu_reason_text(uint32_t reason)
{
	static const char *const text[] = {
		[0] = "aborted, with nothing to record: GBPA.ABORT, STE.Config 0, or no id",
		[F_UUT] = "F_UUT: unsupported transaction",
		[C_BAD_STREAMID] = "C_BAD_STREAMID: the stream table does not have it",
		[F_STE_FETCH] = "F_STE_FETCH: the stream table entry could not be read",
		[C_BAD_STE] = "C_BAD_STE: the stream table entry is illegal",
		[F_BAD_ATS_TREQ] = "F_BAD_ATS_TREQ: the stream is not allowed translation requests",
		[F_STREAM_DISABLED] = "F_STREAM_DISABLED: S1DSS does not allow this substream",
		[F_TRANSL_FORBIDDEN] =
			"F_TRANSL_FORBIDDEN: the stream is not allowed translated requests",
		[C_BAD_SUBSTREAMID] = "C_BAD_SUBSTREAMID: the stream does not have it",
		[F_CD_FETCH] = "F_CD_FETCH: the context descriptor could not be read",
		[C_BAD_CD] = "C_BAD_CD: the context descriptor is illegal",
		[F_WALK_EABT] = "F_WALK_EABT: a translation table could not be read",
		[F_TRANSLATION] = "F_TRANSLATION: the address is not mapped",
		[F_ADDR_SIZE] = "F_ADDR_SIZE: an address is too large",
		[F_ACCESS] = "F_ACCESS: the access flag is not set",
		[F_PERMISSION] = "F_PERMISSION: the page does not permit the access",
	};

	return reason < ARRAY_COUNT(text) ? text[bits_clamp_index(reason, ARRAY_COUNT(text))]
					  : NULL;
}
