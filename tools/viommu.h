/* SPDX-License-Identifier: BSD-3-Clause */
/* viommu.h - the tool: its subcommands, what their options say, and how they end. */
#ifndef VIOMMU_H
#define VIOMMU_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "look.h"
#include "out.h"

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
	uint64_t fault;	   /* number of a refused request, from 1; 0: none was asked for */
	uint32_t data;	   /* of a message */
	uint32_t flags;	   /* VIOMMU_EXPLAIN_* */
	unsigned sections; /* DUMP_*; 0: none was named */
	struct look look;  /* .device: who asks, too */
	bool asked;	   /* a request, or a message, is given */
	bool message;
	bool its; /* it goes there; it is recorded */
	bool state;
	bool verbose;
	bool is_json;
};

struct command {
	const char *name;
	const char *purpose;
	const char *usage;  /* arguments, and what it does */
	const char *status; /* how it ends */
	const char *files;  /* what is missing if there are not so many */
	int count;	    /* of them; 0: any, but one at least */
	int (*run)(struct options *options);
};

extern const struct command command_replay, command_explain, command_dump;
extern const struct command command_diff, command_map, command_stats;

/* Prints why the command line is wrong; STATUS_UNUSABLE. */
int usage_error(const struct command *command, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* options.c: reads a command line, which it may cut into pieces. */
int options_read(const struct command *command, int argc, char **argv, struct options *options);
/* Prints those of a command, as its help has them. */
void options_help(const struct command *command, FILE *to);

/* The tape that it names, played up to the line; or its registers and memory. */
int options_open(const struct options *options, struct session *s);

/* step.c: prints a step; `to` is an array. Of an IOMMU whose reasons are to be put in words. */
void step_put(const struct viommu_step *step, const struct viommu *iommu, struct json_object *to);

/* "read", "write", "read/write", ... of VIOMMU_READ and its like. */
const char *access_text(uint32_t access);

#endif
