// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The paper's echo in user space, with blocking sockets, and the client that times any
 * echo. Every packet has the same bytes, over UDP as well: those of an Ethernet packet
 * of transports/_packets.py with one frame of 64 bytes, which /dev/paxos sends back too.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "packet.h"

#define FRAME_BYTES	64u
#define PACKET_BYTES	(PX_PACKET_OVERHEAD_BYTES + FRAME_BYTES)
#define BUFFER_BYTES	2048u
#define CLIENT		70000u
#define SERVER		1u
#define SECONDS_MAX	120u	/* nothing that went wrong runs for ever */

static const char usage[] =
"usage: echo server udp ADDRESS PORT\n"
"       echo server ethernet INTERFACE ETHERTYPE\n"
"       echo client udp ADDRESS PORT COUNT OUTSTANDING WARM-UP\n"
"       echo client ethernet INTERFACE ETHERTYPE MAC COUNT OUTSTANDING WARM-UP\n"
"\n"
"The client says \"ready\" after the warm-up, waits for a line, says \"done\", and ends with\n"
"a line of JSON.\n";

static int fail(const char *what)
{
	fprintf(stderr, "echo: %s: %s\n", what, strerror(errno));
	return -1;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Sockets */

static bool read_udp(struct sockaddr_in *address, const char *host, const char *port)
{
	*address = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)),
	};
	return inet_pton(AF_INET, host, &address->sin_addr) == 1;
}

static int open_udp(const char *host, const char *port, bool server)
{
	struct sockaddr_in address;
	int sock = socket(AF_INET, SOCK_DGRAM, 0);

	if (sock < 0)
		return fail("a UDP socket");
	if (!read_udp(&address, host, port)) {
		fprintf(stderr, "echo: no IPv4 address: %s\n", host);
		return -1;
	}
	if ((server ? bind : connect)(sock, (struct sockaddr *)&address, sizeof(address)))
		return fail(host);
	return sock;
}

static int open_ethernet(const char *interface, const char *type, struct sockaddr_ll *to)
{
	uint16_t ethertype = (uint16_t)strtoul(type, NULL, 0);
	int sock = socket(AF_PACKET, SOCK_DGRAM, 0);

	if (sock < 0)
		return fail("a packet socket (needs CAP_NET_RAW)");
	*to = (struct sockaddr_ll){
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ethertype),
		.sll_ifindex = (int)if_nametoindex(interface),
		.sll_halen = 6,
	};
	if (!to->sll_ifindex || bind(sock, (struct sockaddr *)to, sizeof(*to)))
		return fail(interface);
	return sock;
}

/* The servers: one system call in, one out. */

static int serve_udp(int sock)
{
	uint8_t data[BUFFER_BYTES];
	struct sockaddr_in from;

	for (;;) {
		socklen_t length = sizeof(from);
		ssize_t size = recvfrom(sock, data, sizeof(data), 0,
					(struct sockaddr *)&from, &length);

		if (size < 0 || sendto(sock, data, (size_t)size, 0,
				       (struct sockaddr *)&from, length) < 0)
			return fail("echo");
	}
}

/* Whom a packet is for stands in it: both names change places, as they do in paxos.ko. */
static int serve_ethernet(int sock)
{
	uint8_t data[BUFFER_BYTES];
	struct sockaddr_ll from;

	for (;;) {
		socklen_t length = sizeof(from);
		ssize_t size = recvfrom(sock, data, sizeof(data), 0,
					(struct sockaddr *)&from, &length);
		struct px_packet packet, answer;

		if (size < 0)
			return fail("recvfrom");
		if (!px_packet_read_header(&packet, data, (uint32_t)size) ||
		    packet.receiver != SERVER)
			continue;
		answer = (struct px_packet){ packet.receiver, packet.sender, packet.bytes };
		px_packet_write_header(data, &answer);
		if (sendto(sock, data, PX_PACKET_HEADER_BYTES + packet.bytes, 0,
			   (struct sockaddr *)&from, length) < 0)
			return fail("sendto");
	}
}

/* The client */

struct client {
	int sock;
	const struct sockaddr_ll *to;	/* NULL: the socket is connected */
	uint8_t packet[PACKET_BYTES];
	uint32_t *latency_ns;
	uint32_t outstanding;
};

static int send_one(struct client *client)
{
	uint64_t now = now_ns();
	socklen_t length = client->to ? sizeof(*client->to) : 0;

	memcpy(client->packet + PX_PACKET_OVERHEAD_BYTES, &now, sizeof(now));
	if (sendto(client->sock, client->packet, PACKET_BYTES, 0,
		   (const struct sockaddr *)client->to, length) < 0)
		return fail("sendto");
	return 0;
}

