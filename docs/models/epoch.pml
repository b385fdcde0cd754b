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

round:
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
	fi
}

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
#ifndef MUTANT_NO_WAIT
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
