/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * view.pml - a view in another process: its section, what it keeps, the deadline, and revocation, for Spin.
 *
 * The process notes in its section page what window.now was when a section opened; that store may reach memory late,
 * unless a fence waits for it. The owner changes something, moves window.now, and looks at the page until the section is not
 * older; once seen so, it is not older until the word moves again (struct epoch_outside). All caches and tables are one word here.
 *
 * The process may stop for ever anywhere (STUCK). Some time after, the deadline passes: the owner kills the process, and
 * then revokes the view.
 */

#ifndef SECTIONS
#define SECTIONS 3
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif

byte version = 1; /* what a look-up answers */
byte done = 1;	  /* the newest that was reported complete */
byte now = 1;	  /* window.now */
byte entered;	  /* the section page */
byte later;	  /* a store to it that is on its way: value + 1 */
byte using;	  /* version in use in the section; 0: none */
byte since = 1;	  /* epoch_outside.since */
bool dead;	  /* the process */
bool revoked;

active proctype memory()
{
end:
	do
	:: atomic { later != 0 -> entered = later - 1; later = 0 }
	od
}

inline note(value)
{
	atomic { later == 0 -> later = value + 1 }
}

active proctype process()
{
	byte count, n, v, kept, seen;

	do
	:: count == SECTIONS -> break
	:: count < SECTIONS ->
		n = now;
		note(n);
#ifndef MUTANT_NO_FENCE
		later == 0;
#endif
		/* what it keeps, if the word has not moved; otherwise the window, or the owner */
		if
		:: kept != 0 && now == seen -> v = kept
		:: else ->
#ifdef MUTANT_SEEN_LATE
			v = version;
			seen = now;
#else
			seen = now;
			v = version;
#endif
			kept = v
		fi;
		/* killed in between: nothing is used any more */
		atomic {
			if
			:: dead -> break
			:: else -> using = v; assert(v >= done)
			fi
		};
#ifdef STUCK
		if
		:: true -> break
		:: true
		fi;
#endif
		using = 0;
#ifdef MUTANT_CLOSE_FIRST
		note(0);
		later == 0;
		if
		:: !dead -> using = v; using = 0
		:: else
		fi;
#else
		note(0);
#endif
		count++
	od
}

inline kill()
{
	atomic { dead = true; using = 0 }
}

active proctype owner()
{
	byte round, n, e, target;

	do
	:: round == ROUNDS -> break
	:: round < ROUNDS ->
#ifdef MUTANT_NOW_FIRST
		now++;
		version++;
#else
		version++;
		now++;
#endif
		target = version;
		/* viommu_run(), as often as it takes */
		do
		:: revoked -> break
		:: !revoked ->
			n = now;
			e = entered;
			if
#ifdef MUTANT_NO_LOOK
			:: true -> break
#endif
			:: e == 0 || e >= n || since == n -> since = n; break
			:: e > since && e < n -> since = e /* it does not become older */
			:: else ->
#ifdef MUTANT_SINCE_HELD
				since = n
#else
				if
				:: true /* later */
#ifdef MUTANT_TIMEOUT
				:: true -> break
#elif defined(MUTANT_REVOKE_FIRST)
				:: true -> revoked = true; break
#else
				:: true -> kill(); revoked = true
#endif
				fi
#endif
			fi
		od;
		atomic { assert(using == 0 || using >= target); done = target };
#ifdef MUTANT_REVOKE_FIRST
		if
		:: revoked -> kill()
		:: else
		fi;
#endif
		round++
	od
}
