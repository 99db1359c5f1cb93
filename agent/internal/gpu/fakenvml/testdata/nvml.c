// A library like NVIDIA's, whose cards do what a file says. The file is named by
// FAKE_NVML and read anew at each call, so that a test can change it meanwhile.
// Each line is a word and what belongs to it:
//
//	cards N              there are N cards; 1 without it
//	driver VERSION       the driver's version
//	order A B ...        which card is in which place
//	gone K               card K is not listed any more
//	lost K, reset K      what is asked of card K is answered by GPU_IS_LOST, RESET_REQUIRED
//	mig K                card K is cut up into two parts
//	xid SEQ K CODE       card K has a fault; each is told once, in the order of SEQ
//	process K PID MIB    a process computes on card K
//	load MIB             so much more memory is used on each card
//	fail CALL CODE [K]   a call is answered by CODE, of card K alone or of all
//	hang CALL, crash CALL, print CALL
//
// Each call is a line of the file that FAKE_NVML_CALLS names: its name, the card
// and an argument, as far as it has them.

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NVML_NO_UNVERSIONED_FUNC_DEFS 1
#include "nvml.h"

enum { CARDS = 16, PARTS = 2, NONE = -1 };

struct nvmlDevice_st {
	int card;
	int part; // NONE for the card itself
};

static struct nvmlDevice_st cards[CARDS];
static struct nvmlDevice_st parts[CARDS][PARTS];
static unsigned registered; // cards, by bit

static char control[8192];
static char *lines[256];
static int line_count;

// read_control reads the file. Calls are made by one thread at a time.
static void read_control(void) {
	const char *path = getenv("FAKE_NVML");
	ssize_t n = 0;
	int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, control, sizeof control - 1);
		close(fd);
	}
	control[n > 0 ? n : 0] = 0;
	line_count = 0;
	for (char *rest = control, *line; (line = strsep(&rest, "\n")) != NULL && line_count < 256;)
		lines[line_count++] = line;
}

// says reports whether a line has this word and this number.
static int says(const char *word, int k) {
	char want[64];
	for (int i = 0; i < line_count; i++) {
		snprintf(want, sizeof want, "%s %d", word, k);
		if (strcmp(lines[i], want) == 0)
			return 1;
	}
	return 0;
}

static int named(const char *word, const char *call) {
	char want[160];
	snprintf(want, sizeof want, "%s %s", word, call);
	for (int i = 0; i < line_count; i++)
		if (strcmp(lines[i], want) == 0)
			return 1;
	return 0;
}

static void log_call(const char *call, int card, int argument) {
	const char *path = getenv("FAKE_NVML_CALLS");
	if (path == NULL)
		return;
	char line[160];
	int n = snprintf(line, sizeof line, "%s %d %d\n", call, card, argument);
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, line, n) != n)
		abort();
	close(fd);
}

static nvmlReturn_t enter(const char *call, int card, int argument) {
	log_call(call, card, argument);
	read_control();
	while (named("hang", call))
		pause();
	if (named("crash", call))
		*(volatile int *)0 = 1;
	if (named("print", call)) {
		printf("%s was called, says the library\n", call);
		fflush(stdout);
	}
	for (int i = 0; i < line_count; i++) {
		char name[128];
		int code, only = NONE;
		if (sscanf(lines[i], "fail %127s %d %d", name, &code, &only) >= 2 && strcmp(name, call) == 0 && (only == NONE || only == card))
			return code;
	}
	if (card != NONE && says("lost", card))
		return NVML_ERROR_GPU_IS_LOST;
	if (card != NONE && says("reset", card))
		return NVML_ERROR_RESET_REQUIRED;
	return NVML_SUCCESS;
}

#define CALL(name, card, argument) \
	do { \
		nvmlReturn_t entered = enter(name, card, argument); \
		if (entered != NVML_SUCCESS) \
			return entered; \
	} while (0)

static void text(char *to, unsigned size, const char *from) { snprintf(to, size, "%s", from); }

static int number(const char *word, int otherwise) {
	int n;
	char format[32];
	snprintf(format, sizeof format, "%s %%d", word);
	for (int i = 0; i < line_count; i++)
		if (sscanf(lines[i], format, &n) == 1)
			return n;
	return otherwise;
}

// The system.

