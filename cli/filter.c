/* A parser by recursive descent: a function for each rule of the grammar in filter.h. */
#include "cli/filter.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/utf8.h"

enum { DEPTH_MAX = 12 }; /* of brackets and negations: the protocol allows 16 levels in all */

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,   /* a field, or a keyword */
    TOKEN_NAME,   /* a field in backquotes */
    TOKEN_TEXT,   /* a text in quotes */
    TOKEN_NUMBER, /* as it stands */
    TOKEN_SIGN,   /* an operator, a bracket or a comma */
};

struct parser {
    const char *text, *end;
    const char *at; /* after the token */
    enum token_kind kind;
    const char *start; /* of the token */
    struct buf value;  /* the token, without quotes */
    int depth;
    struct err *err;
};

/* --- tokens --- */

static int fail(struct parser *parser, const char *expected)
{
    size_t column = 1;
    for (const char *c = parser->text; c < parser->start; c++)
        column += ((unsigned char)*c & 0xC0) != 0x80;
    if (parser->kind == TOKEN_END)
        return err_set(parser->err, ERR_INVALID, "the filter ends where %s should stand", expected);
    return err_set(parser->err, ERR_INVALID,
                   "the filter: %s expected at character %zu, not \"%.40s\"", expected, column,
                   parser->value.data ? parser->value.data : "");
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-' || (unsigned char)c >= 0x80;
}

static bool starts_number(const struct parser *parser)
{
    const char *c = parser->at;
    if (c < parser->end && (*c == '-' || *c == '+'))
        c++;
    return c < parser->end && *c >= '0' && *c <= '9';
}

static int take_quoted(struct parser *parser, char quote)
{
    int r = 0;
    for (parser->at++; parser->at < parser->end && *parser->at != quote && r == 0; parser->at++) {
        if (*parser->at == '\\' && parser->at + 1 < parser->end)
            parser->at++;
        r = buf_append_byte(&parser->value, *parser->at);
    }
    if (r == 0 && parser->at >= parser->end)
        return err_set(parser->err, ERR_INVALID, "the filter ends within a text: a %c is missing",
                       quote);
    parser->at++;
    parser->kind = quote == '`' ? TOKEN_NAME : TOKEN_TEXT;
    return r < 0 ? err_memory(parser->err, "the filter") : 0;
}

/* A sign has one character, or two. */
static size_t sign_size(const char *at, const char *end)
{
    static const char *const pairs[] = {"<=", ">=", "!=", "<>", "==", "^="};
    for (size_t i = 0; end - at >= 2 && i < sizeof pairs / sizeof pairs[0]; i++)
        if (memcmp(at, pairs[i], 2) == 0)
            return 2;
    return 1;
}

static int next(struct parser *parser)
{
    buf_clear(&parser->value);
    while (parser->at < parser->end && strchr(" \t\r\n", *parser->at) && *parser->at)
        parser->at++;
    parser->start = parser->at;
    if (parser->at >= parser->end) {
        parser->kind = TOKEN_END;
        return 0;
    }
    char first = *parser->at;
    if (first == '"' || first == '\'' || first == '`')
        return take_quoted(parser, first);
    if (starts_number(parser)) {
        parser->kind = TOKEN_NUMBER;
        do
            parser->at++;
        while (parser->at < parser->end && (is_word(*parser->at) || *parser->at == '+'));
    } else if (is_word(first)) {
        parser->kind = TOKEN_WORD;
        while (parser->at < parser->end && is_word(*parser->at))
            parser->at++;
    } else {
        parser->kind = TOKEN_SIGN;
        parser->at += sign_size(parser->at, parser->end);
    }
    return buf_append(&parser->value, parser->start, (size_t)(parser->at - parser->start)) < 0
               ? err_memory(parser->err, "the filter")
               : 0;
}

static bool is_keyword(const struct parser *parser, const char *word)
{
    return parser->kind == TOKEN_WORD && strcasecmp(parser->value.data, word) == 0;
}

static bool is_sign(const struct parser *parser, const char *sign)
{
    return parser->kind == TOKEN_SIGN && strcmp(parser->value.data, sign) == 0;
}

