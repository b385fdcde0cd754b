/* SPDX-License-Identifier: BSD-3-Clause */
/* explain_command.c - viommu explain: where a DMA or an interrupt message goes, and what was read to find out. */

#include <stdio.h>

#include "viommu.h"

#define ITS_FRAME 0x10000U

/* A line of the tape as the question. Of a message to an ITS it has the offset only. */
static bool line_is_question(const struct tape_line *l, struct options *o)
{
	o->look.device = l->rid;
	o->data = (uint32_t)l->value;
	o->message = l->kind != TAPE_T;
	o->its = l->kind == TAPE_GI;
	o->request = (struct viommu_request){ .first = l->at,
					      .pasid = o->message ? VIOMMU_NO_PASID : l->pasid,
					      .access = (uint16_t)l->access };
	o->request.last = o->request.first;
	if (l->kind == TAPE_T)
		o->request.type = l->index ? VIOMMU_AT_TRANSLATED : VIOMMU_AT_UNTRANSLATED;
	return l->kind == TAPE_T || l->kind == TAPE_GI || l->kind == TAPE_I || l->kind == TAPE_MSI;
}

/* ---- the answer ---- */

static void show_question(const struct options *o)
{
	const struct viommu_request *r = &o->request;

	if (o->message) {
		ROW(o->json, "{question:s} from {device:x}: {address:x} {data:x}\n", S("message"),
		    N(o->look.device), N(r->first), N(o->data));
		return;
	}
	out_text(o->json, "question", "dma");
	ROW(o->json, "device {device:x}", N(o->look.device));
	if (r->pasid != VIOMMU_NO_PASID)
		ROW(o->json, ", PASID {pasid:x}", N(r->pasid));
	ROW(o->json, ": {access:s} of {address:x}{:s}\n", S(access_text(r->access)), N(r->first),
	    S(r->type == VIOMMU_AT_TRANSLATED ? ", already translated" : ""));
}

static void show(const struct session *s, const struct options *o, const struct steps *steps,
		 const struct viommu *iommu)
{
	struct json_object *list;

	if (s->number)
		ROW(o->json, "{file:s}:{line:u}: ", S(s->path), N(s->number));
	else
		out_text(o->json, "file", s->path);
	show_question(o);
	out_text(o->json, "result", steps->result == VIOMMU_FAULT ? "refused" : "permitted");
	list = out_list(o->json, "steps", "");
	for (unsigned i = 0; i < steps->count; i++)
		step_put(&steps->step[i], iommu, list);
	out_finish(o->json);
}

/* The ITS that a message goes to: that of the line, or the one that has the address. NULL: there is none. */
static struct viommu *find_its(const struct session *s, struct options *o)
{
	uint64_t frame = 0;
	struct viommu *its = player_its(s->player, 0, &frame);

	if (!o->asked)
		o->request.first += frame;
	for (unsigned n = 1; its && o->request.first - frame >= ITS_FRAME; n++)
		its = player_its(s->player, n, &frame);
	return its;
}

/* The status that it comes to. */
static int answered(const struct session *s, const struct options *o, const struct steps *steps,
		    struct viommu *iommu)
{
	if (steps->result < 0)
		return unusable(s->path, s->number, viommu_strerror(steps->result));
	show(s, o, steps, iommu);
	return steps->result == VIOMMU_FAULT ? STATUS_DIFFERENT : STATUS_SAME;
}

static int answer_message(struct session *s, struct options *o, struct steps *steps)
{
	struct viommu *iommu = o->its ? find_its(s, o) : player_iommu(s->player, 0);
	int result;

	if (!iommu)
		return unusable(s->path, s->number,
				o->its ? "there is no ITS with this address at this line"
				       : "there is no IOMMU at this line");
	/* an I line may not say who: then it is the I/O APIC */
	if (!o->its && o->look.device == 0xffff)
		o->look.device = (uint32_t)player_header(s->player, "ioapic", 0, 0xffff);
	if (!o->its) /* whose first line this may be: of RISC-V a message is a DMA */
		player_device(s->player, o->look.device, &result);
	steps_of_message(steps, iommu, o->look.device, o->request.first, o->data, o->flags);
	return answered(s, o, steps, iommu);
}

static int answer_dma(struct session *s, const struct options *o, struct steps *steps)
{
	int result = VIOMMU_ENOENT;
	struct viommu_device *device = player_device(s->player, o->look.device, &result);

	if (!device)
		return unusable(s->path, s->number, "there is no such device at this line");
	steps_of_request(steps, device, &o->request, o->flags);
	return answered(s, o, steps, player_iommu(s->player, 0));
}

/* ---- where ---- */

/* Plays the tape to where the question is asked. */
static int find(struct session *s, struct options *o)
{
	uint64_t line;
	int status;

	if (o->registers)
		return options_open(o, s);
	line = session_split(o->files[0]);
	status = session_open(s, o->files[0]);
	if (status)
		return status;
	if (line != LINE_END || o->asked)
		return session_play(s, line);
	if (session_refused(s, o->fault ? o->fault : 1, &status))
		return STATUS_SAME;
	return status ? status
		      : unusable(s->path, 0,
				 o->fault ? "so many requests are not refused on this tape"
					  : "no request is refused on this tape");
}

static int run(struct options *o)
{
	static struct session s;
	static struct steps steps;
	struct tape_line l;
	int status;

	if ((o->registers || o->look.one) && !o->asked) /* a line has a device of its own */
		return usage_error(&command_explain, "--iova, or --message");
	status = find(&s, o);
	if (!status && !o->asked && (!session_line(&s, &l) || !line_is_question(&l, o)))
		status = unusable(s.path, s.number,
				  "not a request (T) or a message (I, GI, MSI): say which one");
	else if (!status)
		status = o->message ? answer_message(&s, o, &steps) : answer_dma(&s, o, &steps);
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
		"this line, or at the end. Numbers are hexadecimal.\n",
	.status = "0 permitted; 1 refused; 2 a file cannot be read, or the command line is wrong.",
	.files = "one tape, or --registers",
	.count = 1,
	.run = run
};
