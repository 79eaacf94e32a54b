// The border between Go and llama.cpp: plain C types and no exceptions.
//
// Every function that can fail returns an rp_code and writes one readable line
// into (msg, cap), always ended by a zero byte. Handles are made and freed here
// and are opaque to the caller. Strings that come back are malloc'ed and freed
// with rp_free. Threads: see the comment of each group.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum rp_code {
    RP_OK       = 0,
    RP_NO_CELLS = 1,  // no free cells; memory is as it was before
    RP_ABORTED  = 2,  // aborted; the rows of the step were taken back
    RP_ARGUMENT = -1, // the caller's input is wrong; nothing was touched
    RP_FAILED   = -2, // the library refused, the message says why
    RP_FATAL    = -3, // the context must not be used again
    RP_SMALL    = -4, // the buffer given is too small; *n says what is needed
} rp_code;

typedef struct rp_model   rp_model;
typedef struct rp_context rp_context;
typedef struct rp_sampler rp_sampler;
typedef struct rp_grammar rp_grammar;
typedef struct rp_embedder rp_embedder;

// ---- process-wide (any thread) ----

typedef struct rp_device {
    char     name[64];
    char     description[128];
    int32_t  kind; // 0 cpu, 1 gpu, 2 integrated gpu, 3 accelerator
    uint64_t free_bytes, total_bytes;
} rp_device;

void         rp_init(void); // idempotent
// Loads backends that are modules: the best processor module of dir and, unless
// empty, the one module at the path extra. Before anything else, once.
rp_code      rp_modules(const char * dir, const char * extra, char * msg, size_t cap);
const char * rp_version(void);
const char * rp_system_info(void);
int32_t      rp_devices(rp_device * out, int32_t cap); // returns how many there are
void         rp_free(void * p);
// Memory of the host that a GPU copies to and from directly; NULL where there is no
// GPU, or its driver gives none. rp_host_free tells whether p was such memory.
void *       rp_host_alloc(size_t n);
bool         rp_host_free(void * p);
// How many attentions were computed on the processor, by our kernel or by the
// library's.
int64_t      rp_attention(bool own);
// Ends the helper threads that computing on the calling thread has started.
void         rp_threads_release(void);
// Tells the library how threads and memory lie on several memory nodes: 1 distribute,
// 2 isolate, 3 numactl, as in ggml. Once, before any model; returns how the library
// then counts: whether there is more than one node.
bool         rp_numa(int32_t strategy);

// Log lines wait in a bounded queue until they are taken. Levels: 1 debug,
// 2 info, 3 warning, 4 error. rp_log_level drops lines below a level.
void    rp_log_level(int32_t level);
int32_t rp_log_pending(void);
int32_t rp_log_take(int32_t * level, char * text, size_t cap); // 1 = one line taken

// ---- model (any thread once loaded) ----

typedef struct rp_model_params {
    const char * path;
    int32_t      gpu_layers;
    bool         vocab_only;
    bool         mlock;
    bool         heads;    // layers for multi-token prediction, if the file has any
    uintptr_t    progress; // handed to rp_go_progress, 0 = none
} rp_model_params;

typedef struct rp_model_info {
    uint64_t size_bytes, parameters;
    int32_t  context_train, embedding, layers, heads, heads_kv, vocab_size;
    int32_t  bos, eos, eot;
    int32_t  sliding_window;
    bool     add_bos, recurrent, hybrid, encoder, decoder;
    char     description[128];
    char     file_type[64];
} rp_model_info;

rp_code rp_model_load(const rp_model_params * params, rp_model ** out, char * msg, size_t cap);
void    rp_model_free(rp_model * model);
void    rp_model_get_info(const rp_model * model, rp_model_info * out);
rp_code rp_model_eog(const rp_model * model, int32_t * out, int32_t cap, int32_t * n);
// Entry i of the metadata, both strings malloc'ed; RP_ARGUMENT past the end.
rp_code rp_model_meta(const rp_model * model, int32_t i, char ** key, char ** value);
// The model's own template or NULL; malloc'ed.
char *  rp_model_template(const rp_model * model);

// The text of every token, one behind the other: token t is
// text[offset[t] … offset[t+1]). attr[t]: bit 0 control, bit 1 end of generation.
rp_code rp_model_pieces(const rp_model * model, char ** text, int64_t * offset, uint8_t * attr, char * msg, size_t cap);

// RP_SMALL and *n = tokens needed when out_cap is too small.
rp_code rp_tokenize(const rp_model * model, const char * text, int32_t len, bool add_special, bool parse_special,
                    int32_t * out, int32_t out_cap, int32_t * n, char * msg, size_t cap);

// Writes a copy of a model file. type is a name of shim/quantize.cpp, NULL = the
// weights stay as they are; drop are n layers to leave out, ascending. An output
// that was begun stays on disk when it fails.
rp_code rp_quantize(const char * in, const char * out, const char * type, const int32_t * drop, int32_t n, int32_t threads,
                    char * msg, size_t cap);

