// SPDX-License-Identifier: GPL-2.0 OR MIT
/* CRC-32 of IEEE 802.3, eight bytes at a step. The table is made once, at load. */
#include <px_deps.h>

#define POLYNOMIAL 0xedb88320u	/* reflected */

static u32 table[8][256];

__attribute__((constructor)) static void make_table(void)
{
	for (u32 byte = 0; byte < 256; byte++) {
		u32 crc = byte;

		for (u32 bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
		table[0][byte] = crc;
	}
	for (u32 byte = 0; byte < 256; byte++)
		for (u32 step = 1; step < 8; step++)
			table[step][byte] = table[step - 1][byte] >> 8 ^
					    table[0][table[step - 1][byte] & 0xff];
}

static u32 read_le32(const u8 *at)
{
	return (u32)at[0] | (u32)at[1] << 8 | (u32)at[2] << 16 | (u32)at[3] << 24;
}

static u32 eight_bytes(u32 crc, const u8 *at)
{
	u32 low = crc ^ read_le32(at);
	u32 high = read_le32(at + 4);

	return table[7][low & 0xff] ^ table[6][low >> 8 & 0xff] ^
	       table[5][low >> 16 & 0xff] ^ table[4][low >> 24] ^
	       table[3][high & 0xff] ^ table[2][high >> 8 & 0xff] ^
	       table[1][high >> 16 & 0xff] ^ table[0][high >> 24];
}

u32 px_crc32(u32 crc, const void *data, size_t bytes)
{
	const u8 *at = data;

	crc = ~crc;
	for (; bytes >= 8; bytes -= 8, at += 8)
		crc = eight_bytes(crc, at);
	for (; bytes; bytes--, at++)
		crc = crc >> 8 ^ table[0][(crc ^ *at) & 0xff];
	return ~crc;
}
