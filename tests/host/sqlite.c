/*
 * SQLite, loaded by krtld: it keeps a database in memory and in a file, and answers questions.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sqlite3.h>
#include <criterion/criterion.h>

#include "tests/host/libraries.h"

#define SQL(name) PROCESS_FUNCTION(sqlite, name)

static struct krtld_module *sqlite;

static sqlite3 *open_database(const char *path)
{
	sqlite3 *db = NULL;

	cr_assert_eq(SQL(sqlite3_open)(path, &db), SQLITE_OK);
	return db;
}

static void expect_done(sqlite3 *db, const char *sql)
{
	int code = SQL(sqlite3_exec)(db, sql, NULL, NULL, NULL);

	cr_expect_eq(code, SQLITE_OK, "%s: %s", sql, SQL(sqlite3_errmsg)(db));
}

/* The rows of an answer: columns are separated by '|', rows by ' '. */
static const char *ask(sqlite3 *db, const char *sql)
{
	static char text[512];
	sqlite3_stmt *statement = NULL;
	size_t used = 0;

	text[0] = '\0';
	cr_assert_eq(SQL(sqlite3_prepare_v2)(db, sql, -1, &statement, NULL), SQLITE_OK, "%s: %s",
		     sql, SQL(sqlite3_errmsg)(db));
	while (SQL(sqlite3_step)(statement) == SQLITE_ROW) {
		for (int i = 0; i < SQL(sqlite3_column_count)(statement); i++) {
			const unsigned char *value = SQL(sqlite3_column_text)(statement, i);

			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s",
						 i      ? "|"
						 : used ? " "
							: "",
						 value ? (const char *)value : "NULL");
			cr_assert(used < sizeof(text));
		}
	}
	SQL(sqlite3_finalize)(statement);
	return text;
}

static void expect_answer(sqlite3 *db, const char *sql, const char *want)
{
	const char *got = ask(db, sql);

	cr_expect_str_eq(got, want, "%s\nyields %s, not %s", sql, got, want);
}

/* 1,000 orders of 10 people, in one transaction. */
static void fill(sqlite3 *db)
{
	__typeof__(&sqlite3_bind_double) bind_double = SQL(sqlite3_bind_double);
	__typeof__(&sqlite3_bind_int) bind_int = SQL(sqlite3_bind_int);
	__typeof__(&sqlite3_reset) reset = SQL(sqlite3_reset);
	__typeof__(&sqlite3_step) step = SQL(sqlite3_step);
	sqlite3_stmt *insert;

	expect_done(db, "create table person (id integer primary key, name text unique);"
			"create table orders (id integer primary key, person integer, sum real,"
			" foreign key (person) references person (id));"
			"create index by_person on orders (person, sum);"
			"insert into person (name) values ('ada'), ('bob'), ('cy'), ('di'), ('ed'),"
			" ('flo'), ('gus'), ('hal'), ('ida'), ('jo');"
			"begin");
	cr_assert_eq(SQL(sqlite3_prepare_v2)(db, "insert into orders (person, sum) values (?, ?)",
					     -1, &insert, NULL),
		     SQLITE_OK);
	for (int i = 0; i < 1000; i++) {
		bind_int(insert, 1, 1 + i % 10);
		bind_double(insert, 2, i / 4.0);
		cr_assert_eq(step(insert), SQLITE_DONE);
		reset(insert);
	}
	SQL(sqlite3_finalize)(insert);
	expect_done(db, "commit");
}

static void expect_filled(sqlite3 *db)
{
	expect_answer(db, "select count(*), sum(sum), min(sum), max(sum) from orders",
		      "1000|124875.0|0.0|249.75");
	expect_answer(
	    db,
	    "select name, count(*), sum(sum) from person join orders on person = person.id"
	    " where sum >= 200 group by name order by 3 desc, name limit 3",
	    "jo|20|4520.0 ida|20|4515.0 hal|20|4510.0");
	expect_answer(db, "pragma integrity_check", "ok");
}

static struct world *begin(void)
{
	struct world *world = process_new();

	sqlite = library_load(world, LIBRARY_SQLITE);
	return world;
}

static void end(struct world *world)
{
	cr_expect_eq(SQL(sqlite3_shutdown)(), SQLITE_OK);
	world_unload(world, sqlite);
	world_expect_empty(world);
}

Test(sqlite, a_database_in_memory_is_filled_and_queried)
{
	struct world *world = begin();
	sqlite3 *db = open_database(":memory:");

	cr_expect_str_eq(SQL(sqlite3_libversion)(), SQLITE_VERSION);
	fill(db);
	expect_filled(db);
	cr_expect(strstr(ask(db, "explain query plan select sum from orders where person = 3"),
			 "USING COVERING INDEX by_person"));
	expect_answer(db,
		      "with recursive n(i) as (select 1 union all select i + 1 from n where i < 10)"
		      " select sum(i * i), group_concat(i, '-') from n",
		      "385|1-2-3-4-5-6-7-8-9-10");
	expect_answer(
	    db, "select round(sqrt(2), 6), upper('abc'), printf('%05d', 42), date(0, 'unixepoch')",
	    "1.414214|ABC|00042|1970-01-01");
	cr_expect_eq(SQL(sqlite3_close)(db), SQLITE_OK);
	end(world);
}

