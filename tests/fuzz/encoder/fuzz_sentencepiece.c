/* Any bytes as a SentencePiece model: the reader refuses them or all that it gives lies within
 * them. What can be a vocabulary splits a text into pieces that cover it, and what can be a
 * character map normalises one into valid UTF-8. The bytes are tried as a character map by
 * themselves, too. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "encoder/tokenizer/piece_normalizer.h"
#include "encoder/tokenizer/sentencepiece.h"
#include "encoder/tokenizer/unigram.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static const char text[] =
    "A fi\xEF\xAC\x81 e\xCC\x81\xCC\xA3 \xC2\xBD\r\n\xEC\x9D\xBC \xE2\x96\x81q "
    "\xF0\x9F\x91\xA8\xE2\x80\x8D\xF0\x9F\x91\xA9 \x01\x7F aaaabbbbab";

static void require(int holds)
{
    if (!holds)
        abort();
}

static void within(const void *part, size_t part_size, const unsigned char *data, size_t size)
{
    const unsigned char *at = part;
    require(part_size == 0 || (at >= data && part_size <= size && at + part_size <= data + size));
}

static void normalise(const unsigned char *bytes, size_t size)
{
    struct charsmap map = {0};
    struct normalized normalized = {0};
    struct arena arena = {0};
    struct err err = {0};

    if (charsmap_open(&map, &arena, bytes, size, &err) == 0) {
        require(piece_normalizer_run(&map, text, 0, sizeof text - 1, &normalized, &err) == 0);
        require(utf8_valid(normalized.text, normalized.size, NULL));
        for (size_t i = 0; i < normalized.size; i++)
            require(normalized.starts[i] < sizeof text - 1 &&
                    (i == 0 || normalized.starts[i] >= normalized.starts[i - 1]));
    } else {
        require(err.code < 0 && err.message[0] != '\0');
    }
    normalized_release(&normalized);
    arena_release(&arena);
}

static void split(const struct sentencepiece *file, struct arena *arena)
{
    struct vocabulary vocabulary;
    struct unigram_scratch scratch = {0};
    struct unigram model;
    double *scores = arena_alloc(arena, file->count, sizeof *scores);
    size_t count, end = 0;
    int r = vocabulary_open(&vocabulary, arena, file->count, file->count, NULL);

    require(scores != NULL);
    for (size_t i = 0; i < file->count && r == 0; i++) {
        scores[i] = (double)file->pieces[i].score;
        r = vocabulary_add(&vocabulary, arena, file->pieces[i].text, file->pieces[i].size,
                           (uint32_t)i, NULL);
    }
    if (r < 0)
        return;
    require(unigram_open(&model, arena, &vocabulary, scores, file->count, 0, NULL) == 0);
    require(unigram_split(&model, text, sizeof text - 1, &scratch, &count, NULL) == 0);
    for (size_t i = 0; i < count; i++) {
        require(scratch.parts[i].start == end && scratch.parts[i].end > end);
        require(scratch.parts[i].id < file->count);
        end = scratch.parts[i].end;
    }
    require(end == sizeof text - 1);
    unigram_scratch_release(&scratch);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct sentencepiece file;
    struct arena arena = {0};
    struct err err = {0};

    normalise(data, size);
    if (sentencepiece_parse(&file, &arena, data, size, &err) == 0) {
        for (size_t i = 0; i < file.count; i++)
            within(file.pieces[i].text, file.pieces[i].size, data, size);
        within(file.charsmap, file.charsmap_size, data, size);
        normalise(file.charsmap, file.charsmap_size);
        if (file.count > 0)
            split(&file, &arena);
    } else {
        require(err.code < 0 && err.message[0] != '\0');
    }
    arena_release(&arena);
    return 0;
}
