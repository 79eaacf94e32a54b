/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * repartee-phonemize: text to IPA phonemes by espeak-ng, in a process of its own.
 *
 * usage: repartee-phonemize LIBRARY DATA
 *
 * LIBRARY is a libespeak-ng shared object, DATA the espeak-ng-data directory.
 * Requests come on standard input, answers go to standard output, one answer a
 * request, in order. All numbers are little-endian.
 *
 *   request: u32 length of the rest | u8 voice length | voice | segments
 *   segment: u16 length | UTF-8 text
 *   answer:  u32 length of the rest | u8 status | status 0: one segment
 *            (u16 length | IPA) for each of the request; else a message
 *
 * A request is at most 64 KiB. End of input ends the program.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    MAX_REQUEST = 64 * 1024,
    MAX_ANSWER = 1024 * 1024,
    OUTPUT_RETRIEVAL = 1,       /* make no sound */
    DONT_EXIT = 0x8000,
    CHARS_UTF8 = 1,
    PHONEMES_IPA = 0x02,
};

/* The voice description of espeak-ng's public interface. */
struct voice {
    const char *name, *languages, *identifier;
    unsigned char gender, age, variant, reserved;
    int score;
    void *spare;
};

static int (*initialize)(int output, int buflength, const char *path, int options);
static int (*set_voice)(struct voice *v);
static struct voice *(*current_voice)(void);
static const char *(*to_phonemes)(const void **text, int textmode, int phonememode);

static unsigned char request[MAX_REQUEST + 1], answer[MAX_ANSWER];
static size_t answered;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "repartee-phonemize: %s: %s\n", what, why ? why : "unknown error");
    exit(1);
}

static int read_all(unsigned char *p, size_t n)
{
    while (n > 0) {
        ssize_t r = read(0, p, n);
        if (r <= 0)
            return 0;
        p += r;
        n -= (size_t)r;
    }
    return 1;
}

static void write_all(const unsigned char *p, size_t n)
{
    while (n > 0) {
        ssize_t r = write(1, p, n);
        if (r <= 0)
            exit(0);
        p += r;
        n -= (size_t)r;
    }
}

static void begin(unsigned char status)
{
    answered = 4;
    answer[answered++] = status;
}

static int append(const void *p, size_t n)
{
    if (n > sizeof answer - answered)
        return 0;
    memcpy(answer + answered, p, n);
    answered += n;
    return 1;
}

static void fail(const char *why)
{
    begin(1);
    append(why, strlen(why));
}

static void flush(void)
{
    uint32_t n = (uint32_t)(answered - 4);
    for (int i = 0; i < 4; i++)
        answer[i] = (unsigned char)(n >> (8 * i));
    write_all(answer, answered);
}

/* speaks says whether the current voice is for the language: its list holds,
 * after a priority byte each, the language names it serves. */
static int speaks(const char *language)
{
    struct voice *v = current_voice();
    if (!v || !v->languages)
        return 0;
    if (v->identifier && strstr(v->identifier, language))
        return 1;
    const char *p = v->languages;
    size_t stem = strcspn(language, "-");
    while (*p) {
        p++;
        if (strcasecmp(p, language) == 0)
            return 1;
        if (strncasecmp(p, language, stem) == 0 && (p[stem] == 0 || p[stem] == '-'))
            return 1;
        p += strlen(p) + 1;
    }
    return 0;
}

static int select_voice(const char *language)
{
    static char current[256];
    struct voice want;
    if (*language && strcmp(current, language) == 0)
        return 1;
    current[0] = 0;
    memset(&want, 0, sizeof want);
    want.languages = language;
    if (set_voice(&want) != 0 || !speaks(language))
        return 0;
    strcpy(current, language);
    return 1;
}

/* segment appends the phonemes of one text: its clauses joined by spaces.
 * espeak-ng reads one character ahead and keeps it for the next call, so the
 * calls go on until it says that there is no more (a null pointer), even when
 * the pointer stands at the end: else the character would turn up in the next
 * segment. */
static int segment(const char *text)
{
    size_t at = answered;
    unsigned char none[2] = {0, 0};
    const void *rest = text;
    if (!append(none, 2))
        return 0;
    size_t calls = strlen(text) + 2;
    while (rest && calls-- > 0) {
        const char *ipa = to_phonemes(&rest, CHARS_UTF8, PHONEMES_IPA);
        if (!ipa)
            break;
        size_t n = strlen(ipa);
        if (n > 0 && answered > at + 2 && !append(" ", 1))
            return 0;
        if (!append(ipa, n))
            return 0;
    }
    size_t n = answered - at - 2;
    if (n > 0xffff)
        return 0;
    answer[at] = (unsigned char)n;
    answer[at + 1] = (unsigned char)(n >> 8);
    return 1;
}

static void serve(size_t n)
{
    char language[256], text[MAX_REQUEST + 1];
    size_t pos = 1;
    size_t len = n ? request[0] : 0;
    if (n == 0 || pos + len > n || len == 0) {
        fail("malformed request");
        return;
    }
    memcpy(language, request + pos, len);
    language[len] = 0;
    pos += len;
    if (!select_voice(language)) {
        fail("no such language");
        return;
    }
    begin(0);
    while (pos < n) {
        if (n - pos < 2) {
            fail("malformed segment");
            return;
        }
        len = (size_t)request[pos] | (size_t)request[pos + 1] << 8;
        pos += 2;
        if (len > n - pos) {
            fail("malformed segment");
            return;
        }
        memcpy(text, request + pos, len);
        text[len] = 0;
        pos += len;
        if (!segment(text)) {
            fail("the phonemes are too long");
            return;
        }
    }
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: repartee-phonemize LIBRARY DATA\n");
        return 2;
    }
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    void *lib = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        die("opening the library", dlerror());
    *(void **)&initialize = dlsym(lib, "espeak_Initialize");
    *(void **)&set_voice = dlsym(lib, "espeak_SetVoiceByProperties");
    *(void **)&current_voice = dlsym(lib, "espeak_GetCurrentVoice");
    *(void **)&to_phonemes = dlsym(lib, "espeak_TextToPhonemes");
    if (!initialize || !set_voice || !current_voice || !to_phonemes)
        die(argv[1], "not an espeak-ng library");
    if (initialize(OUTPUT_RETRIEVAL, 0, argv[2], DONT_EXIT) <= 0)
        die(argv[2], "espeak-ng could not read its data");
    /* An empty answer says that the program is ready. */
    begin(0);
    flush();
    for (;;) {
        unsigned char head[4];
        if (!read_all(head, 4))
            return 0;
        size_t n = (size_t)head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
        if (n > MAX_REQUEST)
            die("request", "too long");
        if (!read_all(request, n))
            return 0;
        serve(n);
        flush();
    }
}