nvmlReturn_t nvmlInit_v2(void) { CALL("nvmlInit_v2", NONE, 0); return NVML_SUCCESS; }
nvmlReturn_t nvmlInit(void) { CALL("nvmlInit", NONE, 0); return NVML_SUCCESS; }
nvmlReturn_t nvmlShutdown(void) { CALL("nvmlShutdown", NONE, 0); return NVML_SUCCESS; }
const char *nvmlErrorString(nvmlReturn_t result) { (void)result; return "a fake error"; }

nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length) {
	CALL("nvmlSystemGetDriverVersion", NONE, 0);
	char v[64] = "550.54.14";
	for (int i = 0; i < line_count; i++)
		sscanf(lines[i], "driver %63s", v);
	text(version, length, v);
	return NVML_SUCCESS;
}
nvmlReturn_t nvmlSystemGetNVMLVersion(char *version, unsigned int length) {
	CALL("nvmlSystemGetNVMLVersion", NONE, 0);
	text(version, length, "12.550.54.14");
	return NVML_SUCCESS;
}
nvmlReturn_t nvmlSystemGetCudaDriverVersion(int *version) {
	CALL("nvmlSystemGetCudaDriverVersion", NONE, 0);
	*version = 12040;
	return NVML_SUCCESS;
}

// in_place returns the card in a place.
static int in_place(int place) {
	int order[CARDS], n = 0;
	for (int k = 0; k < CARDS; k++)
		order[k] = k;
	for (int i = 0; i < line_count; i++)
		if (strncmp(lines[i], "order ", 6) == 0) {
			char copy[128], *rest = copy, *word;
			text(copy, sizeof copy, lines[i] + 6);
			while (n < CARDS && (word = strsep(&rest, " ")) != NULL)
				order[n++] = atoi(word);
		}
	for (int k = 0; k < CARDS; k++)
		if (!says("gone", order[k]) && place-- == 0)
			return order[k];
	return NONE;
}

static unsigned count(void) {
	unsigned n = number("cards", 1), all = n;
	for (unsigned k = 0; k < all; k++)
		n -= says("gone", k);
	return n;
}

nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *n) { CALL("nvmlDeviceGetCount_v2", NONE, 0); *n = count(); return NVML_SUCCESS; }
nvmlReturn_t nvmlDeviceGetCount(unsigned int *n) { CALL("nvmlDeviceGetCount", NONE, 0); *n = count(); return NVML_SUCCESS; }

static nvmlReturn_t handle(const char *call, int card, nvmlDevice_t *device) {
	CALL(call, card, 0);
	cards[card].card = card;
	cards[card].part = NONE;
	device->handle = &cards[card];
	return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int place, nvmlDevice_t *device) {
	read_control();
	return place < count() ? handle("nvmlDeviceGetHandleByIndex_v2", in_place(place), device) : NVML_ERROR_INVALID_ARGUMENT;
}
nvmlReturn_t nvmlDeviceGetHandleByIndex(unsigned int place, nvmlDevice_t *device) {
	read_control();
	return place < count() ? handle("nvmlDeviceGetHandleByIndex", in_place(place), device) : NVML_ERROR_INVALID_ARGUMENT;
}
// The bus of card K is K+1.
nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char *bus, nvmlDevice_t *device) {
	unsigned domain, number;
	read_control();
	if (sscanf(bus, "%x:%x", &domain, &number) != 2 || number < 1 || number > count())
		return NVML_ERROR_NOT_FOUND;
	return handle("nvmlDeviceGetHandleByPciBusId_v2", number - 1, device);
}
nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t d, unsigned int *index) {
	CALL("nvmlDeviceGetIndex", d.handle->card, 0);
	for (unsigned place = 0; place < count(); place++)
		if (in_place(place) == d.handle->card)
			*index = place;
	return NVML_SUCCESS;
}

// What a card is.

nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t d, char *uuid, unsigned int length) {
	CALL("nvmlDeviceGetUUID", d.handle->card, 0);
	if (d.handle->part == NONE)
		snprintf(uuid, length, "GPU-%d", d.handle->card);
	else
		snprintf(uuid, length, "MIG-%d-%d", d.handle->card, d.handle->part);
	return NVML_SUCCESS;
}

