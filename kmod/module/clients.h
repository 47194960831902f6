/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PAXOS_CLIENTS_H
#define PAXOS_CLIENTS_H

#include <linux/list.h>
#include <linux/siphash.h>
#include <linux/types.h>

struct paxos_client;

/**
 * struct paxos_clients - the way back to clients, learnt from their packets
 * @known: all of them, the one heard last in front
 * @spare: entries not in use yet
 * @buckets: the same by id; NULL if nothing is to be learnt
 * @entries: the memory of all
 * @bucket_bits: log2 of how many buckets there are
 * @key: so that nobody can choose ids that fall into one bucket
 *
 * Bounded: one client more displaces the one that was silent longest. The caller locks.
 */
struct paxos_clients {
	struct list_head known;
	struct list_head spare;
	struct hlist_head *buckets;
	struct paxos_client *entries;
	unsigned int bucket_bits;
	siphash_key_t key;
};

int paxos_clients_init(struct paxos_clients *clients, u32 count);
void paxos_clients_free(struct paxos_clients *clients);
void paxos_clients_learn(struct paxos_clients *clients, u64 id, const u8 *mac);
const u8 *paxos_clients_find(struct paxos_clients *clients, u64 id);

#endif
