/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cache.pml - the shared TLB, the micro-TLBs and the invalidations of one domain, for Spin.
 *
 * One page of one domain. Its table entry is a number that the guest counts up; what a translation
 * answers is the number that it, or whoever filled the cache, has read. README.md says which line
 * is which function, and what is left out. A step that reads or writes one shared word is one
 * statement here; what is under a lock that everybody takes is put together where nobody can tell.
 *
 * -DREADERS=n      threads that translate
 * -DCHANNELS=n     the first n of them have a micro-TLB
 * -DROUNDS=n       translations of a thread with a micro-TLB; the others make one
 * -DINVALIDATORS=n threads that change the entry, invalidate and complete, once each
 * -DSIZES=2        every other version of the entry is a page of another size
 * -DKIND=k         what an invalidator does
 * -DEVERYTHING     a flush that only counts is one of the whole IOMMU; without, of a chain of domains
 * -DSTUCK          an invalidation may find a set locked and not wait; without, it does
 * -DMUTANT_x       the protocol without x: see check
 */

#ifndef READERS
#define READERS 3
#endif
#ifndef CHANNELS
#define CHANNELS READERS
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef INVALIDATORS
#define INVALIDATORS 2
#endif
#ifndef SIZES
#define SIZES 1
#endif

/* What an invalidator does; ANY: a page or a flush; WHOLE: a flush of everything or of a long chain, which only counts
 * and leaves the new tag to whoever next asks for the domain; LATER: a page, a flush, or that */
#define ANY 0
#define PAGE 1
#define FLUSH 2
#define WHOLE 3
#define LATER 4
#ifndef KIND
#define KIND ANY
#endif
#if KIND == WHOLE || KIND == LATER
#define CONTEXTS /* they are parsed again */
#endif

#if SIZES == 2
#define SIZE(v) ((v) & 1)
#else
#define SIZE(v) 0
#endif

typedef set_t {
	bool locked; /* the version is odd */
	byte tag;    /* 0: empty */
	byte value;
};

byte pte = 1; /* the guest's table entry: its version */

bool domains_lock;
byte changes;
byte tag = 1;
byte sizes; /* bit n: there may be entries of size n */
set_t set[SIZES];

#ifdef CONTEXTS
byte generation = 1; /* of contexts */
byte flushes;	     /* of the chain, or of all */
byte flushed;	     /* the same when the tag was given */
#endif

byte now = 1;
byte entered[READERS];

/* What the properties are about. */
byte done;	    /* the newest version whose invalidation has been reported complete */
byte using[READERS]; /* the oldest version in use in the open section; 0: none */

/* (4) Outside the lock: an entry that can be found is of a size that invalidations look for. */
inline check_sizes()
{
	assert(domains_lock || set[0].tag != tag || (sizes & 1));
#if SIZES == 2
	assert(domains_lock || set[1].tag != tag || (sizes & 2));
#endif
}

/* (1), (2): from its translation to the end of its section, nobody uses what is older than a
 * completed invalidation; that includes every translation that starts after it. */
inline use(r, v)
{
	assert(v >= done);
	if
	:: using[r] == 0 || v < using[r] -> using[r] = v
	:: else
	fi
}

#ifdef EVERYTHING
#define FLUSHES q_flushes
#else
#define FLUSHES flushes
#endif

#if defined(CONTEXTS) && !defined(MUTANT_NO_GENERATION)
#define CURRENT(context) (generation == (context))
#else
#define CURRENT(context) true
#endif
#ifdef MUTANT_MICRO_WITHOUT
#define MICRO_CURRENT(context) true
#else
#define MICRO_CURRENT(context) CURRENT(context)
#endif

/* One probe; a set that is being changed is a miss. */
inline probe(size)
{
	if
	:: (sz & (1 << (size))) && !set[size].locked && set[size].tag == q_tag ->
		v = set[size].value
	:: else
	fi
}

/* micro_tlb.c: channel_keep(), and what the caller does with the answer; a step of its own only
 * together with what comes before */
inline keep()
{
	if
	:: r < CHANNELS -> m_value = v; m_changes = q_changes; m_epoch = q_epoch; m_context = e_context
	:: else
	fi
}