/* --- JSON --- */

/* Passes `made` on; where it is NULL, memory ran out. */
static int give(struct parser *parser, json_t *made, json_t **ret)
{
    if (!made)
        return err_memory(parser->err, "the filter");
    *ret = made;
    return 0;
}

/* {"NAME": [clause]}; takes the clause over. */
static int wrap(struct parser *parser, const char *name, json_t *clause, json_t **ret)
{
    return give(parser, json_pack("{s:[o]}", name, clause), ret);
}

/* --- conditions --- */

static int take_number(struct parser *parser, json_t **ret)
{
    char *end = NULL;
    errno = 0;
    long long whole = strtoll(parser->value.data, &end, 10);
    if (!*end && errno == 0) {
        return give(parser, json_integer(whole), ret);
    }
    double real = strtod(parser->value.data, &end);
    if (*end || strpbrk(parser->value.data, "xX") || !(real > -1e300 && real < 1e300))
        return fail(parser, "a number");
    return give(parser, json_real(real), ret);
}

static int take_value(struct parser *parser, json_t **ret)
{
    json_t *value = NULL;
    int r = 0;
    if (parser->kind == TOKEN_NUMBER)
        r = take_number(parser, &value);
    else if (parser->kind == TOKEN_TEXT)
        value = json_stringn(parser->value.data ? parser->value.data : "", parser->value.size);
    else if (is_keyword(parser, "true") || is_keyword(parser, "false"))
        value = json_boolean(is_keyword(parser, "true"));
    else
        return fail(parser, "a number, true, false or a text in quotes");
    if (r == 0)
        r = give(parser, value, ret);
    if (r == 0 && (r = next(parser)) < 0)
        json_decref(*ret);
    return r;
}

/* "(" value {"," value} ")" */
static int take_list(struct parser *parser, json_t **ret)
{
    json_t *list = json_array();
    int r = list ? 0 : err_memory(parser->err, "the filter");
    if (r == 0)
        r = is_sign(parser, "(") ? 0 : fail(parser, "\"(\"");
    do {
        json_t *value = NULL;
        if (r == 0)
            r = next(parser);
        if (r == 0)
            r = take_value(parser, &value);
        if (r == 0 && json_array_append_new(list, value) < 0)
            r = err_memory(parser->err, "the filter");
    } while (r == 0 && is_sign(parser, ","));
    if (r == 0)
        r = is_sign(parser, ")") ? next(parser) : fail(parser, "\",\" or \")\"");
    if (r < 0)
        json_decref(list);
    else
        *ret = list;
    return r;
}

/* What stands after the field; the value is taken over by what is made. */
static int take_comparison(struct parser *parser, const char *field, json_t **ret)
{
    static const struct {
        const char *sign, *group, *name;
        bool negated;
    } signs[] = {
        {"=", "match", "value", false},   {"==", "match", "value", false},
        {"!=", "match", "value", true},   {"<>", "match", "value", true},
        {"^=", "match", "prefix", false}, {"<", "range", "lt", false},
        {"<=", "range", "lte", false},    {">", "range", "gt", false},
        {">=", "range", "gte", false},
    };
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        json_t *value = NULL, *clause = NULL;
        if (!is_sign(parser, signs[i].sign))
            continue;
        int r = next(parser);
        if (r == 0)
            r = take_value(parser, &value);
        if (r == 0)
            r = give(
                parser,
                json_pack("{s:s, s:{s:o}}", "key", field, signs[i].group, signs[i].name, value),
                &clause);
        if (r == 0 && signs[i].negated)
            return wrap(parser, "must_not", clause, ret);
        if (r == 0)
            *ret = clause;
        return r;
    }
    return fail(parser, "=, !=, <, <=, >, >=, ^=, in or exists");
}

