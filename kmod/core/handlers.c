// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What a replica does with each message: guards that ignore, then the act.
 *
 * A handler that needs memory for bytes takes it before anything has changed, and
 * else gives PX_DROP_NO_MEMORY: as if the network had lost the message.
 */
#include "core.h"

static void follow(struct px *px, u64 ballot)
{
	if (px->proposer.phase != PX_IDLE && ballot > px->proposer.ballot)
		px_proposer_stop(px);
	px_election_follow(px, ballot);
}

/*
 * The leader of `ballot` says every slot below `watermark` is chosen.
 *
 * If our vote for such a slot is in this very ballot, its value is the chosen one: a
 * ballot proposes one value for a slot, and a value proposed after another was
 * chosen is the same value (P2b). A vote in an older ballot tells nothing.
 */
static void hear_chosen(struct px *px, u64 ballot, u64 watermark)
{
	u64 slot = px->learner.watermark, votes = px->acceptor.votes;

	px_hear_watermark(px, watermark);
	for (; votes && slot < watermark; votes--, slot++) {
		const struct px_vote *vote = px_vote_at(px, slot);

		if (!vote || vote->ballot != ballot)
			break;
		px_learn(px, slot, vote->value);
		if (px->poisoned)
			break;
	}
}

/**
 * px_campaign() - stand for leader, with a ballot above all that was heard of
 * @px: the core
 */
void px_campaign(struct px *px)
{
	u64 ballot = px_election_next_ballot(px);

	if (px->poisoned)
		return;
	px_election_become_candidate(px, ballot);
	px_proposer_prepare(px, ballot);
}

/* The value of a frame, in the block; shared with what is known for the slot already. */
static struct px_value *value_of(struct px *px, u64 slot, const struct px_frame *frame, u32 crc)
{
	const struct px_vote *vote = px_vote_at(px, slot);
	struct px_value *value = px_ahead_at(px, slot);

	if (vote && px_value_is(vote->value, frame->body, frame->body_bytes, crc))
		return px_value_get(vote->value);
	if (value && px_value_is(value, frame->body, frame->body_bytes, crc))
		return px_value_get(value);
	if (!px_room_for_value(px, frame->body_bytes))
		return NULL;
	return px_value_make(&px->memory, frame->body, frame->body_bytes, crc);
}

static void receive_pre_vote(struct px *px, u64 sender, const u64 *number)
{
	if (!px->config.voting)
		return;
	px_hear_watermark(px, number[1]);
	px_election_receive_pre_vote(px, sender, number[0]);
}

static void receive_pre_vote_reply(struct px *px, u64 sender, const u64 *number)
{
	px_hear_watermark(px, number[3]);
	if (px_election_receive_pre_vote_reply(px, sender, number[0], number[1], number[2]))
		px_campaign(px);
}

static void receive_prepare(struct px *px, u64 sender, const u64 *number)
{
	u64 promised = px->acceptor.promised;

	if (!px->config.voting || !px_is_proposer(sender, number[0]))
		return;
	px_acceptor_receive_prepare(px, sender, number[0], number[1]);
	if (px->acceptor.promised > promised) {
		px_proposer_stop(px);
		px_election_yield_to(px, number[0]);
	} else if (number[0] == promised) {
		px_election_hear_candidate(px);
	}
}

/* Numbers: ballot, slot, watermark, checksum. */
static int receive_accept(struct px *px, u64 sender, const struct px_frame *frame)
{
	u64 ballot = frame->number[0], slot = frame->number[1];
	struct px_value *value = NULL;
	bool confirmed;
	u32 crc;

	if (!px_is_proposer(sender, ballot))
		return PX_OK;
	crc = px_crc32(0, frame->body, frame->body_bytes);
	if (crc != frame->number[3])
		return PX_OK;
	if (!px->config.voting) {
		if (ballot >= px->election.leader_ballot)
			follow(px, ballot);
		hear_chosen(px, ballot, frame->number[2]);
		return PX_OK;
	}
	if (ballot >= px->acceptor.promised && px_acceptor_keeps(px, ballot, slot)) {
		value = value_of(px, slot, frame, crc);
		if (!value)
			return PX_DROP_NO_MEMORY;
	}
	if (!px_acceptor_receive_accept(px, sender, ballot))
		return PX_OK;
	follow(px, ballot);
	confirmed = value ? px_acceptor_vote(px, ballot, slot, value) :
			    px_acceptor_knows(px, ballot, slot, frame->body, frame->body_bytes, crc);
	if (value)
		px_value_put(&px->memory, value);
	if (confirmed)
		px_acceptor_confirm(px, sender, ballot, slot);
	hear_chosen(px, ballot, frame->number[2]);
	return PX_OK;
}

/* Numbers: ballot, first slot, last slot. */
static void receive_accepted(struct px *px, u64 sender, const u64 *number)
{
	if (number[0] != px->proposer.ballot)
		return;
	if (sender != px->config.node && px->election.role == PX_LEADER)
		px_election_hear_answer(px, sender);
	px_proposer_receive_accepted(px, sender, number[0], number[1], number[2]);
}

/*
 * Somebody promised a higher ballot: ours can no longer count on it. An established
 * leader takes a ballot above it at once; a new one gives way, or two could raise
 * each other for ever.
 */
static void receive_nack(struct px *px, const u64 *number)
{
	u64 ballot = number[0], promised = number[1];

	if (ballot != px->proposer.ballot || promised <= ballot)
		return;
	px_election_see(px, promised);
	if (px->proposer.phase == PX_IDLE)
		return;
	if (px->election.role == PX_LEADER &&
	    px->election.led_ticks >= px->config.election_ticks_min)
		px_campaign(px);
	else
		px_replica_step_down(px);
}

