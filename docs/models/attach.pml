/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * attach.pml - a virtio-iommu's endpoints, domains and the slots they live in, for Spin.
 *
 * Two endpoints, a thread that translates for each, one address. Endpoint 0 is attached to domain 1 and is detached. Then
 * domain 1 dies, and domain 2 gets its slot, and endpoint 1; or, with -DLIVES, endpoint 1 has been in domain 1 all the time,
 * which lives on. What a translation answers is the number of the domain whose mapping it found, 0 if it was refused.
 *
 * -DROUNDS=n    translations of a thread
 * -DLIVES       the domain lives on
 * -DMUTANT_x    the protocol without x: see check
 */

#ifndef ROUNDS
#define ROUNDS 2
#endif

byte attached[2];   /* the incarnation of a domain; 0: none */
byte generation[2]; /* of the endpoints' contexts */

/* The one slot: */
byte incarnation = 1;
byte map = 1;	  /* the domain whose mapping is in it */
byte changes;	  /* of what the TLB has of the slot */
byte tag = 1;
byte t_tag, t_value; /* the TLB */

byte now = 1;
byte entered[2];
byte using[2];
bool complete; /* the DETACH of endpoint 0 */

proctype reader(byte r)
{
	byte e_generation, e_attached; /* struct context_entry */
	byte q_changes, q_tag;	       /* struct query */
	byte v, n;
	bool known, after;

round:
	atomic { entered[r] = now; after = complete }

take:
	/* translate.c: take_domain(), else unit_context() and virtio_parse() */
	if
	:: known ->
		q_changes = changes;
		q_tag = tag;
		if
		:: generation[r] == e_generation
		:: else -> known = false; goto take
		fi
	:: else ->
		e_generation = generation[r];
		e_attached = attached[r];
		if
		:: e_attached == 0 -> v = 0; goto answered
		:: else -> known = true; goto take
		fi
	fi;

	/* tlb_find() */
	atomic {
		if
		:: q_changes % 2 == 0 && t_tag == q_tag -> v = t_value; goto answered
		:: else
		fi
	}

	/* virtio_translate.c: look_up() */
#ifdef MUTANT_COMPARE_FIRST
	if
	:: incarnation == e_attached
	:: else -> known = false; goto take
	fi;
#endif
	v = map;
#if !defined(MUTANT_NO_INCARNATION) && !defined(MUTANT_COMPARE_FIRST)
	if
	:: incarnation == e_attached
	:: else -> v = 0; known = false; goto take
	fi;
#endif

	/* tlb_add() */
	atomic {
		if
		:: v != 0 && q_changes % 2 == 0 && changes == q_changes -> t_tag = q_tag; t_value = v
		:: else
		fi
	}

answered:
	atomic {
		/* of the domain that it was attached to, and of that only */
#ifdef LIVES
		assert(v <= 1);
#else
		assert(v == 0 || v == r + 1);
#endif
		assert(!(r == 0 && after) || v == 0);
		using[r] = v;
		q_changes = 0;
		q_tag = 0;
		v = 0
	}
	atomic { entered[r] = 0; using[r] = 0; after = false; n++ }
	if
	:: n < ROUNDS -> goto round
	:: else
	fi
}

proctype owner()
{
	byte target;

	/* virtio_move() */
#ifdef MUTANT_MOVE_ORDER
	generation[0]++;
	attached[0] = 0;
#else
	attached[0] = 0;
#ifndef MUTANT_NO_GENERATION
	generation[0]++;
#endif
#endif
#ifndef LIVES
	/* virtio_domain_free() */
#ifndef MUTANT_INCARNATION_LATE
	incarnation = 0;
#endif
#ifndef MUTANT_NO_FLUSH
	changes++;
	tag++;
	changes++;
#endif
	map = 0;
#ifdef MUTANT_INCARNATION_LATE
	incarnation = 0;
#endif
	/* virtio_domain_new(), virtio_move(), MAP; the DETACH may still be pending */
	incarnation = 2;
	attached[1] = 2;
	generation[1]++;
	map = 2;
#endif
	atomic { now++; target = now }
	entered[0] == 0 || entered[0] >= target;
	entered[1] == 0 || entered[1] >= target;
	atomic {
		assert(using[0] == 0 || entered[0] >= target);
		complete = true
	}
}

init {
	atomic {
		attached[0] = 1;
#ifdef LIVES
		attached[1] = 1;
#endif
		run reader(0);
		run reader(1);
		run owner()
	}
}
