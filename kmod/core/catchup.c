// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * How a replica that lags gets the chosen log, or a snapshot and then the log.
 *
 * It pulls: it asks one peer for the next page, and asks again when the page is
 * through or nothing came for a tick. Snapshots' bytes are handed out as they come,
 * and asked of the caller where a peer wants them; slot, size and checksum are
 * kept here.
 */
#include "core.h"
#include <paxos.h>

/* The numbers of a SnapshotChunk, in wire order. */
enum { SLOT, OFFSET, PAGE_END, BYTES_TOTAL, CHECKSUM };

/**
 * px_catchup_init() - nothing was asked yet
 * @px: the core
 */
void px_catchup_init(struct px *px)
{
	px->catchup.progress_slot = PX_U64_MAX;
	px->catchup.progress_bytes = PX_U64_MAX;
	px->catchup.strangers_left = PX_STRANGER_PAGES_PER_TICK;
}

static bool is_peer(const struct px *px, u64 node)
{
	return (px_member_bit(px, node) & px->peers) != 0;
}

/* Asking */

static void drop_snapshot(struct px_catchup *catchup)
{
	catchup->wanted.known = false;
	catchup->buffered = 0;
	catchup->buffered_crc = 0;
}

/* Ask a peer from now on. Its snapshot may be another one, so begin that anew. */
static void choose(struct px_catchup *catchup, u64 peer)
{
	catchup->asked_from = peer;
	catchup->patience = PX_ASKS_PER_PEER;
	drop_snapshot(catchup);
}

/* The peer whose turn it is. */
static u64 next_peer(struct px *px)
{
	struct px_catchup *catchup = &px->catchup;
	u64 left = px->peers;

	catchup->turn++;
	catchup->turn_index++;
	if (catchup->turn_index >= px->config.members - 1u)
		catchup->turn_index = 0;
	for (u32 i = 0; i < catchup->turn_index; i++)
		left &= left - 1;
	return px->config.member[px_lowest_bit(left)];
}

static void ask(struct px *px, u64 peer)
{
	struct px_catchup *catchup = &px->catchup;

	if (catchup->wanted.known && catchup->wanted.slot <= px->learner.watermark)
		drop_snapshot(catchup);
	if (catchup->wanted.known)
		px_say(px, peer, PX_SNAPSHOT_REQUEST, catchup->wanted.slot, catchup->buffered,
		       0, 0);
	else
		px_say(px, peer, PX_LEARN, px->learner.watermark, 0, 0, 0);
}

static void finish(struct px *px)
{
	if (!px->catchup.asked_from)
		return;
	px->catchup.asked_from = 0;
	drop_snapshot(&px->catchup);
	px_event(px, PAXOS_CAUGHT_UP, px->learner.watermark, 0, 0, 0, NULL);
}

static bool lags(const struct px *px)
{
	return px->learner.watermark < px->learner.known_chosen;
}

/* Whether nothing came since the last tick. */
static bool is_stalled(struct px *px)
{
	struct px_catchup *catchup = &px->catchup;
	bool stalled = catchup->progress_slot == px->learner.watermark &&
		       catchup->progress_bytes == catchup->buffered;

	catchup->progress_slot = px->learner.watermark;
	catchup->progress_bytes = catchup->buffered;
	/* Only losses in a row make a peer look dead: a long snapshot has many. */
	if (!stalled)
		catchup->patience = PX_ASKS_PER_PEER;
	return stalled;
}

/**
 * px_catchup_tick() - ask, if we lag and nothing came since the last tick
 * @px: the core
 *
 * First the leader; a peer is asked PX_ASKS_PER_PEER times in a row for nothing
 * before the next one gets its turn.
 */
void px_catchup_tick(struct px *px)
{
	struct px_catchup *catchup = &px->catchup;

	catchup->strangers_left = PX_STRANGER_PAGES_PER_TICK;
	if (!lags(px)) {
		finish(px);
		return;
	}
	if (!is_stalled(px) || !px->peers)
		return;
	if (!catchup->asked_from && is_peer(px, px->election.leader))
		choose(catchup, px->election.leader);
	else if (!catchup->asked_from || catchup->patience == 0)
		choose(catchup, next_peer(px));
	catchup->patience--;
	ask(px, catchup->asked_from);
}

