/* A protobuf is a run of fields: a number with a wire type, then a varint, 4 or 8 bytes, or a
 * length and so many bytes. Fields that are not asked for are walked over.
 */
#include "encoder/tokenizer/sentencepiece.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/utf8.h"
#include "encoder/tokenizer/vocabulary.h"

enum wire { WIRE_VARINT = 0, WIRE_8_BYTES = 1, WIRE_BYTES = 2, WIRE_4_BYTES = 5 };

/* Field numbers of the .proto. */
enum { MODEL_PIECES = 1, MODEL_TRAINER_SPEC = 2, MODEL_NORMALIZER_SPEC = 3 };
enum { PIECE_TEXT = 1, PIECE_SCORE = 2, PIECE_TYPE = 3 };
enum { TRAINER_MODEL_TYPE = 3 };
enum { NORMALIZER_CHARSMAP = 2 };

/* What is left of a message. */
struct reader {
    const unsigned char *at, *end;
    struct err *err;
};

struct field {
    uint64_t number;
    enum wire wire;
    uint64_t value;             /* WIRE_VARINT */
    const unsigned char *bytes; /* (size) the others */
    size_t size;
};

static int cut_short(const struct reader *reader)
{
    return err_set(reader->err, ERR_CORRUPT, "a field of the SentencePiece model is cut short");
}

static int read_varint(struct reader *reader, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (reader->at == reader->end)
            return cut_short(reader);
        unsigned char byte = *reader->at++;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *ret_value = value;
            return 0;
        }
    }
    return err_set(reader->err, ERR_CORRUPT, "a number in the SentencePiece model is too long");
}

/* The next field; 1, or 0 at the message's end, or an error. */
static int read_field(struct reader *reader, struct field *ret_field)
{
    struct field field = {0};
    uint64_t key, size = 0;
    int r;

    if (reader->at == reader->end)
        return 0;
    if ((r = read_varint(reader, &key)) < 0)
        return r;
    field.number = key >> 3;
    field.wire = (enum wire)(key & 7);
    if (field.wire == WIRE_VARINT)
        r = read_varint(reader, &field.value);
    else if (field.wire == WIRE_BYTES)
        r = read_varint(reader, &size);
    else if (field.wire == WIRE_4_BYTES || field.wire == WIRE_8_BYTES)
        size = field.wire == WIRE_4_BYTES ? 4 : 8;
    else
        r = err_set(reader->err, ERR_CORRUPT, "the SentencePiece model has a field of wire type %d",
                    (int)field.wire);
    if (r == 0 && size > (size_t)(reader->end - reader->at))
        r = cut_short(reader);
    if (r < 0)
        return r;
    field.bytes = reader->at;
    field.size = (size_t)size;
    reader->at += size;
    *ret_field = field;
    return 1;
}

static struct reader reader_of(const struct field *field, struct err *err)
{
    return (struct reader){field->bytes, field->bytes + field->size, err};
}

static float float_of(const unsigned char *bytes)
{
    uint32_t bits =
        bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static int read_piece(struct sentencepiece_piece *piece, size_t id, struct reader reader)
{
    struct field field;
    uint64_t type = SENTENCEPIECE_NORMAL;
    int r;

    *piece = (struct sentencepiece_piece){.text = ""};
    while ((r = read_field(&reader, &field)) > 0) {
        if (field.number == PIECE_TEXT && field.wire == WIRE_BYTES) {
            piece->text = (const char *)field.bytes;
            piece->size = field.size;
        } else if (field.number == PIECE_SCORE && field.wire == WIRE_4_BYTES) {
            piece->score = float_of(field.bytes);
        } else if (field.number == PIECE_TYPE && field.wire == WIRE_VARINT) {
            type = field.value;
        }
    }
    if (r < 0)
        return r;
    piece->type = (enum sentencepiece_type)type;
    if (type < SENTENCEPIECE_NORMAL || type > SENTENCEPIECE_BYTE)
        return err_set(reader.err, ERR_CORRUPT, "piece %zu has no type that is known", id);
    if (piece->size == 0 || !utf8_valid(piece->text, piece->size, NULL))
        return err_set(reader.err, ERR_CORRUPT, "piece %zu is empty or not UTF-8", id);
    if (!isfinite(piece->score))
        return err_set(reader.err, ERR_CORRUPT, "piece %zu has a score that is no number", id);
    return 0;
}

/* The last field `number` of the wire type, as protobuf has it; untouched where there is none. */
static int find_field(struct reader reader, uint64_t number, enum wire wire,
                      struct field *ret_field)
{
    struct field field;
    int r;
    while ((r = read_field(&reader, &field)) > 0)
        if (field.number == number && field.wire == wire)
            *ret_field = field;
    return r;
}

static int count_pieces(struct reader reader, size_t *ret_count)
{
    struct field field;
    size_t count = 0;
    int r;

    while ((r = read_field(&reader, &field)) > 0)
        count += field.number == MODEL_PIECES && field.wire == WIRE_BYTES;
    if (r == 0 && count >= VOCABULARY_ID_LIMIT)
        r = err_set(reader.err, ERR_LIMIT, "a vocabulary may have at most %d pieces",
                    VOCABULARY_ID_LIMIT);
    *ret_count = count;
    return r;
}

int sentencepiece_parse(struct sentencepiece *ret_model, struct arena *arena,
                        const unsigned char *data, size_t size, struct err *err)
{
    struct sentencepiece model = {.model_type = SENTENCEPIECE_UNIGRAM};
    struct reader reader = {data, data + size, err};
    struct field field, found = {0};
    size_t count;
    int r = count_pieces(reader, &count);

    if (r < 0)
        return r;
    model.pieces = arena_alloc(arena, count + 1, sizeof *model.pieces);
    if (!model.pieces)
        return err_memory(err, "the pieces of a tokenizer");
    while ((r = read_field(&reader, &field)) > 0) {
        if (field.wire != WIRE_BYTES)
            continue;
        struct reader inner = reader_of(&field, err);
        if (field.number == MODEL_PIECES) {
            r = read_piece(&model.pieces[model.count], model.count, inner);
            model.count++;
        } else if (field.number == MODEL_TRAINER_SPEC) {
            found = (struct field){.value = model.model_type};
            r = find_field(inner, TRAINER_MODEL_TYPE, WIRE_VARINT, &found);
            model.model_type = found.value;
        } else if (field.number == MODEL_NORMALIZER_SPEC) {
            found = (struct field){.bytes = model.charsmap, .size = model.charsmap_size};
            r = find_field(inner, NORMALIZER_CHARSMAP, WIRE_BYTES, &found);
            model.charsmap = found.bytes;
            model.charsmap_size = found.size;
        }
        if (r < 0)
            break;
    }
    if (r < 0)
        return r;
    *ret_model = model;
    return 0;
}
