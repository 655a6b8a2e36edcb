/* Tests of the readers: what becomes a document, what is refused and how it is named. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "cli/input/csv.h"
#include "cli/input/folder.h"
#include "cli/input/input.h"
#include "tests/test.h"

/* An input with the contents, as if it were a file of that name. */
static int open_bytes(struct input **ret_input, const char *name, const char *bytes, size_t size,
                      const struct input_options *options, struct err *err)
{
    int fd = memfd_create("input", 0);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return input_open_fd(ret_input, fd, name, options, err);
}

static struct input *open_text(const char *name, const char *text,
                               const struct input_options *options)
{
    struct input *input;
    struct err err = {0};
    if (open_bytes(&input, name, text, strlen(text), options, &err) < 0)
        fail_msg("%s", err.message);
    return input;
}

/* The next document must have this id (NULL: none), text and line. */
static void expect(struct input *input, const char *id, const char *text, uint64_t line)
{
    struct input_document document;
    struct err err = {0};
    if (input_next(input, &document, &err) != 1)
        fail_msg("no document: %s", err.message);
    assert_int_equal(document.text_size, strlen(text));
    assert_memory_equal(document.text, text, document.text_size);
    assert_int_equal(document.line, line);
    if (id)
        assert_string_equal(document.id, id);
    else
        assert_null(document.id);
}

static void expect_refused(struct input *input, int code, const char *message)
{
    struct input_document document;
    struct err err = {0};
    assert_int_equal(input_next(input, &document, &err), code);
    if (!strstr(err.message, message))
        fail_msg("'%s' does not say '%s'", err.message, message);
}

static void expect_end(struct input *input)
{
    struct input_document document;
    struct err err = {0};
    assert_int_equal(input_next(input, &document, &err), 0);
}

static void each_line_is_a_document_and_empty_ones_are_counted(void **state)
{
    (void)state;
    struct input_options options = {0};
    struct input *input = open_text("a.txt", "\xEF\xBB\xBFone\r\n\n  \t\ntwo \nthree", &options);
    expect(input, NULL, "one", 1);
    expect(input, NULL, "two ", 4);
    expect(input, NULL, "three", 5);
    expect_end(input);
    assert_int_equal(input_skipped(input).empty, 2);
    assert_int_equal(input_position(input), 23);
    input_close(input);
}

static void a_line_that_is_not_utf8_is_refused_replaced_or_skipped(void **state)
{
    (void)state;
    static const char text[] = "good\nb\xFF"
                               "d\nmore\n";
    struct input_options options = {.invalid_utf8 = INPUT_UTF8_REFUSE};
    struct input *input = open_text("a.txt", text, &options);
    expect(input, NULL, "good", 1);
    expect_refused(input, ERR_INVALID, "a.txt:2: not valid UTF-8 at byte 2");
    expect(input, NULL, "more", 3);
    expect_end(input);
    input_close(input);

    options.invalid_utf8 = INPUT_UTF8_REPLACE;
    input = open_text("a.txt", text, &options);
    expect(input, NULL, "good", 1);
    expect(input, NULL,
           "b\xEF\xBF\xBD"
           "d",
           2);
    input_close(input);

    options.invalid_utf8 = INPUT_UTF8_SKIP;
    input = open_text("a.txt", text, &options);
    expect(input, NULL, "good", 1);
    expect(input, NULL, "more", 3);
    expect_end(input);
    assert_int_equal(input_skipped(input).invalid_utf8, 1);
    input_close(input);
}

static void a_binary_file_is_refused_by_name(void **state)
{
    (void)state;
    struct input_options options = {0};
    struct input *input;
    struct err err = {0};
    assert_int_equal(open_bytes(&input, "x.png", "\x89PNG\0\0", 6, &options, &err),
                     ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "x.png is a binary file"));
    assert_int_equal(input_open(&input, "/nowhere/at/all", &options, &err), ERR_NOT_FOUND);
    assert_int_equal(input_open(&input, "/tmp", &options, &err), ERR_INVALID);
}

/* `size` bytes of 'x'. */
static char *long_text(size_t size)
{
    char *text = malloc(size + 1);
    assert_non_null(text);
    memset(text, 'x', size);
    text[size] = '\0';
    return text;
}

