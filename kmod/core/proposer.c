// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The proposer: phase 1 for all open slots at once, then phase 2 slot by slot.
 *
 * Safety rests on one choice here, P2c of Paxos Made Simple (2.2): who has heard
 * from a quorum proposes, for each slot, the value of the highest-numbered vote
 * among the answers, and only where there is none a value of its own.
 */
#include "core.h"

/* Phase 1 */

static void send_prepare(struct px *px, u64 to, u64 mask, u64 from_slot)
{
	struct px_note *note;

	if (!to && !mask)
		return;
	note = px_note_take(px, PX_PREPARE);
	if (!note)
		return;
	note->to = to;
	note->mask = mask;
	note->number[0] = px->proposer.ballot;
	note->number[1] = from_slot;
	px_send_gated(px, note);
}

/**
 * px_proposer_prepare() - phase 1a, once for every slot that is open
 * @px: the core
 * @ballot: above all that we have used or promised
 *
 * Gated: the ballot is on record before anybody hears it, so that a restarted
 * proposer never uses it for another value.
 */
void px_proposer_prepare(struct px *px, u64 ballot)
{
	struct px_proposer *proposer = &px->proposer;

	if (!px_holds(px, ballot > proposer->ballot, PX_POISON_BALLOT_USED) ||
	    !px_holds(px, ballot > px->acceptor.promised, PX_POISON_BALLOT_USED))
		return;
	px_open_clear(px);
	proposer->phase = PX_PREPARING;
	proposer->ballot = ballot;
	proposer->from_slot = px->learner.watermark;
	for (u32 i = 0; i < px->config.members; i++)
		proposer->pages[i] = proposer->from_slot;
	proposer->pages_kept = true;
	proposer->promised_mask = 0;
	proposer->promised_watermark = 0;
	proposer->prepare_tick = px->now;
	px_acceptor_receive_prepare(px, px->config.node, ballot, proposer->from_slot);
	send_prepare(px, 0, px->peers, proposer->from_slot);
}

/* The numbers of a Promise, in wire order. */
enum { BALLOT, FROM_SLOT, NEXT_SLOT, WATERMARK };

static bool is_awaited(const struct px *px, u32 member, const u64 *number)
{
	const struct px_proposer *proposer = &px->proposer;
	u64 page = proposer->pages_kept ? proposer->pages[member] : PX_NO_MORE;

	return proposer->phase == PX_PREPARING && number[BALLOT] == proposer->ballot &&
	       number[FROM_SLOT] == page && number[NEXT_SLOT] > number[FROM_SLOT];
}

/* No acceptor votes so far above its watermark: what may be proposed is bounded. */
static bool is_absurd(const struct px *px, u64 watermark, u64 slot)
{
	return slot >= watermark && slot - watermark >= px->config.open_slots_max;
}

/* Of the votes for a slot the one with the highest ballot is kept (P2c). */
static void merge(struct px *px, const struct px_vote *vote)
{
	struct px_open *known = px_open_at(px, vote->slot);

	if (vote->slot < px->proposer.promised_watermark ||
	    (known && vote->ballot <= known->ballot))
		return;
	px_open_put(px, vote->slot, px_value_get(vote->value))->ballot = vote->ballot;
}

/* A page that is sound and awaited; asks for the next one, or counts the promise. */
static void count_promise(struct px *px, u32 member, const u64 *number, const struct px_page *page)
{
	struct px_proposer *proposer = &px->proposer;
	u64 node = px->config.member[member];

	proposer->promised_watermark = px_max(proposer->promised_watermark, number[WATERMARK]);
	px_hear_watermark(px, number[WATERMARK]);
	for (; page; page = page->next)
		for (u32 i = 0; i < page->count; i++)
			merge(px, &page->vote[i]);
	proposer->pages[member] = number[NEXT_SLOT];
	if (number[NEXT_SLOT] == PX_NO_MORE) {
		proposer->promised_mask |= (u64)1 << member;
		return;
	}
	px_election_hear_page(px);
	if (node == px->config.node)
		px_acceptor_receive_prepare(px, node, proposer->ballot, number[NEXT_SLOT]);
	else
		send_prepare(px, node, 0, number[NEXT_SLOT]);
}