/* One thread, with one section. */
proctype reader(byte r)
{
	byte m_value, m_changes, m_epoch; /* micro-TLB; m_value 0: empty */
	byte q_changes, q_tag, q_epoch;	  /* struct query */
	byte e_context, m_context;	  /* generations: of the context it has, and under which entries were kept */
	byte q_flushes;			  /* of the IOMMU, as read with the context */
	byte v, sz, n;

round:
	/* epoch_enter(), unless the section is open. An older number would only be waited for longer;
	 * the fence makes it visible before anything else is read: epoch.pml has both in detail. */
	if
	:: atomic { entered[r] == 0 -> entered[r] = now }
	:: entered[r] != 0
	fi;

	/* channel.c: hit(). Had the number been loaded earlier, more would be asked of changes. */
	if
	:: m_value != 0 -> atomic {
		if
		:: m_epoch == now -> v = m_value; goto translated
#ifdef MUTANT_NO_RESYNC
		:: else -> m_epoch = now; v = m_value; goto translated
#else
		:: m_epoch != now && changes == m_changes && MICRO_CURRENT(m_context) ->
			m_epoch = now; v = m_value; goto translated
		:: m_epoch != now && !(changes == m_changes && MICRO_CURRENT(m_context)) ->
			m_value = 0; m_changes = 0; m_epoch = 0; m_context = 0
#endif
		fi
	}
	:: else
	fi;

take:
	/* channel.c, translate.c: take_domain(); before it the number of the epoch, as above */
#ifdef MUTANT_TAG_BEFORE_CHANGES
	q_tag = tag;
#endif
#ifdef MUTANT_EPOCH_AFTER_CHANGES
	q_changes = changes;
	q_epoch = now;
#else
	atomic {
		q_changes = changes;
		if
		:: r < CHANNELS -> q_epoch = now
		:: else
		fi
	}
#endif
#ifndef MUTANT_TAG_BEFORE_CHANGES
	q_tag = tag;
#endif

#ifdef CONTEXTS
	/* translate.c: context_stands(); else unit_context(), domains_get() */
	if
	:: CURRENT(e_context) && e_context != 0
	:: else ->
#ifdef MUTANT_FLUSHES_FIRST
		q_flushes = flushes;
#endif
		e_context = generation;
#if defined(EVERYTHING) && !defined(MUTANT_FLUSHES_FIRST)
		q_flushes = flushes; /* before the tables are read, without the lock */
#endif
		atomic { !domains_lock -> domains_lock = true }
		if
		:: flushed < FLUSHES ->
			flushed = FLUSHES;
			changes++;
			sizes = 0;
			tag++;
			changes++
		:: else
		fi;
		atomic { domains_lock = false; q_flushes = 0 }
		goto take
	fi;
#endif

	/* tlb.c: tlb_find(). One size is probed for always: nothing more can be missed. */
#if SIZES == 2
	sz = sizes;
	if
	:: sz & 2 -> atomic {
		probe(1);
		if
		:: v != 0 -> sz = 0; keep(); goto translated
		:: else
		fi
	}
	:: else
	fi;
#else
	sz = 1;
#endif
	if
	:: sz & 1 -> atomic {
		probe(0);
		sz = 0;
		if
		:: v != 0 -> keep(); goto translated
		:: else
		fi
	}
	:: else -> sz = 0
	fi;

	v = pte; /* the walk */
#ifdef MUTANT_EPOCH_AFTER_WALK
	q_epoch = now;
#endif
#ifdef MUTANT_CHANGES_AFTER_WALK
	q_changes = changes;
#endif

	/* translate.c: unit_fill(): the size is announced. Not there: the lock, the bit, and the
	 * lock's release are one step, as nobody else can tell. */
#if !defined(MUTANT_NO_ANNOUNCE) && !defined(MUTANT_ANNOUNCE_LATE)
	if
	:: sizes & (1 << SIZE(v))
#if defined(MUTANT_ANNOUNCE_UNLOCKED) || defined(MUTANT_ANNOUNCE_ATOMIC) /* an atomic or */
	:: atomic { !(sizes & (1 << SIZE(v))) -> sizes = sizes | (1 << SIZE(v)) }
#elif defined(MUTANT_ANNOUNCE_PLAIN) /* a load and a store */
	:: atomic { !(sizes & (1 << SIZE(v))) -> sz = sizes }
		atomic { sizes = sz | (1 << SIZE(v)); sz = 0 }
#else
	:: atomic { !(sizes & (1 << SIZE(v))) && !domains_lock -> sizes = sizes | (1 << SIZE(v)) }
#endif
	fi;
#endif

	/* tlb.c: tlb_add() */
	atomic {
		if
		:: set[SIZE(v)].locked -> keep(); goto translated /* it is done without */
#ifdef MUTANT_NO_COMPARE
		:: !set[SIZE(v)].locked -> set[SIZE(v)].locked = true
#else
		:: !set[SIZE(v)].locked && changes == q_changes -> set[SIZE(v)].locked = true
		:: !set[SIZE(v)].locked && changes != q_changes -> keep(); goto translated
#endif
		fi
	}
	atomic {
		set[SIZE(v)].tag = q_tag;
		set[SIZE(v)].value = v;
		set[SIZE(v)].locked = false;
		check_sizes();
		keep();
translated:
		q_changes = 0;
		q_tag = 0;
		q_epoch = 0;
		use(r, v);
#ifdef MUTANT_ANNOUNCE_LATE
	}
	atomic {
		!domains_lock -> sizes = sizes | (1 << SIZE(v));
#endif
		v = 0;
		n++;
		if
		:: n < ROUNDS && r < CHANNELS
		:: else -> n = ROUNDS; m_value = 0; m_changes = 0; m_epoch = 0; m_context = 0
		fi
	}
	/* another translation in the same section, or epoch_leave() */
	if
	:: n < ROUNDS -> goto round
	:: atomic { using[r] = 0; entered[r] = 0 }
		if
		:: n < ROUNDS -> goto round
		:: else
		fi
	fi
}

