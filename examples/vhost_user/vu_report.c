/* SPDX-License-Identifier: BSD-3-Clause */
/* vu_report.c - medians of runs as a table and as JSON. */
#include "vu_report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef HAVE_JSON_C
#include <json-c/json.h>
#include <json-c/json_util.h>
#endif

/* A figure of a run. */
typedef double figure(const struct vu_result *r);

static double per_packet(const struct vu_result *r, uint64_t n)
{
	return r->packets ? (double)n / (double)r->packets : 0;
}

static double rate(const struct vu_result *r)
{
	return r->seconds > 0 ? (double)r->packets / r->seconds : 0;
}

static double table_us(const struct vu_result *r)
{
	return per_packet(r, r->work.table) / 1e3;
}

static double invalidation_us(const struct vu_result *r)
{
	return per_packet(r, r->work.invalidation) / 1e3;
}

static double miss_us(const struct vu_result *r)
{
	return per_packet(r, r->work.miss) / 1e3;
}

static double message_us(const struct vu_result *r)
{
	return per_packet(r, r->work.message) / 1e3;
}

static double work_us(const struct vu_result *r)
{
	return table_us(r) + invalidation_us(r) + miss_us(r) + message_us(r);
}

static double library_percent(const struct vu_result *r)
{
	double all = work_us(r);

	return all > 0 ? 100 * (invalidation_us(r) + miss_us(r)) / all : 0;
}

static double misses(const struct vu_result *r)
{
	return per_packet(r, r->work.misses);
}

static double updates(const struct vu_result *r)
{
	return per_packet(r, r->work.updates);
}

static double invalidations(const struct vu_result *r)
{
	return per_packet(r, r->work.invalidations);
}

static double flushes(const struct vu_result *r)
{
	return per_packet(r, r->work.flushes);
}

static const struct {
	const char *name;
	figure *of;
} figures[] = {
	{ "packets_per_second", rate },
	{ "table_us", table_us },
	{ "invalidation_us", invalidation_us },
	{ "miss_us", miss_us },
	{ "message_us", message_us },
	{ "iommu_us_per_packet", work_us },
	{ "library_percent", library_percent },
	{ "misses", misses },
	{ "updates", updates },
	{ "invalidations", invalidations },
	{ "flushes", flushes },
};

enum { FIGURES = sizeof(figures) / sizeof(figures[0]) };

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median_of(double *value, unsigned count)
{
	qsort(value, count, sizeof(value[0]), compare);
	return (value[(count - 1) / 2] + value[count / 2]) / 2;
}

static double median(const struct vu_result *results, unsigned runs, unsigned mode, figure *of)
{
	double value[REPORT_RUNS];

	for (unsigned i = 0; i < runs; i++)
		value[i] = of(&results[i * MODE_TIMED + mode]);
	return median_of(value, runs);
}

/* Each run is compared with the one without IOMMU beside it: the machine's own ups and downs are in
 * both. */
static double of_none(const struct vu_result *results, unsigned runs, unsigned mode)
{
	double value[REPORT_RUNS];

	for (unsigned i = 0; i < runs; i++)
		value[i] = rate(&results[i * MODE_TIMED + mode]) /
			   rate(&results[i * MODE_TIMED + MODE_NONE]);
	return median_of(value, runs);
}

/* The last mode has an IOMMU, and a ring if there can be one. */
static const char *backend_name(const struct vu_result *results, const struct vu_options *options)
{
	bool ring = results[MODE_TIMED - 1].ring;

	return options->kind == KIND_TESTPMD ? ring ? "testpmd with a ring" : "testpmd"
	       : options->kind == KIND_OWN   ? ring ? "own with a ring" : "own"
	       : ring			     ? "socket with a ring"
					     : "socket";
}

