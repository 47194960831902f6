// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A replica in this process: one packet socket, one timer, one epoll. Drain all
 * packets, take once, send all at once; one packet per receiver where it fits.
 */
#include "node.h"
#include "packet.h"
#include "px_port.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define PACKETS_PER_CALL	64
#define CALLS_PER_DRAIN		8
#define ROUNDS_PER_DRAIN	256u	/* alone, a node could go on for ever */
#define PACKET_BYTES_MAX	9216u
#define BUFFER_BYTES		(4 << 20)

struct packet {
	u8 data[PACKET_BYTES_MAX];
	struct sockaddr_ll address;
};

/* A packet in the making, for one receiver. */
struct outgoing {
	u32 used;
	u8 data[PACKET_BYTES_MAX];
};

struct node {
	const struct options *options;
	struct load *load;
	struct px *px;
	struct px_port port;
	int sock;
	int timer;
	int index;
	u32 packet_bytes_max;
	u64 dropped;
	struct packet received[PACKETS_PER_CALL];
	struct mmsghdr headers[PACKETS_PER_CALL];
	struct iovec vectors[PACKETS_PER_CALL];
	struct outgoing outgoing[PAXOS_MEMBERS_MAX];
	u8 frame[PACKET_BYTES_MAX];
};

static int fail(const char *what)
{
	fprintf(stderr, "px_node: %s: %s\n", what, strerror(errno));
	return -1;
}

static int open_socket(struct node *node)
{
	const struct options *options = node->options;
	int bytes = BUFFER_BYTES;
	struct sockaddr_ll local = { .sll_family = AF_PACKET };
	struct ifreq request = { 0 };

	local.sll_protocol = htons((u16)options->config.ethertype);
	strncpy(request.ifr_name, options->interface, IFNAMSIZ - 1);
	node->sock = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (node->sock < 0)
		return fail("a packet socket (needs CAP_NET_RAW)");
	if (ioctl(node->sock, SIOCGIFINDEX, &request))
		return fail(options->interface);
	node->index = local.sll_ifindex = request.ifr_ifindex;
	if (ioctl(node->sock, SIOCGIFMTU, &request))
		return fail(options->interface);
	node->packet_bytes_max = (u32)request.ifr_mtu;
	if (node->packet_bytes_max > PACKET_BYTES_MAX)
		node->packet_bytes_max = PACKET_BYTES_MAX;
	if (setsockopt(node->sock, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)))
		setsockopt(node->sock, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (bind(node->sock, (struct sockaddr *)&local, sizeof(local)))
		return fail("bind");
	return 0;
}

static int open_timer(struct node *node)
{
	long ns = (long)node->options->config.tick_us * 1000;
	struct timespec tick = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
	struct itimerspec timer = { .it_interval = tick, .it_value = tick };

	node->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (node->timer < 0 || timerfd_settime(node->timer, 0, &timer, NULL))
		return fail("a timer");
	return 0;
}

static void configure(const struct node *node, struct px_config *made)
{
	const struct paxos_config *config = &node->options->config;

	*made = (struct px_config){
		.cluster = config->cluster,
		.seed = config->seed,
		.node = (u16)config->endpoint,
		.members = (u16)config->members,
		.phase1 = (u16)config->phase1,
		.phase2 = (u16)config->phase2,
		.voting = true,
		.frame_bytes_max = node->packet_bytes_max - PX_PACKET_OVERHEAD_BYTES,
		.heartbeat_ticks = config->heartbeat_ticks,
		.election_ticks_min = config->election_ticks_min,
		.election_ticks_max = config->election_ticks_max,
		.resend_ticks = config->resend_ticks,
		.window_slots = config->window_slots,
		.vote_slots_max = config->vote_slots_max,
		.open_slots_max = 1u << 14,
		.log_slots_max = 1u << 16,
		.log_keep_slots = config->log_keep_slots,
		.page_bytes_max = config->page_bytes_max,
		.pending_bytes_max = config->pending_bytes_max,
		.log_bytes_max = config->log_bytes_max,
		.snapshot_bytes_max = config->snapshot_bytes_max,
	};
	for (u32 i = 0; i < config->members; i++)
		made->member[i] = config->member[i].node;
}