Test(sqlite, a_transaction_is_whole_or_nothing)
{
	struct world *world = begin();
	sqlite3 *db = open_database(":memory:");

	fill(db);
	expect_done(db, "begin; delete from orders; update person set name = name || '!'");
	expect_answer(db, "select count(*), (select name from person where id = 1) from orders",
		      "0|ada!");
	expect_done(db, "rollback");
	expect_filled(db);
	SQL(sqlite3_close)(db);
	end(world);
}

Test(sqlite, errors_are_reported)
{
	struct world *world = begin();
	sqlite3 *db = open_database(":memory:");

	fill(db);
	cr_expect_eq(
	    SQL(sqlite3_exec)(db, "insert into person (name) values ('ada')", NULL, NULL, NULL),
	    SQLITE_CONSTRAINT);
	cr_expect_str_eq(SQL(sqlite3_errmsg)(db), "UNIQUE constraint failed: person.name");
	cr_expect_eq(SQL(sqlite3_exec)(db, "selekt 1", NULL, NULL, NULL), SQLITE_ERROR);
	cr_expect_str_eq(SQL(sqlite3_errmsg)(db), "near \"selekt\": syntax error");
	expect_filled(db);
	SQL(sqlite3_close)(db);
	end(world);
}

static void twice(sqlite3_context *context, int n, sqlite3_value **values)
{
	(void)n;
	SQL(sqlite3_result_int)(context, 2 * SQL(sqlite3_value_int)(values[0]));
}

Test(sqlite, a_query_calls_back_into_this_process)
{
	struct world *world = begin();
	sqlite3 *db = open_database(":memory:");

	SQL(sqlite3_create_function)(db, "twice", 1, SQLITE_UTF8, NULL, twice, NULL, NULL);
	expect_answer(db, "select twice(21)", "42");
	SQL(sqlite3_close)(db);
	end(world);
}

/* ---- Patched ---- */

static unsigned copies, lengths;

static void *counted_copy(void *to, const void *from, size_t n)
{
	copies++;
	return memcpy(to, from, n);
}

static size_t counted_length(const char *text)
{
	lengths++;
	return strlen(text);
}

/* Two functions of the C library as hotinlines: counted, or as they are. */
static const struct hot_table *counting_table(void)
{
	struct table *table = table_new();

	table_boot(table, "counted");
	table_hotinline(table, "memcpy", 5);
	table_alternative(table, "counted", "e8 @counted_copy-4", true);
	table_alternative(table, NULL, "e8 @plain_copy-4", true);
	table_hotinline(table, "strlen", 5);
	table_alternative(table, "counted", "e8 @counted_length-4", true);
	table_alternative(table, NULL, "e8 @plain_length-4", true);
	return &table->t;
}

static struct world *begin_patched(const char *features)
{
	struct world *world = process_with(counting_table(), features);
	struct hot_machine *machine = world->machine;
	const uint64_t addresses[] = {process_thunk((void *)counted_copy), machine->stubs[0],
				      process_thunk((void *)counted_length), machine->stubs[1]};

	for (unsigned i = 0; i < 4; i++)
		machine->symbols[i] = addresses[i];
	sqlite = library_load(world, LIBRARY_SQLITE);
	return world;
}

static void expect_counted(const char *features, bool counted)
{
	struct world *world = begin_patched(features);
	sqlite3 *db = open_database(":memory:");
	struct hot_error error;

	copies = lengths = 0;
	fill(db);
	expect_filled(db);
	SQL(sqlite3_close)(db);
	cr_expect(sqlite->nsites > 300, "%u sites", sqlite->nsites);
	cr_expect(counted ? copies > 1000 && lengths > 100 : copies + lengths == 0,
		  "%s: %u copies, %u lengths", features, copies, lengths);
	cr_expect(hot_verify(world->machine, sqlite->texts, sqlite->ntexts, HOT_NOW, &error));
	end(world);
}

Test(sqlite, its_calls_run_what_was_chosen_for_them)
{
	expect_counted("counted", true);
}

Test(sqlite, its_calls_run_the_baseline_where_that_was_chosen)
{
	expect_counted("", false);
}

/* ---- Files ---- */

/* Through the C library's files, and errno where there is none. */
Test(sqlite, a_database_in_a_file_is_there_when_it_is_opened_again)
{
	char path[] = "/tmp/hotinline-sqlite-XXXXXX";
	struct world *world = begin();
	int file = mkstemp(path);
	sqlite3 *db = open_database(path);

	fill(db);
	SQL(sqlite3_close)(db);
	db = open_database(path);
	expect_filled(db);
	SQL(sqlite3_close)(db);
	cr_expect_eq(SQL(sqlite3_open_v2)("/nowhere/at/all", &db, SQLITE_OPEN_READONLY, NULL),
		     SQLITE_CANTOPEN);
	SQL(sqlite3_close)(db);
	close(file);
	unlink(path);
	end(world);
}
