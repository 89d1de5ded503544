/* The host CPU as an oracle: runs given bytes natively, in 64-, 32- or 16-bit user mode, with full
 * control of the general registers, EFLAGS, x87/MMX/SSE state (an FXSAVE image) and a window of memory,
 * and returns the complete state after them, or the fault.
 *
 * A program of its own, so that nothing of ours lies below 4 GiB but the pages listed here:
 *     hostcpu FD RECORDS      FD: shared memory that holds RECORDS records (struct record)
 * It reads commands {int64 first, count, how} from stdin and answers each with an int64, the number of
 * workers that died. Workers are forked and locked down by seccomp (only exit is left), so any bytes
 * may be tried; a record whose worker died gets status 2.
 *
 * how: RUN_STEP   single step: one instruction of any kind, also jumps
 *      RUN_JUMP   the bytes are followed by a far jump back: straight-line code, ten times faster
 * A fault is recorded in either. Not covered: what user mode cannot do (privileged instructions,
 * loading of segments with descriptors of the test's own, paging).
 *
 * x86-64 Linux only. gcc -O2 -o hostcpu hostcpu.c
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define CODE_VA 0x10000000UL        /* one page of code; nothing is mapped beside it */
#define DATA_VA 0x20000000UL        /* one page of data, zero but for the window */
#define CTL_VA 0x30000000UL         /* ours: below 4 GiB, reached by absolute addresses */
#define WINDOW 256
#define WINDOW_OFFSET 0x800

enum { RUN_STEP = 1, RUN_JUMP = 2 };
enum { STATUS_RAN = 1, STATUS_DIED = 2, STATUS_LOST = 3 };      /* LOST: the way back was overwritten */
/* Selectors that Linux gives every process, and those of the LDT below */
enum { CS64 = 0x33, CS32 = 0x23, DS32 = 0x2b, LDT_CS16 = 0x0f, LDT_BASED = 0x17, LDT_STACK16 = 0x1f,
       LDT_DOWN = 0x27, LDT_RO = 0x2f, LDT_CODE16 = 0x37, LDT_CODE32 = 0x3f };
/* record.segs: what the segment registers are in 16- and 32-bit modes; FS is always null.
 * BASED: DS, ES, GS, and with 16-bit code SS, have a base and a limit; CODE: CS too, and SS always. */
enum { SEGS_FLAT = 0, SEGS_BASED = 1, SEGS_CODE = 2 };

struct record {                     /* input and output; host.py has the same in numpy's words */
    uint64_t gpr[16];
    uint64_t rip, rflags;
    uint8_t fx[512] __attribute__((aligned(16)));
    uint8_t data[WINDOW];
    uint32_t sig, trapno;
    uint64_t err, cr2;
    uint32_t codelen, mode, status, segs;
    uint8_t code[16];
};

struct control {
    uint64_t iret[5];               /* rip cs rflags rsp ss */
    uint64_t gpr[16];
    uint8_t fx[512] __attribute__((aligned(64)));
    uint64_t out_gpr[16], out_flags, out_done;
    uint8_t out_fx[512] __attribute__((aligned(64)));
    uint64_t stack[64];
};
#define CTL ((volatile struct control *) CTL_VA)
#define LEAVE_POINTER (CTL_VA + 0x1f00)
#define FINISH_POINTER (CTL_VA + 0x1f08)
#define THUNK (CTL_VA + 0x1e00)

static struct record *current;

/* Our own registers meanwhile: above 4 GiB, where no test can change them. */
static struct { uint64_t rsp, rbx, rbp, r12, r13, r14, r15, pad; uint8_t fx[512]; } ours
    __attribute__((used, aligned(64)));
static uint8_t *signal_stack;

#define AT(name, field) [name] "i"(CTL_VA + offsetof(struct control, field))
#define SAVE_HOST "movq %%rsp, ours(%%rip)\n movq %%rbx, ours+8(%%rip)\n movq %%rbp, ours+16(%%rip)\n" \
                  "movq %%r12, ours+24(%%rip)\n movq %%r13, ours+32(%%rip)\n movq %%r14, ours+40(%%rip)\n" \
                  "movq %%r15, ours+48(%%rip)\n fxsave64 ours+64(%%rip)\n"
