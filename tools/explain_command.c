/* SPDX-License-Identifier: BSD-3-Clause */
/* explain_command.c - viommu explain: where a DMA or an interrupt message goes, and what was read to find out. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"
#include "session.h"
#include "steps.h"

#define ITS_TRANSLATION 0x10000U /* its frame, from the control frame on, which tapes have at 0 */

/* What is to be explained. */
struct question {
	bool message; /* of part `part`; otherwise a DMA */
	bool given;   /* on the command line */
	unsigned part;
	uint32_t device;
	uint32_t data;
	struct viommu_request request; /* .first: of a message its address, too */
};

struct arguments {
	struct question question;
	struct images images;
	const char *registers;
	char *tape;
	uint64_t fault; /* number of a refused request, from 1; 0: none was asked for */
	uint32_t flags;
	bool json;
};

/* ---- a line of the tape as the question ---- */

static bool line_is_question(const struct tape_line *l, struct question *q)
{
	*q = (struct question){ .device = l->rid,
				.data = (uint32_t)l->value,
				.request = { .first = l->at,
					     .last = l->at,
					     .pasid =
						     l->kind == TAPE_T ? l->pasid : VIOMMU_NO_PASID,
					     .access = (uint16_t)l->access } };
	switch (l->kind) {
	case TAPE_T:
		q->request.type = l->index ? VIOMMU_AT_TRANSLATED : VIOMMU_AT_UNTRANSLATED;
		return true;
	case TAPE_GI:
		q->part = 1;
		q->request.first = ITS_TRANSLATION + l->at;
		q->message = true;
		return true;
	case TAPE_I:
	case TAPE_MSI:
		q->message = true;
		return true;
	default:
		return false;
	}
}

/* An I line may not say who: then it is the I/O APIC. */
static void name_source(const struct session *s, struct question *q)
{
	if (q->message && q->part == 0 && q->device == 0xffff)
		q->device = (uint32_t)player_header(s->player, "ioapic", 0, 0xffff);
}

/* ---- the answer ---- */

static void print_question(const struct question *q)
{
	if (q->message) {
		printf("message from %" PRIx32 ": %" PRIx64 " %" PRIx32 "\n", q->device,
		       q->request.first, q->data);
		return;
	}
	printf("device %" PRIx32, q->device);
	if (q->request.pasid != VIOMMU_NO_PASID)
		printf(", PASID %" PRIx32, q->request.pasid);
	printf(": %s of %" PRIx64 "%s\n", access_text(q->request.access), q->request.first,
	       q->request.type == VIOMMU_AT_TRANSLATED ? ", already translated" : "");
}

static void json_question(struct json_object *o, const struct question *q)
{
	json_put_text(o, "question", q->message ? "message" : "dma");
	json_put_hex(o, "device", q->device);
	json_put_hex(o, "address", q->request.first);
	if (q->message)
		json_put_hex(o, "data", q->data);
	else
		json_put_text(o, "access", access_text(q->request.access));
	if (q->request.pasid != VIOMMU_NO_PASID)
		json_put_hex(o, "pasid", q->request.pasid);
}

static void show(const struct session *s, const struct arguments *a, const struct question *q,
		 const struct steps *steps, const struct viommu *iommu)
{
	struct json_object *o;

	if (!a->json) {
		if (s->number)
			printf("%s:%" PRIu64 ": ", s->path, s->number);
		print_question(q);
		steps_print(steps, iommu);
		return;
	}
	o = json_object_new_object();
	json_put_text(o, "file", s->path);
	if (s->number)
		json_put_count(o, "line", s->number);
	json_question(o, q);
	json_put_text(o, "result", steps->result == VIOMMU_FAULT ? "refused" : "permitted");
	steps_json(steps, iommu, json_put_array(o, "steps"));
	json_finish(o);
}

static int answer(struct session *s, const struct arguments *a, struct question *q)
{
	struct viommu *iommu = player_iommu(s->player, q->part);
	struct viommu_device *device;
	static struct steps steps;
	int result = VIOMMU_ENOENT;

	name_source(s, q);
	if (q->message && iommu) {
		steps_of_message(&steps, iommu, q->device, q->request.first, q->data, a->flags);
	} else {
		device = player_device(s->player, q->device, &result);
		if (!device)
			return unusable(s->path, s->number, "there is no such device at this line");
		steps_of_request(&steps, device, &q->request, a->flags);
	}
	if (steps.result < 0)
		return unusable(s->path, s->number, viommu_strerror(steps.result));
	show(s, a, q, &steps, iommu);
	return steps.result == VIOMMU_FAULT ? STATUS_DIFFERENT : STATUS_SAME;
}

/* The question is the line itself, or what was given. */
static int answer_at(struct session *s, struct arguments *a)
{
	struct question q = a->question;
	struct tape_line l;

	if (a->question.given)
		return answer(s, a, &q);
	if (!session_line(s, &l) || !line_is_question(&l, &q))
		return unusable(s->path, s->number,
				"not a request (T) or a message (I, GI, MSI): say which one");
	return answer(s, a, &q);
}

static int explain(struct session *s, struct arguments *a)
{
	uint64_t line;
	int status;

	if (a->registers) {
		status = image_open(s, a->registers, &a->images);
		return status ? status : answer_at(s, a);
	}
	line = session_split(a->tape);
	status = session_open(s, a->tape, false);
	if (status)
		return status;
	if (line != LINE_END || a->question.given) {
		status = session_play(s, line);
		return status ? status : answer_at(s, a);
	}
	if (session_refused(s, a->fault ? a->fault : 1, &status))
		return answer_at(s, a);
	return status ? status : unusable(s->path, 0, "no more requests are refused on this tape");
}