#define TEXT(name, format) \
	nvmlReturn_t name(nvmlDevice_t d, char *to, unsigned int length) { \
		CALL(#name, d.handle->card, 0); \
		snprintf(to, length, format, d.handle->card); \
		return NVML_SUCCESS; \
	}
TEXT(nvmlDeviceGetName, "Fake GPU %d")
TEXT(nvmlDeviceGetSerial, "serial %d")
TEXT(nvmlDeviceGetVbiosVersion, "96.00.%02d")

#define PCI(name) \
	nvmlReturn_t name(nvmlDevice_t d, nvmlPciInfo_t *pci) { \
		CALL(#name, d.handle->card, 0); \
		memset(pci, 0, sizeof *pci); \
		pci->bus = d.handle->card + 1; \
		return NVML_SUCCESS; \
	}
PCI(nvmlDeviceGetPciInfo_v3)
PCI(nvmlDeviceGetPciInfo_v2)
PCI(nvmlDeviceGetPciInfo)

nvmlReturn_t nvmlDeviceGetArchitecture(nvmlDevice_t d, nvmlDeviceArchitecture_t *a) {
	CALL("nvmlDeviceGetArchitecture", d.handle->card, 0);
	*a = NVML_DEVICE_ARCH_HOPPER;
	return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetCudaComputeCapability(nvmlDevice_t d, int *major, int *minor) {
	CALL("nvmlDeviceGetCudaComputeCapability", d.handle->card, 0);
	*major = 9, *minor = 0;
	return NVML_SUCCESS;
}

// What a card does. Numbers differ from each other, and from card to card.

static int cut_up(nvmlDevice_t d) { return d.handle->part == NONE && says("mig", d.handle->card); }

nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t d, nvmlUtilization_t *u) {
	CALL("nvmlDeviceGetUtilizationRates", d.handle->card, 0);
	if (cut_up(d))
		return NVML_ERROR_NOT_SUPPORTED;
	u->gpu = 40 + d.handle->card, u->memory = 20 + d.handle->card;
	return NVML_SUCCESS;
}

static const unsigned long long GIB = 1ULL << 30;

nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t d, nvmlMemory_v2_t *m) {
	CALL("nvmlDeviceGetMemoryInfo_v2", d.handle->card, 0);
	m->total = (d.handle->part == NONE ? 80 : 10) * GIB, m->reserved = GIB, m->used = (2 + d.handle->card) * GIB + number("load", 0) * (GIB >> 10);
	m->free = m->total - m->reserved - m->used;
	return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t d, nvmlMemory_t *m) {
	CALL("nvmlDeviceGetMemoryInfo", d.handle->card, 0);
	m->total = (d.handle->part == NONE ? 80 : 10) * GIB, m->used = (3 + d.handle->card) * GIB; // with what is reserved
	m->free = m->total - m->used;
	return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t d, nvmlTemperatureSensors_t sensor, unsigned int *celsius) {
	CALL("nvmlDeviceGetTemperature", d.handle->card, sensor);
	*celsius = 50 + d.handle->card;
	return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetTemperatureV(nvmlDevice_t d, nvmlTemperature_t *t) {
	CALL("nvmlDeviceGetTemperatureV", d.handle->card, t->sensorType);
	t->temperature = 50 + d.handle->card;
	return NVML_SUCCESS;
}

#define UNSIGNED(name, value) \
	nvmlReturn_t name(nvmlDevice_t d, unsigned int *v) { \
		CALL(#name, d.handle->card, 0); \
		*v = (value) + d.handle->card; \
		return NVML_SUCCESS; \
	}
UNSIGNED(nvmlDeviceGetPowerUsage, 123000)
UNSIGNED(nvmlDeviceGetEnforcedPowerLimit, 650000)
UNSIGNED(nvmlDeviceGetPowerManagementDefaultLimit, 700000)
UNSIGNED(nvmlDeviceGetCurrPcieLinkGeneration, 1)
UNSIGNED(nvmlDeviceGetMaxPcieLinkGeneration, 5)
UNSIGNED(nvmlDeviceGetCurrPcieLinkWidth, 8)
UNSIGNED(nvmlDeviceGetMaxPcieLinkWidth, 16)
UNSIGNED(nvmlDeviceGetNumFans, 2)

nvmlReturn_t nvmlDeviceGetFanSpeed_v2(nvmlDevice_t d, unsigned int fan, unsigned int *percent) {
	CALL("nvmlDeviceGetFanSpeed_v2", d.handle->card, fan);
	*percent = 30 + fan;
	return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetPowerManagementLimitConstraints(nvmlDevice_t d, unsigned int *lowest, unsigned int *highest) {
	CALL("nvmlDeviceGetPowerManagementLimitConstraints", d.handle->card, 0);
	*lowest = 200000, *highest = 700000;
	return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t d, nvmlClockType_t type, unsigned int *mhz) {
	CALL("nvmlDeviceGetClockInfo", d.handle->card, type);
	*mhz = 1000 + 100 * type;
	return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetMaxClockInfo(nvmlDevice_t d, nvmlClockType_t type, unsigned int *mhz) {
	CALL("nvmlDeviceGetMaxClockInfo", d.handle->card, type);
	*mhz = 2000 + 100 * type;
	return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetPerformanceState(nvmlDevice_t d, nvmlPstates_t *state) {
	CALL("nvmlDeviceGetPerformanceState", d.handle->card, 0);
	*state = NVML_PSTATE_2;
	return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetCurrentClocksEventReasons(nvmlDevice_t d, unsigned long long *reasons) {
	CALL("nvmlDeviceGetCurrentClocksEventReasons", d.handle->card, 0);
	*reasons = nvmlClocksEventReasonSwPowerCap;
	return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetCurrentClocksThrottleReasons(nvmlDevice_t d, unsigned long long *reasons) {
	CALL("nvmlDeviceGetCurrentClocksThrottleReasons", d.handle->card, 0);
	*reasons = nvmlClocksEventReasonSwPowerCap;
	return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetTemperatureThreshold(nvmlDevice_t d, nvmlTemperatureThresholds_t which, unsigned int *celsius) {
	CALL("nvmlDeviceGetTemperatureThreshold", d.handle->card, which);
	*celsius = 85 + which;
	return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetMarginTemperature(nvmlDevice_t d, nvmlMarginTemperature_t *margin) {
	CALL("nvmlDeviceGetMarginTemperature", d.handle->card, 0);
	margin->marginTemperature = -3;
	return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetPersistenceMode(nvmlDevice_t d, nvmlEnableState_t *mode) {
	CALL("nvmlDeviceGetPersistenceMode", d.handle->card, 0);
	*mode = NVML_FEATURE_ENABLED;
	return NVML_SUCCESS;
}

// A field's value is its number, where it is no flag or action. A field can be
// failed by a name such as field-82.
nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t d, int n, nvmlFieldValue_t *values) {
	CALL("nvmlDeviceGetFieldValues", d.handle->card, n);
	for (int i = 0; i < n; i++) {
		nvmlFieldValue_t *v = &values[i];
		char name[32];
		snprintf(name, sizeof name, "field-%u", v->fieldId);
		v->nvmlReturn = enter(name, d.handle->card, v->fieldId);
		v->valueType = NVML_VALUE_TYPE_UNSIGNED_LONG_LONG;
		v->value.ullVal = v->fieldId;
		switch (v->fieldId) {
		case NVML_FI_DEV_MEMORY_TEMP:
		case NVML_FI_DEV_POWER_INSTANT:
			v->value.ullVal = ~0ULL; // what is not of the value is not to be read
			v->valueType = NVML_VALUE_TYPE_UNSIGNED_INT;
			v->value.uiVal = v->fieldId;
			break;
		case NVML_FI_DEV_GET_GPU_RECOVERY_ACTION:
			v->value.ullVal = number("recovery", 0);
			break;
		case NVML_FI_DEV_REMAPPED_PENDING:
		case NVML_FI_DEV_REMAPPED_FAILURE:
			v->value.ullVal = 0;
		}
	}
	return NVML_SUCCESS;
}

// Processes. A version has its own struct; that of v1 has no instances.

static nvmlReturn_t processes(const char *call, nvmlDevice_t d, unsigned int *n, nvmlProcessInfo_t *infos, nvmlProcessInfo_v1_t *old) {
	CALL(call, d.handle->card, 0);
	unsigned found = 0;
	for (int i = 0; i < line_count; i++) {
		int card, pid, mib;
		if (sscanf(lines[i], "process %d %d %d", &card, &pid, &mib) != 3 || card != d.handle->card)
			continue;
		unsigned long long used = mib < 0 ? NVML_VALUE_NOT_AVAILABLE : (unsigned long long)mib << 20;
		if (found < *n && infos != NULL)
			infos[found] = (nvmlProcessInfo_t){.pid = pid, .usedGpuMemory = used, .gpuInstanceId = -1, .computeInstanceId = -1};
		if (found < *n && infos != NULL && says("mig", card))
			infos[found].gpuInstanceId = 1, infos[found].computeInstanceId = 0;
		if (found < *n && old != NULL)
			old[found] = (nvmlProcessInfo_v1_t){.pid = pid, .usedGpuMemory = used};
		found++;
	}
	nvmlReturn_t answer = found > *n ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS;
	*n = found;
	return answer;
}
nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t d, unsigned int *n, nvmlProcessInfo_t *infos) {
	return processes("nvmlDeviceGetComputeRunningProcesses_v3", d, n, infos, NULL);
}
nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v2(nvmlDevice_t d, unsigned int *n, nvmlProcessInfo_v2_t *infos) {
	return processes("nvmlDeviceGetComputeRunningProcesses_v2", d, n, (nvmlProcessInfo_t *)infos, NULL);
}
nvmlReturn_t nvmlDeviceGetComputeRunningProcesses(nvmlDevice_t d, unsigned int *n, nvmlProcessInfo_v1_t *infos) {
	return processes("nvmlDeviceGetComputeRunningProcesses", d, n, NULL, infos);
}
nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v3(nvmlDevice_t d, unsigned int *n, nvmlProcessInfo_t *infos) {
	CALL("nvmlDeviceGetGraphicsRunningProcesses_v3", d.handle->card, 0);
	*n = 1;
	infos[0] = (nvmlProcessInfo_t){.pid = 9, .usedGpuMemory = NVML_VALUE_NOT_AVAILABLE, .gpuInstanceId = -1, .computeInstanceId = -1};
	return NVML_SUCCESS;
}

// Parts.

nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t d, unsigned int *now, unsigned int *pending) {
	CALL("nvmlDeviceGetMigMode", d.handle->card, 0);
	*now = *pending = says("mig", d.handle->card);
	return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t d, unsigned int *n) {
	CALL("nvmlDeviceGetMaxMigDeviceCount", d.handle->card, 0);
	*n = 7;
	return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t d, unsigned int place, nvmlDevice_t *part) {
	CALL("nvmlDeviceGetMigDeviceHandleByIndex", d.handle->card, place);
	if (place % 2 != 0 || place / 2 >= PARTS) // there are gaps
		return NVML_ERROR_NOT_FOUND;
	parts[d.handle->card][place / 2] = (struct nvmlDevice_st){d.handle->card, place / 2};
	part->handle = &parts[d.handle->card][place / 2];
	return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetGpuInstanceId(nvmlDevice_t d, unsigned int *id) {
	CALL("nvmlDeviceGetGpuInstanceId", d.handle->card, d.handle->part);
	*id = 1 + d.handle->part;
	return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceGetComputeInstanceId(nvmlDevice_t d, unsigned int *id) {
	CALL("nvmlDeviceGetComputeInstanceId", d.handle->card, d.handle->part);
	*id = 0;
	return NVML_SUCCESS;
}

// Faults.

nvmlReturn_t nvmlDeviceGetSupportedEventTypes(nvmlDevice_t d, unsigned long long *types) {
	CALL("nvmlDeviceGetSupportedEventTypes", d.handle->card, 0);
	*types = nvmlEventTypeXidCriticalError | nvmlEventTypePState;
	return NVML_SUCCESS;
}
nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t *set) {
	CALL("nvmlEventSetCreate", NONE, 0);
	set->handle = (void *)cards;
	return NVML_SUCCESS;
}
nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t set) {
	(void)set;
	CALL("nvmlEventSetFree", NONE, 0);
	registered = 0;
	return NVML_SUCCESS;
}
nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t d, unsigned long long types, nvmlEventSet_t set) {
	(void)set;
	CALL("nvmlDeviceRegisterEvents", d.handle->card, types);
	registered |= 1u << d.handle->card;
	return NVML_SUCCESS;
}
static nvmlReturn_t wait_event(const char *call, nvmlEventData_t *event, unsigned int timeout) {
	static int told;
	CALL(call, NONE, timeout);
	for (int i = 0; i < line_count; i++) {
		int sequence, card, code;
		if (sscanf(lines[i], "xid %d %d %d", &sequence, &card, &code) != 3 || sequence <= told || !(registered & 1u << card))
			continue;
		told = sequence;
		*event = (nvmlEventData_t){.device = {&cards[card]}, .eventType = nvmlEventTypeXidCriticalError, .eventData = code};
		return NVML_SUCCESS;
	}
	usleep(timeout * 1000);
	return NVML_ERROR_TIMEOUT;
}
nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t *event, unsigned int timeout) {
	(void)set;
	return wait_event("nvmlEventSetWait_v2", event, timeout);
}
nvmlReturn_t nvmlEventSetWait(nvmlEventSet_t set, nvmlEventData_t *event, unsigned int timeout) {
	(void)set;
	return wait_event("nvmlEventSetWait", event, timeout);
}