void report_table(const struct vu_result *results, unsigned runs, const struct vu_options *options)
{
	printf("Backend %s, engine %s, frames of %u bytes, medians of %u runs of %.1f s, interleaved.\n"
	       "us and counts are per packet; library = invalidation + miss, without messages.\n\n",
	       backend_name(results, options), options->engine->name, options->frame_bytes, runs,
	       options->seconds);
	printf("| mode | packets/s | of none | IOMMU us | table us | invalidation us | miss us |"
	       " message us | library %% | misses | updates | invalidations | flushes |\n"
	       "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n");
	for (unsigned mode = 0; mode < MODE_TIMED; mode++) {
		printf("| %s | %.0f | %.1f %% | %.3f | %.3f | %.3f | %.3f | %.3f | %.1f | %.4f | %.4f |"
		       " %.4f | %.4f |\n",
		       mode_names[mode], median(results, runs, mode, rate),
		       100 * of_none(results, runs, mode), median(results, runs, mode, work_us),
		       median(results, runs, mode, table_us),
		       median(results, runs, mode, invalidation_us),
		       median(results, runs, mode, miss_us),
		       median(results, runs, mode, message_us),
		       median(results, runs, mode, library_percent),
		       median(results, runs, mode, misses), median(results, runs, mode, updates),
		       median(results, runs, mode, invalidations),
		       median(results, runs, mode, flushes));
	}
}

#ifdef HAVE_JSON_C

static void add_number(struct json_object *to, const char *name, double value)
{
	json_object_object_add(to, name, json_object_new_double(value));
}

static void add_text(struct json_object *to, const char *name, const char *text)
{
	json_object_object_add(to, name, json_object_new_string(text));
}

/* The backend's name says which IOMMU is before it. */
static struct json_object *json_run(const struct vu_result *r, const struct vu_result *none,
				    const char *backend, const struct vu_options *options)
{
	struct json_object *run = json_object_new_object();
	char name[64];

	snprintf(name, sizeof(name), "%s, %s", backend, options->engine->name);
	add_text(run, "backend", name);
	add_text(run, "mode", mode_names[r->mode]);
	add_number(run, "of_none", rate(r) / rate(none));
	add_number(run, "seconds", r->seconds);
	json_object_object_add(run, "packets", json_object_new_uint64(r->packets));
	for (unsigned i = 0; i < FIGURES; i++)
		add_number(run, figures[i].name, figures[i].of(r));
	return run;
}

static struct json_object *json_medians(const struct vu_result *results, unsigned runs)
{
	struct json_object *medians = json_object_new_object();

	for (unsigned mode = 0; mode < MODE_TIMED; mode++) {
		struct json_object *of = json_object_new_object();

		add_number(of, "of_none", of_none(results, runs, mode));
		for (unsigned i = 0; i < FIGURES; i++)
			add_number(of, figures[i].name, median(results, runs, mode, figures[i].of));
		json_object_object_add(medians, mode_names[mode], of);
	}
	return medians;
}

bool report_json(const char *path, const struct vu_result *results, unsigned runs,
		 const struct vu_options *options)
{
	const char *backend = backend_name(results, options);
	struct json_object *all = json_object_new_object(), *list = json_object_new_array();
	bool good;

	add_text(all, "backend", backend);
	add_text(all, "engine", options->engine->name);
	json_object_object_add(all, "frame_bytes", json_object_new_uint64(options->frame_bytes));
	json_object_object_add(all, "rounds", json_object_new_uint64(runs));
	json_object_object_add(all, "medians", json_medians(results, runs));
	for (unsigned i = 0; i < runs * MODE_TIMED; i++)
		json_object_array_add(list, json_run(&results[i],
						     &results[i - i % MODE_TIMED + MODE_NONE],
						     backend, options));
	json_object_object_add(all, "runs", list);
	good = json_object_to_file_ext(
		       path, all, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE) == 0;
	if (!good)
		fprintf(stderr, "%s\n", json_util_get_last_err());
	json_object_put(all);
	return good;
}

#else

bool report_json(const char *path, const struct vu_result *results, unsigned runs,
		 const struct vu_options *options)
{
	(void)results, (void)runs, (void)options;
	fprintf(stderr, "%s: not written: built without json-c (libjson-c-dev)\n", path);
	return false;
}

#endif

void report_line(const struct vu_result *r)
{
	printf("%-8s %s%s: %" PRIu64 " packets in %.2f s, %.0f a second, %" PRIu64 " lost, %" PRIu64
	       " wrong; a packet: %.3f us IOMMU, %.4f misses, %.4f updates, %.4f invalidations\n",
	       mode_names[r->mode], r->good ? "good" : "BAD", r->ring ? ", ring" : "", r->packets,
	       r->seconds, rate(r), r->lost, r->wrong, work_us(r), misses(r), updates(r),
	       invalidations(r));
	fflush(stdout);
}