#define LOAD_GUEST "movq %c[gpr]+0, %%rax\n movq %c[gpr]+8, %%rcx\n movq %c[gpr]+16, %%rdx\n" \
                   "movq %c[gpr]+24, %%rbx\n movq %c[gpr]+40, %%rbp\n movq %c[gpr]+48, %%rsi\n" \
                   "movq %c[gpr]+56, %%rdi\n movq %c[gpr]+64, %%r8\n movq %c[gpr]+72, %%r9\n" \
                   "movq %c[gpr]+80, %%r10\n movq %c[gpr]+88, %%r11\n movq %c[gpr]+96, %%r12\n" \
                   "movq %c[gpr]+104, %%r13\n movq %c[gpr]+112, %%r14\n movq %c[gpr]+120, %%r15\n"

/* Into the tested code through IRET: TF, when wanted, traps after its first instruction. */
__attribute__((naked, noinline)) static void enter_by_iret(void)
{
    __asm__ volatile(SAVE_HOST
        "fxrstor64 %c[fx]\n movq $%c[iret], %%rsp\n" LOAD_GUEST "iretq\n"
        :: AT(fx, fx), AT(gpr, gpr), AT(iret, iret));
}

/* The same through POPF and a far jump, which costs a third of an IRET. */
__attribute__((naked, noinline)) static void enter_by_jump(void)
{
    __asm__ volatile(SAVE_HOST
        "fxrstor64 %c[fx]\n movq $%c[stack]+480, %%rsp\n" LOAD_GUEST
        "pushq %c[iret]+16\n popfq\n movq %c[iret]+24, %%rsp\n ljmpl *%c[iret]\n"
        :: AT(fx, fx), AT(gpr, gpr), AT(iret, iret), AT(stack, stack));
}

/* Back into the function that called enter_*. */
__attribute__((naked, noinline, used)) static void leave(void)
{
    __asm__ volatile(
        "movq ours(%%rip), %%rsp\n movq ours+8(%%rip), %%rbx\n movq ours+16(%%rip), %%rbp\n"
        "movq ours+24(%%rip), %%r12\n movq ours+32(%%rip), %%r13\n movq ours+40(%%rip), %%r14\n"
        "movq ours+48(%%rip), %%r15\n pushq $0x202\n popfq\n fxrstor64 ours+64(%%rip)\n cld\n ret\n" ::);
}

/* Where the jump behind the tested code ends: no signal was needed. */
__attribute__((naked, noinline, used)) static void finish(void)
{
    __asm__ volatile(
        "movq %%rsp, %c[out]+32\n movq $%c[stack]+480, %%rsp\n pushfq\n popq %c[flags]\n"
        "movq %%rax, %c[out]+0\n movq %%rcx, %c[out]+8\n movq %%rdx, %c[out]+16\n"
        "movq %%rbx, %c[out]+24\n movq %%rbp, %c[out]+40\n movq %%rsi, %c[out]+48\n"
        "movq %%rdi, %c[out]+56\n movq %%r8, %c[out]+64\n movq %%r9, %c[out]+72\n"
        "movq %%r10, %c[out]+80\n movq %%r11, %c[out]+88\n movq %%r12, %c[out]+96\n"
        "movq %%r13, %c[out]+104\n movq %%r14, %c[out]+112\n movq %%r15, %c[out]+120\n"
        "pushq $0x202\n popfq\n fxsave64 %c[outfx]\n movq $1, %c[done]\n jmp *%c[leave]\n"
        :: AT(out, out_gpr), AT(flags, out_flags), AT(stack, stack), AT(outfx, out_fx),
           AT(done, out_done), [leave] "i"(LEAVE_POINTER));
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
    __asm__ volatile("pushfq\n andl $~0x44000, (%%rsp)\n popfq" ::: "cc", "memory"); /* AC, NT */
    static const int order[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                   REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15 };
    ucontext_t *u = context;
    greg_t *g = u->uc_mcontext.gregs;
    struct record *r = current;
    for (int i = 0; i < 16; i++)
        r->gpr[i] = g[order[i]];
    r->rip = g[REG_RIP];
    r->rflags = g[REG_EFL];
    r->sig = sig;
    r->trapno = g[REG_TRAPNO];
    r->err = g[REG_ERR];
    r->cr2 = g[REG_CR2];
    if (u->uc_mcontext.fpregs)
        memcpy(r->fx, u->uc_mcontext.fpregs, 416);
    memset(r->fx + 416, 0, 96);
    /* No sigreturn: the handler blocks nothing (SA_NODEFER), so leaving its stack is enough. */
    __asm__ volatile("jmp *%0" :: "m"(*(uint64_t *) LEAVE_POINTER) : "memory");
}

