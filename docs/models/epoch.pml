/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * epoch.pml - sections, completions and the wake-up, with store buffers, for Spin.
 *
 * Sequential consistency would hide what the fences are for. Here a store of `entered`, `waiting`
 * or `now` first goes to a buffer of its thread, and reaches memory at any later time; a fence
 * waits until the buffer is empty, and every load in between may be earlier than the store. What is
 * looked up is reduced to one word: what the guest removes, and the caches with it, is `old`.
 *
 * The host makes one call of viommu_reg_write() or viommu_run() at a time, so the owner of the
 * registers is one thread. A call that finds sections open ends (VIOMMU_PENDING); the host calls
 * again once it has been told (host.work). A wake-up that is lost is an invalid end state.
 */

#ifndef READERS
#define READERS 3
#endif
#ifndef ROUNDS
#define ROUNDS 2 /* sections of a reader */
#endif
#ifndef COMPLETIONS
#define COMPLETIONS 2
#endif

byte version = 1; /* what a look-up answers: all caches and tables together */
byte done = 1;	  /* the newest that was reported complete */

byte now = 1;
byte entered[READERS];
bool waiting;
byte using[READERS]; /* version in use in the section, 0: none */

/* Buffers: of one store each, as no thread makes two without a fence. Stores of 0 are an event too,
 * so what is pending is value + 1. */
byte entered_later[READERS];
byte waiting_later;
byte start_later; /* 2: the change and the new number, 1: the number */

#ifdef COUNTED
/* Sections that are counted, by epoch (memory/epoch_group.h): who opens one counts it in the current
 * bucket, with a read-modify-write, which no buffer holds up. */
#ifndef BUCKETS
#define BUCKETS 2
#endif
byte count[BUCKETS];
byte label[BUCKETS];
byte current;
#endif

bool work; /* the host has been told and has not called yet */

/* Memory takes the stores when it likes to. */
active proctype memory()
{
end:
	do
	:: atomic { entered_later[0] != 0 -> entered[0] = entered_later[0] - 1; entered_later[0] = 0 }
#if READERS > 1
	:: atomic { entered_later[1] != 0 -> entered[1] = entered_later[1] - 1; entered_later[1] = 0 }
#endif
#if READERS > 2
	:: atomic { entered_later[2] != 0 -> entered[2] = entered_later[2] - 1; entered_later[2] = 0 }
#endif
	:: atomic { waiting_later != 0 -> waiting = waiting_later - 1; waiting_later = 0 }
	:: atomic { start_later == 2 -> version++; start_later = 1 }
	:: atomic { start_later == 1 -> now++; start_later = 0 }
	od
}

proctype reader(byte r)
{
	byte v, n, m_value, m_epoch;
#ifdef COUNTED
	byte bucket;
#endif

round:
#ifdef COUNTED
	/* epoch_group_enter() */
	bucket = current;
#ifdef MUTANT_COUNT_LATE
	v = version;
	count[bucket]++;
#else
	count[bucket]++;
	v = version;
#endif
	atomic { assert(v >= done); using[r] = v; v = 0 }
	/* epoch_group_leave() */
	using[r] = 0;
	atomic {
		count[bucket]--;
		v = (count[bucket] == 0);
		bucket = 0
	}
	if
#ifdef MUTANT_NO_WAKE
	:: true
#else
	:: v == 1 && waiting -> work = true
	:: else
#endif
	fi;
	v = 0;
	n++;
	if
	:: n < ROUNDS -> goto round
	:: else -> goto out
	fi;
#endif
	/* epoch_enter() */
	v = now;
	atomic { entered_later[r] == 0 -> entered_later[r] = v + 1; v = 0 }
#ifndef MUTANT_NO_FENCE_ENTER
	entered_later[r] == 0;
#endif
	/* a translation and its use */
	if
	:: atomic { m_epoch == now -> v = m_value } /* the micro-TLB, without another question */
	:: atomic { m_epoch != now -> m_epoch = now }
		v = version
	fi;
	atomic {
		assert(v >= done);
		using[r] = v;
		m_value = v;
		v = 0;
		if
		:: n == ROUNDS - 1 -> m_value = 0; m_epoch = 0
		:: else
		fi
	}

	/* epoch_leave(): a release store, after the last use */
	atomic { using[r] = 0; entered_later[r] == 0 -> entered_later[r] = 1 }
#ifndef MUTANT_NO_FENCE_LEAVE
	entered_later[r] == 0;
#endif
	if
#ifdef MUTANT_NO_WAKE
	:: true
#else
	:: waiting -> work = true
	:: !waiting
#endif
	fi;
	n++;
	if
	:: n < ROUNDS -> goto round
	:: else
	fi;
out:
	skip
}

