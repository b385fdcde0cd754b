/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shim.cc - Google Benchmark behind shim.h, the program's main(), and the table of ratios after a
 * run.
 *
 * Names of figures are fixed, so that they can be followed over time. Google Benchmark appends
 * options to a name ("/manual_time", "/real_time"); the reporters here print the name of the
 * row and nothing else, and listing and filtering are done on those names too.
 *
 * Threads are ours, not Google Benchmark's: what its per-thread times mean has changed between
 * versions.
 */
#include "shim.h"

#include <benchmark/benchmark.h>
#include <regex.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace
{

enum phase : uint32_t { BEFORE, LOOPING, AFTER };
enum order : int { WAIT, GO, GIVE_UP };

struct entry {
	bench row;
	std::string name;
	void *world = nullptr;
	bool prepared = false;
};

std::vector<std::unique_ptr<entry>> entries;

/* Nanoseconds an iteration, one value a repetition, by name. */
std::map<std::string, std::vector<double>> figures;
bool failed;

} /* namespace */

/* The threads of one call of a row; thread 0 is the one that Google Benchmark called. */
struct bench_crew {
	entry *bench;
	benchmark::State *gb;
	uint64_t share = 0; /* iterations of each thread */
	std::atomic<uint32_t> arrived{ 0 };
	std::atomic<uint32_t> done{ 0 };
	std::atomic<int> order{ WAIT };
};

namespace
{

uint64_t round_up(uint64_t n, uint64_t multiple)
{
	return (n + multiple - 1) / multiple * multiple;
}

void wait_for(const std::atomic<uint32_t> &count, uint32_t n)
{
	while (count.load(std::memory_order_acquire) != n)
		std::this_thread::yield();
}

bool follow(bench_state *state)
{
	bench_crew *crew = state->crew;

	crew->arrived.fetch_add(1);
	while (crew->order.load(std::memory_order_acquire) == WAIT)
		std::this_thread::yield();
	return crew->order.load() == GO;
}

bool lead(bench_state *state, uint64_t batch)
{
	bench_crew *crew = state->crew;
	uint64_t wanted = static_cast<uint64_t>(crew->gb->max_iterations);

	crew->share = round_up(round_up(wanted, state->threads) / state->threads, batch);
	wait_for(crew->arrived, state->threads - 1);
	uint64_t total = crew->share * state->threads;
	bool go = crew->gb->KeepRunningBatch(static_cast<benchmark::IterationCount>(total));
	crew->order.store(go ? GO : GIVE_UP, std::memory_order_release);
	return go;
}

bool begin(bench_state *state, uint64_t batch)
{
	state->phase = LOOPING;
	if (!(state->thread == 0 ? lead(state, batch) : follow(state))) {
		state->phase = AFTER;
		return false;
	}
	state->left = state->crew->share - batch;
	return true;
}

void end(bench_state *state)
{
	bench_crew *crew = state->crew;

	state->phase = AFTER;
	if (state->thread != 0) {
		crew->done.fetch_add(1, std::memory_order_release);
		return;
	}
	wait_for(crew->done, state->threads - 1);
	if (crew->bench->row.clock == BENCH_STOPWATCH)
		crew->gb->SetIterationTime(static_cast<double>(state->elapsed_ns) * 1e-9);
	crew->gb->KeepRunningBatch(1);
}

/* One thread of a crew. A function that never looped must not leave the others waiting. */
void work(bench_crew *crew, uint32_t thread, uint32_t threads)
{
	bench_state state = {};

	state.thread = thread;
	state.threads = threads;
	state.crew = crew;
	crew->bench->row.run(&state, crew->bench->world);
	if (state.phase != BEFORE)
		return;
	if (thread == 0)
		crew->order.store(GIVE_UP, std::memory_order_release);
	else if (follow(&state))
		crew->done.fetch_add(1, std::memory_order_release);
}

bool prepare(entry *e)
{
	if (!e->prepared && e->row.prepare)
		e->world = e->row.prepare(&e->row);
	e->prepared = true;
	return e->world || !e->row.prepare;
}

void run(benchmark::State &gb, entry *e)
{
	uint32_t threads = std::max(e->row.threads, 1U);
	std::vector<std::thread> others;
	bench_crew crew;

	if (!prepare(e)) {
		gb.SkipWithError("could not be prepared");
		return;
	}
	crew.bench = e;
	crew.gb = &gb;
	for (uint32_t i = 1; i < threads; i++)
		others.emplace_back(work, &crew, i, threads);
	work(&crew, 0, threads);
	for (std::thread &other : others)
		other.join();
}

void discard_worlds()
{
	for (auto &e : entries)
		if (e->world && e->row.discard)
			e->row.discard(e->world);
}

/* Google Benchmark also chooses the number of iterations by the time that counts. */
void announce(entry *e)
{
	auto *b = benchmark::RegisterBenchmark(e->name.c_str(),
					       [e](benchmark::State &gb) { run(gb, e); });
	if (e->row.clock == BENCH_WALL)
		b->UseRealTime();
	if (e->row.clock == BENCH_STOPWATCH)
		b->UseManualTime();
}

const entry *find_entry(const std::string &name)
{
	for (auto &e : entries)
		if (e->name == name)
			return e.get();
	return nullptr;
}

/* Passes everything on to one of Google Benchmark's reporters, with the names that we gave. */
class renamer : public benchmark::BenchmarkReporter
{
public:
	/*
	 * `with_ns`: add the one number that counts to each run, so that no reader has to know
	 * which.
	 */
	renamer(benchmark::BenchmarkReporter *to, bool with_ns, bool collect)
		: to_(to), with_ns_(with_ns), collect_(collect)
	{
	}

