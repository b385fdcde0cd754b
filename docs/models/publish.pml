/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * publish.pml - a structure of two words that the guest publishes, and then changes 16 bytes at a time, while it is read
 * word by word: memory/mem.h, mem_load_pair() and mem_load(). What is not ordered by an acquire load may be read in any order.
 */

byte w0; /* the word with the valid bit; its version, 0: not valid */
byte w1; /* a field: the version of the structure */

proctype guest()
{
	w1 = 1; /* the field, a write barrier, the valid bit */
	w0 = 1;
#ifdef UPDATES
	atomic { w0 = 2; w1 = 2 }
	atomic { w0 = 3; w1 = 3 }
#endif
}

proctype reader()
{
	byte a, b, c;

	/* each round was overtaken by one of three stores: MEM_PAIR_TRIES is enough */
again:
#if defined(MUTANT_REVERSED)
	b = w1;
	a = w0;
	c = w0;
#elif defined(MUTANT_NO_ACQUIRE) /* of the first word */
	if
	:: a = w0; b = w1
	:: b = w1; a = w0
	fi;
	c = w0;
#elif defined(MUTANT_CHECK_EARLY) /* no acquire of the second */
	a = w0;
	c = w0;
	b = w1;
#else
	a = w0;
	b = w1;
	c = w0;
#endif
#if defined(UPDATES) && !defined(MUTANT_NO_CHECK)
	if
	:: c != a -> goto again
	:: else
	fi;
#endif
	assert(a == 0 || a == b)
}

init {
	atomic {
		run guest();
		run reader()
	}
}