static void map_at(unsigned long va, unsigned long size, int prot)
{
    if (mmap((void *) va, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != (void *) va) {
        perror("hostcpu: mmap");
        exit(3);
    }
}

static void set_ldt(int entry, unsigned base, unsigned limit, int big, int contents, int read_only)
{
    struct user_desc d = { .entry_number = entry, .base_addr = base, .limit = limit, .seg_32bit = big,
                           .contents = contents, .read_exec_only = read_only, .useable = 1 };
    if (base == 0)
        d.limit_in_pages = 1;
    if (syscall(SYS_modify_ldt, 1, &d, sizeof d) != 0) {
        perror("hostcpu: modify_ldt");
        exit(3);
    }
}

static void setup(void)
{
    static const uint8_t thunk[] = { 0xff, 0x24, 0x25, 0x08, 0x1f, 0x00, 0x30 }; /* jmp [FINISH_POINTER] */
    map_at(CODE_VA, 0x1000, PROT_READ | PROT_WRITE | PROT_EXEC);
    map_at(DATA_VA, 0x1000, PROT_READ | PROT_WRITE);
    map_at(CTL_VA, 0x2000, PROT_READ | PROT_WRITE | PROT_EXEC);
    *(uint64_t *) LEAVE_POINTER = (uint64_t) leave;
    *(uint64_t *) FINISH_POINTER = (uint64_t) finish;
    memcpy((void *) THUNK, thunk, sizeof thunk);
    signal_stack = mmap(0, 0x20000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    set_ldt(LDT_CS16 >> 3, 0, 0xfffff, 0, MODIFY_LDT_CONTENTS_CODE, 0);
    set_ldt(LDT_BASED >> 3, DATA_VA, 0x8ff, 1, MODIFY_LDT_CONTENTS_DATA, 0);
    set_ldt(LDT_STACK16 >> 3, DATA_VA, 0x8ff, 0, MODIFY_LDT_CONTENTS_DATA, 0);
    set_ldt(LDT_DOWN >> 3, DATA_VA, 0x81f, 0, MODIFY_LDT_CONTENTS_STACK, 0);
    set_ldt(LDT_RO >> 3, DATA_VA, 0x8ff, 1, MODIFY_LDT_CONTENTS_DATA, 1);
    set_ldt(LDT_CODE16 >> 3, CODE_VA, 0x7ff, 0, MODIFY_LDT_CONTENTS_CODE, 0);
    set_ldt(LDT_CODE32 >> 3, CODE_VA, 0x7ff, 1, MODIFY_LDT_CONTENTS_CODE, 0);
}

static void catch_signals(void)
{
    static const int signals[] = { SIGTRAP, SIGSEGV, SIGILL, SIGFPE, SIGBUS, SIGSYS };
    stack_t stack = { .ss_sp = signal_stack, .ss_size = 0x20000 };
    struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
    sigaltstack(&stack, 0);
    for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &action, 0);
}

static void lock_down(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP) };
    struct sock_fprog program = { sizeof filter / sizeof *filter, filter };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        _exit(4);
}

static void load_segments(unsigned ds, unsigned es, unsigned gs)
{
    __asm__ volatile("mov %0, %%ds\n mov %1, %%es\n mov %2, %%gs" :: "r"(ds), "r"(es), "r"(gs));
}