static void a_line_of_ten_megabytes_is_taken_and_one_of_twenty_is_named(void **state)
{
    (void)state;
    struct input_options options = {0};
    size_t ten = 10u << 20, twenty = 20u << 20;
    char *text = long_text(ten + twenty + 10);
    text[ten] = '\n';
    text[ten + 1 + twenty] = '\n';
    struct input *input = open_text("big.txt", text, &options);
    struct input_document document;
    struct err err = {0};
    assert_int_equal(input_next(input, &document, &err), 1);
    assert_int_equal(document.text_size, ten);
    expect_refused(input, ERR_LIMIT, "big.txt:2: a line of more than 16 MiB");
    expect(input, NULL, "xxxxxxxx", 3);
    expect_end(input);
    input_close(input);
    free(text);
}

static void a_nul_byte_later_in_the_file_refuses_its_line(void **state)
{
    (void)state;
    struct input_options options = {0};
    size_t first = 300000; /* beyond the block that tells binary files */
    char *text = long_text(first + 10);
    text[first] = '\n';
    text[first + 3] = '\0';
    text[first + 6] = '\n';
    struct input *input;
    struct input_document document;
    struct err err = {0};
    assert_int_equal(open_bytes(&input, "a.txt", text, first + 10, &options, &err), 0);
    assert_int_equal(input_next(input, &document, &err), 1);
    expect_refused(input, ERR_INVALID, "a.txt:2: a NUL byte");
    expect(input, NULL, "xxx", 3);
    input_close(input);
    free(text);
}

static void a_whole_text_is_one_document_with_its_bytes(void **state)
{
    (void)state;
    struct input_options options = {0};
    struct input *input = open_text("a.md", "\xEF\xBB\xBF# Title\n\nText.\n\n", &options);
    struct input_document document;
    struct err err = {0};
    assert_int_equal(input_next(input, &document, &err), 1);
    assert_int_equal(document.text_size, 14);
    assert_memory_equal(document.text, "# Title\n\nText.", 14);
    assert_int_equal(document.line, 0);
    assert_int_equal(document.byte_start, 3);
    assert_int_equal(document.byte_end, 17);
    expect_end(input);
    input_close(input);

    input = open_text("empty.md", " \n", &options);
    expect_end(input);
    assert_int_equal(input_skipped(input).empty, 1);
    input_close(input);
}

static void the_format_follows_the_name_and_the_place(void **state)
{
    (void)state;
    static const char text[] = "text\nb\n";
    struct input_options options = {0};
    struct input *input = open_text("a.txt", text, &options);
    expect(input, NULL, "text", 1);
    input_close(input);
    input = open_text("a.CSV", text, &options);
    expect(input, NULL, "b", 2);
    input_close(input);
    input = open_text("a.html", text, &options);
    expect(input, NULL, "text\nb", 0);
    input_close(input);
    options.in_folder = true;
    input = open_text("a.txt", text, &options);
    expect(input, NULL, "text\nb", 0);
    input_close(input);
    options.format = INPUT_LINES;
    input = open_text("a.md", text, &options);
    expect(input, NULL, "text", 1);
    input_close(input);
}

static void json_lines_have_id_text_metadata_and_vector(void **state)
{
    (void)state;
    struct input_options options = {0};
    struct input *input = open_text(
        "a.jsonl",
        "{\"id\": \"x\", \"text\": \"one\", \"metadata\": {\"a\": 1}, \"other\": 2}\n\n"
        "{\"id\": 17, \"text\": \"t\\u00e9\", \"vector\": [1, 2]}\r\n{\"text\": \"three\"}",
        &options);
    struct input_document document;
    struct err err = {0};
    assert_int_equal(input_next(input, &document, &err), 1);
    assert_string_equal(document.id, "x");
    assert_int_equal(json_integer_value(json_object_get(document.metadata, "a")), 1);
    assert_int_equal(json_object_size(document.metadata), 1);
    assert_int_equal(input_next(input, &document, &err), 1);
    assert_string_equal(document.id, "17");
    assert_memory_equal(document.text, "t\xC3\xA9", 3);
    assert_int_equal(json_array_size(document.vector), 2);
    assert_null(document.metadata);
    assert_int_equal(document.line, 3);
    expect(input, NULL, "three", 4);
    expect_end(input);
    input_close(input);
}

