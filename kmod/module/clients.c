// SPDX-License-Identifier: GPL-2.0
#include <linux/etherdevice.h>
#include <linux/log2.h>
#include <linux/slab.h>

#include "clients.h"

struct paxos_client {
	struct list_head order;
	struct hlist_node bucket;
	u64 id;
	u8 mac[ETH_ALEN];
};

/**
 * paxos_clients_init() - make room for clients
 * @clients: zeroed
 * @count: how many are remembered at most; 0 for an endpoint that learns none
 *
 * Return: 0 or -ENOMEM.
 */
int paxos_clients_init(struct paxos_clients *clients, u32 count)
{
	u32 i;

	INIT_LIST_HEAD(&clients->known);
	INIT_LIST_HEAD(&clients->spare);
	if (!count)
		return 0;
	clients->bucket_bits = ilog2(roundup_pow_of_two(count));
	clients->buckets = kvcalloc(1UL << clients->bucket_bits, sizeof(*clients->buckets),
				    GFP_KERNEL_ACCOUNT);
	clients->entries = kvcalloc(count, sizeof(*clients->entries), GFP_KERNEL_ACCOUNT);
	if (!clients->buckets || !clients->entries) {
		paxos_clients_free(clients);
		return -ENOMEM;
	}
	get_random_bytes(&clients->key, sizeof(clients->key));
	for (i = 0; i < count; i++)
		list_add_tail(&clients->entries[i].order, &clients->spare);
	return 0;
}

/**
 * paxos_clients_free() - give back the memory; a table never made is fine
 * @clients: the table
 */
void paxos_clients_free(struct paxos_clients *clients)
{
	kvfree(clients->buckets);
	kvfree(clients->entries);
	clients->buckets = NULL;
	clients->entries = NULL;
}

static struct hlist_head *bucket_of(struct paxos_clients *clients, u64 id)
{
	u64 hash = siphash_1u64(id, &clients->key);

	return &clients->buckets[hash & ((1UL << clients->bucket_bits) - 1)];
}

static struct paxos_client *find(struct paxos_clients *clients, u64 id)
{
	struct paxos_client *client;

	if (!clients->buckets)
		return NULL;
	hlist_for_each_entry(client, bucket_of(clients, id), bucket)
		if (client->id == id)
			return client;
	return NULL;
}

static struct paxos_client *make_room(struct paxos_clients *clients)
{
	struct paxos_client *client;

	client = list_first_entry_or_null(&clients->spare, struct paxos_client, order);
	if (client)
		return client;
	client = list_last_entry(&clients->known, struct paxos_client, order);
	hlist_del(&client->bucket);
	return client;
}

/**
 * paxos_clients_learn() - remember where a client was heard
 * @clients: the table
 * @id: the client's id
 * @mac: where its packet came from
 */
void paxos_clients_learn(struct paxos_clients *clients, u64 id, const u8 *mac)
{
	struct paxos_client *client;

	if (!clients->buckets)
		return;
	client = find(clients, id);
	if (!client) {
		client = make_room(clients);
		client->id = id;
		hlist_add_head(&client->bucket, bucket_of(clients, id));
	}
	ether_addr_copy(client->mac, mac);
	list_move(&client->order, &clients->known);
}

/**
 * paxos_clients_find() - the way to a client
 * @clients: the table
 * @id: the client's id
 *
 * Return: its MAC, good while the caller's lock is held, or NULL.
 */
const u8 *paxos_clients_find(struct paxos_clients *clients, u64 id)
{
	struct paxos_client *client = find(clients, id);

	return client ? client->mac : NULL;
}
