// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The acceptor: promises and votes. Safety alone; it knows no time and no leader.
 *
 * Two rules of Paxos Made Simple (2.2) are kept here. P1a: a proposal numbered n
 * is accepted exactly if no prepare request above n has been answered. And a
 * promise tells the highest-numbered proposal below it that was accepted.
 *
 * Votes are kept only from the watermark up: below it every slot is chosen and
 * known here, so a proposer is told the watermark instead.
 */
#include "core.h"

/**
 * px_vote_at() - the vote for a slot
 * @px: the core
 * @slot: any slot
 *
 * Return: the vote; NULL if there is none.
 */
struct px_vote *px_vote_at(const struct px *px, u64 slot)
{
	struct px_vote *vote = &px->acceptor.ring[slot & px->acceptor.mask];

	return vote->value && vote->slot == slot ? vote : NULL;
}

/* Twice the ring, until a slot that far above the watermark fits; for what replay brings. */
static bool grow(struct px *px, u64 slots)
{
	struct px_acceptor *acceptor = &px->acceptor;
	u64 size = (u64)acceptor->mask + 1;
	struct px_vote *ring;

	if (slots < size)
		return true;
	while (size <= slots && size < (u64)1 << 31)
		size *= 2;
	ring = size > slots ? px_memory_take(&px->memory, px_units(size * sizeof(*ring))) : NULL;
	if (!ring)
		return false;
	memset(ring, 0, (size_t)size * sizeof(*ring));
	for (u64 i = 0; i <= acceptor->mask; i++)
		if (acceptor->ring[i].value)
			ring[acceptor->ring[i].slot & (size - 1)] = acceptor->ring[i];
	if (acceptor->ring != acceptor->ring_first)
		px_memory_give(&px->memory, acceptor->ring,
			       px_units(((u64)acceptor->mask + 1) * sizeof(*ring)));
	acceptor->ring = ring;
	acceptor->mask = (u32)(size - 1);
	return true;
}

/**
 * px_vote_put() - keep a vote, in place of any other for its slot
 * @px: the core
 * @slot: not below the watermark
 * @ballot: of the proposal
 * @value: its value; the vote has a reference of its own
 *
 * Return: PX_OK, or PX_DROP_NO_MEMORY, which only replay can meet.
 */
int px_vote_put(struct px *px, u64 slot, u64 ballot, struct px_value *value)
{
	struct px_acceptor *acceptor = &px->acceptor;
	struct px_vote *vote;

	if (!grow(px, slot - acceptor->watermark))
		return PX_DROP_NO_MEMORY;
	vote = &acceptor->ring[slot & acceptor->mask];
	px_value_get(value);
	if (vote->value)
		px_vote_drop(px, vote);
	vote->slot = slot;
	vote->ballot = ballot;
	vote->value = value;
	acceptor->votes++;
	if (slot >= acceptor->end)
		acceptor->end = slot == PX_U64_MAX ? slot : slot + 1;
	return PX_OK;
}

/**
 * px_vote_drop() - forget a vote
 * @px: the core
 * @vote: the vote
 */
void px_vote_drop(struct px *px, struct px_vote *vote)
{
	px_value_put(&px->memory, vote->value);
	vote->value = NULL;
	px->acceptor.votes--;
}

static void promise(struct px *px, u64 ballot)
{
	if (ballot <= px->acceptor.promised)
		return;
	px->acceptor.promised = ballot;
	px_record(px, PX_PROMISED, ballot, 0, NULL);
}

/*
 * The votes from a slot on, as many as a frame holds, and at least one. False
 * without memory: the message is lost then.
 */
static bool fill_page(struct px *px, struct px_note *note)
{
	struct px_acceptor *acceptor = &px->acceptor;
	u64 slot = px_max(note->number[1], acceptor->watermark);
	s64 room = px->promise_bytes_max;
	u32 found = 0;
	struct px_page *tail = NULL;

	for (; slot < acceptor->end && found < acceptor->votes; slot++) {
		struct px_vote *vote = px_vote_at(px, slot);
		u32 bytes;

		if (!vote)
			continue;
		bytes = PX_VOTE_OVERHEAD_BYTES + vote->value->bytes;
		room -= bytes;
		if (tail && room < 0) {
			note->number[2] = slot;
			return true;
		}
		if (!px_page_add(px, &tail, vote))
			return false;
		if (!note->page)
			note->page = tail;
		note->body_bytes += bytes;
		found++;
	}
	note->number[2] = PX_NO_MORE;
	return true;
}

/**
 * px_acceptor_receive_prepare() - phase 1b
 * @px: the core
 * @sender: whose prepare request this is
 * @ballot: its number
 * @from_slot: it stands for every slot from here on
 *
 * An acceptor that receives a prepare request above all that it has answered
 * answers it (2.2, phase 1 (b)). An equal number is the same proposer asking again.
 */
void px_acceptor_receive_prepare(struct px *px, u64 sender, u64 ballot, u64 from_slot)
{
	struct px_note *note;

	if (ballot < px->acceptor.promised) {
		px_say(px, sender, PX_NACK, ballot, px->acceptor.promised, 0, 0);
		return;
	}
	promise(px, ballot);
	note = px_note_take(px, PX_PROMISE);
	if (!note)
		return;
	note->to = sender;
	note->number[0] = ballot;
	note->number[1] = from_slot;
	note->number[3] = px->acceptor.watermark;
	if (fill_page(px, note))
		px_send_gated(px, note);
	else
		px_note_free(px, note);
}