static void fields_can_be_named(void **state)
{
    (void)state;
    char *columns[] = {(char *)"*"};
    struct input_options options = {.id_column = "key",
                                    .text_column = "body",
                                    .metadata_columns = columns,
                                    .metadata_column_count = 1};
    struct input *input =
        open_text("a.jsonl",
                  "{\"key\": \"k\", \"body\": \"b\", \"n\": 1, \"metadata\": {\"m\": 2}}\n"
                  "{\"body\": \"no key\"}\n{\"key\": \"k\"}\n",
                  &options);
    struct input_document document;
    struct err err = {0};
    assert_int_equal(input_next(input, &document, &err), 1);
    assert_string_equal(document.id, "k");
    assert_int_equal(json_object_size(document.metadata), 2);
    assert_int_equal(json_integer_value(json_object_get(document.metadata, "n")), 1);
    assert_int_equal(json_integer_value(json_object_get(document.metadata, "m")), 2);
    expect_refused(input, ERR_INVALID, "a.jsonl:2: the field \"key\" is missing");
    expect_refused(input, ERR_INVALID, "a.jsonl:3: the field \"body\" is missing");
    expect_end(input);
    input_close(input);
}

static void a_bad_json_line_is_named_and_the_next_is_read(void **state)
{
    (void)state;
    struct input_options options = {0};
    struct input *input = open_text("a.jsonl",
                                    "{\"text\": \"a\"\n[1]\n{\"text\": 3}\n"
                                    "{\"text\": \"a\", \"id\": true}\n"
                                    "{\"text\": \"a\", \"metadata\": []}\n"
                                    "{\"text\": \"a\", \"id\": \"b\\u0000c\"}\n"
                                    "{\"text\": \"\"}\n{\"text\": \"good\"}\n",
                                    &options);
    expect_refused(input, ERR_INVALID, "a.jsonl:1: not valid JSON at line 1 column");
    expect_refused(input, ERR_INVALID, "a.jsonl:2: not a JSON object");
    expect_refused(input, ERR_INVALID, "a.jsonl:3: the field \"text\" must be a string");
    expect_refused(input, ERR_INVALID, "a.jsonl:4: the field \"id\" must be");
    expect_refused(input, ERR_INVALID, "a.jsonl:5: the field \"metadata\" must be an object");
    expect_refused(input, ERR_INVALID, "a.jsonl:6: the field \"id\" has a NUL");
    expect(input, NULL, "good", 8);
    expect_end(input);
    input_close(input);
}

static void csv_has_quotes_line_breaks_and_columns_by_name(void **state)
{
    (void)state;
    char *columns[] = {(char *)"lang", (char *)"n"};
    struct input_options options = {.metadata_columns = columns, .metadata_column_count = 2};
    struct input *input = open_text("a.csv",
                                    "id,lang,text,n\r\n"
                                    "1,en,\"say \"\"hello\"\", please\",7\r\n"
                                    "2,de,\"two\r\nlines\",\n"
                                    "\n"
                                    ",,a \"quote\" inside,\"\"\n"
                                    "4,fr,last,9",
                                    &options);
    struct input_document document;
    struct err err = {0};
    assert_int_equal(input_next(input, &document, &err), 1);
    assert_string_equal(document.id, "1");
    assert_string_equal(document.text, "say \"hello\", please");
    assert_string_equal(json_string_value(json_object_get(document.metadata, "lang")), "en");
    assert_string_equal(json_string_value(json_object_get(document.metadata, "n")), "7");
    assert_int_equal(json_object_size(document.metadata), 2);
    expect(input, "2", "two\r\nlines", 3);
    expect(input, NULL, "a \"quote\" inside", 6);
    expect(input, "4", "last", 7);
    expect_end(input);
    input_close(input);
}

static void a_bad_csv_record_is_named_by_the_line_it_begins_on(void **state)
{
    (void)state;
    struct input_options options = {0};
    struct input *input = open_text("a.csv",
                                    "text,b\n\"two\nlines\",1\nonly one\n\"x\"y,2\ngood,3\n"
                                    "one,two,three\n\"never\nends,4\n",
                                    &options);
    expect(input, NULL, "two\nlines", 2);
    expect_refused(input, ERR_INVALID, "a.csv:4: 1 fields where the header has 2");
    expect_refused(input, ERR_INVALID, "a.csv:5: text after a closing quote");
    expect(input, NULL, "good", 6);
    expect_refused(input, ERR_INVALID, "a.csv:7: 3 fields where the header has 2");
    expect_refused(input, ERR_INVALID, "a.csv:8: a quoted field that begins in this record never");
    expect_end(input);
    input_close(input);
}