	bool ReportContext(const Context &context) override
	{
		to_->SetOutputStream(&GetOutputStream());
		to_->SetErrorStream(&GetErrorStream());
		return to_->ReportContext(context);
	}

	void ReportRuns(const std::vector<Run> &reports) override
	{
		std::vector<Run> renamed = reports;

		for (Run &r : renamed)
			rename(&r);
		to_->ReportRuns(renamed);
	}

	void Finalize() override
	{
		to_->Finalize();
	}

private:
	void rename(Run *r) const
	{
		benchmark::BenchmarkName plain;

		plain.function_name = r->run_name.function_name;
		r->run_name = plain;
		if (r->run_type == Run::RT_Iteration)
			note(r);
	}

	void note(Run *r) const
	{
		const entry *e = find_entry(r->run_name.function_name);
		bool cpu = !e || e->row.clock == BENCH_CPU;
		double seconds = cpu ? r->cpu_accumulated_time : r->real_accumulated_time;
		double ns = seconds * 1e9 / static_cast<double>(r->iterations);

		if (!(seconds > 0)) {
			failed = true;
			return;
		}
		if (with_ns_)
			r->counters["ns"] = ns;
		if (collect_)
			figures[r->run_name.function_name].push_back(ns);
	}

	std::unique_ptr<benchmark::BenchmarkReporter> to_;
	bool with_ns_, collect_;
};

/* --- the table of ratios --- */

/* Median of the repetitions, 0 for a figure that was not measured. */
double median(const std::string &name)
{
	auto found = figures.find(name);

	if (found == figures.end())
		return 0;
	std::vector<double> v = found->second;
	std::sort(v.begin(), v.end());
	size_t half = v.size() / 2;
	return v.size() % 2 ? v[half] : (v[half - 1] + v[half]) / 2;
}

bool starts_with(const std::string &s, const std::string &prefix)
{
	return s.compare(0, prefix.size(), prefix) == 0;
}

/* What a peer calls the figure `tail` of ours: it has one kind of hit, and no channels. */
double median_of_peer(const std::string &peer, const std::string &tail)
{
	std::string same = "peer/" + peer + "/";

	if (tail == "hit/channel/latency")
		return median(same + "hit/latency");
	if (tail == "hit/channel/throughput" || tail == "hit/shared/1000")
		return median(same + "hit");
	if (tail == "threads/hit_with_invalidations/2")
		return median(same + "threads/hit/2");
	return median(same + tail);
}

std::vector<std::string> peers_measured()
{
	std::vector<std::string> peers;

	for (auto &e : entries) {
		if (!starts_with(e->name, "peer/") || !figures.count(e->name))
			continue;
		std::string peer = e->name.substr(5, e->name.find('/', 5) - 5);
		if (std::find(peers.begin(), peers.end(), peer) == peers.end())
			peers.push_back(peer);
	}
	return peers;
}

void print_ratio(FILE *out, int width, double numerator, double denominator)
{
	if (numerator > 0 && denominator > 0)
		fprintf(out, " %*.2f", width, numerator / denominator);
	else
		fprintf(out, " %*s", width, "-");
}

void print_ratios(FILE *out)
{
	const double l1 = median("ref/chase/L1");
	const std::vector<std::string> peers = peers_measured();

	fprintf(out,
		"\nratios: median ns, that by ref/chase/L1, and how many times a peer takes\n");
	fprintf(out, "%-44s %14s %10s", "figure", "ns", "x L1");
	for (auto &peer : peers)
		fprintf(out, " %14s", peer.c_str());
	fprintf(out, "\n");
	for (auto &e : entries) {
		double ns = median(e->name);
		if (!(ns > 0))
			continue;
		fprintf(out, "%-44s %14.2f", e->name.c_str(), ns);
		print_ratio(out, 10, ns, l1);
		for (auto &peer : peers)
			if (starts_with(e->name, "vtd/") || starts_with(e->name, "irq/"))
				print_ratio(out, 14, median_of_peer(peer, e->name.substr(4)), ns);
			else if (starts_with(e->name, "iotlb/"))
				print_ratio(out, 14, median_of_peer(peer, e->name), ns);
		fprintf(out, "\n");
	}
}

/*
 * The C library leaves out the atomic instructions of its locks as long as a process has one
 * thread. No VMM has one thread: without this one, the peers would seem faster, and the figures
 * depend on their order.
 */
class second_thread
{
public:
	second_thread() : thread_([this] { end_.get_future().wait(); })
	{
	}