static int start_core(struct node *node)
{
	struct px_config config;
	u64 bytes = node->options->config.memory_bytes;
	void *memory;

	configure(node, &config);
	memory = aligned_alloc(64, bytes);
	node->px = memory ? px_init(memory, bytes, &config) : NULL;
	if (!node->px || px_start(node->px)) {
		fprintf(stderr, "px_node: the core does not take this configuration; it needs at "
			"least %llu bytes\n", (unsigned long long)px_memory_bytes_min(&config));
		return -1;
	}
	node->port = (struct px_port){ .px = node->px, .kind = PX_PORT_DEVICE, .started = true };
	return 0;
}

/* Receiving */

static const struct paxos_member *find_member(const struct node *node, u64 id)
{
	const struct paxos_config *config = &node->options->config;

	for (u32 i = 0; i < config->members; i++)
		if (config->member[i].node == id)
			return &config->member[i];
	return NULL;
}

/* A member's packet is believed only from its own MAC. */
static bool is_trusted(const struct node *node, const struct px_packet *packet,
		       const struct sockaddr_ll *from)
{
	const struct paxos_member *member = find_member(node, packet->sender);

	return packet->receiver == node->options->config.endpoint && member &&
	       from->sll_pkttype != PACKET_OUTGOING && from->sll_halen == PAXOS_MAC_BYTES &&
	       !memcmp(from->sll_addr, member->mac, PAXOS_MAC_BYTES);
}

static void take_packet(struct node *node, const u8 *data, u32 bytes,
			const struct sockaddr_ll *from)
{
	const u8 *body = data + PX_PACKET_HEADER_BYTES;
	struct px_packet packet;
	u32 position = 0, largest, frames;

	if (!px_packet_read_header(&packet, data, bytes) || !is_trusted(node, &packet, from)) {
		node->dropped++;
		return;
	}
	frames = px_packet_count_frames(&packet, body, &largest);
	node->dropped += frames == 0;
	while (frames--) {
		u32 size = px_packet_frame_bytes(body, &position);

		if (px_receive(node->px, packet.sender, body + position, size))
			node->dropped++;
		position += size;
	}
}

static int receive_some(struct node *node)
{
	int count;

	for (u32 i = 0; i < PACKETS_PER_CALL; i++) {
		node->vectors[i] = (struct iovec){ node->received[i].data, PACKET_BYTES_MAX };
		node->headers[i].msg_hdr = (struct msghdr){
			.msg_name = &node->received[i].address,
			.msg_namelen = sizeof(node->received[i].address),
			.msg_iov = &node->vectors[i],
			.msg_iovlen = 1,
		};
	}
	count = recvmmsg(node->sock, node->headers, PACKETS_PER_CALL, MSG_DONTWAIT, NULL);
	for (int i = 0; i < count; i++)
		take_packet(node, node->received[i].data, node->headers[i].msg_len,
			    &node->received[i].address);
	return count;
}

static void drain(struct node *node)
{
	for (u32 calls = 0; calls < CALLS_PER_DRAIN; calls++)
		if (receive_some(node) < PACKETS_PER_CALL)
			break;
}

/* Sending */

static void send_packet(struct node *node, u32 member)
{
	struct outgoing *out = &node->outgoing[member];
	const struct paxos_member *to = &node->options->config.member[member];
	struct px_packet packet = {
		.sender = node->options->config.endpoint,
		.receiver = to->node,
		.bytes = out->used - PX_PACKET_HEADER_BYTES,
	};
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons((u16)node->options->config.ethertype),
		.sll_ifindex = node->index,
		.sll_halen = PAXOS_MAC_BYTES,
	};

	if (out->used <= PX_PACKET_HEADER_BYTES)
		return;
	memcpy(address.sll_addr, to->mac, PAXOS_MAC_BYTES);
	px_packet_write_header(out->data, &packet);
	if (sendto(node->sock, out->data, out->used, 0, (struct sockaddr *)&address,
		   sizeof(address)) < 0)
		node->dropped++;
	out->used = PX_PACKET_HEADER_BYTES;
}

