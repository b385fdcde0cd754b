/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * epoch.pml - sections, completions and the wake-up, with store buffers, for Spin.
 *
 * Sequential consistency would hide what the fences are for. Here a store of `entered`, `waiting`
 * or `now` first goes to a buffer of its thread, and reaches memory at any later time; a fence
 * waits until the buffer is empty, and every load in between may be earlier than the store. What is
 * looked up is reduced to one word: what the guest removes, and the caches with it, is `old`.
 *
 * A reader that closes a section for which someone may wait looks whether it was the last one, under epoch.lock,
 * and only then tells the host: whoever is told finds that he can go on.
 *
 * With REFUSED, readers have no fences and whoever completes has the kernel execute them (membarrier), which
 * fails from some time on: epoch.h, EPOCH_REFUSED. Each reader frees its channel in the end.
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
byte waiting; /* the target that is waited for */
bool locked;  /* epoch.lock */
byte scanned; /* readers before `at` do not hold back this target, nor older ones */
byte at;
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
byte told; /* by somebody who says that this has passed */

#ifdef REFUSED
/* enum epoch_readers */
#define FENCED 0
#define UNFENCED 1
#define PROVING 2
byte readers = UNFENCED;
bool refusing;		/* the kernel: from now on */
bool fenced[READERS];
bool gone[READERS];	/* its channel is freed */
#define PROVING_NOW (readers == PROVING)
#define ANY 255		/* waiting: whoever closes a section tells the host */
#if READERS == 2
#define NOTHING_LATE (entered_later[0] == 0 && entered_later[1] == 0)
#else
#define NOTHING_LATE (entered_later[0] == 0 && entered_later[1] == 0 && entered_later[2] == 0)
#endif
#else
#define PROVING_NOW false
#endif

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

#ifdef MUTANT_SCAN_GOES_ON
#define SCAN_FROM_START skip
#else
#define SCAN_FROM_START at = 0
#endif
#ifdef MUTANT_SCAN_OLD
#define SCAN_OLD true
#else
#define SCAN_OLD false
#endif
#ifdef MUTANT_NOT_LAST
#define LAST (mine != 0)
#else
#define LAST false
#endif

/* With the lock: goes on where the last one stopped. A reader who was seen to be outside after the target's epoch
 * had begun may still write an older number, which he has read before, but looks up what is new. For an older
 * target than that nothing is remembered. */
inline scan(target_, passed_)
{
	if
	:: scanned < target_ -> SCAN_FROM_START; scanned = target_
	:: else
	fi;
	if
	:: scanned == target_ || SCAN_OLD -> k = at
	:: else -> k = 0
	fi;
	do
	:: k < READERS ->
		if
		:: atomic { entered[k] == 0 || entered[k] >= target_ -> k++ }
		:: atomic { entered[k] != 0 && entered[k] < target_ -> passed_ = LAST; break }
		fi
	:: atomic { k == READERS -> passed_ = true; break }
	od;
	if
	:: scanned == target_ || SCAN_OLD -> at = k
	:: else
	fi;
	k = 0
}

/* epoch_wakes(), with @mine, the epoch of the section that was closed. The lock is a fence where there is no
 * other: of two who close at the same time, whoever comes second sees both closed. */
inline wakes()
{
#ifndef MUTANT_NO_LOCK
	atomic { !locked && entered_later[r] == 0 -> locked = true };
#endif
	v = waiting;
	if
	:: v != 255 && !PROVING_NOW -> scan(v, last)
	:: else
	fi;
	locked = false;
	if
	:: last || v == 255 -> atomic { /* one of those who see it says so */
		if
		:: waiting != 0 -> told = v; waiting = 0; work = true
		:: else
		fi }
	:: else
	fi;
	v = 0;
	last = false
}

#ifdef REFUSED
/* Of epoch_enter() and epoch_leave(): what there is instead of a fence. */
inline fence_of_reader()
{
	v = readers;
	if
	:: v == UNFENCED
	:: v == FENCED -> entered_later[r] == 0
	:: v == PROVING ->
		entered_later[r] == 0;
		fenced[r] = true
	fi;
	v = 0
}