	~second_thread()
	{
		end_.set_value();
		thread_.join();
	}

private:
	std::promise<void> end_;
	std::thread thread_;
};

/* --- the command line --- */

struct options {
	std::string filter; /* as --benchmark_filter: a regular expression, '-' before it negates */
	std::string out_format = "json";
	std::string format = "console";
	bool list = false;
	bool to_file = false;
};

/* The value of --flag=value or --flag, or NULL. */
const char *flag_value(const char *arg, const char *flag)
{
	size_t len = strlen(flag);

	if (strncmp(arg, flag, len) != 0)
		return nullptr;
	if (arg[len] == '=')
		return arg + len + 1;
	return arg[len] ? nullptr : "";
}

/* Takes what concerns names out of argv; the rest stays for Google Benchmark. */
options parse_options(int *argc, char **argv)
{
	options o;
	int kept = 1;

	for (int i = 1; i < *argc; i++) {
		if (const char *filter = flag_value(argv[i], "--benchmark_filter")) {
			o.filter = filter;
			continue;
		}
		if (const char *list = flag_value(argv[i], "--benchmark_list_tests")) {
			o.list = strcmp(list, "false") != 0;
			continue;
		}
		if (const char *format = flag_value(argv[i], "--benchmark_format"))
			o.format = format;
		if (const char *format = flag_value(argv[i], "--benchmark_out_format"))
			o.out_format = format;
		if (const char *file = flag_value(argv[i], "--benchmark_out"))
			o.to_file = *file != 0;
		argv[kept++] = argv[i];
	}
	*argc = kept;
	return o;
}

bool drop_filtered(std::string filter)
{
	bool negative = starts_with(filter, "-");
	regex_t re;

	if (negative)
		filter.erase(0, 1);
	if (filter.empty() || filter == "all")
		return true;
	if (regcomp(&re, filter.c_str(), REG_EXTENDED | REG_NOSUB) != 0)
		return false;
	auto unwanted = [&](const std::unique_ptr<entry> &e) {
		return (regexec(&re, e->name.c_str(), 0, nullptr, 0) == 0) == negative;
	};
	entries.erase(std::remove_if(entries.begin(), entries.end(), unwanted), entries.end());
	regfree(&re);
	return true;
}

void run_all(const options &o)
{
	renamer display(benchmark::CreateDefaultDisplayReporter(), o.format == "json", true);
	std::unique_ptr<renamer> file;
	second_thread second;

	for (auto &e : entries)
		announce(e.get());
	if (o.to_file && o.out_format == "json")
		file.reset(new renamer(new benchmark::JSONReporter, true, false));
	if (o.to_file && o.out_format == "console")
		file.reset(new renamer(
			new benchmark::ConsoleReporter(benchmark::ConsoleReporter::OO_None), false,
			false));
	benchmark::RunSpecifiedBenchmarks(&display, file.get(), ".");
	print_ratios(o.format == "console" ? stdout : stderr);
}

} /* namespace */

extern "C" {

void bench_register(const struct bench *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		std::unique_ptr<entry> e(new entry);
		e->row = rows[i];
		e->name = rows[i].name;
		e->row.name = e->name.c_str();
		entries.push_back(std::move(e));
	}
}

bool bench_edge(struct bench_state *state, uint64_t batch)
{
	if (state->phase == BEFORE)
		return begin(state, batch);
	if (state->phase == LOOPING)
		end(state);
	return false;
}

uint64_t bench_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return static_cast<uint64_t>(now.tv_sec) * 1000000000U + static_cast<uint64_t>(now.tv_nsec);
}

void bench_start(struct bench_state *state)
{
	state->started_ns = bench_now_ns();
}

void bench_stop(struct bench_state *state)
{
	state->elapsed_ns += bench_now_ns() - state->started_ns;
}

void bench_counter(struct bench_state *state, const char *name, double value)
{
	state->crew->gb->counters[name] = value;
}

void bench_fail(struct bench_state *state, const char *why)
{
	state->crew->gb->SkipWithError(why);
}

} /* extern "C" */

int main(int argc, char **argv)
{
	options o = parse_options(&argc, argv);

#define BENCH_REGISTER_SUITE(name) bench_suite_##name();
	BENCH_SUITES(BENCH_REGISTER_SUITE)
	benchmark::Initialize(&argc, argv);
	if (benchmark::ReportUnrecognizedArguments(argc, argv))
		return 1;
	if (!drop_filtered(o.filter)) {
		fprintf(stderr, "--benchmark_filter: not a regular expression\n");
		return 1;
	}
	if (o.list) {
		for (auto &e : entries)
			printf("%s\n", e->name.c_str());
		return 0;
	}
	run_all(o);
	discard_worlds();
	benchmark::Shutdown();
	return failed;
}
