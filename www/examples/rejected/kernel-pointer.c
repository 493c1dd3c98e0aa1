/* What a traced function was given is a number: reading where it points to could fail. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

SEC("kprobe/do_unlinkat")
int first_word(struct pt_regs *ctx)
{
	__u64 *name = (void *)PT_REGS_PARM2(ctx);

	return *name == 0;
}

char _license[] SEC("license") = "GPL";