/* writer_fence(): the kernel has everybody execute a fence, or refuses. */
inline membarrier()
{
	if
	:: readers == FENCED
	:: readers != FENCED && !refusing ->
		NOTHING_LATE;
	:: readers != FENCED -> refusing = true;
#ifdef MUTANT_BELIEVED
		readers = FENCED
#else
		atomic { readers = PROVING
			; if
			:: waiting != 0 -> waiting = ANY
			:: else
			fi
		}
#endif
	fi
}
#endif

proctype reader(byte r)
{
	byte v, n, m_value, m_epoch, mine, k;
	bool last;
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
	:: v == 1 && waiting != 0 -> work = true
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
	atomic { entered_later[r] == 0 -> entered_later[r] = v + 1; mine = v; v = 0 }
#ifdef REFUSED
	fence_of_reader();
#elif !defined(MUTANT_NO_FENCE_ENTER)
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
#ifdef REFUSED
	fence_of_reader();
#elif !defined(MUTANT_NO_FENCE_LEAVE)
	entered_later[r] == 0;
#endif
#ifndef MUTANT_NO_WAKE
	if
	:: waiting > mine -> wakes()
	:: else
	fi;
#endif
	mine = 0;
	n++;
	if
	:: n < ROUNDS -> goto round
	:: else
	fi;
#ifdef REFUSED
	/* epoch_remove(): a channel that rests is not proven, but one that is no more need not be */
	entered_later[r] == 0;
	gone[r] = true;
#ifndef MUTANT_FREE_SILENT
	if
	:: atomic { waiting == ANY -> waiting = 0; work = true }
	:: else
	fi;
#endif
#endif
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
	byte target, n, i, k, woken, mine;
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
#ifdef REFUSED
		start_later == 0;
		membarrier();
#elif !defined(MUTANT_NO_FENCE_START)
		start_later == 0;
#endif
#ifdef MUTANT_TARGET_OLD
		target--;
#endif
again:
		/* epoch_wait() */
#ifndef MUTANT_WAITING_AFTER
		atomic { waiting_later == 0 -> waiting_later = target + 1 }
#ifdef REFUSED
		waiting_later == 0;
		membarrier();
		if
		:: readers == PROVING -> waiting = ANY
		:: else
		fi;
#elif !defined(MUTANT_NO_FENCE_WAIT)
		waiting_later == 0;
#endif
#endif
		/* epoch_passed() */
#ifndef MUTANT_NO_LOCK
		atomic { !locked -> locked = true };
#endif
		passed = true;
#ifdef REFUSED
		/* proven() */
#ifndef MUTANT_UNPROVEN
		if
		:: readers == PROVING ->
			do
			:: i < READERS ->
				if
				:: atomic { fenced[i] || gone[i] -> i++ }
				:: atomic { !fenced[i] && !gone[i] -> passed = false; i = 0; break }
				fi
			:: atomic { i == READERS -> i = 0; break }
			od;
			if
			:: passed -> readers = FENCED
			:: else
			fi
		:: else
		fi;
#endif
#endif
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
		if
		:: passed -> scan(target, passed)
		:: else
		fi;
#endif
		locked = false;
		/* whoever told the host was the last */
		atomic { assert(passed || woken != target || PROVING_NOW); woken = 0 };
#ifdef MUTANT_WAITING_AFTER
		if
		:: !passed -> waiting = target
		:: else
		fi;
#endif
		if
		:: atomic { !passed -> passed = false } /* VIOMMU_PENDING: the host waits to be told */
#if !defined(COUNTED) && !defined(MUTANT_NO_WAIT) && !defined(REFUSED)
			/* another part of the engine looks in the same call, and the answer stays as it is */
			atomic { !locked -> locked = true };
			scan(target, passed);
#ifdef MUTANT_FORGETS
			if
			:: passed -> waiting = 0
			:: else
			fi;
#endif
			atomic { passed = false; locked = false };
#endif
			atomic { work -> work = false; woken = told; told = 0 }
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
