/* A variable lies in a map that programs can write. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

volatile __u32 limit = 4;

SEC("tc")
int raise(struct __sk_buff *skb)
{
	if (skb->len > 1000)
		limit = 8;
	return skb->len > limit;
}

char _license[] SEC("license") = "GPL";
