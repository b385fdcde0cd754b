/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * paging.pml - the paging-structure cache beside the TLB, for Spin; README.md explains.
 *
 * One page whose table is one of several: the directory says which. The guest either changes the
 * leaf in the table in use (and may hint that only leaves changed), or has the directory point to
 * another table. Every change has a number; a table's leaf is the number of the change it came
 * with. Sections are as in cache.pml; no micro-TLB, which only repeats what the TLB answers.
 *
 * What is filled from a hit in the paging-structure cache may be stale although `changes` is that
 * of a moment before: CURE says what is done about it.
 *   1  nothing is filled under an odd count: an invalidation is under way
 *   2  the count moves once more between the removal from this cache and that from the TLB
 *   0  nothing: violated
 */

#ifndef READERS
#define READERS 2
#endif
#ifndef INVALIDATORS
#define INVALIDATORS 2
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef CURE
#define CURE 1
#endif
#define TABLES (INVALIDATORS + 1)

typedef slot_t {
	bool locked;
	byte tag; /* 0: empty */
	byte value;
};

byte directory;	    /* the table in use */
byte leaf[TABLES]; /* by table */
byte version = 1;
byte replacing;	    /* changes of the directory whose invalidation is not complete */

bool domains_lock;
byte changes;
byte tag = 1;
slot_t tlb; /* value: what a leaf said */
slot_t psc; /* value: a table */

byte now = 1;
byte entered[READERS];
byte done;
byte using[READERS];

proctype reader(byte r)
{
	byte q_changes, q_tag, table, v, n;
	bool fill;

round:
	atomic { entered[r] = now; fill = true }
	q_changes = changes;
	atomic {
		q_tag = tag;
#if CURE == 1
		fill = !(q_changes & 1)
#endif
	}
	/* the TLB */
	atomic {
		if
		:: !tlb.locked && tlb.tag == q_tag -> v = tlb.value; goto answered
		:: else
		fi
	}
	/* the paging-structure cache, else the directory, and the fill */
	atomic {
		if
		:: !psc.locked && psc.tag == q_tag -> table = psc.value; goto leaf_of
		:: else
		fi
	}
	table = directory;
	if
	:: atomic { fill && !psc.locked && changes == q_changes -> psc.locked = true }
		atomic { psc.tag = q_tag; psc.value = table; psc.locked = false }
#ifdef MUTANT_PSC_NO_COMPARE
	:: atomic { fill && !psc.locked && changes != q_changes -> psc.locked = true }
		atomic { psc.tag = q_tag; psc.value = table; psc.locked = false }
	:: !fill
#else
	:: !fill || (!psc.locked && changes != q_changes)
#endif
	fi;
leaf_of:
	v = leaf[table];
	if
	:: atomic { fill && !tlb.locked && changes == q_changes -> tlb.locked = true }
		atomic { tlb.tag = q_tag; tlb.value = v; tlb.locked = false }
	:: !fill || (!tlb.locked && changes != q_changes)
	fi;
answered:
	atomic {
		assert(v >= done);
		using[r] = v;
		v = 0; table = 0; q_changes = 0; q_tag = 0; fill = false;
		n++
	}
	atomic { using[r] = 0; entered[r] = 0 }
	if
	:: n < ROUNDS -> goto round
	:: else
	fi
}

inline remove(cache)
{
	atomic {
		!cache.locked ->
		if
		:: cache.tag == tag -> cache.tag = 0; cache.value = 0
		:: else
		fi
	}
}

proctype invalidator(byte id)
{
	byte mine, target, i;
	bool leaf_only, replaced;

	/* The guest; invalidators are alike: the first is 0. It may only say that leaves alone have
	 * changed if that is so of everything it has not invalidated yet. */
	if
	:: atomic {
		version == 1 + id && replacing == 0 -> version++; mine = version;
		leaf[directory] = mine; leaf_only = true
	}
	:: atomic {
		version == 1 + id -> version++; mine = version;
		leaf[1 + id] = mine; directory = 1 + id; replacing++; replaced = true
	}
	fi;
#ifdef MUTANT_ALWAYS_LEAF_ONLY
	leaf_only = true;
#endif

	if
	:: atomic { !domains_lock -> domains_lock = true; changes++ }
#ifdef MUTANT_TLB_FIRST
		remove(tlb);
#endif
		if
		:: !leaf_only -> remove(psc)
		:: else
		fi;
#if CURE == 2
		changes++;
#endif
#ifndef MUTANT_TLB_FIRST
		remove(tlb);
#endif
		atomic { changes++; domains_lock = false; leaf_only = false }
	:: atomic { !domains_lock -> domains_lock = true; changes++; leaf_only = false }
		tag++;
		atomic { changes++; domains_lock = false }
	fi;

	atomic { now++; target = now }
	do
	:: atomic { i < READERS - 1 && (entered[i] == 0 || entered[i] >= target) -> i++ }
	:: i == READERS - 1 -> break
	od;
	atomic {
		entered[i] == 0 || entered[i] >= target;
		i = 0;
		target = 0;
		if
		:: done < mine -> done = mine
		:: else
		fi;
		mine = 0;
		if
		:: replaced -> replacing--; replaced = false
		:: else
		fi;
		do
		:: i < READERS -> assert(using[i] == 0 || using[i] >= done); i++
		:: else -> break
		od;
		i = 0
	}
}

init {
	byte i;

	atomic {
		leaf[0] = 1;
		do
		:: i < READERS -> run reader(i); i++
		:: else -> break
		od;
		i = 0;
		do
		:: i < INVALIDATORS -> run invalidator(i); i++
		:: else -> break
		od
	}
}
