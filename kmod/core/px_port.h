/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The records of uapi/paxos.h, to and from a core. The module's read() and
 * write() and the library in user space are this same code, so that one driver
 * serves both.
 */
#ifndef PX_PORT_H
#define PX_PORT_H

#include "px.h"

#pragma GCC visibility push(default)	/* all else stays inside a library */

enum px_port_kind {
	PX_PORT_DEVICE,		/* messages go to px_next_message(), frames come by px_receive() */
	PX_PORT_LIBRARY,	/* also FRAME and TICK in, SEND out */
};

struct px_port {
	struct px *px;
	enum px_port_kind kind;
	bool started;
	bool durable;		/* without it every write counts as persisted at once */
	u64 dropped[16];	/* inputs not taken, by -enum px_error */
};

/*
 * Take whole records from `data`; returns the bytes taken. Stops before a record
 * that must wait (PROPOSE while PX_OVERLOADED), so a short count means "later",
 * and 0 "not now". Negative if the first record is none: PX_DROP_MALFORMED.
 * A record that is not taken for another reason is counted in `dropped`.
 */
s64 px_port_write(struct px_port *port, const u8 *data, u64 bytes);

/* px_take() and, unless durable, px_persisted() until nothing more follows. */
int px_port_settle(struct px_port *port);

/*
 * Fill `data` with whole records, as many as fit; returns the bytes, 0 if there
 * is nothing. -1 if the first does not fit. Peeks: nothing counts as handed out
 * before px_port_commit(), so a copy that fails loses nothing.
 */
s64 px_port_read(struct px_port *port, u8 *data, u64 bytes);
void px_port_commit(struct px_port *port);

/* Whether px_port_read() would give something. */
bool px_port_readable(const struct px_port *port);

/* The same, but for decided values: those that nobody waits for can be read later, together. */
bool px_port_urgent(const struct px_port *port);

#pragma GCC visibility pop

#endif
