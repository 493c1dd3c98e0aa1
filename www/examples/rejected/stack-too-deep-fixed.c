/* All functions that are active at once share 512 bytes of stack, and these need fewer. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

static __attribute__((noinline)) int sum(const __u8 *bytes)
{
	volatile __u8 copy[300];
	int total = 0;

	for (int i = 0; i < 300; i++)
		copy[i] = bytes[i % 16];
	for (int i = 0; i < 300; i += 16)
		total += copy[i];
	return total;
}

SEC("tc")
int deep(struct __sk_buff *skb)
{
	volatile __u8 buffer[64];

	for (int i = 0; i < 64; i++)
		buffer[i] = skb->len;
	return sum((const __u8 *)buffer) > 16;
}

char _license[] SEC("license") = "GPL";