/* tlb.c: remove_page() */
inline remove(size)
{
	if
	:: atomic {
		(sz & (1 << (size))) && !set[size].locked ->
		if
		:: set[size].tag == tag -> set[size].tag = 0; set[size].value = 0
		:: else
		fi
	}
	:: !(sz & (1 << (size)))
	/* whoever has the lock does not get on, or so it seems */
#ifdef STUCK
	:: (sz & (1 << (size))) && set[size].locked -> stuck = true
#endif
	fi
}

proctype invalidator(byte id)
{
	byte version, sz, target, i;
	bool stuck;

	/* the guest changes its table, then asks for an invalidation */
	atomic { pte == 1 + id -> pte++; version = pte } /* they are alike: the first is 0 */

	if
	:: KIND != FLUSH && KIND != WHOLE ->
		/* domain_flush.c: flush_range(). Nobody else can tell in which order the change is counted and
		 * the sizes are read, if only the owner of the lock may change the sizes; a plain
		 * store may become visible after a load that follows it. */
		atomic {
			!domains_lock -> domains_lock = true;
#ifndef MUTANT_ANNOUNCE_ATOMIC
			sz = sizes;
#endif
#if !defined(MUTANT_LATE_CHANGE) && !defined(MUTANT_ANNOUNCE_UNLOCKED)
			changes++
#endif
		}
#ifdef MUTANT_ANNOUNCE_UNLOCKED
		changes++;
#endif
#ifdef MUTANT_ANNOUNCE_ATOMIC
		sz = sizes;
#endif
		remove(0);
#if SIZES == 2
		remove(1);
#endif
#if defined(STUCK) && !defined(MUTANT_STUCK_SAME_TAG)
		if
		:: stuck -> /* renew() */
			sizes = 0;
			tag++
		:: else
		fi;
#endif
		atomic {
			sz = 0;
			stuck = false;
#ifndef MUTANT_ONE_CHANGE
			changes++;
#endif
			domains_lock = false;
			check_sizes()
		}
	:: KIND != PAGE && KIND != WHOLE ->
		/* domain_own.h: give_new_tag() */
		atomic {
			!domains_lock -> domains_lock = true;
#ifndef MUTANT_FLUSH_LATE_CHANGE
			changes++
#endif
		}
#ifndef MUTANT_FLUSH_SIZES_LATE
		sizes = 0;
#endif
		tag++;
#ifdef MUTANT_FLUSH_SIZES_LATE
		sizes = 0;
#endif
		atomic {
#ifndef MUTANT_FLUSH_ONE_CHANGE
			changes++;
#endif
			domains_lock = false;
			check_sizes()
		}
#ifdef CONTEXTS
	:: KIND == WHOLE || KIND == LATER ->
#ifdef MUTANT_GENERATION_FIRST
		generation++;
#endif
#ifdef EVERYTHING
		flushes++; /* unit.c: unit_forget() */
#else
		atomic { !domains_lock -> domains_lock = true; flushes++ } /* domain_flush.c: flush_chain() */
#endif
#ifndef MUTANT_GENERATION_FIRST
		generation++;
#endif
#ifndef EVERYTHING
		domains_lock = false
#endif
#endif
	fi;

	/* the completion: epoch_start(), epoch_passed() */
#ifdef MUTANT_NO_EPOCH
	target = now;
#else
	atomic { now++; target = now }
#endif
#ifdef MUTANT_NO_WAIT
	i = READERS - 1;
#else
	do
	:: atomic { i < READERS - 1 && (entered[i] == 0 || entered[i] >= target) -> i++ }
	:: i == READERS - 1 -> break
	od;
#endif
	atomic {
#ifndef MUTANT_NO_WAIT
		entered[i] == 0 || entered[i] >= target;
#endif
		i = 0;
		target = 0;
		if
		:: done < version -> done = version
		:: else
		fi;
		version = 0;
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
