/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * image.c - a guest that was not recorded: its memory in files, and what its IOMMU's registers are.
 *
 * Registers that say where tables are, and that they are in use, are written as a driver would write them. Queues are not
 * enabled: nothing is to be executed, or recorded, in memory that is only looked at.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"

/* ---- registers ---- */

#define REGISTERS_MAX 4096U
#define PIECE	      4096U

struct held {
	uint64_t offset;
	uint64_t value;
	uint32_t bytes;
};

/* One write: of what a register reads, or of a constant (mask 0). */
struct programming {
	const char *engine;
	uint32_t from;
	uint32_t to;
	uint32_t bytes;
	uint64_t mask;
	uint64_t constant;
};

static const struct programming program[] = {
	/* VT-d 11.4: RTADDR and SRTP, IRTA and SIRTP, then CFI, IRE, TE of GSTS, one more at a time */
	{ "vtd", 0x20, 0x20, 8, UINT64_MAX, 0 },
	{ "vtd", 0, 0x18, 4, 0, 0x40000000 },
	{ "vtd", 0xb8, 0xb8, 8, UINT64_MAX, 0 },
	{ "vtd", 0, 0x18, 4, 0, 0x01000000 },
	{ "vtd", 0x1c, 0x18, 4, 0x00800000, 0 },
	{ "vtd", 0x1c, 0x18, 4, 0x02800000, 0 },
	{ "vtd", 0x1c, 0x18, 4, 0x82800000, 0 },
	/* AMD-Vi 3.4: device table and its segments, exclusion range; control, but what enables its queue and its logs */
	{ "amdvi", 0x00, 0x00, 8, UINT64_MAX, 0 },
	{ "amdvi", 0x100, 0x100, 8, UINT64_MAX, 0 },
	{ "amdvi", 0x20, 0x20, 8, UINT64_MAX, 0 },
	{ "amdvi", 0x28, 0x28, 8, UINT64_MAX, 0 },
	{ "amdvi", 0x18, 0x18, 8, ~UINT64_C(0x3000700c), 0 },
	/* SMMUv3 6.3: STRTAB_BASE and _CFG, CR1, CR2, GBPA is as after a reset; SMMUEN of CR0 */
	{ "smmuv3", 0x80, 0x80, 8, UINT64_MAX, 0 },
	{ "smmuv3", 0x88, 0x88, 4, UINT32_MAX, 0 },
	{ "smmuv3", 0x28, 0x28, 4, UINT32_MAX, 0 },
	{ "smmuv3", 0x2c, 0x2c, 4, UINT32_MAX, 0 },
	{ "smmuv3", 0x20, 0x20, 4, 1, 0 },
	/* RISC-V IOMMU 6: fctl, ddtp */
	{ "riscv", 0x08, 0x08, 4, UINT32_MAX, 0 },
	{ "riscv", 0x10, 0x10, 8, ~UINT64_C(0x10), 0 },
};

static bool looked_up(const struct held *values, unsigned count, uint64_t offset, uint64_t *value)
{
	for (unsigned i = 0; i < count; i++) {
		if (values[i].offset == offset) {
			*value = values[i].value;
			return true;
		}
	}
	return false;
}

static int write_registers(struct session *s, const struct held *values, unsigned count)
{
	const char *engine = s->player->engine->name;
	struct viommu *iommu = player_iommu(s->player, 0);
	bool known = false;

	for (unsigned i = 0; iommu && i < sizeof(program) / sizeof(program[0]); i++) {
		const struct programming *row = &program[i];
		uint64_t value = row->constant;
		int result;

		if (strcmp(row->engine, engine) != 0)
			continue;
		known = true;
		if (row->mask && !looked_up(values, count, row->from, &value))
			continue;
		if (row->mask)
			value &= row->mask;
		result = viommu_reg_write(iommu, row->to, row->bytes, value);
		if (player_finish(s->player, iommu, result) != VIOMMU_OK)
			return unusable(s->path, 0, "the registers cannot be like that");
	}
	return known ? STATUS_SAME
		     : unusable(s->path, 0, "the tables of this engine are not in guest memory");
}

/* R lines of the identification registers make an SMMU what it is: they are played. */
static int read_registers(struct session *s)
{
	static struct held values[REGISTERS_MAX];
	bool smmu = strcmp(s->player->engine->name, "smmuv3") == 0;
	struct tape_line l;
	unsigned count = 0;
	int more;

	while ((more = tape_next(s->tape, &s->words)) == 1) {
		s->number = tape_line_number(s->tape);
		if (!session_line(s, &l))
			return unusable(s->path, s->number, s->words.error);
		if (l.kind != TAPE_R || count == REGISTERS_MAX)
			return unusable(s->path, s->number, "not the value of a register (R)");
		values[count++] = (struct held){ l.at, l.value, l.bytes };
		if (smmu && l.at < 0x20 && !player_line(s->player, &s->words, s->number))
			return unusable(s->path, s->number, s->words.error);
	}
	if (more < 0)
		return unusable(s->path, tape_line_number(s->tape), tape_error(s->tape));
	s->number = 0;
	if (smmu) { /* whatever is read next makes it */
		char text[] = "R 44 4 0";

		words_split(&s->words, text);
		player_line(s->player, &s->words, 0);
		s->player->tally[TAPE_R].mismatches = 0;
	}
	return write_registers(s, values, count);
}

/* ---- memory ---- */

static bool is_zero(const uint8_t *data, size_t bytes)
{
	return bytes == 0 || (data[0] == 0 && memcmp(data, data + 1, bytes - 1) == 0);
}

/* Pages of zeros take no memory. */
static int load(struct session *s, const char *path, FILE *file, uint64_t gpa)
{
	static uint8_t piece[PIECE];
	uint64_t pieces = 0;
	size_t bytes;

	while ((bytes = fread(piece, 1, sizeof(piece), file)) > 0) {
		session_progress(s, "pages", pieces++);
		if (gpa > UINT64_MAX - bytes)
			return unusable(path, 0, "memory beyond the last address");
		if (!is_zero(piece, bytes) && !guest_store(&s->player->memory, gpa, piece, bytes))
			return unusable(path, 0, "out of memory");
		gpa += bytes;
	}
	return ferror(file) ? unusable(path, 0, strerror(errno)) : STATUS_SAME;
}

static int load_image(struct session *s, const char *image)
{
	const char *at = strrchr(image, '@');
	char path[4096];
	uint64_t gpa = 0;
	FILE *file;
	int status;

	if (!at || !words_number(at + 1, UINT64_MAX, &gpa))
		return unusable(image, 0, "not FILE@GPA");
	snprintf(path, sizeof(path), "%.*s", (int)(at - image), image);
	file = fopen(path, "rb");
	if (!file)
		return unusable(path, 0, strerror(errno));
	status = load(s, path, file, gpa);
	fclose(file);
	return status;
}

int image_open(struct session *s, const char *registers, const char *const *images, unsigned count)
{
	int status = session_open(s, registers);

	for (unsigned i = 0; !status && i < count; i++)
		status = load_image(s, images[i]);
	return status ? status : read_registers(s);
}
