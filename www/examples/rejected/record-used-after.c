/* A record that was submitted belongs to its reader: it can't be written any more. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct record {
	__u64 time;
	__u64 length;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} records SEC(".maps");

SEC("xdp")
int tell(struct xdp_md *ctx)
{
	struct record *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);

	if (!record)
		return XDP_PASS;
	record->time = bpf_ktime_get_ns();
	bpf_ringbuf_submit(record, 0);
	record->length = ctx->data_end - ctx->data;
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