// ---- context (one thread at a time, but rp_abort from any) ----

typedef struct rp_context_params {
    int32_t cells, sequences, batch, ubatch, outputs, threads, threads_batch;
    int32_t type_k, type_v; // 0 f16, 1 bf16, 2 f32, 3 q8_0, 4 q4_0
    int32_t flash_attn;     // -1 auto, 0 off, 1 on
    bool    swa_full, offload_kv;
    bool    ordered;        // cells that do not ascend are refused
    bool    shortlist;      // choose the best tokens of a row where it is computed
} rp_context_params;

rp_code rp_context_new(rp_model * model, const rp_context_params * params, rp_context ** out, char * msg, size_t cap);
void    rp_context_free(rp_context * ctx);
int32_t rp_context_cells(const rp_context * ctx); // as llama.cpp rounded them
// What the best tokens of n rows cost when the model's device finds them, and when
// all logits are copied and searched on the host, microseconds; device 0 = it
// cannot find them.
rp_code rp_shortlist_cost(const rp_model * model, int32_t n, int64_t * device, int64_t * host, char * msg, size_t cap);

// One sampling wish of a step; see Group in types.go.
typedef struct rp_group {
    rp_sampler * sampler;
    int32_t      first, rows;
    int32_t      accepted; // out: tokens produced
    int32_t      failed;   // out: 1 = the sampler failed, see fail_msg
} rp_group;

typedef struct rp_step {
    int32_t    rows;
    int32_t    n_groups;
    rp_group * groups;
    int32_t    lp_stride;            // logprob entries a row has room for, 0 = none wanted
    int64_t    decode_us, sample_us; // out
    int32_t    threads;              // out: that sampled
    int32_t    listed, whole;        // out: tokens chosen from shortlists, rows copied as a whole
    bool       reused;               // out: the compute graph is that of the step before
    int64_t    head_us;              // out: of which the draft head took, in addition to decode_us
    bool       head_lost;            // out: the head failed and forgot everything; the step is good
} rp_step;

// tokens, pos, seq, out: rows entries each; cell: rows entries or NULL, the KV
// cell that each row goes to. Group g's tokens go to out[first …].
// Logprobs of out[i]: lp_n[i] entries at lp_token / lp_value [i * lp_stride …],
// the chosen token first. All or nothing: after any code but RP_OK and RP_FATAL
// the memory is what it was before the call.
rp_code rp_context_step(rp_context * ctx, rp_step * step, const int32_t * tokens, const int32_t * pos,
                        const int32_t * seq, const int32_t * cell, int32_t * out, int32_t * lp_n, int32_t * lp_token, float * lp_value,
                        char * msg, size_t cap);
// Why group g of the last step failed.
void    rp_group_error(const rp_context * ctx, int32_t g, char * msg, size_t cap);
void    rp_abort(rp_context * ctx); // any thread
void    rp_set_threads(rp_context * ctx, int32_t n, int32_t n_batch);
// Keeps the threads of the context's steps on some CPUs, each on its share of them;
// the calling thread is the one that steps. Returns an errno, 0 when all are there.
int32_t rp_context_pin(rp_context * ctx, const int32_t * cpus, int32_t n_cpus);
// How groups are sampled: side by side where that pays (0), always (1), never (−1).
void    rp_set_sampling(rp_context * ctx, int32_t mode);

rp_code rp_seq_copy(rp_context * ctx, int32_t src, int32_t dst, int32_t p0, int32_t p1, char * msg, size_t cap);
rp_code rp_seq_remove(rp_context * ctx, int32_t seq, int32_t p0, int32_t p1, char * msg, size_t cap);
// The cells of positions p0 … p1-1 of a sequence, in that order.
rp_code rp_seq_cells(rp_context * ctx, int32_t seq, int32_t p0, int32_t p1, int32_t * out, char * msg, size_t cap);
void    rp_seq_range(rp_context * ctx, int32_t seq, int32_t * min, int32_t * max);
rp_code rp_clear(rp_context * ctx, char * msg, size_t cap);
// Positions p0 … p1-1 of a sequence as bytes. RP_SMALL and *n = bytes needed when
// cap_data is too small.
rp_code rp_seq_save(rp_context * ctx, int32_t seq, int32_t p0, int32_t p1, uint8_t * data, size_t cap_data, size_t * n,
                    char * msg, size_t cap);
// Appends what rp_seq_save gave for p0 … p1-1 to a sequence that ends at p0. cells
// holds p1-p0 cells, lowest position first, or is NULL: the library chooses.
rp_code rp_seq_load(rp_context * ctx, int32_t seq, int32_t p0, int32_t p1, const uint8_t * data, size_t n,
                    const int32_t * cells, char * msg, size_t cap);