/*
 * Whether the votes in a frame may be believed: each as its checksum says, or it was
 * damaged on its way and is neither a value to propose nor word that there is none.
 */
static bool is_sound(const struct px *px, const struct px_frame *frame, u64 watermark, u64 *slots)
{
	const u8 *at = frame->body, *end = at + frame->body_bytes;
	struct px_wire_vote vote;

	*slots = 0;
	while (at < end && px_wire_vote_next(&vote, &at, end)) {
		if (is_absurd(px, watermark, vote.slot) ||
		    px_crc32(0, vote.value, vote.bytes) != vote.checksum)
			return false;
		if (vote.slot >= watermark)
			*slots = px_max(*slots, vote.slot - watermark + 1);
	}
	return true;
}

/* The votes in a frame from a watermark on, taken into the block. */
static bool copy_votes(struct px *px, const struct px_frame *frame, u64 watermark,
		       struct px_page **first)
{
	const u8 *at = frame->body, *end = at + frame->body_bytes;
	struct px_page *tail = NULL;
	struct px_wire_vote wire;

	while (at < end && px_wire_vote_next(&wire, &at, end)) {
		struct px_vote vote = { .slot = wire.slot, .ballot = wire.ballot };
		struct px_page *page;

		if (wire.slot < watermark)
			continue;
		if (!px_room(px, 1 + px_value_units(wire.bytes)))
			return false;
		vote.value = px_value_make(&px->memory, wire.value, wire.bytes,
					   (u32)wire.checksum);
		if (!vote.value)
			return false;
		page = px_page_add(px, &tail, &vote);
		px_value_put(&px->memory, vote.value);
		if (!page)
			return false;
		if (!*first)
			*first = tail;
	}
	return true;
}

/**
 * px_proposer_receive_promise() - a page of phase 1b
 * @px: the core
 * @sender: the member that promises
 * @frame: the Promise
 *
 * Return: PX_OK, or PX_DROP_NO_MEMORY, and then nothing has changed.
 */
int px_proposer_receive_promise(struct px *px, u64 sender, const struct px_frame *frame)
{
	u32 member = px_lowest_bit(px_member_bit(px, sender));
	u64 watermark = px_max(px->proposer.promised_watermark, frame->number[WATERMARK]);
	struct px_page *page = NULL;
	u64 slots;
	bool fits;

	if (!is_awaited(px, member, frame->number) || !is_sound(px, frame, watermark, &slots))
		return PX_OK;
	fits = copy_votes(px, frame, watermark, &page) && px_open_reserve(px, slots);
	if (fits)
		count_promise(px, member, frame->number, page);
	px_pages_free(px, page);
	return fits ? PX_OK : PX_DROP_NO_MEMORY;
}

/**
 * px_proposer_hear_own_promise() - a page of what our own acceptor promised
 * @px: the core
 * @note: the Promise
 */
void px_proposer_hear_own_promise(struct px *px, const struct px_note *note)
{
	u32 member = px_lowest_bit(px->own);
	u64 watermark = px_max(px->proposer.promised_watermark, note->number[WATERMARK]);
	u64 slots = 0;

	if (!is_awaited(px, member, note->number))
		return;
	for (const struct px_page *page = note->page; page; page = page->next)
		for (u32 i = 0; i < page->count; i++) {
			if (is_absurd(px, watermark, page->vote[i].slot))
				return;
			if (page->vote[i].slot >= watermark)
				slots = px_max(slots, page->vote[i].slot - watermark + 1);
		}
	if (px_open_reserve(px, slots))
		count_promise(px, member, note->number, note->page);
}

/**
 * px_proposer_can_lead() - whether phase 1 is done
 * @px: the core
 *
 * A phase 1 quorum has promised, and every slot it called chosen is learnt. The
 * second half is what lets an acceptor forget votes below its watermark: nobody
 * proposes there.
 */