/* ---- command line ---- */

static bool parse_access(const char *text, uint16_t *access)
{
	*access = 0;
	for (; *text; text++) {
		static const char letters[] = "rwxp";
		const char *at = strchr(letters, *text);

		if (!at)
			return false;
		*access |= (uint16_t)(1U << (at - letters)); /* VIOMMU_READ, _WRITE, _EXEC, _PRIV */
	}
	return *access != 0;
}

static bool parse_message(char *text, struct question *q)
{
	char *colon = strchr(text, ':');
	uint64_t data;

	if (!colon)
		return false;
	*colon = '\0';
	if (!parse_hex(text, UINT64_MAX, &q->request.first) ||
	    !parse_hex(colon + 1, UINT32_MAX, &data))
		return false;
	q->data = (uint32_t)data;
	q->message = q->given = true;
	return true;
}

static bool parse_option(int option, char *value, struct arguments *a)
{
	struct question *q = &a->question;
	uint64_t number = 0;
	bool ok = true;

	switch (option) {
	case 'd':
		ok = parse_hex(value, UINT32_MAX, &number);
		q->device = (uint32_t)number;
		break;
	case 'p':
		ok = parse_hex(value, 0xfffff, &number);
		q->request.pasid = (uint32_t)number;
		break;
	case 'i':
		ok = parse_hex(value, UINT64_MAX, &q->request.first);
		q->given = true;
		break;
	case 'a':
		ok = parse_access(value, &q->request.access);
		break;
	case 'm':
		ok = parse_message(value, q);
		break;
	case 'I':
		q->part = 1;
		break;
	case 't':
		q->request.type = VIOMMU_AT_TRANSLATED;
		break;
	case 'f':
		a->fault = strtoull(value, NULL, 10);
		ok = a->fault != 0;
		break;
	case 'c':
		a->flags = VIOMMU_EXPLAIN_CACHES;
		break;
	case 'M':
		ok = a->images.count < IMAGES_MAX;
		if (ok)
			a->images.file[a->images.count++] = value;
		break;
	case 'r':
		a->registers = value;
		break;
	case 'j':
		a->json = true;
		break;
	default:
		ok = false;
	}
	return ok;
}

static const struct option options[] = { { "device", required_argument, NULL, 'd' },
					 { "pasid", required_argument, NULL, 'p' },
					 { "iova", required_argument, NULL, 'i' },
					 { "access", required_argument, NULL, 'a' },
					 { "message", required_argument, NULL, 'm' },
					 { "its", no_argument, NULL, 'I' },
					 { "translated", no_argument, NULL, 't' },
					 { "fault", required_argument, NULL, 'f' },
					 { "caches", no_argument, NULL, 'c' },
					 { "memory", required_argument, NULL, 'M' },
					 { "registers", required_argument, NULL, 'r' },
					 { "json", no_argument, NULL, 'j' },
					 { NULL, 0, NULL, 0 } };

static int run(int argc, char **argv)
{
	struct arguments a = { .question.request = { .pasid = VIOMMU_NO_PASID,
						     .access = VIOMMU_READ } };
	static struct session s;
	int option, status;

	while ((option = getopt_long(argc, argv, "d:p:i:a:m:f:cj", options, NULL)) != -1) {
		if (!parse_option(option, optarg, &a))
			return usage_error(&command_explain, "'%s' is not possible",
					   option == '?' ? argv[optind - 1] : optarg);
	}
	if (argc - optind != (a.registers ? 0 : 1))
		return usage_error(&command_explain, "one tape, or --registers");
	if (a.registers && !a.question.given)
		return usage_error(&command_explain, "--iova, or --message");
	a.question.request.last = a.question.request.first;
	a.tape = argv[optind];
	status = explain(&s, &a);
	session_close(&s);
	return status;
}

const struct command command_explain = {
	.name = "explain",
	.purpose = "why a request was refused, or where it goes",
	.usage =
		"[OPTION]... TAPE[:LINE]\n"
		"       viommu explain [OPTION]... --registers FILE --memory FILE@GPA...\n"
		"Shows every structure that the IOMMU reads for a request, and what comes of it. The request is the one\n"
		"of the line; without a line, the first that was refused; or the one given here, as the tables are at\n"
		"this line, or at the end. Numbers are hexadecimal.\n"
		"  -d, --device ID         requester, stream, endpoint, PE (0)\n"
		"  -p, --pasid PASID       of a DMA\n"
		"  -i, --iova ADDRESS      a DMA\n"
		"  -a, --access rwxp       read, write, execute, privileged (r)\n"
		"      --translated        the device says that the address is translated already\n"
		"  -m, --message ADDRESS:DATA  an interrupt message\n"
		"      --its               the message goes to the ITS of the tape\n"
		"  -f, --fault N           the Nth request that was refused (decimal)\n"
		"  -c, --caches            also what the caches would have answered\n"
		"      --registers FILE    no tape: registers as the guest reads them, in R lines\n"
		"      --memory FILE@GPA   guest memory from this address on; can be repeated\n"
		"  -j, --json              for programs\n"
		"Status: 0 permitted; 1 refused; 2 a file cannot be read, or the command line is wrong.\n",
	.run = run
};
