// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Who leads: heartbeats and time-outs. Liveness alone; no mistake here is unsafe.
 *
 * A node that hears nothing of its leader asks the others before it disturbs
 * anyone (PreVote). A leader whose heartbeats no quorum answers steps down. Anyone
 * may lead, however far behind. Time-outs come from splitmix64 (Steele, Lea,
 * Flood, 2014), to the bit as in paxos_core/jitter.py.
 */
#include "core.h"
#include <paxos.h>

static u64 jitter_next(struct px_election *election)
{
	u64 z;

	election->jitter += 0x9e3779b97f4a7c15u;
	z = election->jitter;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* A number in low..high, both included. */
static u64 jitter_between(struct px_election *election, u32 low, u32 high)
{
	return low + px_modulo(jitter_next(election), high - low + 1);
}

static u64 draw_timeout(struct px *px)
{
	return jitter_between(&px->election, px->config.election_ticks_min,
			      px->config.election_ticks_max);
}

static void rest(struct px *px)
{
	px->election.waited_ticks = 0;
	px->election.timeout_ticks = draw_timeout(px);
}

static void set_leader(struct px *px, u64 leader, u64 ballot)
{
	if (leader == px->election.leader && ballot == px->election.leader_ballot)
		return;
	px->election.leader = leader;
	px->election.leader_ballot = ballot;
	px_event(px, PAXOS_LEADER, leader, ballot, 0, 0, NULL);
}

/**
 * px_election_init() - a follower that has heard of nobody
 * @px: the core, whose acceptor knows its promise
 */
void px_election_init(struct px *px)
{
	px->election.jitter = px->config.seed;
	px->election.seen = px->acceptor.promised;
	px->election.timeout_ticks = draw_timeout(px);
}

/* Time */

static void beat(struct px *px)
{
	px->election.sequence++;
	px_broadcast(px, px->peers, PX_HEARTBEAT, px->election.leader_ballot,
		     px->learner.watermark, px->election.sequence);
}

static enum px_verdict tick_leader(struct px *px)
{
	struct px_election *election = &px->election;

	election->led_ticks++;
	if (px_modulo(election->led_ticks, px->config.election_ticks_min) == 0) {
		if (!px_is_phase2(px, election->answered_mask | px->own))
			return PX_STEP_DOWN;
		election->answered_mask = 0;
		election->checked_sequence = election->sequence;
	}
	if (px_modulo(election->led_ticks, px->config.heartbeat_ticks) == 0)
		beat(px);
	return PX_WAIT;
}

/* Nobody need have the log any more: then it takes a snapshot, and catching up takes long. */
static bool is_far_behind(const struct px *px)
{
	return px->learner.known_chosen - px->learner.watermark > px->config.log_keep_slots;
}

/*
 * Phase 1 of a node that is far behind ends when it has caught up, and nobody else may
 * lead meanwhile. So it asks after all others could, and after a vain phase 1 it waits
 * again.
 */
static enum px_verdict let_others_first(const struct px *px)
{
	const struct px_election *election = &px->election;
	u64 spread = px->config.election_ticks_max - px->config.election_ticks_min;

	if (election->role == PX_CANDIDATE)
		return PX_STEP_DOWN;
	if (!election->asked && election->waited_ticks <= election->timeout_ticks + spread)
		return PX_WAIT;
	return PX_CANVASS;
}

/**
 * px_election_tick() - one tick passed; sends heartbeats when they are due
 * @px: the core
 *
 * Return: what the passing of time asks of the replica.
 */
enum px_verdict px_election_tick(struct px *px)
{
	struct px_election *election = &px->election;

	if (election->role == PX_LEADER)
		return tick_leader(px);
	election->silent_ticks++;
	election->waited_ticks++;
	if (election->waited_ticks < election->timeout_ticks || !px->config.voting)
		return PX_WAIT;
	return is_far_behind(px) ? let_others_first(px) : PX_CANVASS;
}

/* Asking before disturbing */

/* Who can reach no phase 2 quorum could lead nobody: it would only depose who can. */
static bool may_stand(const struct px *px)
{
	return px_is_phase1(px, px->election.grants_mask) &&
	       px_is_phase2(px, px->election.reached_mask);
}

/**
 * px_election_canvass() - ask every peer whether it has lost its leader too
 * @px: the core
 *
 * Asking costs nobody anything, so it is repeated sooner than a time-out.
 *
 * Return: true if nobody need be asked.
 */
bool px_election_canvass(struct px *px)
{
	struct px_election *election = &px->election;

	election->role = PX_FOLLOWER;
	set_leader(px, 0, 0);
	election->waited_ticks = 0;
	election->timeout_ticks = jitter_between(election, px->config.heartbeat_ticks,
						 px->config.election_ticks_min);
	election->asked = px_election_next_ballot(px);
	if (px->poisoned)
		return false;
	election->grants_mask = election->reached_mask = px->own;
	px_broadcast(px, px->peers, PX_PRE_VOTE, election->asked, px->learner.watermark, 0);
	return may_stand(px);
}

/**
 * px_election_receive_pre_vote() - grant only without a leader of our own
 * @px: the core
 * @sender: who asks
 * @ballot: what it would stand with
 */
void px_election_receive_pre_vote(struct px *px, u64 sender, u64 ballot)
{
	const struct px_config *config = &px->config;
	/* Two nodes that lost one leader together must not refuse each other for a tick. */
	bool lost = px->election.silent_ticks >=
		    config->election_ticks_min - config->heartbeat_ticks;

	px_say(px, sender, PX_PRE_VOTE_REPLY, ballot, px->election.role != PX_LEADER && lost,
	       px->acceptor.promised, px->learner.watermark);
}

/**
 * px_election_receive_pre_vote_reply() - an answer to our question
 * @px: the core
 * @sender: who answers, a member
 * @ballot: what we asked about
 * @granted: not 0 if it has lost its leader
 * @promised: what it has promised
 *
 * Return: true once a phase 1 quorum has lost its leader.
 */
bool px_election_receive_pre_vote_reply(struct px *px, u64 sender, u64 ballot, u64 granted,
					u64 promised)
{
	struct px_election *election = &px->election;
	u64 bit = px_member_bit(px, sender);

	px_election_see(px, promised);
	if (!election->asked || ballot != election->asked)
		return false;
	election->reached_mask |= bit;
	if (granted)
		election->grants_mask |= bit;
	return may_stand(px);
}

/**
 * px_election_next_ballot() - a ballot of ours above all that we have heard of
 * @px: the core
 */
u64 px_election_next_ballot(struct px *px)
{
	u64 round = (px->election.seen >> PX_NODE_BITS) + 1;

	px_holds(px, round <= PX_ROUND_MAX, PX_POISON_BALLOTS_END);
	return round << PX_NODE_BITS | px->config.node;
}

/**
 * px_election_see() - somebody uses or has promised a ballot
 * @px: the core
 * @ballot: the ballot
 */
void px_election_see(struct px *px, u64 ballot)
{
	if (ballot >> PX_NODE_BITS <= PX_ROUND_BELIEVED_MAX)
		px->election.seen = px_max(px->election.seen, ballot);
}

/* Changes of office */

/**
 * px_election_become_candidate() - phase 1 begins
 * @px: the core
 * @ballot: ours
 */
void px_election_become_candidate(struct px *px, u64 ballot)
{
	px->election.role = PX_CANDIDATE;
	/* Our own is above whatever is believed of others, so it is never in doubt. */
	px->election.seen = px_max(px->election.seen, ballot);
	px->election.asked = 0;
	px->election.silent_ticks = 0;
	rest(px);
	set_leader(px, 0, 0);
}

/**
 * px_election_become_leader() - phase 1 is done: say so at once
 * @px: the core
 * @ballot: ours
 */
void px_election_become_leader(struct px *px, u64 ballot)
{
	px->election.role = PX_LEADER;
	px->election.led_ticks = 0;
	px->election.answered_mask = 0;
	px->election.checked_sequence = px->election.sequence;
	set_leader(px, px->config.node, ballot);
	beat(px);
}

/**
 * px_election_become_follower() - lead no more, and wait a whole time-out
 * @px: the core
 */
void px_election_become_follower(struct px *px)
{
	px->election.role = PX_FOLLOWER;
	px->election.asked = 0;
	rest(px);
	set_leader(px, 0, 0);
}

/**
 * px_election_follow() - a leader was heard
 * @px: the core
 * @ballot: its ballot
 */
void px_election_follow(struct px *px, u64 ballot)
{
	px->election.silent_ticks = 0;
	px->election.waited_ticks = 0;
	if (ballot == px->election.leader_ballot)
		return;
	px->election.role = PX_FOLLOWER;
	px->election.asked = 0;
	px_election_see(px, ballot);
	rest(px);
	set_leader(px, ballot & PX_NODE_MAX, ballot);
}

/**
 * px_election_yield_to() - another's phase 1 was promised: give it a time-out to finish
 * @px: the core
 * @ballot: the other's
 */
void px_election_yield_to(struct px *px, u64 ballot)
{
	px_election_see(px, ballot);
	px_election_become_follower(px);
	px->election.silent_ticks = 0;
}

/**
 * px_election_hear_candidate() - the candidate that we promised to asks again
 * @px: the core
 *
 * It is at work. Else a phase 1 of more pages than fit a time-out would never end. It
 * may keep us no longer than its own time-out after its last page.
 */
void px_election_hear_candidate(struct px *px)
{
	px->election.silent_ticks = 0;
	px->election.waited_ticks = 0;
}

/**
 * px_election_hear_page() - a promise's page came, and has another behind it
 * @px: the core
 */
void px_election_hear_page(struct px *px)
{
	px->election.waited_ticks = 0;
}

/**
 * px_election_hear_answer() - a peer answered in our ballot: it hears us, and we hear it
 * @px: the core
 * @sender: the peer
 */
void px_election_hear_answer(struct px *px, u64 sender)
{
	px->election.answered_mask |= px_member_bit(px, sender);
}