/**
 * px_acceptor_receive_accept() - phase 2b: whether the ballot is good
 * @px: the core
 * @sender: whose proposal this is
 * @ballot: its number
 *
 * P1a. A Nack has been sent if it is not. The Accepted is left to
 * px_acceptor_confirm(), so that a run of slots takes one message.
 */
bool px_acceptor_receive_accept(struct px *px, u64 sender, u64 ballot)
{
	if (ballot < px->acceptor.promised) {
		px_say(px, sender, PX_NACK, ballot, px->acceptor.promised, 0, 0);
		return false;
	}
	promise(px, ballot);
	return true;
}

/**
 * px_acceptor_keeps() - whether a proposal would be a new vote
 * @px: the core
 * @ballot: of the proposal, not below the promise
 * @slot: of the proposal
 */
bool px_acceptor_keeps(const struct px *px, u64 ballot, u64 slot)
{
	const struct px_vote *known;

	if (!px_within(slot, px->acceptor.watermark, px->config.vote_slots_max))
		return false;
	known = px_vote_at(px, slot);
	return !known || known->ballot != ballot;
}

/**
 * px_acceptor_knows() - whether a proposal that is no new vote may be confirmed
 * @px: the core
 * @ballot: of the proposal
 * @slot: of the proposal
 * @data: its value
 * @bytes: of the value
 * @crc: of the value
 *
 * Below the watermark, only the chosen value itself: a proposer that is deposed
 * without knowing it may propose another. Far above it the vote is withheld. In
 * between, the same ballot proposes one value for a slot.
 */
bool px_acceptor_knows(const struct px *px, u64 ballot, u64 slot, const u8 *data, u32 bytes,
		       u32 crc)
{
	const struct px_value *value = NULL;
	const struct px_vote *vote;

	if (slot < px->acceptor.watermark) {
		value = px_log_at(px, slot);
	} else if (px_within(slot, px->acceptor.watermark, px->config.vote_slots_max)) {
		vote = px_vote_at(px, slot);
		if (vote && vote->ballot == ballot)
			value = vote->value;
	}
	return value && px_value_is(value, data, bytes, crc);
}

/**
 * px_acceptor_vote() - accept a proposal whose ballot was found good
 * @px: the core
 * @ballot: of the proposal
 * @slot: of the proposal
 * @value: its value; vote and record have references of their own
 *
 * Return: whether it may be confirmed.
 */
bool px_acceptor_vote(struct px *px, u64 ballot, u64 slot, struct px_value *value)
{
	const struct px_vote *known;

	if (!px_holds(px, ballot == px->acceptor.promised, PX_POISON_VOTE_BALLOT))
		return false;
	if (!px_acceptor_keeps(px, ballot, slot))
		return px_acceptor_knows(px, ballot, slot, value->data, value->bytes, value->crc);
	known = px_vote_at(px, slot);
	if (!px_holds(px, !known || known->ballot < ballot, PX_POISON_VOTE_ORDER))
		return false;
	/* The record first: never a vote without it. */
	px_record(px, PX_VOTED, slot, ballot, value);
	return !px->poisoned && px_vote_put(px, slot, ballot, value) == PX_OK;
}

/**
 * px_acceptor_confirm() - tell the proposer of a vote, once it is on stable storage
 * @px: the core
 * @to: the proposer
 * @ballot: of the vote
 * @slot: of the vote
 *
 * Votes for a run of slots that one drain brought share one message; but only one
 * that still waits, and for the same write, may say more.
 */
void px_acceptor_confirm(struct px *px, u64 to, u64 ballot, u64 slot)
{
	struct px_acceptor *acceptor = &px->acceptor;
	u64 gate = px_gate(px);
	struct px_note *run = acceptor->run;

	if (gate && gate == acceptor->run_gate && run->number[0] == ballot &&
	    run->number[2] + 1 == slot) {
		run->number[2] = slot;
		return;
	}
	run = px_note_take(px, PX_ACCEPTED);
	acceptor->run = run;
	acceptor->run_gate = run ? gate : 0;
	if (!run)
		return;
	run->to = to;
	run->number[0] = ballot;
	run->number[1] = slot;
	run->number[2] = slot;
	px_send_gated(px, run);
}

/**
 * px_acceptor_advance() - every slot below a watermark is chosen and known here
 * @px: the core
 * @watermark: not below the last one; votes below it are forgotten
 */
void px_acceptor_advance(struct px *px, u64 watermark)
{
	struct px_acceptor *acceptor = &px->acceptor;
	u64 slot = acceptor->watermark;
	u64 end = px_min(watermark, acceptor->end);

	if (!px_holds(px, watermark >= acceptor->watermark, PX_POISON_WATERMARK))
		return;
	for (; slot < end && acceptor->votes; slot++) {
		struct px_vote *vote = px_vote_at(px, slot);

		if (vote)
			px_vote_drop(px, vote);
	}
	acceptor->watermark = watermark;
}
