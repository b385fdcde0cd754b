/* SPDX-License-Identifier: BSD-3-Clause */
/* map_command.c - viommu map: a device's I/O address space, as text and as a picture. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "viommu.h"

struct map {
	const struct options *options;
	struct ranges ranges;
};

/* ---- text, or JSON ---- */

static void size_text(char *text, size_t size, uint64_t bytes)
{
	static const char *const unit[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	unsigned i = 0;

	for (; bytes && bytes % 1024 == 0 && i < 6; i++)
		bytes /= 1024;
	if (bytes)
		snprintf(text, size, "%" PRIu64 " %s", bytes, unit[i]);
	else
		snprintf(text, size, "16 EiB");
}

static void put_ranges(const struct map *m, const struct context *c)
{
	struct json_object *o = ROW(m->options->json, "device {device:x}: {:u} ranges\n",
				    N(c->name), N(m->ranges.count));
	struct json_object *list = out_list(o, "ranges", "");
	uint64_t next = 0;
	char size[32];

	for (size_t i = 0; i < m->ranges.count; i++) {
		const struct range *r = &m->ranges.list[i];

		size_text(size, sizeof(size), r->first - next);
		if (r->first != next && !list)
			printf("%34s  %10s  nothing\n", "", size);
		size_text(size, sizeof(size), r->last - r->first + 1);
		ROW(list, "{first:016x}-{last:016x}  {:10s}  -> {gpa:016x}  {permission:s}\n",
		    N(r->first), N(r->last), S(size), N(r->gpa), S(access_text(r->perm)));
		next = r->last + 1;
	}
	out_finish(o);
}

/* ---- picture: I/O addresses on the left, guest-physical ones on the right, each in order; sizes are logarithmic ---- */

#define DRAWN_MAX 1000U /* ranges */
#define GAP	  6U
#define LEFT_X	  190U
#define RIGHT_X	  470U
#define BAR_WIDTH 90U

struct drawn {
	struct range range;
	unsigned left; /* y */
	unsigned right;
	unsigned height;
};

static int by_gpa(const void *a, const void *b)
{
	const struct drawn *x = a;
	const struct drawn *y = b;

	return x->range.gpa < y->range.gpa ? -1 : x->range.gpa > y->range.gpa;
}

static unsigned height_of(const struct range *r)
{
	uint64_t more = r->last - r->first;
	unsigned lg2 = 0;

	while (lg2 < 64 && more >> lg2)
		lg2++;
	return lg2 > 12 ? 12 + 2 * (lg2 - 12) : 12;
}

static const char *colour(uint32_t perm)
{
	static const char *const of[] = { "#bbbbbb", "#4c78a8", "#e45756", "#54a24b" };

	return of[perm & (VIOMMU_READ | VIOMMU_WRITE)];
}

/* Where each is, on both sides. Returns the height of all. */
static unsigned place(const struct ranges *ranges, struct drawn *d, size_t count)
{
	unsigned y = 40;

	for (size_t i = 0; i < count; i++) {
		d[i] = (struct drawn){ .range = ranges->list[i],
				       .left = y,
				       .height = height_of(&ranges->list[i]) };
		y += d[i].height + GAP;
	}
	qsort(d, count, sizeof(*d), by_gpa);
	y = 40;
	for (size_t i = 0; i < count; i++) {
		d[i].right = y;
		y += d[i].height + GAP;
	}
	return y + 20;
}

static void draw_one(FILE *f, const struct drawn *d)
{
	const struct range *r = &d->range;
	const char *c = colour(r->perm);

	fprintf(f, "<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\" fill=\"%s\"/>", LEFT_X,
		d->left, BAR_WIDTH, d->height, c);
	fprintf(f, "<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\" fill=\"%s\"/>", RIGHT_X,
		d->right, BAR_WIDTH, d->height, c);
	fprintf(f, "<path d=\"M%u %u L%u %u L%u %u L%u %u Z\" fill=\"%s\" fill-opacity=\"0.25\"/>",
		LEFT_X + BAR_WIDTH, d->left, RIGHT_X, d->right, RIGHT_X, d->right + d->height,
		LEFT_X + BAR_WIDTH, d->left + d->height, c);
	fprintf(f, "<text x=\"%u\" y=\"%u\" text-anchor=\"end\">%" PRIx64 "</text>", LEFT_X - 6,
		d->left + 10, r->first);
	fprintf(f, "<text x=\"%u\" y=\"%u\">%" PRIx64 "</text>\n", RIGHT_X + BAR_WIDTH + 6,
		d->right + 10, r->gpa);
}

static void draw(FILE *f, const struct context *c, const struct drawn *d, size_t count, size_t all,
		 unsigned height)
{
	fprintf(f,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"760\" height=\"%u\" "
		"font-family=\"monospace\" font-size=\"11\">\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
		"<text x=\"10\" y=\"16\">device %" PRIx32
		": I/O addresses (left), guest-physical addresses (right); "
		"blue read, red write, green both</text>\n",
		height, c->name);
	for (size_t i = 0; i < count; i++)
		draw_one(f, &d[i]);
	if (count < all)
		fprintf(f, "<text x=\"10\" y=\"%u\">and %zu ranges more</text>\n", height - 6,
			all - count);
	fprintf(f, "</svg>\n");
}

static int write_svg(const struct map *m, const struct context *c)
{
	size_t count = m->ranges.count < DRAWN_MAX ? m->ranges.count : DRAWN_MAX;
	struct drawn *d = calloc(count ? count : 1, sizeof(*d));
	FILE *f = fopen(m->options->svg, "w");
	bool ok = d && f;

	if (ok)
		draw(f, c, d, count, m->ranges.count, place(&m->ranges, d, count));
	if (f && (ferror(f) || fclose(f) != 0))
		ok = false;
	free(d);
	return ok ? STATUS_SAME : unusable(m->options->svg, 0, strerror(errno));
}

static int map_device(void *opaque, struct session *s, const struct context *c)
{
	struct map *m = opaque;
	int result = ranges_read(&m->ranges, s, c->device, m->options->request.pasid);

	if (m->ranges.exhausted)
		return unusable(s->path, s->number, "out of memory");
	if (result < 0)
		return unusable(s->path, s->number, viommu_strerror(result));
	put_ranges(m, c);
	return m->options->svg ? write_svg(m, c) : STATUS_SAME;
}

static int run(struct options *o)
{
	struct map m = { .options = o };
	static struct session s;
	int status;

	if (!o->look.one)
		return usage_error(&command_map, "%s", command_map.files);
	status = options_open(o, &s);
	if (!status)
		status = look_devices(&s, &o->look, map_device, &m);
	ranges_fini(&m.ranges);
	session_close(&s);
	return status;
}

const struct command command_map = {
	.name = "map",
	.purpose = "a device's I/O address space, as text or as a picture",
	.usage =
		"--device ID [OPTION]... TAPE[:LINE]\n"
		"       viommu map --device ID [OPTION]... --registers FILE --memory FILE@GPA...\n"
		"Shows what a device has mapped at this line, or at the end of the tape, and what is not mapped\n"
		"between.\n",
	.status = "0; 2 a file cannot be read or written, or the command line is wrong.",
	.files = "--device, and one tape or --registers",
	.count = 1,
	.run = run
};
