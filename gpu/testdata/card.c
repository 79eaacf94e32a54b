/* A stand-in for llama.cpp's CUDA module: a device that says it is a GPU, has
 * memory of its own that the host cannot address by the library's rules, and
 * computes with the processor's module. With it everything that is done for a GPU
 * runs on a machine without one. The card is lost, as CUDA tells it, once the
 * file that $STANDIN_LOST names exists. What it is asked to compute is written to
 * the file that $STANDIN_CALLS names, a graph a line: how many nodes, and the name
 * and the shape of the last one. With $STANDIN_NO_PINNED its driver pins no memory.
 * The driver's library beside it (nvml.c) asks how much of its memory is taken.
 *
 *   cc -shared -fPIC -Wl,-soname,libggml-cuda.so -DGGML_BACKEND_DL -DGGML_BACKEND_SHARED -I$LLAMA/ggml/include -I$LLAMA/ggml/src \
 *      -o libggml-cuda.so card.c -L$LIBS -lggml -lggml-base */
#include "ggml-backend-impl.h"
#include "ggml-backend.h"
#include "ggml-impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static size_t taken; /* of its memory; models may be loaded side by side */
size_t        standin_taken(void) { return __atomic_load_n(&taken, __ATOMIC_RELAXED); }

static struct ggml_backend_device card;
static struct ggml_backend_reg    reg;
static struct ggml_backend_buffer_type memory;

static void alive(const char * doing) {
	const char * file = getenv("STANDIN_LOST");
	if (file && access(file, F_OK) == 0) {
		GGML_ABORT("CUDA error: the GPU is lost: %s", doing);
	}
}

static ggml_backend_dev_t processor(void) {
	return ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
}

/* ---- its memory ---- */

static void   buffer_free(ggml_backend_buffer_t b) { __atomic_fetch_sub(&taken, b->size, __ATOMIC_RELAXED); free(b->context); }
static void * buffer_base(ggml_backend_buffer_t b) { return b->context; }
static void   buffer_memset(ggml_backend_buffer_t b, struct ggml_tensor * t, uint8_t v, size_t at, size_t n) {
	(void) b;
	memset((char *) t->data + at, v, n);
}
static void buffer_set(ggml_backend_buffer_t b, struct ggml_tensor * t, const void * data, size_t at, size_t n) {
	(void) b;
	alive("cudaMemcpyAsync");
	memcpy((char *) t->data + at, data, n);
}
static void buffer_get(ggml_backend_buffer_t b, const struct ggml_tensor * t, void * data, size_t at, size_t n) {
	(void) b;
	alive("cudaMemcpyAsync");
	memcpy(data, (const char *) t->data + at, n);
}
static bool buffer_copy(ggml_backend_buffer_t b, const struct ggml_tensor * src, struct ggml_tensor * dst) {
	(void) b;
	if (src->buffer->buft != &memory && !ggml_backend_buffer_is_host(src->buffer)) {
		return false;
	}
	memcpy(dst->data, src->data, ggml_nbytes(src));
	return true;
}
static void buffer_clear(ggml_backend_buffer_t b, uint8_t v) { memset(b->context, v, b->size); }

static const char * memory_name(ggml_backend_buffer_type_t t) { (void) t; return "CUDA0"; }
static size_t       memory_alignment(ggml_backend_buffer_type_t t) { (void) t; return 128; }

static ggml_backend_buffer_t memory_alloc(ggml_backend_buffer_type_t type, size_t n) {
	static const struct ggml_backend_buffer_i iface = {
		.free_buffer = buffer_free, .get_base = buffer_base, .memset_tensor = buffer_memset, .set_tensor = buffer_set,
		.get_tensor = buffer_get, .cpy_tensor = buffer_copy, .clear = buffer_clear,
	};
	void * p = aligned_alloc(128, (n + 127) / 128 * 128 + 128);
	if (!p) {
		return NULL;
	}
	__atomic_fetch_add(&taken, n, __ATOMIC_RELAXED);
	return ggml_backend_buffer_init(type, iface, p, n);
}

/* Memory of the host that its copies go to directly; plain memory where the driver
 * gives none, as the CUDA backend has it. */

static struct ggml_backend_buffer_type pinned_memory;

static void         pinned_free(ggml_backend_buffer_t b) { free(b->context); }
static const char * pinned_name(ggml_backend_buffer_type_t t) { (void) t; return "CUDA_Host"; }
static size_t       pinned_alignment(ggml_backend_buffer_type_t t) { (void) t; return 128; }
static bool         pinned_is_host(ggml_backend_buffer_type_t t) { (void) t; return true; }

static ggml_backend_buffer_t pinned_alloc(ggml_backend_buffer_type_t type, size_t n) {
	void * p = getenv("STANDIN_NO_PINNED") ? NULL : aligned_alloc(128, (n + 127) / 128 * 128 + 128);
	if (!p) {
		return ggml_backend_buft_alloc_buffer(ggml_backend_cpu_buffer_type(), n);
	}
	ggml_backend_buffer_t b = ggml_backend_cpu_buffer_from_ptr(p, n);
	b->buft = type;
	b->iface.free_buffer = pinned_free;
	return b;
}

