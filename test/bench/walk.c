/*
 * The yardstick of `make bench`: walks 4-level first-stage tables, and looks translations up in a cache, as a
 * straightforward C program would, over the very tables that the model walks.
 *
 * walk IMAGE PAGES ROOT COUNT: IMAGE holds guest memory from address 0 on, PAGES the input page numbers (uint32, little
 * endian), ROOT is the address of the top table. Prints nanoseconds per walk and per cache hit, and the sum of all
 * frames, by which the caller sees that both sides found the same.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PRESENT 1u
#define USER 4u
#define ACCESSED 0x20u
#define FRAME_MASK 0x000ffffffffff000ull
#define SLOTS 4096u

struct slot {
    uint64_t tag;
    uint64_t frame;
};

static uint64_t *memory;
static size_t words;
static struct slot cache[SLOTS];

static void *load(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        perror(path);
        exit(1);
    }
    *size = (size_t)ftell(file);
    rewind(file);
    void *bytes = malloc(*size);
    if (bytes == NULL || fread(bytes, 1, *size, file) != *size) {
        perror(path);
        exit(1);
    }
    fclose(file);
    return bytes;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* Returns the frame, or UINT64_MAX where nothing is mapped. */
static uint64_t walk(uint64_t root, uint64_t page)
{
    uint64_t table = root;
    for (int level = 4;; level--) {
        size_t at = (table >> 3) + ((page >> (9 * (level - 1))) & 511);
        if (at >= words) {
            return UINT64_MAX;
        }
        uint64_t entry = memory[at];
        if ((entry & (PRESENT | USER)) != (PRESENT | USER)) {
            return UINT64_MAX;
        }
        if ((entry & ACCESSED) == 0) {
            memory[at] = entry | ACCESSED;
        }
        table = entry & FRAME_MASK;
        if (level == 1) {
            return table >> 12;
        }
    }
}

static struct slot *slot_of(uint64_t page)
{
    return &cache[((page * 0x9e3779b97f4a7c15ull) >> 32) % SLOTS];
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        return 2;
    }
    size_t bytes;
    size_t list;
    memory = load(argv[1], &bytes);
    words = bytes / sizeof *memory;
    uint32_t *pages = load(argv[2], &list);
    size_t known = list / sizeof *pages;
    uint64_t root = strtoull(argv[3], NULL, 0);
    size_t count = strtoull(argv[4], NULL, 0);

    uint64_t sum = 0;
    for (size_t i = 0; i < known; i++) {
        sum += walk(root, pages[i]);
    }
    uint64_t total = 0;
    double begin = now();
    for (size_t i = 0; i < count; i++) {
        total += walk(root, pages[i % known]);
    }
    double walking = (now() - begin) / (double)count;

    size_t hot = known < 1024 ? known : 1024;
    for (size_t i = 0; i < hot; i++) {
        *slot_of(pages[i]) = (struct slot){ pages[i], walk(root, pages[i]) };
    }
    begin = now();
    for (size_t i = 0; i < count; i++) {
        struct slot *slot = slot_of(pages[i % hot]);
        total += slot->tag == pages[i % hot] ? slot->frame : walk(root, pages[i % hot]);
    }
    double hitting = (now() - begin) / (double)count;
    printf("{\"walk\": %f, \"hit\": %f, \"sum\": %" PRIu64 ", \"unused\": %d}\n", walking, hitting, sum, (int)(total & 1));
    return 0;
}