static void add_frame(struct node *node, u64 to, const u8 *frame, u32 bytes)
{
	const struct paxos_member *member = find_member(node, to);
	struct outgoing *out;
	u32 index;

	if (!member) {
		node->dropped++;
		return;
	}
	index = (u32)(member - node->options->config.member);
	out = &node->outgoing[index];
	if (out->used + PX_PACKET_LENGTH_BYTES + bytes > node->packet_bytes_max)
		send_packet(node, index);
	px_packet_write_length(out->data + out->used, bytes);
	memcpy(out->data + out->used + PX_PACKET_LENGTH_BYTES, frame, bytes);
	out->used += PX_PACKET_LENGTH_BYTES + bytes;
}

static void send_all(struct node *node)
{
	struct px_message message;

	while (px_next_message(node->px, &message) == 1) {
		if (!message.same)
			px_encode(node->px, &message, node->frame);
		add_frame(node, message.to, node->frame, message.bytes);
	}
}

/* What was taken */

static void hear_events(struct node *node)
{
	u8 chunk[EMPTY_CHUNK_BYTES];
	struct px_event event;

	while (px_next_event(node->px, &event) == 1) {
		if (event.type == PAXOS_LEADER)
			load_leader(node->load, event.a);
		if (event.type == PAXOS_SERVE) {
			empty_chunk_write(chunk, node->options, event.b);
			add_frame(node, event.a, chunk, sizeof(chunk));
		}
	}
}

static void apply(struct node *node)
{
	struct px_decided decided;
	struct px_status status;

	while (px_next_decided(node->px, &decided) == 1)
		load_decided(node->load, decided.value, decided.bytes);
	px_status(node->px, &status);
	if (status.snapshot_due)
		px_compact(node->px, status.read_slot, 0, 0);
}

static void propose(struct node *node)
{
	while (load_wants(node->load)) {
		if (px_propose(node->px, load_command(node->load),
			       node->options->command_bytes))
			break;
		load_sent(node->load);
	}
}

/*
 * Everything that follows, until nothing does: what is decided frees places for commands.
 * 1 if there is more to do at once.
 */
static int settle(struct node *node)
{
	u32 rounds = 0;
	int found;

	do {
		propose(node);
		found = px_port_settle(&node->port);
		if (found < 0) {
			fprintf(stderr, "px_node: the core gave up\n");
			return -1;
		}
		send_all(node);
		hear_events(node);
		apply(node);
	} while (found && load_wants(node->load) && ++rounds < ROUNDS_PER_DRAIN);
	for (u32 i = 0; i < node->options->config.members; i++)
		send_packet(node, i);
	return rounds == ROUNDS_PER_DRAIN;
}

/* Ticks that were missed are: a clock that was late is no reason for an election. */
static void pass_tick(struct node *node)
{
	u64 ticks = 0;

	if (read(node->timer, &ticks, sizeof(ticks)) == sizeof(ticks) && ticks)
		px_tick(node->px);
}

static int run(struct node *node)
{
	u64 end = now_ns() + (u64)(node->options->seconds * 1e9);
	struct epoll_event event = { .events = EPOLLIN };
	int all = epoll_create1(EPOLL_CLOEXEC), more = 0;

	event.data.fd = node->sock;
	if (all < 0 || epoll_ctl(all, EPOLL_CTL_ADD, node->sock, &event))
		return fail("epoll");
	event.data.fd = node->timer;
	if (epoll_ctl(all, EPOLL_CTL_ADD, node->timer, &event))
		return fail("epoll");
	while (!load_is_done(node->load) && now_ns() < end) {
		struct epoll_event ready[2];
		int count = epoll_wait(all, ready, 2, more ? 0 : 1000);

		for (int i = 0; i < count; i++) {
			if (ready[i].data.fd == node->sock)
				drain(node);
			else
				pass_tick(node);
		}
		more = settle(node);
		if (more < 0)
			return -1;
	}
	return 0;
}

/**
 * core_node() - be a replica until the time is over or the commands are done
 * @options: which one
 * @load: its client
 *
 * Return: 0; -1 if it went wrong, and then it has been said why.
 */
int core_node(const struct options *options, struct load *load)
{
	struct node *node = calloc(1, sizeof(*node));

	if (!node)
		return fail("memory");
	node->options = options;
	node->load = load;
	for (u32 i = 0; i < PAXOS_MEMBERS_MAX; i++)
		node->outgoing[i].used = PX_PACKET_HEADER_BYTES;
	if (open_socket(node) || open_timer(node) || start_core(node) || run(node))
		return -1;
	return 0;
}