#ifdef COUNTED
/* epoch_group_renew(); epoch.lock is left out, as there is one owner. */
inline renew(epoch)
{
	if
	:: label[current] == epoch
	:: else ->
		i = current;
#ifndef MUTANT_RENEW_OPEN
		if
		:: count[i] == 0
		:: else ->
			i = 0;
			do
			:: i == BUCKETS -> break
			:: i < BUCKETS && count[i] == 0 -> break
			:: i < BUCKETS && count[i] != 0 -> i++
			od
		fi;
#endif
		if
		:: i < BUCKETS -> label[i] = epoch; current = i
		:: else
		fi
	fi;
	i = 0
}
#endif

/* The thread that owns the registers. An invalidation, then a completion; what could not be completed
 * is left until the host is told. */
proctype owner()
{
	byte target, n, i;
	bool passed;

	do
	:: n == COMPLETIONS -> break
	:: n < COMPLETIONS ->
		/* What is cached, by cache.pml, and epoch_start(): stores that may be late, up to the
		 * fence. */
		atomic { target = now + 1; start_later = 2 }
#ifdef MUTANT_RENEW_EARLY
		renew(target);
#endif
#ifndef MUTANT_NO_FENCE_START
		start_later == 0;
#endif
#ifdef MUTANT_TARGET_OLD
		target--;
#endif
again:
		/* epoch_wait() */
#ifndef MUTANT_WAITING_AFTER
		atomic { waiting_later == 0 -> waiting_later = 2 }
#ifndef MUTANT_NO_FENCE_WAIT
		waiting_later == 0;
#endif
#endif
		/* epoch_passed() */
		passed = true;
#ifdef COUNTED
#ifndef MUTANT_RENEW_EARLY
		renew(now);
#endif
		do
		:: i < BUCKETS ->
			if
			:: atomic { label[i] >= target || count[i] == 0 -> i++ }
			:: atomic { label[i] < target && count[i] != 0 -> passed = false; i = 0; break }
			fi
		:: atomic { i == BUCKETS -> i = 0; break }
		od;
#elif !defined(MUTANT_NO_WAIT)
		do
		:: i < READERS ->
			if
			:: atomic { entered[i] == 0 || entered[i] >= target -> i++ }
			:: atomic { entered[i] != 0 && entered[i] < target -> passed = false; i = 0; break }
			fi
		:: atomic { i == READERS -> i = 0; break }
		od;
#endif
#ifdef MUTANT_WAITING_AFTER
		if
		:: !passed -> waiting = true
		:: else
		fi;
#endif
		if
		:: atomic { !passed -> passed = false } /* VIOMMU_PENDING: the host waits to be told */
			atomic { work -> work = false }
			goto again
		:: atomic {
			passed -> passed = false;
			target = 0;
			done++;
			n++;
			do
			:: i < READERS -> assert(using[i] == 0 || using[i] >= done); i++
			:: else -> break
			od;
			i = 0
		}
		fi;
		/* epoch_done() */
		atomic { waiting_later == 0 -> waiting_later = 1 }
	od
}

init {
	byte i;

	atomic {
		do
		:: i < READERS -> run reader(i); i++
		:: else -> break
		od;
		run owner()
	}
}
