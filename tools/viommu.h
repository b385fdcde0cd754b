/* SPDX-License-Identifier: BSD-3-Clause */
/* viommu.h - the tool: its subcommands, what their options say, and how they end. */
#ifndef VIOMMU_H
#define VIOMMU_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <libvirtiommu/iommu.h>

#include "out.h"

/* How the tool ends. Of several files: the largest. */
enum status {
	STATUS_SAME = 0,      /* as recorded; the same; permitted */
	STATUS_DIFFERENT = 1, /* something differs; refused; an engine is not known */
	STATUS_UNUSABLE = 2,  /* a file cannot be read, or the command line is wrong */
};

/* Sections of a dump, bits in their order. */
#define DUMP_REGISTERS	1U
#define DUMP_CONTEXTS	2U
#define DUMP_TABLES	4U
#define DUMP_MAPPINGS	8U
#define DUMP_INTERRUPTS 16U
#define DUMP_ITS	32U

#define IMAGES_MAX 16U

/* What the command line says, of all subcommands. */
struct options {
	struct json_object *json;      /* an object that is to be printed; NULL: text */
	char **files;		       /* tapes */
	int count;		       /* of them */
	const char *image[IMAGES_MAX]; /* guest memory, FILE@GPA each */
	unsigned images;
	const char *registers; /* instead of a tape */
	const char *record;    /* what is to be written */
	const char *svg;
	struct viommu_request request; /* .first: of a message its address, too */
	uint64_t fault; /* number of a refused request, from 1; 0: none was asked for */
	uint32_t device;
	uint32_t data;	   /* of a message */
	uint32_t last;	   /* device that is looked for */
	uint32_t flags;	   /* VIOMMU_EXPLAIN_* */
	unsigned sections; /* DUMP_*; 0: none was named */
	bool one;	   /* device `device` only */
	bool asked;	   /* a request, or a message, is given */
	bool message;
	bool its; /* it goes there; it is recorded */
	bool state;
	bool verbose;
};

struct command {
	const char *name;
	const char *purpose;
	const char *usage;  /* arguments, and what it does */
	const char *status; /* how it ends */
	const char *files;  /* what is missing if there are not so many */
	int files_min;
	int files_max;
	int (*run)(struct options *options);
};

extern const struct command command_replay;
extern const struct command command_explain;
extern const struct command command_dump;
extern const struct command command_diff;
extern const struct command command_map;
extern const struct command command_stats;

/* Prints why the command line is wrong; STATUS_UNUSABLE. */
int usage_error(const struct command *command, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Says what went wrong with a file; STATUS_UNUSABLE. */
int unusable(const char *path, uint64_t line, const char *why);

static inline int graver(int a, int b)
{
	return a > b ? a : b;
}

/* options.c: reads a command line, which it may cut into pieces. */
int options_read(const struct command *command, int argc, char **argv, struct options *options);
/* Prints those of a command, as its help has them. */
void options_help(const struct command *command, FILE *to);

/* A number, with or without 0x: addresses and ids are hexadecimal, as on a tape. */
bool parse_hex(const char *text, uint64_t max, uint64_t *value);

/* "read", "write", "read/write", ... of VIOMMU_READ and its like. */
const char *access_text(uint32_t access);

#endif