static int take_condition(struct parser *parser, json_t **ret)
{
    json_t *list = NULL, *clause = NULL;
    if (parser->kind != TOKEN_WORD && parser->kind != TOKEN_NAME)
        return fail(parser, "a field");
    if (!utf8_valid(parser->value.data ? parser->value.data : "", parser->value.size, NULL))
        return err_set(parser->err, ERR_INVALID, "the filter is not UTF-8");
    char *field = strdup(parser->value.data ? parser->value.data : "");
    int r = field ? next(parser) : err_memory(parser->err, "the filter");
    if (r == 0 && is_keyword(parser, "exists")) {
        r = give(parser, json_pack("{s:s, s:b}", "key", field, "exists", 1), &clause);
        if (r == 0 && (r = next(parser)) < 0)
            json_decref(clause);
        goto out;
    }
    bool negated = r == 0 && is_keyword(parser, "not");
    if (negated)
        r = next(parser);
    if (r == 0 && is_keyword(parser, "in")) {
        r = next(parser);
        if (r == 0)
            r = take_list(parser, &list);
        if (r == 0)
            r = give(parser, json_pack("{s:s, s:{s:o}}", "key", field, "match", "any", list),
                     &clause);
        if (r == 0 && negated)
            r = wrap(parser, "must_not", clause, &clause);
    } else if (r == 0) {
        r = negated ? fail(parser, "in") : take_comparison(parser, field, &clause);
    }
out:
    free(field);
    if (r == 0)
        *ret = clause;
    return r;
}

/* --- and, or, not --- */

static int take_expression(struct parser *parser, json_t **ret);

static int take_factor(struct parser *parser, json_t **ret)
{
    json_t *clause = NULL;
    bool negated = is_keyword(parser, "not");
    if (!negated && !is_sign(parser, "("))
        return take_condition(parser, ret);
    if (++parser->depth > DEPTH_MAX)
        return err_set(parser->err, ERR_LIMIT, "the filter is nested more than %d levels deep",
                       DEPTH_MAX);
    int r = next(parser);
    if (r == 0)
        r = negated ? take_factor(parser, &clause) : take_expression(parser, &clause);
    if (r == 0 && !negated)
        r = is_sign(parser, ")") ? next(parser) : fail(parser, "and, or or \")\"");
    parser->depth--;
    if (r < 0) {
        json_decref(clause);
        return r;
    }
    if (negated)
        return wrap(parser, "must_not", clause, ret);
    *ret = clause;
    return 0;
}

/* One or more parts with a keyword between them; more than one are put together under `name`. */
static int take_joined(struct parser *parser, const char *keyword, const char *name,
                       int (*take_part)(struct parser *, json_t **), json_t **ret)
{
    json_t *parts = json_array(), *part = NULL;
    int r = parts ? 0 : err_memory(parser->err, "the filter");
    for (bool more = true; r == 0 && more;) {
        r = take_part(parser, &part);
        if (r == 0 && json_array_append_new(parts, part) < 0)
            r = err_memory(parser->err, "the filter");
        more = r == 0 && is_keyword(parser, keyword);
        if (more)
            r = next(parser);
    }
    if (r == 0 && json_array_size(parts) == 1)
        *ret = json_incref(json_array_get(parts, 0));
    else if (r == 0)
        r = give(parser, json_pack("{s:O}", name, parts), ret);
    json_decref(parts);
    return r;
}

static int take_term(struct parser *parser, json_t **ret)
{
    return take_joined(parser, "and", "must", take_factor, ret);
}

static int take_expression(struct parser *parser, json_t **ret)
{
    return take_joined(parser, "or", "should", take_term, ret);
}

int filter_parse(json_t **ret_filter, const char *text, size_t size, struct err *err)
{
    struct parser parser = {.text = text, .at = text, .end = text + size, .err = err};
    json_t *filter = NULL;
    int r = utf8_valid(text, size, NULL) && !memchr(text, '\0', size)
                ? next(&parser)
                : err_set(err, ERR_INVALID, "the filter is not a text in UTF-8");
    if (r == 0)
        r = take_expression(&parser, &filter);
    if (r == 0 && parser.kind != TOKEN_END) {
        r = fail(&parser, "and, or or its end");
        json_decref(filter);
    }
    buf_release(&parser.value);
    if (r == 0)
        *ret_filter = filter;
    return r;
}