/* ---- computing ---- */

static void note(const struct ggml_cgraph * g) {
	const char * file = getenv("STANDIN_CALLS");
	FILE * f = file && g->n_nodes > 0 ? fopen(file, "a") : NULL;
	if (f) {
		const struct ggml_tensor * last = g->nodes[g->n_nodes - 1];
		fprintf(f, "%d nodes, %s %lld x %lld x %lld\n", g->n_nodes, last->name, (long long) last->ne[0], (long long) last->ne[1], (long long) last->ne[2]);
		fclose(f);
	}
}

static const char * backend_name(ggml_backend_t b) { (void) b; return "CUDA0"; }
static void backend_free(ggml_backend_t b) {
	ggml_backend_free((ggml_backend_t) b->context);
	free(b);
}
static enum ggml_status backend_compute(ggml_backend_t b, struct ggml_cgraph * g) {
	alive("ggml_cuda_compute_forward");
	note(g);
	return ggml_backend_graph_compute((ggml_backend_t) b->context, g);
}

static ggml_backend_t device_init(ggml_backend_dev_t dev, const char * params) {
	static ggml_guid id = {0x73, 0x74, 0x61, 0x6e, 0x64, 0x2d, 0x69, 0x6e, 0x67, 0x70, 0x75, 0, 0, 0, 0, 1};
	(void) params;
	ggml_backend_t b = calloc(1, sizeof *b), inner = ggml_backend_dev_init(processor(), NULL);
	if (!b || !inner) {
		return NULL;
	}
	b->guid = &id;
	b->iface.get_name = backend_name;
	b->iface.free = backend_free;
	b->iface.graph_compute = backend_compute;
	b->device = dev;
	b->context = inner;
	return b;
}

static const char * device_name(ggml_backend_dev_t d) { (void) d; return "CUDA0"; }
static const char * device_description(ggml_backend_dev_t d) { (void) d; return "NVIDIA H200"; }
static void device_memory(ggml_backend_dev_t d, size_t * left, size_t * total) {
	(void) d;
	*total = 150754820096ull;
	*left = *total - standin_taken();
}
static enum ggml_backend_dev_type device_type(ggml_backend_dev_t d) { (void) d; return GGML_BACKEND_DEVICE_TYPE_GPU; }
static void device_props(ggml_backend_dev_t d, struct ggml_backend_dev_props * p) {
	memset(p, 0, sizeof *p);
	p->name = device_name(d);
	p->description = device_description(d);
	device_memory(d, &p->memory_free, &p->memory_total);
	p->type = device_type(d);
	p->device_id = "0000:19:00.0";
	p->caps.host_buffer = true;
}
static ggml_backend_buffer_type_t device_buffer_type(ggml_backend_dev_t d) { (void) d; return &memory; }
static ggml_backend_buffer_type_t device_host_buffer_type(ggml_backend_dev_t d) { (void) d; return &pinned_memory; }
static bool device_supports_op(ggml_backend_dev_t d, const struct ggml_tensor * op) {
	(void) d;
	return ggml_backend_dev_supports_op(processor(), op);
}
static bool device_supports_buft(ggml_backend_dev_t d, ggml_backend_buffer_type_t t) { (void) d; return t == &memory; }

/* ---- the module ---- */

static const char *       reg_name(ggml_backend_reg_t r) { (void) r; return "CUDA"; }
static size_t             reg_count(ggml_backend_reg_t r) { (void) r; return 1; }
static ggml_backend_dev_t reg_device(ggml_backend_reg_t r, size_t i) { (void) r; (void) i; return &card; }

GGML_BACKEND_API ggml_backend_reg_t ggml_backend_init(void);
ggml_backend_reg_t ggml_backend_init(void) {
	memory.iface.get_name = memory_name;
	memory.iface.alloc_buffer = memory_alloc;
	memory.iface.get_alignment = memory_alignment;
	memory.device = &card;
	pinned_memory.iface.get_name = pinned_name;
	pinned_memory.iface.alloc_buffer = pinned_alloc;
	pinned_memory.iface.get_alignment = pinned_alignment;
	pinned_memory.iface.is_host = pinned_is_host;
	pinned_memory.device = &card;
	card.iface.get_name = device_name;
	card.iface.get_description = device_description;
	card.iface.get_memory = device_memory;
	card.iface.get_type = device_type;
	card.iface.get_props = device_props;
	card.iface.init_backend = device_init;
	card.iface.get_buffer_type = device_buffer_type;
	card.iface.get_host_buffer_type = device_host_buffer_type;
	card.iface.supports_op = device_supports_op;
	card.iface.supports_buft = device_supports_buft;
	card.reg = &reg;
	reg.api_version = GGML_BACKEND_API_VERSION;
	reg.iface.get_name = reg_name;
	reg.iface.get_device_count = reg_count;
	reg.iface.get_device = reg_device;
	return &reg;
}
