// SPDX-License-Identifier: GPL-2.0 OR MIT
/* A look inside: for people, and for comparison with the Python core. */
#include "core.h"

struct dump {
	u64 *numbers;
	u32 count;
	u32 max;
};

static void put(struct dump *dump, u64 number)
{
	if (dump->count < dump->max)
		dump->numbers[dump->count] = number;
	dump->count++;
}

static void put_value(struct dump *dump, const struct px_value *value)
{
	put(dump, value->crc);
	put(dump, value->bytes);
}

static void dump_acceptor(const struct px *px, struct dump *dump)
{
	const struct px_acceptor *acceptor = &px->acceptor;

	put(dump, acceptor->promised);
	put(dump, acceptor->watermark);
	put(dump, acceptor->votes);
	for (u64 slot = acceptor->watermark; slot < acceptor->end; slot++) {
		const struct px_vote *vote = px_vote_at(px, slot);

		if (!vote)
			continue;
		put(dump, slot);
		put(dump, vote->ballot);
		put_value(dump, vote->value);
	}
}

static void dump_learner(const struct px *px, struct dump *dump)
{
	const struct px_learner *learner = &px->learner;
	u64 slot;

	put(dump, learner->first_slot);
	put(dump, learner->watermark);
	put(dump, learner->known_chosen);
	put(dump, learner->log_bytes);
	for (slot = learner->first_slot; slot < learner->watermark; slot++)
		put_value(dump, px_log_at(px, slot));
	put(dump, learner->ahead_count);
	slot = learner->watermark;
	for (u32 i = 0; i <= learner->ahead_mask; i++, slot++) {
		const struct px_value *value = learner->ahead[slot & learner->ahead_mask];

		if (!value)
			continue;
		put(dump, slot);
		put_value(dump, value);
	}
}

static void dump_in_flight(const struct px *px, struct dump *dump)
{
	const struct px_proposer *proposer = &px->proposer;
	u32 left = proposer->phase == PX_LEADING ? proposer->count : 0;

	put(dump, left);
	for (u64 slot = proposer->first; left; slot++) {
		const struct px_open *open = px_open_at(px, slot);

		if (!open)
			continue;
		left--;
		put(dump, slot);
		put(dump, proposer->ballot);
		put(dump, open->told);
		put_value(dump, open->value);
		put(dump, open->mask);
		put(dump, open->sent_tick);
	}
}

/* The votes that promises showed, as far as anything may be proposed there. */
static void dump_votes(const struct px *px, struct dump *dump)
{
	const struct px_proposer *proposer = &px->proposer;
	u32 at = dump->count, votes = 0;
	u64 slot = proposer->promised_watermark;

	put(dump, 0);
	if (proposer->phase != PX_PREPARING)
		return;
	for (u64 i = 0; i <= proposer->mask && slot + 1; i++, slot++) {
		const struct px_open *open = px_open_at(px, slot);

		if (!open)
			continue;
		votes++;
		put(dump, slot);
		put(dump, open->ballot);
		put_value(dump, open->value);
	}
	if (at < dump->max)
		dump->numbers[at] = votes;
}

static void dump_proposer(const struct px *px, struct dump *dump)
{
	const struct px_proposer *proposer = &px->proposer;

	put(dump, (u64)proposer->phase);
	put(dump, proposer->ballot);
	put(dump, proposer->from_slot);
	put(dump, proposer->promised_mask);
	put(dump, proposer->prepare_tick);
	put(dump, proposer->promised_watermark);
	put(dump, proposer->next_slot);
	put(dump, proposer->pending_count);
	put(dump, proposer->pending_bytes);
	dump_in_flight(px, dump);
	for (u32 i = 0; i < px->config.members; i++)
		put(dump, proposer->pages_kept ? proposer->pages[i] : 0);
	dump_votes(px, dump);
}