/* Numbers: ballot, watermark, sequence. */
static void receive_heartbeat(struct px *px, u64 sender, const u64 *number)
{
	u64 ballot = number[0];

	if (!px_is_proposer(sender, ballot))
		return;
	if (ballot < px->acceptor.promised) {
		px_say(px, sender, PX_NACK, ballot, px->acceptor.promised, 0, 0);
		return;
	}
	if (ballot < px->election.leader_ballot)
		return;
	follow(px, ballot);
	if (px->config.voting)
		px_say(px, sender, PX_HEARTBEAT_ACK, ballot, px->learner.watermark, number[2], 0);
	hear_chosen(px, ballot, number[1]);
}

/* Numbers: ballot, watermark, sequence. One from before the last check says nothing of now. */
static void receive_heartbeat_ack(struct px *px, u64 sender, const u64 *number)
{
	if (px->election.role != PX_LEADER || number[0] != px->proposer.ballot)
		return;
	if (number[2] > px->election.checked_sequence)
		px_election_hear_answer(px, sender);
	px_hear_watermark(px, number[1]);
}

/* Take a chosen value in. PX_DROP_NO_MEMORY, and then nothing has changed. */
static int learn_chosen(struct px *px, const struct px_frame *frame)
{
	u64 slot = frame->number[0];
	const struct px_value *known = px_ahead_at(px, slot);
	struct px_value *value;
	u32 crc;

	if (!px_learns(px, slot))
		return PX_OK;
	crc = px_crc32(0, frame->body, frame->body_bytes);
	/* Damaged on its way: to be learnt again from somebody else. */
	if (crc != frame->number[3])
		return PX_OK;
	if (known) {
		px_holds(px, known->crc == crc, PX_POISON_TWO_VALUES);
		return PX_OK;
	}
	value = value_of(px, slot, frame, crc);
	if (!value)
		return PX_DROP_NO_MEMORY;
	px_learn(px, slot, value);
	px_value_put(&px->memory, value);
	return PX_OK;
}

/* Numbers: slot, page end, watermark, checksum. What is chosen stays so, whoever says it. */
static int receive_chosen(struct px *px, u64 sender, const struct px_frame *frame)
{
	u64 before = px->learner.watermark;
	int error = learn_chosen(px, frame);

	if (error || px->poisoned)
		return error;
	px_hear_watermark(px, frame->number[2]);
	px_replica_deliver(px);
	/* A second copy of a page must not ask for the next one again. */
	if (px->learner.watermark != before)
		px_catchup_after_chosen(px, sender, frame->number[1]);
	return PX_OK;
}

static int receive_snapshot_chunk(struct px *px, u64 sender, const struct px_frame *frame)
{
	bool whole;
	int error = px_catchup_receive_chunk(px, sender, frame, &whole);
	u64 slot = px->catchup.snapshot.slot;

	if (error || !whole)
		return error;
	px_learner_restart(px, slot);
	px_replica_advance(px);
	/* Whatever was decided but not read yet lies below the snapshot. */
	px->outbox.read_slot = px->outbox.read_cursor = slot;
	px_announce_install(px);
	px_replica_checkpoint(px);
	px_catchup_installed(px, sender);
	return PX_OK;
}

/**
 * px_handle() - a message from another node
 * @px: the core, with the units free that any message may take
 * @sender: a member, or anybody for Learn and SnapshotRequest
 * @frame: the message
 *
 * Return: PX_OK, or PX_DROP_NO_MEMORY, and then nothing has changed.
 */
int px_handle(struct px *px, u64 sender, const struct px_frame *frame)
{
	const u64 *number = frame->number;

	switch (frame->kind) {
	case PX_PRE_VOTE:
		receive_pre_vote(px, sender, number);
		return PX_OK;
	case PX_PRE_VOTE_REPLY:
		receive_pre_vote_reply(px, sender, number);
		return PX_OK;
	case PX_PREPARE:
		receive_prepare(px, sender, number);
		return PX_OK;
	case PX_PROMISE:
		return px_proposer_receive_promise(px, sender, frame);
	case PX_ACCEPT:
		return receive_accept(px, sender, frame);
	case PX_ACCEPTED:
		receive_accepted(px, sender, number);
		return PX_OK;
	case PX_NACK:
		receive_nack(px, number);
		return PX_OK;
	case PX_HEARTBEAT:
		receive_heartbeat(px, sender, number);
		return PX_OK;
	case PX_HEARTBEAT_ACK:
		receive_heartbeat_ack(px, sender, number);
		return PX_OK;
	case PX_LEARN:
		return px_catchup_receive_learn(px, sender, number[0]);
	case PX_CHOSEN:
		return receive_chosen(px, sender, frame);
	case PX_SNAPSHOT_REQUEST:
		px_catchup_receive_snapshot_request(px, sender, number[0], number[1]);
		return PX_OK;
	case PX_SNAPSHOT_CHUNK:
		return receive_snapshot_chunk(px, sender, frame);
	default:
		return PX_OK;
	}
}

/**
 * px_handle_own() - a message from ourselves
 * @px: the core
 * @note: the message
 */
void px_handle_own(struct px *px, struct px_note *note)
{
	if (note->kind == PX_ACCEPTED)
		receive_accepted(px, px->config.node, note->number);
	else if (note->kind == PX_PROMISE)
		px_proposer_hear_own_promise(px, note);
	else
		px_holds(px, false, PX_POISON_TO_SELF);
}