static void run_one(struct record *r, int how)
{
    unsigned length = r->codelen & 15;
    uint8_t bytes[32], *q = bytes + length;
    unsigned cs = r->mode == 64 ? CS64 : r->mode == 32 ? CS32 : LDT_CS16;
    unsigned based = r->segs != SEGS_FLAT && r->mode != 64;
    uint64_t eip = CODE_VA;
    if (based && r->segs == SEGS_CODE) {
        cs = r->mode == 32 ? LDT_CODE32 : LDT_CODE16;
        eip = 0;
    }
    current = r;
    memset(bytes, 0xF4, sizeof bytes);
    memcpy(bytes, r->code, length);
    /* The way back; also where it is not taken, so that what stands there is always the same. */
    if (r->mode == 64) {
        memcpy(q, (void *) THUNK, 7);
    } else {
        uint32_t to = THUNK;
        if (r->mode == 16)
            *q++ = 0x66;
        *q++ = 0xea;                            /* jmp far CS64:THUNK */
        memcpy(q, &to, 4);
        q[4] = CS64;
        q[5] = 0;
    }
    memcpy((void *) CODE_VA, bytes, sizeof bytes);
    memset((void *) (CODE_VA + sizeof bytes), 0, 4096 - sizeof bytes);
    CTL->out_done = 0;
    r->sig = 0;
    memset((void *) DATA_VA, 0, 4096);
    memcpy((void *) (DATA_VA + WINDOW_OFFSET), r->data, WINDOW);
    memcpy((void *) CTL->gpr, r->gpr, sizeof r->gpr);
    memcpy((void *) CTL->fx, r->fx, 512);
    CTL->iret[0] = eip;
    CTL->iret[1] = cs;
    /* CF PF AF ZF SF DF OF and the user's own NT AC ID */
    CTL->iret[2] = (r->rflags & 0x244CD5) | 0x202 | (how == RUN_STEP ? 0x100 : 0);
    CTL->iret[3] = r->gpr[4];
    CTL->iret[4] = based && (r->mode == 16 || r->segs == SEGS_CODE) ? LDT_STACK16 : DS32;
    if (based)
        load_segments(LDT_BASED, LDT_RO, LDT_DOWN);
    else if (r->mode != 64)
        load_segments(DS32, DS32, 0);
    if (how == RUN_JUMP && CTL->iret[4] == DS32) {
        *(volatile uint64_t *) CTL->iret = eip | (uint64_t) cs << 32;    /* m16:32 */
        enter_by_jump();
    } else {
        enter_by_iret();
    }
    __asm__ volatile("" ::: "memory", "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11");
    if (r->mode != 64)
        load_segments(0, 0, 0);
    if (CTL->iret[4] != DS32)
        __asm__ volatile("mov %0, %%ss" :: "r"(DS32));  /* enter_by_jump keeps SS */
    if (CTL->out_done) {
        memcpy(r->gpr, (void *) CTL->out_gpr, sizeof r->gpr);
        r->rflags = CTL->out_flags;
        r->rip = eip + length;
        memcpy(r->fx, (void *) CTL->out_fx, 416);
        memset(r->fx + 416, 0, 96);
        r->sig = SIGTRAP;
        r->trapno = 1;
        r->err = r->cr2 = 0;
    }
    memcpy(r->data, (void *) (DATA_VA + WINDOW_OFFSET), WINDOW);
    r->status = memcmp((void *) (CODE_VA + length), bytes + length, sizeof bytes - length) ? STATUS_LOST : STATUS_RAN;
}

static int64_t run_all(struct record *records, int64_t end, int how, volatile int64_t *at)
{
    int64_t deaths = 0;
    while (*at < end) {
        pid_t pid = fork();
        if (pid < 0) {
            perror("hostcpu: fork");
            exit(3);
        }
        if (pid == 0) {
            struct itimerval limit = {.it_value.tv_sec = 2 + (end - *at) / 10000};
            setitimer(ITIMER_PROF, &limit, 0);  /* bytes that loop end the worker; processor time, as the host may be busy */
            catch_signals();
            lock_down();
            for (int64_t i = *at; i < end; i++) {
                *at = i;
                run_one(records + i, how);
            }
            *at = end;
            _exit(0);
        }
        waitpid(pid, 0, 0);
        if (*at < end) {
            records[*at].status = STATUS_DIED;
            deaths++;
            (*at)++;
        }
    }
    return deaths;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    size_t size = strtoul(argv[2], 0, 0) * sizeof(struct record);
    struct record *records = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED, atoi(argv[1]), 0);
    volatile int64_t *at = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int64_t command[3], answer;
    if (records == MAP_FAILED || (void *) at == MAP_FAILED) {
        perror("hostcpu: mmap");
        return 3;
    }
    setup();
    while (fread(command, sizeof command, 1, stdin) == 1) {
        *at = command[0];
        answer = run_all(records, command[0] + command[1], (int) command[2], at);
        fwrite(&answer, sizeof answer, 1, stdout);
        fflush(stdout);
    }
    return 0;
}