static void dump_election(const struct px *px, struct dump *dump)
{
	const struct px_election *election = &px->election;

	put(dump, (u64)election->role);
	put(dump, election->leader);
	put(dump, election->leader_ballot);
	put(dump, election->seen);
	put(dump, election->silent_ticks);
	put(dump, election->led_ticks);
	put(dump, election->waited_ticks);
	put(dump, election->timeout_ticks);
	put(dump, election->asked);
	put(dump, election->grants_mask);
	put(dump, election->reached_mask);
	put(dump, election->answered_mask);
	put(dump, election->sequence);
	put(dump, election->checked_sequence);
	put(dump, election->jitter);
}

static void dump_snapshot(struct dump *dump, const struct px_snapshot *snapshot, bool wanted,
			  u64 buffered)
{
	bool known = snapshot->known;

	put(dump, known);
	put(dump, known ? snapshot->slot : 0);
	if (wanted)
		put(dump, known ? snapshot->bytes : 0);
	put(dump, known ? snapshot->checksum : 0);
	put(dump, known ? (wanted ? buffered : snapshot->bytes) : 0);
}

static void dump_catchup(const struct px *px, struct dump *dump)
{
	const struct px_catchup *catchup = &px->catchup;

	put(dump, catchup->turn);
	put(dump, catchup->patience);
	put(dump, catchup->asked_from);
	put(dump, catchup->progress_slot);
	put(dump, catchup->progress_bytes);
	put(dump, catchup->strangers_left);
	dump_snapshot(dump, &catchup->wanted, true, catchup->buffered);
	dump_snapshot(dump, &catchup->snapshot, false, 0);
}

/**
 * px_dump() - every number of the state, for comparison with the Python core
 * @px: the core
 * @numbers: where to
 * @max: how many there is room for
 *
 * Acceptor, learner, proposer, election, catch-up, gate, replica, in the order of
 * their structures; each table as its count and its rows by slot.
 *
 * Return: how many there are, also if that is more than @max.
 */
u32 px_dump(const struct px *px, u64 *numbers, u32 max)
{
	struct dump dump = { .numbers = numbers, .max = max };

	put(&dump, px->now);
	put(&dump, px->poisoned != 0);
	dump_acceptor(px, &dump);
	dump_learner(px, &dump);
	dump_proposer(px, &dump);
	dump_election(px, &dump);
	dump_catchup(px, &dump);
	put(&dump, px->outbox.taken);
	put(&dump, px->outbox.persisted);
	put(&dump, px->outbox.gated_count);
	put(&dump, px->recorded);
	put(&dump, px->unrecorded_count);
	put(&dump, px->unrecorded_bytes);
	put(&dump, px->kept_bytes);
	return dump.count;
}

/**
 * px_status() - how this replica is
 * @px: the core
 * @status: to be filled in
 */
void px_status(const struct px *px, struct px_status *status)
{
	const struct px_outbox *outbox = &px->outbox;
	const struct px_learner *learner = &px->learner;
	const struct px_proposer *proposer = &px->proposer;

	*status = (struct px_status){
		.leader = px->election.leader,
		.ballot = px->election.leader_ballot,
		.promised = px->acceptor.promised,
		.watermark = learner->watermark,
		.read_slot = outbox->read_slot,
		.first_slot = learner->first_slot,
		.known_chosen = learner->known_chosen,
		.next_slot = proposer->next_slot,
		.log_bytes = learner->log_bytes,
		.pending_bytes = proposer->pending_bytes,
		.memory_bytes_free = (u64)px->memory.free_units * PX_UNIT_BYTES,
		.write_id = outbox->taken,
		.persisted = outbox->persisted,
		.in_flight_slots = proposer->phase == PX_LEADING ? proposer->count : 0,
		.role = px->election.role,
		.voting = px->config.voting,
		.lags = learner->watermark < learner->known_chosen,
		.snapshot_due = px_snapshot_due(px),
		.poisoned = px->poisoned,
	};
}