/**
 * px_catchup_after_chosen() - a value was delivered: go on if its page is through
 * @px: the core
 * @sender: who sent it
 * @page_end: where the page ends
 */
void px_catchup_after_chosen(struct px *px, u64 sender, u64 page_end)
{
	if (sender == px->catchup.asked_from && px->learner.watermark == page_end && lags(px))
		ask(px, sender);
}

static bool continues(struct px_catchup *catchup, const struct px_frame *chunk)
{
	struct px_snapshot *wanted = &catchup->wanted;
	const u64 *number = chunk->number;
	u64 room;

	if (!wanted->known || number[SLOT] != wanted->slot ||
	    number[BYTES_TOTAL] != wanted->bytes || number[CHECKSUM] != wanted->checksum) {
		/* The peer's snapshot moved on, or this is the first we hear of one. */
		if (number[OFFSET] != 0 || (wanted->known && number[SLOT] < wanted->slot))
			return false;
		drop_snapshot(catchup);
		wanted->known = true;
		wanted->slot = number[SLOT];
		wanted->bytes = number[BYTES_TOTAL];
		wanted->checksum = number[CHECKSUM];
	}
	if (number[OFFSET] != catchup->buffered)
		return false;
	room = wanted->bytes - catchup->buffered;
	return (chunk->body_bytes && chunk->body_bytes <= room) || wanted->bytes == 0;
}

/* The snapshot's last byte is here: whether it is sound, and then it is ours. */
static bool assemble(struct px_catchup *catchup)
{
	struct px_snapshot whole = {
		.known = true,
		.slot = catchup->wanted.slot,
		.checksum = catchup->wanted.checksum,
		.bytes = catchup->buffered,
	};
	bool sound = catchup->buffered_crc == whole.checksum;

	drop_snapshot(catchup);
	if (sound)
		catchup->snapshot = whole;
	return sound;
}

/**
 * px_catchup_receive_chunk() - the next bytes of a snapshot
 * @px: the core
 * @sender: who sent them
 * @frame: the SnapshotChunk
 * @whole: set if the snapshot is complete and sound, and to be installed
 *
 * Return: PX_OK, or PX_DROP_NO_MEMORY, and then nothing has changed.
 */
int px_catchup_receive_chunk(struct px *px, u64 sender, const struct px_frame *frame, bool *whole)
{
	struct px_catchup *catchup = &px->catchup;
	const u64 *number = frame->number;
	struct px_value *bytes;

	*whole = false;
	if (number[SLOT] <= px->learner.watermark || number[SLOT] > PX_SLOT_BELIEVED_MAX ||
	    number[BYTES_TOTAL] > px->config.snapshot_bytes_max)
		return PX_OK;
	bytes = px_room_for_value(px, frame->body_bytes) ?
		px_value_make(&px->memory, frame->body, frame->body_bytes, 0) : NULL;
	if (!bytes)
		return PX_DROP_NO_MEMORY;
	px_hear_watermark(px, number[SLOT]);
	if (!continues(catchup, frame)) {
		px_value_put(&px->memory, bytes);
		return PX_OK;
	}
	px_event(px, PAXOS_SNAPSHOT_BYTES, number[SLOT], catchup->buffered, 0, 0, bytes);
	catchup->buffered += frame->body_bytes;
	catchup->buffered_crc = px_crc32(catchup->buffered_crc, frame->body, frame->body_bytes);
	if (catchup->buffered >= number[BYTES_TOTAL])
		*whole = assemble(catchup);
	else if (catchup->buffered == number[PAGE_END] && sender == catchup->asked_from)
		ask(px, sender);
	return PX_OK;
}

/**
 * px_catchup_installed() - a received snapshot is in place: ask for the log behind it
 * @px: the core
 * @sender: who sent it
 */
void px_catchup_installed(struct px *px, u64 sender)
{
	if (lags(px) && is_peer(px, sender))
		ask(px, sender);
}