/* Nanoseconds that an echo took, or 0 if it went wrong. */
static uint64_t receive_one(struct client *client)
{
	uint8_t data[BUFFER_BYTES];
	uint64_t sent;

	for (;;) {
		ssize_t size = recv(client->sock, data, sizeof(data), 0);

		if (size < 0) {
			fail("recv");
			return 0;
		}
		if (size < (ssize_t)PACKET_BYTES)
			continue;
		memcpy(&sent, data + PX_PACKET_OVERHEAD_BYTES, sizeof(sent));
		return now_ns() - sent + 1;
	}
}

static int run(struct client *client, uint32_t count)
{
	uint32_t sent = 0;

	for (uint32_t received = 0; received < count; received++) {
		uint64_t took;

		while (sent < count && sent - received < client->outstanding) {
			if (send_one(client))
				return -1;
			sent++;
		}
		took = receive_one(client);
		if (!took)
			return -1;
		client->latency_ns[received] = took > UINT32_MAX ? UINT32_MAX : (uint32_t)took;
	}
	return 0;
}

static int by_size(const void *one, const void *other)
{
	uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;

	return (a > b) - (a < b);
}

static int measure(struct client *client, uint32_t count, uint32_t warm_up)
{
	struct timeval patience = { .tv_sec = 30 };
	struct px_packet header = {
		.sender = CLIENT, .receiver = SERVER,
		.bytes = PX_PACKET_LENGTH_BYTES + FRAME_BYTES,
	};
	uint32_t most = count > warm_up ? count : warm_up;
	char line[8];
	uint64_t took;

	px_packet_write_header(client->packet, &header);
	px_packet_write_length(client->packet + PX_PACKET_HEADER_BYTES, FRAME_BYTES);
	client->latency_ns = calloc(most, sizeof(*client->latency_ns));
	if (!client->latency_ns)
		return fail("memory");
	if (setsockopt(client->sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)))
		return fail("SO_RCVTIMEO");
	if (run(client, warm_up))
		return -1;
	puts("ready");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return -1;
	took = now_ns();
	if (run(client, count))
		return -1;
	took = now_ns() - took;
	puts("done");
	fflush(stdout);
	qsort(client->latency_ns, count, sizeof(*client->latency_ns), by_size);
	printf("{\"count\": %u, \"ns\": %llu, \"p50_ns\": %u, \"p99_ns\": %u}\n", count,
	       (unsigned long long)took, client->latency_ns[count / 2],
	       client->latency_ns[(uint64_t)count * 99 / 100]);
	return 0;
}

static bool read_mac(struct sockaddr_ll *to, const char *text)
{
	unsigned int mac[6];

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x", &mac[0], &mac[1], &mac[2], &mac[3],
		   &mac[4], &mac[5]) != 6)
		return false;
	for (int i = 0; i < 6; i++)
		to->sll_addr[i] = (uint8_t)mac[i];
	return true;
}

static int client_main(bool udp, char **words)
{
	struct client client = { 0 };
	struct sockaddr_ll to;
	uint32_t count = (uint32_t)strtoul(words[udp ? 2 : 3], NULL, 0);
	uint32_t warm_up = (uint32_t)strtoul(words[udp ? 4 : 5], NULL, 0);

	client.outstanding = (uint32_t)strtoul(words[udp ? 3 : 4], NULL, 0);
	if (!count || !warm_up || !client.outstanding) {
		fputs(usage, stderr);
		return -1;
	}
	client.sock = udp ? open_udp(words[0], words[1], false) :
			    open_ethernet(words[0], words[1], &to);
	if (client.sock < 0)
		return -1;
	if (!udp) {
		if (!read_mac(&to, words[2])) {
			fputs(usage, stderr);
			return -1;
		}
		client.to = &to;
	}
	return measure(&client, count, warm_up);
}

static int server_main(bool udp, char **words)
{
	struct sockaddr_ll unused;
	int sock = udp ? open_udp(words[0], words[1], true) :
			 open_ethernet(words[0], words[1], &unused);

	if (sock < 0)
		return -1;
	puts("ready");
	fflush(stdout);
	return udp ? serve_udp(sock) : serve_ethernet(sock);
}

int main(int count, char **words)
{
	bool server = count > 1 && !strcmp(words[1], "server");
	bool udp = count > 2 && !strcmp(words[2], "udp");
	int wanted = server ? 5 : udp ? 8 : 9;

	if (count != wanted || (!server && strcmp(words[1], "client")) ||
	    (!udp && strcmp(words[2], "ethernet"))) {
		fputs(usage, stderr);
		return 2;
	}
	alarm(SECONDS_MAX);
	return (server ? server_main : client_main)(udp, words + 3) ? 1 : 0;
}
