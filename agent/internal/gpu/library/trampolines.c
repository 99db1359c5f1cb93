// Every function of NVIDIA's library that the binding may call, as a jump to
// where the library has it. The binding leaves these names for the dynamic
// linker to find, which ends the process at the first call of a function that a
// driver lacks, and at the start where LD_BIND_NOW is set. A jump of ours that
// leads nowhere answers with an error instead.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>

#define NVML_ERROR_FUNCTION_NOT_FOUND 13

static int missing(void) { return NVML_ERROR_FUNCTION_NOT_FOUND; }
static const char *missing_text(void) { return "the driver's library is not loaded"; }

// A place for the address of each.
#define SLOT(name, absent) __attribute__((visibility("hidden"))) void *corral_slot_##name = (void *)absent;
#define X(name) SLOT(name, missing)
#include "symbols.h"
#undef X
SLOT(nvmlErrorString, missing_text)

#if defined(__x86_64__)
#define JUMP(name) "\tjmp *corral_slot_" #name "(%rip)\n"
#elif defined(__aarch64__)
#define JUMP(name) "\tadrp x16, corral_slot_" #name "\n\tldr x16, [x16, #:lo12:corral_slot_" #name "]\n\tbr x16\n"
#else
#error "NVIDIA's library is for x86-64 and arm64"
#endif

// Hidden, as the library must find its own functions and not these.
#define TRAMPOLINE(name) \
	"\t.globl " #name "\n\t.hidden " #name "\n\t.type " #name ", @function\n" #name ":\n" JUMP(name) "\t.size " #name ", .-" #name "\n"
#define X(name) __asm__("\t.text\n" TRAMPOLINE(name));
#include "symbols.h"
X(nvmlErrorString)
#undef X

static const struct {
	const char *name;
	void **slot;
	void *absent;
} table[] = {
#define X(name) {#name, &corral_slot_##name, (void *)missing},
#include "symbols.h"
#undef X
	{"nvmlErrorString", &corral_slot_nvmlErrorString, (void *)missing_text},
};

// corral_bind looks all of them up in a library that dlopen returned, and returns
// the file that it is in, or NULL where it has none of them.
const char *corral_bind(void *library) {
	const char *file = NULL;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		void *found = dlsym(library, table[i].name);
		*table[i].slot = found != NULL ? found : table[i].absent;
		Dl_info info;
		if (file == NULL && found != NULL && dladdr(found, &info) != 0)
			file = info.dli_fname;
	}
	return file;
}