static void a_record_beyond_the_limit_is_read_to_its_end(void **state)
{
    (void)state;
    static const char text[] = "a,b\n\"long and\nlonger\",\"x\n\"\nc,d\n1,2,3,4,5,6,7,8,9\ne,f";
    int fd = memfd_create("csv", 0);
    struct stream stream;
    struct csv csv;
    struct err err = {0};
    size_t size;
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(stream_open(&stream, fd, "x", &err), 0);
    csv_start(&csv, ',', 1);
    assert_int_equal(csv_next(&csv, &stream, 12, &err), 1);
    assert_int_equal(csv_next(&csv, &stream, 12, &err), ERR_LIMIT);
    assert_string_equal(err.message, "x:2: a record of more than 12 bytes");
    assert_int_equal(csv_next(&csv, &stream, 12, &err), 1);
    assert_int_equal(csv.line, 5);
    assert_string_equal(csv_field(&csv, 1, &size), "d");
    assert_int_equal(csv_next(&csv, &stream, 12, &err), ERR_LIMIT);
    assert_int_equal(csv_next(&csv, &stream, 12, &err), 1);
    assert_string_equal(csv_field(&csv, 0, &size), "e");
    assert_int_equal(csv_next(&csv, &stream, 12, &err), 0);
    csv_release(&csv);
    stream_close(&stream);
}

static void a_missing_column_is_named_with_those_that_are_there(void **state)
{
    (void)state;
    static const char text[] = "title,body\na,b\n";
    struct input_options options = {0};
    struct input *input;
    struct err err = {0};
    assert_int_equal(open_bytes(&input, "a.csv", text, strlen(text), &options, &err), ERR_INVALID);
    assert_string_equal(
        err.message,
        "a.csv has no column \"text\" (--text-column names another); it has: title, body");
    options.text_column = "body";
    options.id_column = "nr";
    assert_int_equal(open_bytes(&input, "a.csv", text, strlen(text), &options, &err), ERR_INVALID);
    assert_non_null(strstr(err.message, "no column \"nr\" (--id-column"));
}

static void tsv_has_no_quotes(void **state)
{
    (void)state;
    struct input_options options = {0};
    struct input *input =
        open_text("a.tsv", "id\ttext\n1\t\"Great day\" he said, and left\n", &options);
    expect(input, "1", "\"Great day\" he said, and left", 2);
    expect_end(input);
    input_close(input);
}

static void csv_that_is_not_utf8_follows_the_option(void **state)
{
    (void)state;
    char *columns[] = {(char *)"*"};
    struct input_options options = {.metadata_columns = columns, .metadata_column_count = 1};
    static const char text[] = "text,m\nb\xFF,\xFF\ngood,x\n";
    struct input *input = open_text("a.csv", text, &options);
    expect_refused(input, ERR_INVALID, "a.csv:2: not valid UTF-8");
    expect(input, NULL, "good", 3);
    input_close(input);

    options.invalid_utf8 = INPUT_UTF8_REPLACE;
    input = open_text("a.csv", text, &options);
    struct input_document document;
    struct err err = {0};
    assert_int_equal(input_next(input, &document, &err), 1);
    assert_memory_equal(document.text, "b\xEF\xBF\xBD", document.text_size);
    assert_string_equal(json_string_value(json_object_get(document.metadata, "m")), "\xEF\xBF\xBD");
    input_close(input);
}

static void names_of_formats_are_checked(void **state)
{
    (void)state;
    enum input_format format = INPUT_AUTO;
    enum input_utf8 utf8 = INPUT_UTF8_REFUSE;
    struct err err = {0};
    assert_int_equal(input_format_parse(&format, "tsv", &err), 0);
    assert_int_equal(format, INPUT_TSV);
    assert_int_equal(input_format_parse(&format, "xml", &err), ERR_INVALID);
    assert_int_equal(format, INPUT_TSV);
    assert_int_equal(input_utf8_parse(&utf8, "skip", &err), 0);
    assert_int_equal(utf8, INPUT_UTF8_SKIP);
    assert_int_equal(input_utf8_parse(&utf8, "", &err), ERR_INVALID);
}

