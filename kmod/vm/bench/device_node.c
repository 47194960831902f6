// SPDX-License-Identifier: GPL-2.0 OR MIT
/* A replica in the kernel: commands by write(), decided values by read(), of /dev/paxos. */
#include "node.h"
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define STATUS_EVERY_SLOTS	1024u

struct device {
	const struct options *options;
	struct load *load;
	int fd;
	u64 asked_slots;	/* at how many slots the status was looked at last */
	u64 decided_to;		/* the slot behind the last one read */
	u8 *read;
	u8 *write;
	u32 written;
};

static int fail(const char *what)
{
	fprintf(stderr, "px_node: %s: %s\n", what, strerror(errno));
	return -1;
}

static u32 padded(u32 bytes)
{
	return (bytes + PAXOS_RECORD_ALIGN - 1) & ~(PAXOS_RECORD_ALIGN - 1u);
}

static int open_device(struct device *device)
{
	struct paxos_config config = device->options->config;

	device->fd = open(device->options->device, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (device->fd < 0)
		return fail(device->options->device);
	if (ioctl(device->fd, PAXOS_IOC_CONFIGURE, &config))
		return fail("CONFIGURE");
	if (ioctl(device->fd, PAXOS_IOC_START))
		return fail("START");
	return 0;
}

/* One more record to be written; false if there is no room. */
static bool add(struct device *device, u16 type, const u64 *number, const u8 *payload, u32 bytes)
{
	struct paxos_record record = {
		.length = htole32((u32)sizeof(record) + bytes),
		.type = htole16(type),
		.a = htole64(number[0]), .b = htole64(number[1]), .c = htole64(number[2]),
	};
	u32 size = padded((u32)sizeof(record) + bytes);
	u8 *at = device->write + device->written;

	if (device->written + size > READ_BYTES)
		return false;
	memset(at + size - PAXOS_RECORD_ALIGN, 0, PAXOS_RECORD_ALIGN);
	memcpy(at, &record, sizeof(record));
	if (bytes)
		memcpy(at + sizeof(record), payload, bytes);
	device->written += size;
	return true;
}

/* Write what was added; what the device does not take yet stays for later. */
static int flush(struct device *device)
{
	ssize_t taken;

	if (!device->written)
		return 0;
	taken = write(device->fd, device->write, device->written);
	if (taken < 0)
		return errno == EAGAIN ? 0 : fail("write");
	device->written -= (u32)taken;
	memmove(device->write, device->write + taken, device->written);
	return 0;
}

static void propose(struct device *device)
{
	const u64 none[3] = { 0 };

	while (load_wants(device->load)) {
		if (!add(device, PAXOS_PROPOSE, none, load_command(device->load),
			 device->options->command_bytes))
			break;
		load_sent(device->load);
	}
}

static void serve(struct device *device, u64 peer, u64 slot)
{
	u8 chunk[EMPTY_CHUNK_BYTES];

	empty_chunk_write(chunk, device->options, slot);
	add(device, PAXOS_SEND, (const u64[3]){ peer }, chunk, sizeof(chunk));
}

static void hear(struct device *device, const struct paxos_record *record, const u8 *payload)
{
	u32 bytes = le32toh(record->length) - (u32)sizeof(*record);

	switch (le16toh(record->type)) {
	case PAXOS_DECIDED:
		device->decided_to = le64toh(record->a) + 1;
		load_decided(device->load, payload, bytes);
		break;
	case PAXOS_LEADER:
		load_leader(device->load, le64toh(record->a));
		break;
	case PAXOS_SERVE:
		serve(device, le64toh(record->a), le64toh(record->b));
		break;
	default:
		break;
	}
}

/* Read all that is there; 1, 0 if that is nothing, or -1 if reading fails. */
static int drain(struct device *device)
{
	for (int found = 0;; found = 1) {
		ssize_t size = read(device->fd, device->read, READ_BYTES);
		u32 at = 0;

		if (size < 0)
			return errno == EAGAIN ? found : fail("read");
		while (at + sizeof(struct paxos_record) <= (u32)size) {
			struct paxos_record record;

			memcpy(&record, device->read + at, sizeof(record));
			hear(device, &record, device->read + at + sizeof(record));
			at += padded(le32toh(record.length));
		}
		/* A short read was all there is; to learn that again costs a system call. */
		if (size < READ_BYTES / 2)
			return 1;
	}
}

static int compact_if_due(struct device *device)
{
	struct paxos_status status;

	if (device->load->slots - device->asked_slots < STATUS_EVERY_SLOTS)
		return 0;
	device->asked_slots = device->load->slots;
	if (ioctl(device->fd, PAXOS_IOC_STATUS, &status))
		return fail("STATUS");
	if (status.snapshot_due)
		add(device, PAXOS_COMPACT, (const u64[3]){ device->decided_to, 0, 0 }, NULL, 0);
	return 0;
}

/* Wait until there is something to read, or room for what waits to be written. */
static int wait_for_more(struct device *device)
{
	struct pollfd ready = { .fd = device->fd, .events = POLLIN };

	if (device->written)
		ready.events |= POLLOUT;
	if (poll(&ready, 1, 1000) < 0 && errno != EINTR)
		return fail("poll");
	if (ready.revents & (POLLERR | POLLHUP)) {
		errno = ENETDOWN;
		return fail(device->options->interface);
	}
	return 0;
}

static int run(struct device *device)
{
	u64 end = now_ns() + (u64)(device->options->seconds * 1e9);

	while (!load_is_done(device->load) && now_ns() < end) {
		int found = drain(device);

		if (found < 0 || compact_if_due(device))
			return -1;
		propose(device);
		if (flush(device))
			return -1;
		/* Look again before waiting: what was just written may be decided already. */
		if (!found && wait_for_more(device))
			return -1;
	}
	return 0;
}

/**
 * device_node() - have the kernel be a replica until the time is over or the commands are done
 * @options: which one
 * @load: its client
 *
 * Return: 0; -1 if it went wrong, and then it has been said why.
 */
int device_node(const struct options *options, struct load *load)
{
	struct device device = { .options = options, .load = load, .fd = -1 };

	load->may_sleep = true;
	device.read = malloc(READ_BYTES);
	device.write = malloc(READ_BYTES);
	if (!device.read || !device.write)
		return fail("memory");
	return open_device(&device) || run(&device) ? -1 : 0;
}
