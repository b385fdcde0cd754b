/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rvic.pml - an RVIC's CPU that acknowledges while others signal and mask, for Spin.
 *
 * The state machine itself is explored by tests/oracle/test_rvic_states.c, one step after the other; here
 * steps of several threads interleave. One CPU runs its guest with the line it looked up last: it looks
 * again when it is kicked, and after each call of its own. What is done under the CPU's lock is one
 * step, as in rvic.c. A third thread masks and unmasks.
 *
 * Nothing is lost: when nobody can go on, no interrupt is pending, unmasked, and waits for a CPU that
 * does not know; and a CPU never takes an exception for a line that fell before it was told, except
 * as a spurious one.
 *
 * -DSIGNALS=n  signals of each of the two signallers
 * -DMUTANT_x   the protocol without x: see check
 */

#ifndef SIGNALS
#define SIGNALS 2
#endif

bool pending[2];
bool masked[2];
bool queued[2];
bool kicked;	/* the CPU has to look */
byte sent[2];	/* signals of each interrupt that have made it pending anew */
byte taken[2];
byte signallers = 3; /* and the one that masks */

#define CAN (queued[0] || queued[1])

/* rvic_cpu.c, settle() */
inline settle(i)
{
	queued[i] = pending[i] && !masked[i];
}

/* The end of a change by another thread: rvic_unlock(). */
inline told(was)
{
#ifdef MUTANT_NO_KICK
	skip
#else
	if
	:: CAN != was -> kicked = true
	:: else
	fi
#endif
}

proctype signaller(byte i)
{
	byte n;
	bool was;

	do
	:: n < SIGNALS ->
#ifdef MUTANT_KICK_FIRST
		kicked = true;
		atomic { sent[i] = sent[i] + (pending[i] -> 0 : 1); pending[i] = true; settle(i) };
#else
		atomic {
			was = CAN;
			sent[i] = sent[i] + (pending[i] -> 0 : 1);
			pending[i] = true;
			settle(i);
		};
		atomic { told(was) };
#endif
		n++
	:: else -> break
	od;
	signallers--
}

/* Another CPU, which moves an interrupt: masks it, and unmasks it again. */
proctype masker()
{
	bool was;

	atomic { was = CAN; masked[0] = true; settle(0) };
	atomic { told(was) };
	atomic { was = CAN; masked[0] = false; settle(0) };
	atomic { told(was) };
	signallers--
}

/* ACKNOWLEDGE of the first of the FIFO: it has to be pending and not masked. */
inline take(i)
{
	if
	:: i < 2 ->
		assert(pending[i] && !masked[i]);
		masked[i] = true;
		pending[i] = false;
		settle(i);
		taken[i]++
	:: else
	fi
}

proctype cpu()
{
	bool line;
	byte i;

end:	do
	:: kicked ->
		kicked = false;
		line = CAN /* viommu_rvic_can_signal() */
	:: !kicked && line ->
		/* ACKNOWLEDGE */
#ifdef MUTANT_TWO_STEPS
		if
		:: queued[0] -> i = 0
		:: !queued[0] && queued[1] -> i = 1
		:: else -> i = 2
		fi;
		atomic { take(i) };
#else
		atomic {
			if
			:: queued[0] -> i = 0
			:: !queued[0] && queued[1] -> i = 1
			:: else -> i = 2
			fi;
			take(i)
		};
#endif
		/* CLEAR_MASKED, when the guest is done */
		if
		:: i < 2 ->
#ifdef MUTANT_NO_QUEUE
			masked[i] = false
#else
			atomic { masked[i] = false; settle(i) }
#endif
		:: else
		fi;
		line = CAN
	od
}

/* Nobody can go on. */
proctype monitor()
{
	signallers == 0;
	timeout;
	assert(!CAN);
	assert(!pending[0] && !pending[1]);
	assert(taken[0] == sent[0] && taken[1] == sent[1])
}

init {
	atomic { run cpu(); run signaller(0); run signaller(1); run masker(); run monitor() }
}