/* Answering */

/**
 * px_catchup_new_drain() - the answers of the last drain are on their way
 * @px: the core
 */
void px_catchup_new_drain(struct px *px)
{
	px->catchup.served_mask = 0;
	px->catchup.strangers = 0;
}

static bool may_serve_stranger(struct px_catchup *catchup, u64 sender)
{
	for (u32 i = 0; i < catchup->strangers; i++)
		if (catchup->stranger[i] == sender)
			return false;
	if (!catchup->strangers_left || catchup->strangers == PX_STRANGERS_MAX)
		return false;
	catchup->strangers_left--;
	catchup->stranger[catchup->strangers++] = sender;
	return true;
}

/* One page for a member and drain, a few a tick for all others together. */
static bool may_serve(struct px *px, u64 sender)
{
	u64 bit = px_member_bit(px, sender) & px->peers;

	if (!bit)
		return may_serve_stranger(&px->catchup, sender);
	if (px->catchup.served_mask & bit)
		return false;
	px->catchup.served_mask |= bit;
	return true;
}

/* Of a page only its first byte is named: whoever has the bytes sends the chunks. */
static void send_snapshot_page(struct px *px, u64 sender, u64 slot, u64 offset)
{
	const struct px_snapshot *snapshot = &px->catchup.snapshot;

	if (!snapshot->known)
		return;
	if (slot != snapshot->slot)
		offset = 0;
	if (offset < px_max(snapshot->bytes, 1))
		px_event(px, PAXOS_SERVE, sender, snapshot->slot, offset, 0, NULL);
}

static u64 page_end(const struct px *px, u64 first)
{
	u64 end = first + px_min(PX_PAGE_SLOTS_MAX, px->learner.watermark - first);
	s64 room = px->config.page_bytes_max;
	u64 slot;

	for (slot = first; slot < end; slot++) {
		room -= px_log_at(px, slot)->bytes;
		if (room < 0 && slot > first)
			break;
	}
	return slot;
}

static void send_chosen(struct px *px, u64 to, u64 slot, u64 end)
{
	struct px_value *value = px_log_at(px, slot);
	struct px_note *note = px_note_take(px, PX_CHOSEN);

	if (!note)
		return;
	note->to = to;
	note->number[0] = slot;
	note->number[1] = end;
	note->number[2] = px->learner.watermark;
	note->number[3] = value->crc;
	note->value = px_value_get(value);
	note->body_bytes = value->bytes;
	px_send(px, note);
}

/**
 * px_catchup_receive_learn() - a page of the log
 * @px: the core
 * @sender: who asks
 * @from_slot: from where on
 *
 * If the log begins later, a member gets the snapshot, and anybody else the log from
 * where it begins.
 *
 * Return: PX_OK, or PX_DROP_NO_MEMORY, and then nothing has changed.
 */
int px_catchup_receive_learn(struct px *px, u64 sender, u64 from_slot)
{
	u64 slot = px_max(from_slot, px->learner.first_slot), end;

	if (from_slot >= px->learner.watermark)
		return PX_OK;
	if (!px_room(px, PX_PAGE_SLOTS_MAX))
		return PX_DROP_NO_MEMORY;
	if (!may_serve(px, sender))
		return PX_OK;
	if (from_slot < px->learner.first_slot && is_peer(px, sender)) {
		send_snapshot_page(px, sender, 0, 0);
		return PX_OK;
	}
	if (slot >= px->learner.watermark)
		return PX_OK;
	end = page_end(px, slot);
	for (; slot < end; slot++)
		send_chosen(px, sender, slot, end);
	return PX_OK;
}

/**
 * px_catchup_receive_snapshot_request() - a page of our snapshot
 * @px: the core
 * @sender: who asks
 * @slot: of the snapshot that it wants
 * @offset: from where on; all anew if ours is another
 */
void px_catchup_receive_snapshot_request(struct px *px, u64 sender, u64 slot, u64 offset)
{
	if (may_serve(px, sender))
		send_snapshot_page(px, sender, slot, offset);
}