bool px_proposer_can_lead(const struct px *px)
{
	return px->proposer.phase == PX_PREPARING && px_is_phase1(px, px->proposer.promised_mask) &&
	       px->learner.watermark >= px->proposer.promised_watermark;
}

/* Phase 2a for the next slot: to all acceptors, our own included. Takes over the reference. */
static void propose(struct px *px, struct px_value *value)
{
	struct px_proposer *proposer = &px->proposer;
	u64 slot = proposer->next_slot++;
	struct px_open *open = px_open_put(px, slot, value);
	struct px_note *note = px->peers ? px_note_take(px, PX_ACCEPT) : NULL;

	open->told = px->learner.watermark;
	open->sent_tick = px->now;
	if (note) {
		note->mask = px->peers;
		note->number[0] = proposer->ballot;
		note->number[1] = slot;
		note->number[2] = open->told;
		note->number[3] = value->crc;
		note->value = px_value_get(value);
		note->body_bytes = value->bytes;
		px_send(px, note);
	}
	if (px_acceptor_vote(px, proposer->ballot, slot, value))
		px_acceptor_confirm(px, px->config.node, proposer->ballot, slot);
}

/* Votes for slots that have been learnt since: nobody proposes there. */
static void drop_below(struct px *px, u64 first)
{
	struct px_proposer *proposer = &px->proposer;
	u64 slot = proposer->first;

	for (u64 i = 0; i <= proposer->mask && proposer->count && slot < first; i++, slot++) {
		struct px_open *open = px_open_at(px, slot);

		if (open)
			px_open_drop(px, open);
	}
	proposer->first = px_max(proposer->first, first);
}

/**
 * px_proposer_lead() - begin phase 2: propose again whatever a quorum's votes leave open
 * @px: the core, which can lead
 *
 * A slot between them that nobody voted for gets a no-op (section 3).
 *
 * Return: false if memory is short: then nothing has changed.
 */
bool px_proposer_lead(struct px *px)
{
	struct px_proposer *proposer = &px->proposer;
	u64 first = px->learner.watermark;
	u64 end = proposer->count ? px_max(proposer->end, first) : first;

	/* A message each, a record each, and their Accepted in one. */
	if (!px_room(px, end - first + (end - first) / PX_SHEET_RECORDS + 8))
		return false;
	if (!px_holds(px, px_proposer_can_lead(px), PX_POISON_LEAD) ||
	    !px_holds(px, end - first <= px->config.open_slots_max, PX_POISON_LEAD))
		return false;
	drop_below(px, first);
	proposer->phase = PX_LEADING;
	proposer->next_slot = first;
	while (proposer->next_slot < end && !px->poisoned) {
		struct px_open *vote = px_open_at(px, proposer->next_slot);

		propose(px, px_value_get(vote ? vote->value : px->noop));
	}
	return true;
}

/* Phase 2 */

/**
 * px_proposer_fill_window() - propose what is pending, as far as the window allows
 * @px: the core
 *
 * Counted from the watermark, not in slots without a quorum: else one slot that
 * stays open lets the others run on to where acceptors do not vote.
 */
void px_proposer_fill_window(struct px *px)
{
	struct px_proposer *proposer = &px->proposer;

	if (proposer->phase != PX_LEADING)
		return;
	while (proposer->pending && px_room(px, 4) && !px->poisoned &&
	       px_within(proposer->next_slot, px->learner.watermark, px->config.window_slots))
		propose(px, px_batch_pop(px));
}

/**
 * px_proposer_receive_accepted() - phase 2b
 * @px: the core
 * @sender: the acceptor, a member
 * @ballot: in which it accepted
 * @first: the first of the slots
 * @last: the last of them
 *
 * A slot's value is chosen once a phase 2 quorum has accepted it.
 */