/* --- folders --- */

static void make_file(const char *folder, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "text", 4), 4);
    close(fd);
}

static void make_folder(const char *folder, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void count_complaint(void *argument, const struct err *err)
{
    (void)err;
    ++*(int *)argument;
}

/* The names found, joined by spaces. */
static void expect_files(const char *folder, char *const *globs, size_t glob_count,
                         const char *expected)
{
    struct folder_files files = {0};
    struct err err = {0};
    struct buf names = {0};
    int complaints = 0;
    assert_int_equal(
        folder_collect(&files, folder, globs, glob_count, count_complaint, &complaints, &err), 0);
    assert_int_equal(complaints, 0);
    for (size_t i = 0; i < files.count; i++) {
        assert_true(files.files[i].in_folder);
        assert_int_equal(files.files[i].size, 4);
        buf_printf(&names, "%s%s", i ? " " : "", files.files[i].path + strlen(folder) + 1);
    }
    assert_string_equal(names.data ? names.data : "", expected);
    buf_release(&names);
    folder_release(&files);
}

static void a_folder_gives_its_files_in_order_without_the_hidden(void **state)
{
    (void)state;
    char folder[] = "/tmp/sbertd-folder-XXXXXX";
    char *md[] = {(char *)"*.md"}, *sub[] = {(char *)"sub/*.txt", (char *)"b*"};
    char command[64];
    struct folder_files files = {0};
    struct err err = {0};
    int complaints = 0;
    assert_non_null(mkdtemp(folder));
    make_folder(folder, "sub");
    make_folder(folder, ".git");
    make_file(folder, "b.md");
    make_file(folder, "a.txt");
    make_file(folder, ".hidden");
    make_file(folder, ".git/config");
    make_file(folder, "sub/c.md");
    make_file(folder, "sub/d.txt");
    expect_files(folder, NULL, 0, "a.txt b.md sub/c.md sub/d.txt");
    expect_files(folder, md, 1, "b.md sub/c.md");
    expect_files(folder, sub, 2, "b.md sub/d.txt");

    char path[64];
    snprintf(path, sizeof path, "%s/a.txt", folder);
    assert_int_equal(folder_collect(&files, path, md, 1, count_complaint, &complaints, &err), 0);
    assert_int_equal(files.count, 1);
    assert_false(files.files[0].in_folder);
    assert_int_equal(
        folder_collect(&files, "/nowhere", NULL, 0, count_complaint, &complaints, &err), 0);
    assert_int_equal(complaints, 1);
    assert_int_equal(folder_collect(&files, "-", NULL, 0, count_complaint, &complaints, &err), 0);
    assert_string_equal(files.files[1].path, "-");
    folder_release(&files);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_line_is_a_document_and_empty_ones_are_counted),
        cmocka_unit_test(a_line_that_is_not_utf8_is_refused_replaced_or_skipped),
        cmocka_unit_test(a_binary_file_is_refused_by_name),
        cmocka_unit_test(a_line_of_ten_megabytes_is_taken_and_one_of_twenty_is_named),
        cmocka_unit_test(a_nul_byte_later_in_the_file_refuses_its_line),
        cmocka_unit_test(a_whole_text_is_one_document_with_its_bytes),
        cmocka_unit_test(the_format_follows_the_name_and_the_place),
        cmocka_unit_test(json_lines_have_id_text_metadata_and_vector),
        cmocka_unit_test(fields_can_be_named),
        cmocka_unit_test(a_bad_json_line_is_named_and_the_next_is_read),
        cmocka_unit_test(csv_has_quotes_line_breaks_and_columns_by_name),
        cmocka_unit_test(a_bad_csv_record_is_named_by_the_line_it_begins_on),
        cmocka_unit_test(a_record_beyond_the_limit_is_read_to_its_end),
        cmocka_unit_test(a_missing_column_is_named_with_those_that_are_there),
        cmocka_unit_test(tsv_has_no_quotes),
        cmocka_unit_test(csv_that_is_not_utf8_follows_the_option),
        cmocka_unit_test(names_of_formats_are_checked),
        cmocka_unit_test(a_folder_gives_its_files_in_order_without_the_hidden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
