/* Looks at a byte of the packet so many times, and then no more. */
#include "../include/context.h"

SEC("xdp")
int wait_for_byte(struct xdp *xdp)
{
	volatile u8 *byte = (void *)(long)xdp->data;
	u8 *end = (void *)(long)xdp->data_end;

	if ((u8 *)byte + 1 > end)
		return XDP_PASS;
	for (int tries = 0; *byte == 0; tries++)
		if (tries == 16)
			return XDP_PASS;
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