// Moves positions p0 … end of a sequence to n other cells; its own may be among
// them. After RP_FAILED the sequence ends at p0.
rp_code rp_seq_move(rp_context * ctx, int32_t seq, int32_t p0, const int32_t * cells, int32_t n, char * msg, size_t cap);
// Moves positions p0 … p1-1 of a sequence, which must hold ascending cells, down to
// p1-p0 other cells that ascend too, for every sequence that holds them.
rp_code rp_run_move(rp_context * ctx, int32_t seq, int32_t p0, int32_t p1, const int32_t * cells, char * msg, size_t cap);
void    rp_memory(const rp_context * ctx, uint64_t * weights, uint64_t * kv, uint64_t * compute);

// ---- draft heads (the context's thread) ----

// Layers that read the model's hidden states and guess what it says next.
typedef enum rp_head_kind {
    RP_HEAD_EAGLE3 = 1,
    RP_HEAD_MTP    = 2, // multi-token prediction layers
    RP_HEAD_DFLASH = 3,
    RP_HEAD_DSPARK = 4, // DFlash with a Markov head
} rp_head_kind;

typedef struct rp_head_params {
    int32_t most;      // tokens of a draft, 1 … 64
    int32_t drafting;  // sequences that draft at once
    bool    on_device; // their tokens are chosen where the logits are computed
} rp_head_params;

// Gives a context a head, once; own = its weights, NULL = the context's model carries
// them. The head reads what the following steps compute and ends with the context.
// *most may come out smaller. RP_FAILED: the two do not fit together, the message says
// where, and the context is as it was.
rp_code rp_head_attach(rp_context * ctx, const rp_model * own, const rp_head_params * params, rp_head_kind * kind, int32_t * most,
                       char * msg, size_t cap);
// Whether the head reads the steps. A sequence that went on meanwhile is read from
// there on, without what came before.
void    rp_head_follow(rp_context * ctx, bool on);

// Guesses for n different sequences, at most most[i] of each and stride. last is the
// newest token of each, which is not in memory yet, pos its position. count[i] is how
// many guesses there are, 0 where the head has not read what comes before; out and
// prob [i * stride ...] are they and what the head thinks of each, -1 = unknown.
rp_code rp_head_draft(rp_context * ctx, int32_t n, int32_t stride, const int32_t * seq, const int32_t * last, const int32_t * pos,
                      const int32_t * most, int32_t * count, int32_t * out, float * prob, char * msg, size_t cap);

// ---- embeddings (one thread at a time) ----

rp_code rp_embedder_new(rp_model * model, int32_t cells, int32_t chunk, int32_t threads, rp_embedder ** out, char * msg, size_t cap);
void    rp_embedder_free(rp_embedder * e);
int32_t rp_embedder_width(const rp_embedder * e);
// out: rp_embedder_width floats, a vector of length 1.
rp_code rp_embed(rp_embedder * e, const int32_t * tokens, int32_t n, float * out, char * msg, size_t cap);

// ---- sampler (the context's thread once it is in use) ----

typedef struct rp_sampling_params {
    float    temperature, top_p, min_p, typical_p;
    float    repeat_penalty, frequency_penalty, presence_penalty;
    int32_t  top_k, penalty_last_n, logprobs;
    uint32_t seed;
    bool     ignore_eog;
    bool     reference; // tests: use llama.cpp's own common_sampler
    int32_t  n_bias;
} rp_sampling_params;

rp_code rp_sampler_new(const rp_model * model, const rp_sampling_params * params, const int32_t * bias_token,
                       const float * bias_value, const rp_grammar * grammar, rp_sampler ** out, char * msg, size_t cap);
void    rp_sampler_free(rp_sampler * s);
void    rp_sampler_ask_all(rp_sampler * s); // tests: its grammar is asked about every token
rp_code rp_sampler_accept(rp_sampler * s, const int32_t * tokens, int32_t n, char * msg, size_t cap);

// ---- grammar (any thread; a compiled grammar is read-only) ----

rp_code rp_grammar_new(const rp_model * model, const char * spec, size_t len, rp_grammar ** out, char * msg, size_t cap);
void    rp_grammar_free(rp_grammar * g);
rp_code rp_schema_to_grammar(const char * schema, size_t len, char ** gbnf, size_t * n, char * msg, size_t cap);

// ---- chat templates (any thread) ----

// input and output are packed as pack.go says; output is malloc'ed.
rp_code rp_render(const rp_model * model, const char * input, size_t len, char ** output, size_t * n, char * msg, size_t cap);
rp_code rp_parse(const rp_model * model, const char * input, size_t len, char ** output, size_t * n, char * msg, size_t cap);
// A model that shares m's vocabulary and has another template (tests, overrides).
rp_code rp_model_set_template(rp_model * model, const char * source, size_t len, char * msg, size_t cap);

#ifdef __cplusplus
}
#endif
