/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stall.pml - transactions of an SMMUv3 that wait for software, against CMD_RESUME, CMD_SYNC and SMMUEN = 0, for Spin.
 *
 * There is an event already, which is not theirs. Devices translate an address whose entry is not there. Each stalls: it takes a place, leaves an event, and waits until it is
 * ended; without a place, or without room for the event, it is in a list and asks again when it is told to. Software takes
 * events, makes the entry, has a SYNC complete, and only then resumes; or it switches the SMMU off. What is done under
 * stall_lock or event_lock is one step.
 *
 * Nobody waits for ever: no end state but the one in which everybody has finished. A transaction is ended once. After
 * SMMUEN is seen as 0, none is left that stalled before. A SYNC does not wait for those that wait.
 *
 * -DDEVICES=n  -DPLACES=n  -DQUEUE=n   entries of the event queue
 * -DOFF        software switches the SMMU off instead
 * -DMUTANT_x   the protocol without x: see check
 */

#ifndef DEVICES
#define DEVICES 2
#endif
#ifndef PLACES
#define PLACES 1
#endif
#ifndef QUEUE
#define QUEUE 1
#endif

#define NONE 255

bool entry;	  /* the page table entry is there */
bool on = 1;	  /* SMMUEN, as translations see it */
bool off;	  /* CR0ACK.SMMUEN is 0 */

byte owner[PLACES]; /* device + 1; 0: free */
byte token[PLACES];
byte tokens;
bool waits[DEVICES]; /* is in the list */
bool waking[DEVICES]; /* in that of those who are being told */
bool wake;

byte queue[QUEUE] = NONE; /* events: places, oldest first, after one that nobody waits for */
byte queued = 1;

bool inside[DEVICES]; /* its section is open */
byte epoch[DEVICES];
byte now = 1;

/* What the device's resume callback has heard. */
byte ended[DEVICES]; /* token of the transaction that was ended; 0: none */
bool again[DEVICES];

byte finished;

/* smmuv3_stall.c, leave(): @p is free, and may be what others wait for. */
inline leave(p)
{
	owner[p] = 0;
#ifndef MUTANT_NO_WAKE
	n = 0;
	do
	:: n < DEVICES -> wake = wake || waits[n]; n++
	:: else -> break
	od;
#endif
	n = 0
}

/* try(): a place, then an event for it. */
inline try(d)
{
	mine = 0;
	atomic {
		p = 0;
		do
		:: p < PLACES && owner[p] != 0 -> p++
		:: else -> break
		od;
		if
		:: p < PLACES ->
			owner[p] = d + 1;
			tokens++;
			token[p] = tokens;
			mine = tokens
		:: else
		fi
	}
	if
	:: mine != 0 ->
		atomic {
			if
			:: queued < QUEUE -> queue[queued] = p; queued++; recorded = 1
			:: else -> recorded = 0
			fi
		}
		if
		:: !recorded ->
			atomic { /* it may have been ended meanwhile, and the place may be another's */
				if
#ifdef MUTANT_NO_TOKEN
				:: owner[p] != 0 -> owner[p] = 0
#else
				:: owner[p] == d + 1 && token[p] == mine -> owner[p] = 0
#endif
				:: else
				fi
			}
			mine = 0
		:: else
		fi
	:: else
	fi
}

active [DEVICES] proctype device()
{
	byte d = _pid;
	byte p, mine;
	bool recorded;

ask:
	atomic { inside[d] = 1; epoch[d] = now }
	if
	:: !on || entry ->
		atomic { inside[d] = 0 }
		goto done
	:: else
	fi;
	try(d);
	if
	:: mine == 0 ->
#ifndef MUTANT_JOIN_LATE
		waits[d] = 1;
		try(d)
#else
		try(d);
		waits[d] = 1
#endif
	:: else
	fi;
#ifndef MUTANT_HOLDS_SECTION
	inside[d] = 0;
#endif
	/* The answer is VIOMMU_STALLED. What ended it meanwhile has been heard already. */
	if
	:: mine != 0 ->
		/* it is in the list for nothing, if it is: it is told, and knows better */
		ended[d] == mine
	:: else ->
		/* one that was recorded for it and dropped was never ended; one that was ended asks again, too */
		atomic { again[d] -> again[d] = 0 }
	fi;
	goto ask;
done:
	finished++
}

/* end(): the transaction at @p, if there is one, and its device is told. */
inline end(p)
{
	atomic {
		if
		:: owner[p] != 0 ->
			o = owner[p] - 1;
			assert(ended[o] != token[p]);
			ended[o] = token[p];
			leave(p)
		:: else
		fi
	}
}

/* smmu_stalls_wake() */
inline wake_all()
{
	if
	:: wake ->
		atomic {
			wake = 0;
			n = 0;
			do
			:: n < DEVICES -> waking[n] = waits[n]; waits[n] = 0; n++
			:: else -> break
			od;
			n = 0
		};
		do
		:: n < DEVICES ->
			atomic {
				if
				:: waking[n] -> waking[n] = 0; again[n] = 1
				:: else
				fi;
				n++
			}
		:: else -> break
		od;
		n = 0
	:: else
	fi
}

/* Sections of before have closed: epoch_wait(). */
inline drain()
{
	atomic { now++; target = now }
	n = 0;
	do
	:: n < DEVICES ->
		!(inside[n] && epoch[n] < target);
		n++
	:: else -> break
	od;
	n = 0
}

active proctype software()
{
	byte p, o, n, target;

	do
	:: atomic { finished == DEVICES -> break }
#ifdef OFF
	:: !off ->
		on = 0;
		/* those who are there, */
		p = 0;
		do
		:: p < PLACES -> end(p); p++
		:: else -> break
		od;
		drain();
#ifndef MUTANT_ONE_PASS
		/* and those who were on their way */
		p = 0;
		do
		:: p < PLACES -> end(p); p++
		:: else -> break
		od;
#endif
		atomic {
			off = 1;
			p = 0;
			do
			:: p < PLACES -> assert(owner[p] == 0); p++
			:: else -> break
			od
		};
		wake = 1;
		wake_all()
	:: off -> wake = 1; wake_all(); finished == DEVICES
#endif
#ifndef OFF
	:: atomic { queued > 0 ->
		p = queue[0];
		n = 1;
		do
		:: n < queued -> queue[n - 1] = queue[n]; n++
		:: else -> break
		od;
		n = 0;
		queued-- }
#ifndef MUTANT_NO_ROOM
		wake = 1; /* EVENTQ_CONS was written */
#endif
		wake_all();
		if
		:: p != NONE ->
			entry = 1;
			if
			:: drain() /* TLBI and CMD_SYNC, */
			:: skip	   /* which what was not there does not need */
			fi;
			end(p); /* CMD_RESUME */
			wake_all()
		:: else
		fi
#endif
	od
}
