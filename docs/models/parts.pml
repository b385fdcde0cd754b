/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * parts.pml - partitions: whom an invalidation concerns, for Spin.
 *
 * Two partitions, a reader in each, whose device has a context of domain p. The owner invalidates contexts of a domain: only
 * who may know the domain is concerned, so that his word moves and his section is waited for. A reader that parses a context
 * has no domain yet; one that is not kept (QUIET), or has lost its place (RECYCLE), is lost: cache/domain.h. The VMM changes
 * memory meanwhile, which is about everybody, and waits for everybody by itself (VMM).
 *
 * With OUTSIDE the reader of partition 0 is a view, whose section counts as its word does; with STUCK it may stay in a section for
 * ever: what is about partition 1 is completed all the same. ALONE: nobody reads in partition 1. Fences are epoch.pml's and view.pml's: memory is sequentially
 * consistent here.
 */

#ifndef SECTIONS
#define SECTIONS 2 /* of partition 0; one of partition 1 */
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef TRIES
#define TRIES 2
#endif

byte table[2] = 1;  /* the guest's contexts, by partition: version */
byte done[2] = 1;   /* the newest that was reported complete */
byte memory = 1;    /* regions: version */
byte memory_done = 1;

/* of windows */
byte word[2] = 1;
byte generation[2] = 1;
byte kept[2];	    /* the context cache: version, 0: none; under */
byte kept_under[2]; /* this generation */

/* the owner's alone */
byte forgets[2]; /* domains.forgets */
bool known[2];	 /* the domain has a place */
bool lost[2];	 /* domains.lost */
byte now = 1;	 /* epoch.now */
byte moved[2] = 1;
byte told[2] = 1;

byte entered[2]; /* of the sections */
byte since = 1;	 /* epoch_outside.since */
byte using[2];
byte using_memory[2];

#ifdef OUTSIDE
#define NOTED(p) (p == 0 -> word[0] : now)
#else
#define NOTED(p) now
#endif

#ifdef MUTANT_NO_COMPARE
#define STANDS(p) (generation[p] == g)
#else
#define STANDS(p) (generation[p] == g && forgets[p] == f)
#endif

proctype reader(byte p)
{
	byte n, v, m, g, f, tries, micro, micro_m, seen;

	do
	:: n == (p == 0 -> SECTIONS : 1) -> break
	:: n < (p == 0 -> SECTIONS : 1) ->
		v = NOTED(p);
		atomic { entered[p] = v; v = 0 }
		if
		:: atomic { micro != 0 && word[p] == seen -> v = micro; m = micro_m }
		:: atomic { micro == 0 || word[p] != seen -> seen = word[p] }
retry:
			if
			:: atomic { kept[p] != 0 && kept_under[p] == generation[p] -> v = kept[p] }
			:: atomic { kept[p] == 0 || kept_under[p] != generation[p] -> g = generation[p] }
				f = forgets[p];
				tries++;
#ifndef MUTANT_LAST_SILENT
				if
				:: tries == TRIES -> lost[p] = true
				:: else
				fi;
#endif
				v = table[p];
				if
				:: known[p] = true; /* domains_get() */
					if
					:: atomic { STANDS(p) -> kept[p] = v; kept_under[p] = g }
					:: atomic { !STANDS(p) && tries < TRIES -> v = 0; goto retry }
					:: !STANDS(p) && tries == TRIES
					fi
#ifdef QUIET
#ifdef MUTANT_NO_LOSE
				:: true;
#else
				:: lost[p] = true;
#endif
					if
					:: STANDS(p) -> g = 0
					:: atomic { !STANDS(p) && tries < TRIES -> v = 0; goto retry }
					:: !STANDS(p) && tries == TRIES -> g = 0
					fi
#endif
				fi
			fi;
#ifdef VMM
			m = memory;
#endif
			/* what does not stand is not kept; what is quiet neither */
			atomic {
				if
				:: kept[p] == v && g != 0 -> micro = v; micro_m = m
				:: else -> micro = 0; micro_m = 0
				fi
			}
		fi;
		atomic {
			assert(v >= done[p]);
			using[p] = v;
#ifdef VMM
			assert(m >= memory_done);
			using_memory[p] = m;
#endif
			g = 0; f = 0; tries = 0; v = 0; m = 0
		}
#ifdef STUCK
		if
		:: p == 0 -> break
		:: true
		fi;
#endif
#ifdef RECYCLE
		/* its place is another's, while the section is open or after */
		if
#ifdef MUTANT_NO_LOSE
		:: atomic { known[p] = false; kept[p] = 0 }
#else
		:: atomic { known[p] = false; lost[p] = true; kept[p] = 0 }
#endif
		:: true
		fi;
#endif
		atomic { using[p] = 0; using_memory[p] = 0; entered[p] = 0; n++ }
	od
}