void px_proposer_receive_accepted(struct px *px, u64 sender, u64 ballot, u64 first, u64 last)
{
	struct px_proposer *proposer = &px->proposer;
	u64 bit = px_member_bit(px, sender);
	u64 end = last < proposer->next_slot ? last + 1 : proposer->next_slot;
	u64 watermark = px->learner.watermark;
	u64 slot = px_max(first, watermark);

	if (proposer->phase != PX_LEADING || ballot != proposer->ballot)
		return;
	/*
	 * No further than the learner keeps values: one that is counted as chosen and then
	 * forgotten would be sent no more, and the log would stand still there.
	 */
	for (; slot < end && slot - watermark < px->config.vote_slots_max && !px->poisoned;
	     slot++) {
		struct px_open *open = px_open_at(px, slot);

		if (!open)
			continue;
		open->mask |= bit;
		if (!px_is_phase2(px, open->mask))
			continue;
		px_learn(px, slot, open->value);
		px_open_drop(px, open);
	}
}

/**
 * px_proposer_advance() - every slot below a watermark is chosen
 * @px: the core
 * @watermark: ours; proposals below it wait for nothing any more
 *
 * Return: false if we lead, and one was chosen that is not what we proposed, or for
 * which we proposed nothing: then somebody leads with a higher ballot. To stay
 * would be unsafe: whoever voted in our ballot takes our watermark as word that
 * our proposals below it were chosen.
 */
bool px_proposer_advance(struct px *px, u64 watermark)
{
	struct px_proposer *proposer = &px->proposer;
	bool ours = true;

	if (proposer->phase != PX_LEADING)
		return true;
	for (; proposer->count && proposer->first < watermark; proposer->first++) {
		struct px_open *open = px_open_at(px, proposer->first);
		const struct px_value *chosen;

		if (!open)
			continue;
		chosen = px_log_at(px, proposer->first);
		ours = ours && chosen && px_value_equal(chosen, open->value);
		px_open_drop(px, open);
	}
	return ours && watermark <= proposer->next_slot;
}

/* Time */

static void resend_prepare(struct px *px)
{
	px->proposer.prepare_tick = px->now;
	for (u64 left = px->peers; left; left &= left - 1) {
		u32 member = px_lowest_bit(left);

		if (px->proposer.pages[member] != PX_NO_MORE)
			send_prepare(px, px->config.member[member], 0, px->proposer.pages[member]);
	}
}

/* Our own vote, if the slot was too far above the watermark when it was proposed. */
static void vote_late(struct px *px, const struct px_open *open)
{
	u64 ballot = px->proposer.ballot;

	if (px_acceptor_keeps(px, ballot, open->slot) &&
	    px_acceptor_vote(px, ballot, open->slot, open->value))
		px_acceptor_confirm(px, px->config.node, ballot, open->slot);
}

static void resend_proposal(struct px *px, struct px_open *open)
{
	u64 silent = px->peers & ~open->mask;
	struct px_note *note;

	open->sent_tick = px->now;
	vote_late(px, open);
	note = silent ? px_note_take(px, PX_ACCEPT) : NULL;
	if (!note)
		return;
	note->mask = silent;
	note->number[0] = px->proposer.ballot;
	note->number[1] = open->slot;
	note->number[2] = px->learner.watermark;
	note->number[3] = open->value->crc;
	note->value = px_value_get(open->value);
	note->body_bytes = open->value->bytes;
	px_send(px, note);
}

/**
 * px_proposer_resend() - send again what has waited resend_ticks for an answer
 * @px: the core
 */
void px_proposer_resend(struct px *px)
{
	struct px_proposer *proposer = &px->proposer;
	u64 wait = px->config.resend_ticks;
	u32 seen = 0;

	if (proposer->phase == PX_PREPARING && px->now - proposer->prepare_tick >= wait)
		resend_prepare(px);
	if (proposer->phase != PX_LEADING)
		return;
	for (u64 slot = proposer->first; seen < proposer->count && px_room(px, 0); slot++) {
		struct px_open *open = px_open_at(px, slot);

		if (!open)
			continue;
		seen++;
		if (px->now - open->sent_tick >= wait)
			resend_proposal(px, open);
	}
}

/**
 * px_proposer_stop() - give up the ballot, and forget what waited for it
 * @px: the core
 */
void px_proposer_stop(struct px *px)
{
	px->proposer.phase = PX_IDLE;
	px->proposer.pages_kept = false;
	px_open_clear(px);
	px_batch_clear(px);
}
