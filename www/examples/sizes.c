/* Tells a histogram of packet sizes: a variable index into an array, masked so that it stays inside. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#define SLOTS 16

struct histogram {
	__u64 slots[SLOTS];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct histogram);
} sizes SEC(".maps");

SEC("tc")
int measure(struct __sk_buff *skb)
{
	__u32 key = 0;
	struct histogram *histogram = bpf_map_lookup_elem(&sizes, &key);

	if (!histogram)
		return TC_ACT_OK;
	/* 128 bytes to a slot; what is longer than all of them counts in the last. */
	__u32 slot = skb->len / 128;
	if (slot >= SLOTS)
		slot = SLOTS - 1;
	histogram->slots[slot]++;
	return TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