/* ---- waiting ---- */

/* Of a view: what it was seen to be, it is not older than. */
#define YOUNGER(a, b) (a > b -> a : b)
#define SEEN (entered[0] != 0 && entered[0] < word[0] -> entered[0] : word[0])

#ifdef OUTSIDE
#define VIEW(p) (p == 0)
#else
#define VIEW(p) false
#endif

/* Of the guest's completions; of everybody's, by the VMM. */
#define PASSES(p) (entered[p] == 0 || \
		   (VIEW(p) -> YOUNGER(since, SEEN) >= told[p] : entered[p] >= target || entered[p] >= moved[p]))
#ifdef MUTANT_AWAIT_PARTS
#define PASSES_ALL(p) PASSES(p)
#else
#define PASSES_ALL(p) (entered[p] == 0 || (VIEW(p) -> YOUNGER(since, SEEN) >= word[p] : entered[p] >= target))
#endif

#define LOOK(p, passes)                                                                            \
	atomic {                                                                                   \
		(passes);                                                                          \
		if                                                                                 \
		:: VIEW(p) -> since = YOUNGER(since, SEEN)                                         \
		:: else                                                                            \
		fi                                                                                 \
	}

/* ---- what is invalidated ---- */

#ifdef MUTANT_EVERYBODY
#define MAY_KNOW(p) true
#else
#define MAY_KNOW(p) ((p == q && known[p]) || lost[p])
#endif

/* domains_forget_contexts(), with the lock */
inline forget(p)
{
#ifdef MUTANT_COUNT_LATE
	atomic {
		concerned[p] = MAY_KNOW(p);
		generation[p] = generation[p] + concerned[p]
	}
	forgets[p]++
#else
	atomic {
		forgets[p]++;
		concerned[p] = MAY_KNOW(p);
		generation[p] = generation[p] + concerned[p]
	}
#endif
}

/* domains_find_lost(), epoch_tell_part() */
inline tell(p)
{
	if
	:: concerned[p] ->
#ifndef MUTANT_FIND_LATE
		lost[p] = false;
#endif
#ifndef MUTANT_WORD_LATE
		atomic { word[p]++; told[p] = word[p] }
#endif
	:: else
	fi
}

/* epoch_concern_part() */
inline concern(p)
{
	if
	:: concerned[p] -> moved[p] = target
#ifdef MUTANT_FIND_LATE
		lost[p] = false
#endif
	:: else
	fi
}

proctype owner()
{
	byte round, q, target;
	bool concerned[2];

	do
	:: round == ROUNDS -> break
	:: round < ROUNDS ->
		if
#ifndef STUCK
		:: q = 0
#endif
		:: q = 1
		fi;
		table[q]++;
		forget(0);
		forget(1);
		tell(0);
		tell(1);
		atomic { now++; target = now }
#ifndef MUTANT_CONCERN_LATE
		concern(0);
		concern(1);
#endif
		LOOK(0, PASSES(0));
		LOOK(1, PASSES(1));
#ifdef MUTANT_CONCERN_LATE
		concern(0);
		concern(1);
#endif
		atomic {
			assert(using[q] == 0 || using[q] >= table[q]);
			done[q] = table[q];
			round++
		}
#ifdef MUTANT_WORD_LATE
		atomic {
			word[0] = word[0] + concerned[0];
			told[0] = word[0];
			word[1] = word[1] + concerned[1];
			told[1] = word[1]
		}
#endif
	od
}

/* unit_forget_awaited() */
inline move(p)
{
	generation[p]++;
#ifdef MUTANT_FOUND_BY_VMM
	lost[p] = false;
#endif
#ifdef MUTANT_VMM_TELLS
	atomic { word[p]++; told[p] = word[p] }
#else
	word[p]++
#endif
}

proctype vmm()
{
	byte target;

	memory++;
	move(0);
	move(1);
	atomic {
		now++;
		target = now;
#ifdef MUTANT_VMM_TELLS
		moved[0] = target;
		moved[1] = target
#endif
	}
#ifdef STUCK
end:
#endif
	LOOK(0, PASSES_ALL(0));
#ifdef STUCK
end_too:
#endif
	LOOK(1, PASSES_ALL(1));
	atomic {
		assert(using_memory[0] == 0 || using_memory[0] >= memory);
		assert(using_memory[1] == 0 || using_memory[1] >= memory);
		memory_done = memory
	}
}

init {
	atomic {
		run reader(0);
#ifndef ALONE
		run reader(1);
#endif
		run owner()
#ifdef VMM
		;
		run vmm()
#endif
	}
}
